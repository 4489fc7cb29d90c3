"""`kizashi values review`: the table, its sentences, and the suggested diff, from the answer as it crosses the wire."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from kizashi_collector.analysis import (
    DoubleCount,
    EventReview,
    Lag,
    Learned,
    Lift,
    Overdue,
    Period,
    Proportion,
    Review,
    Trend,
)
from kizashi_collector.cli import add_values
from kizashi_collector.cli._values import lines_of, suggested_diff
from kizashi_collector.http._routes._values import _answer, _without_plan
from kizashi_schemas import ValuesAnswer
from kizashi_schemas.plan import load_plan

NOW = 1_790_000_000_000
DAY = 86_400_000
TEXT = """\
currency = "JPY"

[events.mv_cart]    # the cart
value = 300
owner = "growth\\u001b[2J"

[events.mv_search]
action = "primary"
value = 10

[events.mv_carries]
value = "event"

[events.purchase]
final = true
"""
PLAN = load_plan(TEXT)


def reviewed(name: str, **told: Any) -> EventReview:
    rule = PLAN.events[name]
    plain: dict[str, Any] = {
        "step": None,
        "next_step": None,
        "action": rule.action,
        "declared": rule.value,
        "learned": None,
        "journeys": 0,
        "converted": 0,
        "share": None,
        "waiting": 0,
        "lift": None,
        "marginal_gain": None,
        "lag": None,
        "trend": Trend((), None),
        "recent": 0,
        "owner": rule.owner,
        "review_by": rule.review_by,
        "overdue": False,
        "verdict": "unknown",
        "reason": "unseen",
        "sentence": "Unknown: no journey had it; is it sent at all?",
    }
    return EventReview(event=name, **(plain | told))


REVIEW = Review(
    as_of=NOW,
    start=NOW - 104 * DAY,
    end=NOW - 14 * DAY,
    plan=PLAN.id,
    currency="JPY",
    journeys=4_321,
    converted=210,
    fit=None,
    events=(
        reviewed(
            "mv_cart",
            step=1,
            next_step="purchase",
            learned=Learned(1_752_400_000, 1_600_000_000, 1_900_000_000, Proportion(0.2, 0.18, 0.22), "fit"),
            journeys=1_000,
            converted=200,
            share=0.25,
            lift=Lift(6.5, 5.25, 8.0),
            marginal_gain=0.8,
            lag=Lag(1_500, 3 * DAY),
            trend=Trend((Period(NOW - 28 * DAY, NOW - 14 * DAY, 100, 20), Period(NOW - 14 * DAY, NOW, 0, 0)), None),
            recent=1_234,
            owner="growth\u001b[2J",
            review_by=date(2026, 9, 1),
            overdue=True,
            verdict="keep",
            reason="lifts",
            sentence="Keep it: it lifts.",
        ),
        reviewed(
            "mv_search",
            learned=Learned(50_250_000, 0, 99_999_999, Proportion(0.01, 0.0, 0.02), "simple"),
            journeys=2_000,
            converted=20,
            share=0.5,
            lift=Lift(0.98, 0.9, 1.05),
            lag=Lag(60_000, 3_600_000),
            verdict="prune",
            reason="no_lift",
            sentence="Prune it: it lifts nothing.",
        ),
        reviewed("mv_carries"),
    ),
    double_counts=(DoubleCount("mv_search", "purchase", 40, 39, "mv_search and purchase count twice."),),
    overdue=(Overdue("growth\u001b[2J", ("mv_cart",)), Overdue(None, ("mv_search",))),
    sentence="Of 3 micro-conversions, keep 1.",
)


def answer(style: Literal["number", "string"] = "string") -> ValuesAnswer:
    return msgspec.json.decode(msgspec.json.encode(_answer(REVIEW, PLAN, style)), type=ValuesAnswer)


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="kizashi")
    add_values(parser.add_subparsers())
    args = parser.parse_args(["values", "review", *arguments])
    call: Callable[[argparse.Namespace], int] = args.run
    return call(args)


def test_the_table_has_a_row_and_a_sentence_for_each_event_and_ends_with_what_concerns_all() -> None:
    head, *rows = lines_of(answer())
    assert re.split(" {2,}", head) == [
        *("event", "verdict", "declared", "learned", "lift", "converted", "of", "lag p50", "p90", "28 days"),
    ]
    assert re.split(" {2,}", rows[0]) == [
        *("mv_cart", "keep", "300", "1,752 (1,600 to 1,900)", "6.50 (5.25 to 8.00)"),
        *("200", "1,000", "2s", "3.0d", "1,234"),
    ]
    assert rows[1] == "    Keep it: it lifts."
    assert "50.25 (0 to 100)*" in rows[2]
    assert rows[3] == "    Prune it: it lifts nothing."
    assert rows[4].split() == ["mv_carries", "unknown", "event", "-", "-", "0", "0", "-", "-", "0"]
    assert rows[6:] == [
        "",
        "mv_search and purchase count twice.",
        "Review overdue, growth\\x1b[2J: mv_cart.",
        "Review overdue, no owner: mv_search.",
        "Of 3 micro-conversions, keep 1.",
        "4,321 journeys begun from 2026-06-09T14:13:20.000Z to 2026-09-07T14:13:20.000Z, 210 converted; no fit yet; "
        "money in JPY; intervals hold in 90 of 100 cases; lift is observational; * counted simply, without the fit",
    ]


def test_all_columns_stand_below_their_heads() -> None:
    head, first, _, second, *_ = lines_of(answer())
    for name, one, other in (("verdict", "keep", "prune"), ("declared", "300", "10"), ("p90", "3.0d", "1.0h")):
        # Words from the left, numbers from the right.
        left = name == "verdict"
        places = [line.index(text) + (0 if left else len(text)) for line, text in ((first, one), (second, other))]
        assert places == [head.index(name) + (0 if left else len(name))] * 2


def test_without_a_plan_there_is_only_a_sentence() -> None:
    empty = msgspec.json.decode(msgspec.json.encode(_without_plan(NOW)), type=ValuesAnswer)
    assert lines_of(empty) == ["No plan is in force, so that there is nothing to review."]


def test_money_is_written_as_in_the_summary() -> None:
    plain = json.loads(msgspec.json.encode(_answer(REVIEW, PLAN, "number")))
    text = json.loads(msgspec.json.encode(_answer(REVIEW, PLAN, "string")))
    assert [step["declared"] for step in plain["steps"]] == [300, 10, "event"]
    assert [step["declared"] for step in text["steps"]] == ["300", "10", "event"]
    assert plain["steps"][0]["learned"]["value"] == 1752.4
    assert text["steps"][0]["learned"]["value"] == "1752.4"
    assert plain["steps"][0]["lift"]["kind"] == "observational"
    assert plain["steps"][0]["lag_seconds"] == {"p50": 1.5, "p90": 259_200.0}
    assert [period["chance"] for period in plain["steps"][0]["trend"]] == [0.2, None]
    assert plain["from"] == "2026-06-09T14:13:20.000Z"


def test_the_answer_suggests_changes_that_become_a_diff_of_the_file() -> None:
    found = answer()
    assert [(change.event, change.key, change.before, change.after) for change in found.suggestions] == [
        ("mv_cart", "value", "300", "1800"),
        ("mv_search", "action", "primary", "secondary"),
        ("mv_search", "value", "10", None),
    ]
    diff, unplaced = suggested_diff(found, TEXT, "plan.toml")
    assert unplaced == ()
    assert [line for line in diff.splitlines() if line[0] in "+-"] == [
        "--- plan.toml",
        "+++ plan.toml",
        "-value = 300",
        "+value = 1800",
        '-action = "primary"',
        "-value = 10",
        '+action = "secondary"',
        "+# value = 10",
    ]


def test_what_the_file_says_by_now_is_left_alone() -> None:
    diff, unplaced = suggested_diff(answer(), TEXT.replace("300", "1500"), "plan.toml")
    assert "1800" not in diff
    assert [(change.event, change.before) for change in unplaced] == [("mv_cart", "300")]


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "cannot be read: No such file or directory; name a plan file"), (b"\xff", "is not UTF-8 (byte 0)")],
)
def test_a_plan_file_that_cannot_be_read_is_told_of_before_anybody_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, told: str
) -> None:
    file = tmp_path / "plan.toml"
    if content is not None:
        file.write_bytes(content)
    assert run("--diff", str(file), "--endpoint", "http://127.0.0.1:1") == 1
    error = capsys.readouterr().err
    assert told in error
    assert "127.0.0.1" not in error


def test_a_collector_that_is_not_there_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--endpoint", "http://127.0.0.1:1") == 1
    assert "kizashi values: cannot reach http://127.0.0.1:1" in capsys.readouterr().err
