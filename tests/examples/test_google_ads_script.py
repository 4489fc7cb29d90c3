"""The Google Ads script, run under Node; Google's services are played by google_ads.js, kizashi plays itself."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from examples.conftest import Server

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "google_ads_script.js"
STAGE = Path(__file__).with_name("google_ads.js")
QUERY = "/v1/summary?window=7d&by=campaign&money=string"
Play = Callable[..., dict[str, Any]]


def campaign(name: str, *cpcs: float, strategy: str = "MANUAL_CPC", status: str = "ENABLED") -> dict[str, Any]:
    groups = [
        {"name": f"group {n}", "status": "ENABLED", "strategy": strategy, "cpc": cpc} for n, cpc in enumerate(cpcs, 1)
    ]
    return {"name": name, "status": status, "adGroups": groups}


@pytest.fixture
def play(node: str, quiet_collector: Server) -> Play:
    """Run the script once and say what it did."""

    def run_script(
        *campaigns: dict[str, Any],
        answers: list[dict[str, Any]] | None = None,
        properties: dict[str, str] | None = None,
        currency: str = "JPY",
        preview: bool = False,
        **config: object,
    ) -> dict[str, Any]:
        scenario = {
            "script": str(SCRIPT),
            "config": {"endpoint": quiet_collector.url, "readKey": "key-of-the-bidder", **config},
            "currency": currency,
            "preview": preview,
            "properties": properties or {},
            "campaigns": campaigns,
            "answers": answers,
        }
        done = subprocess.run(
            [node, str(STAGE)],
            input=json.dumps(scenario),
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        happened: dict[str, Any] = json.loads(done.stdout)
        return happened

    return run_script


@pytest.fixture
def captured(quiet_collector: Server) -> dict[str, Any]:
    """What the real collector answers, as the stage keeps answers."""
    request = urllib.request.Request(quiet_collector.url + QUERY, headers={"Authorization": "Bearer key-of-the-bidder"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        return {"status": answer.status, "headers": dict(answer.headers), "body": answer.read().decode()}


def made_ready(captured: dict[str, Any], **bid_values: str) -> dict[str, Any]:
    """The captured answer with values in it, as it will be once they are fitted."""
    body = json.loads(captured["body"])
    for row in body["rows"]:
        if row["key"]["campaign"] in bid_values:
            row.update(ready=True, reason=None, bid_value=bid_values[row["key"]["campaign"]], actors=100)
    return {**captured, "body": json.dumps(body)}


def test_while_values_are_not_ready_every_bid_stays(play: Play) -> None:
    happened = play(campaign("brand", 100), campaign("gift_season", 80), campaign("new", 50), dryRun=False)

    assert happened["error"] is None
    assert happened["sets"] == []
    assert happened["logs"] == [
        "brand: bids stay (not ready: thin); actors 2, final_value 9800, declared_value 9800",
        "gift_season: bids stay (not ready: thin); actors 1, final_value 0, declared_value 0",
        "new: bids stay (kizashi has seen nobody from it in 7d)",
    ]


def test_the_second_run_is_a_304_of_the_real_collector(play: Play) -> None:
    first = play(campaign("brand", 100), dryRun=False)
    second = play(campaign("brand", 100), dryRun=False, properties=first["properties"])

    assert "If-None-Match" not in first["requests"][0]["headers"]
    assert second["requests"][0]["headers"]["If-None-Match"].startswith('W/"')
    assert second["logs"] == ["304: no number changed, every bid stays"]
    assert second["properties"] == first["properties"]


def test_an_unknown_key_ends_it_with_a_remedy(play: Play) -> None:
    happened = play(campaign("brand", 100), readKey="nobodys-key")

    assert happened["error"].startswith("the collector answered 401: ")
    assert "kizashi keys create --scope read" in happened["error"]


def test_bids_follow_bid_value_within_their_bounds(play: Play, captured: dict[str, Any]) -> None:
    happened = play(
        campaign("brand", 100, 119.5),
        campaign("gift_season", 80),
        answers=[made_ready(captured, brand="48000", gift_season="0")],
        dryRun=False,
    )

    assert happened["error"] is None
    assert happened["sets"] == [
        {"campaign": "brand", "adGroup": "group 1", "cpc": 120},
        {"campaign": "brand", "adGroup": "group 2", "cpc": 120},
        {"campaign": "gift_season", "adGroup": "group 1", "cpc": 64},
    ]
    assert happened["logs"][0] == "brand / group 1: bid 100 -> 120 (480.00 an actor, target 120.00)"
    assert happened["properties"] == {}, "a bid was held back, so that the next run must not be a 304"


def test_a_settled_answer_is_remembered(play: Play, captured: dict[str, Any]) -> None:
    answer = made_ready(captured, brand="44000")

    happened = play(campaign("brand", 100), answers=[answer], dryRun=False)

    assert happened["sets"] == [{"campaign": "brand", "adGroup": "group 1", "cpc": 110}]
    assert json.loads(happened["properties"]["kizashi_etag"])["etag"] == captured["headers"]["ETag"]


def test_dollars_move_by_cents(play: Play, captured: dict[str, Any]) -> None:
    body = json.loads(made_ready(captured, brand="460")["body"]) | {"currency": "USD"}

    happened = play(
        campaign("brand", 1.0),
        answers=[{**captured, "body": json.dumps(body)}],
        currency="USD",
        bidStep=0.01,
        dryRun=False,
    )

    assert happened["sets"] == [{"campaign": "brand", "adGroup": "group 1", "cpc": 1.15}]


@pytest.mark.parametrize("setting", ["dry run", "preview"])
def test_a_rehearsal_sets_and_remembers_nothing(play: Play, captured: dict[str, Any], setting: str) -> None:
    how: dict[str, Any] = {"preview": True, "dryRun": False} if setting == "preview" else {}

    happened = play(campaign("brand", 100), answers=[made_ready(captured, brand="44000")], **how)

    assert happened["logs"] == ["brand / group 1: bid 100 -> 110 (440.00 an actor, target 110.00) [dry run]"]
    assert happened["sets"] == []
    assert happened["properties"] == {}


def test_it_leaves_alone_what_is_not_its_business(play: Play, captured: dict[str, Any]) -> None:
    happened = play(
        campaign("brand", 100, strategy="TARGET_SPEND"),
        campaign("gift_season", 80, status="PAUSED"),
        answers=[made_ready(captured, brand="44000", gift_season="44000")],
        dryRun=False,
    )

    assert happened["sets"] == []
    assert happened["logs"] == ["brand / group 1: left alone (TARGET_SPEND sets its bids)"]


def test_another_currency_is_not_mistaken_for_the_accounts(play: Play, captured: dict[str, Any]) -> None:
    happened = play(campaign("brand", 100), answers=[made_ready(captured, brand="44000")], currency="USD", dryRun=False)

    assert happened["error"] == "kizashi's values are in JPY, this account bids in USD; every bid stays"
    assert happened["sets"] == []


@pytest.mark.parametrize(
    "answer",
    [{"status": 503, "headers": {}, "body": ""}, {"status": 429, "headers": {}, "body": ""}, {"error": "Timeout"}],
    ids=["503", "429", "no answer"],
)
def test_a_collector_in_trouble_leaves_every_bid(play: Play, answer: dict[str, Any]) -> None:
    kept = {"kizashi_etag": json.dumps({"question": "another one", "etag": 'W/"1"'})}

    happened = play(campaign("brand", 100), answers=[answer], dryRun=False, properties=kept)

    assert happened["error"] is None
    assert happened["sets"] == []
    assert happened["logs"][0].startswith("every bid stays: ")
    assert happened["properties"] == kept
    assert "If-None-Match" not in happened["requests"][0]["headers"], "a tag goes with its own question only"


def test_all_pages_are_read_before_any_bid_moves(play: Play, captured: dict[str, Any]) -> None:
    body = json.loads(made_ready(captured, brand="44000", gift_season="36000")["body"])
    pages = [
        {**captured, "body": json.dumps(body | {"rows": rows} | ({"next_cursor": "a=b"} if n == 0 else {}))}
        for n, rows in enumerate(([body["rows"][1]], [body["rows"][2]]))
    ]

    whole = play(campaign("brand", 100), campaign("gift_season", 100), answers=pages, dryRun=False)
    broken = play(campaign("brand", 100), answers=[pages[0], {"error": "Timeout"}], dryRun=False)

    assert [done["cpc"] for done in whole["sets"]] == [110, 90]
    assert whole["requests"][1]["url"].endswith(QUERY + "&cursor=a%3Db")
    assert whole["properties"] == {}, "a tag covers its own page alone"
    assert broken["sets"] == []
