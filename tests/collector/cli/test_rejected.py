"""`kizashi rejected` and `kizashi erase`: what they ask, print and exit with, against a real collector."""

from __future__ import annotations

import argparse
import asyncio
import json
import tomllib
from pathlib import Path

import pytest

from kizashi_collector.cli import add_erase, add_rejected
from live_collector import LiveCollector, event
from pages import Reader

STRICT = 'currency = "JPY"\nunplanned = "reject"\n[events.mv_view]\n'


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="kizashi")
    commands = parser.add_subparsers()
    add_rejected(commands)
    add_erase(commands)
    args = parser.parse_args(arguments)
    status: int = args.run(args)
    return status


async def kizashi(collector: LiveCollector, *arguments: str, key: str = "a-secret") -> int:
    return await asyncio.to_thread(run, *arguments, "--endpoint", collector.url, "--key", key)


async def plan(collector: LiveCollector, text: str) -> None:
    headers = {"Content-Type": "application/toml"}
    async with collector.ask("POST", "/v1/plan", scope="admin", data=text, headers=headers) as response:
        assert response.status == 200


async def test_rejected_events_are_listed_and_replayed(
    collector: LiveCollector, capsys: pytest.CaptureFixture[str]
) -> None:
    await plan(collector, STRICT)
    await collector.post([event("mv_new", id="one"), event("BAD", id="two\u001b[2J"), event("mv_new", id="three")])
    assert await kizashi(collector, "rejected", "list", "--limit", "2", key="r-secret") == 0
    head, first, second, total = capsys.readouterr().out.splitlines()
    assert head.split() == ["received", "code", "id", "message"]
    assert first.split()[:3] == ["2026-09-21T14:13:20.000Z", "unplanned", "three"]
    assert second.split()[:3] == ["2026-09-21T14:13:20.000Z", "bad_name", "two\\x1b[2J"]
    assert total == "3 rejected (bad_name 1, unplanned 2)"
    assert await kizashi(collector, "rejected", "list", "--code", "bad_name", "--since", "0", "--json") == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)["rejected"]] == ["two\u001b[2J"]
    await plan(collector, STRICT + "[events.mv_new]\n")
    assert await kizashi(collector, "rejected", "replay", "--code", "unplanned", "--id", "one") == 0
    assert capsys.readouterr().out == "1 tried: 1 accepted, 0 were stored already, 0 stay rejected\n"
    assert await kizashi(collector, "rejected", "replay", "--since", "2026-01-01T00:00:00Z", "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "tried": 2,
        "accepted": 1,
        "duplicates": 0,
        "rejected": 1,
        "codes": {"bad_name": 1},
    }
    assert (await collector.summary()).total.events["mv_new"].count == 2


async def test_an_actor_is_erased(collector: LiveCollector, capsys: pytest.CaptureFixture[str]) -> None:
    await collector.post([event(actor="a/b c"), event(actor="a")])
    assert await kizashi(collector, "erase", "a/b c") == 0
    assert capsys.readouterr().out == "1 events and 0 rejected ones erased\n"
    assert await kizashi(collector, "erase", "--json", "a/b c") == 0
    assert json.loads(capsys.readouterr().out) == {"events": 0, "rejected": 0}
    assert (await collector.summary()).total.actors == 1


@pytest.mark.parametrize("command", [["rejected", "replay"], ["erase", "somebody"]])
async def test_what_is_in_the_way_is_told(
    collector: LiveCollector,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
) -> None:
    assert await kizashi(collector, *command, key="r-secret") == 1
    assert "wrong_scope: this key's scope is read, and this needs admin" in capsys.readouterr().err
    monkeypatch.delenv("KIZASHI_ENDPOINT", raising=False)
    for endpoint, told in [
        ([], "no endpoint; give --endpoint or KIZASHI_ENDPOINT"),
        (["--endpoint", "file:///etc"], "is no URL"),
        (["--endpoint", "http://127.0.0.1:1"], "cannot reach http://127.0.0.1:1"),
        (["--endpoint", f"{collector.url}/nowhere"], "not_found"),
    ]:
        assert await asyncio.to_thread(run, *command, *endpoint) == 1
        assert told in capsys.readouterr().err


def test_a_wrong_limit_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("rejected", "list", "--limit", "0")
    assert "'0' is not a whole number from 1 to 1000" in capsys.readouterr().err


def test_both_commands_join_the_program() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))
    commands = project["project"]["entry-points"]["kizashi.commands"]
    assert commands["rejected"] == "kizashi_collector.cli:add_rejected"
    assert commands["erase"] == "kizashi_collector.cli:add_erase"


async def test_the_page_is_followed_from_the_refusal_to_the_mended_plan(
    collector: LiveCollector, tmp_path: Path
) -> None:
    def follow(*left_out: str) -> None:
        places = {"kz_admin_…": "a-secret", "http://127.0.0.1:8700": collector.url}
        with Reader(tmp_path, places) as reader:
            reader.follow("docs/rejected.md", dict.fromkeys(left_out, "is for the other half"))

    await plan(collector, STRICT)
    await collector.post([event("mv_wishlist", id="e-1001")])
    await asyncio.to_thread(follow, "kizashi rejected replay", "curl")
    await plan(collector, STRICT + "[events.mv_wishlist]\n")
    await asyncio.to_thread(follow, "kizashi rejected list")
    async with collector.ask("GET", "/v1/rejected") as response:
        assert (await response.json())["total"] == 0
