"""The field's own funnel cases, as plain data, run through `evaluate_funnel`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kizashi_collector.analysis import Interval, LoggedEvent, Worth, evaluate_funnel
from kizashi_schemas import DAY_MS, Exclusion, Funnel, FunnelError, Histogram, Step, check_funnel, parse_time
from oracle.timelines import counts

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "funnel_cases.json"
if not DATA.exists():
    pytest.skip("shared/data is not beside the project", allow_module_level=True)

CASES: list[dict[str, Any]] = json.loads(DATA.read_text(encoding="utf-8"))
INTERVAL = Interval(
    parse_time("2012-01-01T00:00:00Z"), parse_time("2025-01-01T00:00:00Z"), parse_time(1_800_000_000_000)
)

NOT_EXPRESSIBLE: dict[str, str] = {}
"""Cases that the API cannot state, each with the reason. There are none."""

EXPRESSIBLE = [case for case in CASES if case["name"] not in NOT_EXPRESSIBLE]
READ = {
    *("counts", "actors", "avg_seconds_from_previous", "median_seconds_from_previous", "by_breakdown"),
    *("trend_by_entry_day", "time_to_convert", "error_for_ranges"),
    *("mixpanel_default", "mixpanel_optimized_reentry", "clickhouse_level"),
}
"""Every kind of expectation that the test below looks at."""


def having(expectation: str) -> pytest.MarkDecorator:
    cases = [case for case in EXPRESSIBLE if expectation in case["expected"]]
    assert cases, expectation
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def name_of(text: str) -> str:
    return text.lower()


def log_of(case: dict[str, Any]) -> list[LoggedEvent]:
    times = [parse_time(time) for _, _, time, _ in case["events"]]
    return [
        LoggedEvent(
            id=f"e{number:03}",
            name=name_of(name),
            time=time,
            received_at=time,
            actor=actor,
            properties=properties,
        )
        for number, (time, (actor, name, _, properties)) in enumerate(zip(times, case["events"], strict=True))
    ]


def funnel_of(case: dict[str, Any], **rules: Any) -> Funnel:
    exclude = [
        Exclusion(event=name_of(rule["event"]), where=where_of(rule), from_=rule["from_step"], to=rule["to_step"])
        for rule in case["exclusions"]
        if isinstance(rule["from_step"], int)
    ]
    steps: list[str | Step] = [
        name_of(step) if isinstance(step, str) else Step(event=name_of(step["event"]), where=where_of(step))
        for step in case["steps"]
    ]
    funnel = Funnel(
        **{
            "steps": steps,
            "order": case["order_type"],
            "conversion_window": f"{case['window_seconds']}s",
            "exclude": exclude,
            "optional": case.get("optional_steps", []),
        }
        | rules
    )
    check_funnel(funnel)
    return funnel


def where_of(condition: dict[str, Any]) -> dict[str, Any]:
    return {f"properties.{key}": value for key, value in condition.get("where", {}).items()}


def evaluate(log: list[LoggedEvent], funnel: Funnel, **query: Any) -> Any:
    return evaluate_funnel(log, funnel, INTERVAL, worth=Worth(None, []), **query)


def test_what_the_api_cannot_express_is_exactly_this_list() -> None:
    assert {case["name"] for case in CASES} >= set(NOT_EXPRESSIBLE)
    assert len(CASES) == 28
    assert len(EXPRESSIBLE) == 28


@pytest.mark.parametrize("case", EXPRESSIBLE, ids=[case["name"] for case in EXPRESSIBLE])
def test_no_expectation_of_a_case_goes_unread(case: dict[str, Any]) -> None:
    assert case["expected"]
    assert set(case["expected"]) <= READ


@having("counts")
def test_counts(case: dict[str, Any]) -> None:
    assert counts(evaluate(log_of(case), funnel_of(case))) == case["expected"]["counts"]


@having("actors")
def test_actors_at_each_step(case: dict[str, Any]) -> None:
    log, funnel = log_of(case), funnel_of(case)
    alone = {
        actor: counts(evaluate([event for event in log if event.actor == actor], funnel))
        for actor in sorted({str(event.actor) for event in log})
    }
    for step, expected in enumerate(case["expected"]["actors"]):
        assert [actor for actor, own in alone.items() if own[step]] == sorted(expected)


@having("avg_seconds_from_previous")
def test_mean_seconds(case: dict[str, Any]) -> None:
    for step, expected in zip(
        evaluate(log_of(case), funnel_of(case)).steps, case["expected"]["avg_seconds_from_previous"], strict=True
    ):
        assert step.mean_ms == (None if expected is None else expected * 1000)


@having("median_seconds_from_previous")
def test_median_seconds(case: dict[str, Any]) -> None:
    for step, expected in zip(
        evaluate(log_of(case), funnel_of(case)).steps, case["expected"]["median_seconds_from_previous"], strict=True
    ):
        assert step.median_ms == (None if expected is None else expected * 1000)


@having("by_breakdown")
def test_breakdown(case: dict[str, Any]) -> None:
    attribution = {"first_touch": "first", "step_1": "step:1"}[case["breakdown"]["attribution"]]
    key = f"properties.{case['breakdown']['property']}"
    figures = evaluate(log_of(case), funnel_of(case), by=(key,), attribution=attribution)
    assert {group.key[0]: counts(group.steps) for group in figures.groups} == case["expected"]["by_breakdown"]


@having("trend_by_entry_day")
def test_trend(case: dict[str, Any]) -> None:
    trend = evaluate(log_of(case), funnel_of(case, trend=True)).trend
    assert len(trend) == (INTERVAL.end - INTERVAL.start) // DAY_MS + 1
    assert {
        day.day.isoformat(): {"from": day.entered, "to": day.completed, "rate": day.rate * 100}
        for day in trend
        if day.entered
    } == case["expected"]["trend_by_entry_day"]


@having("time_to_convert")
def test_time_to_convert(case: dict[str, Any]) -> None:
    expected = case["expected"]["time_to_convert"]
    edges = Histogram(from_=expected["from_step"], to=expected["to_step"], bins=len(expected["bins"]) - 1)
    figures = evaluate(log_of(case), funnel_of(case, histogram=edges))
    assert [[edge / 1000, count] for edge, count in figures.histogram] == expected["bins"]
    assert figures.steps[expected["to_step"]].mean_ms == expected["avg_seconds"] * 1000


@having("error_for_ranges")
def test_impossible_ranges_are_refused(case: dict[str, Any]) -> None:
    event = case["exclusions"][0]["event"]
    for begin, end in case["expected"]["error_for_ranges"]:
        with pytest.raises(FunnelError, match="exclude"):
            funnel_of(case, exclude=[Exclusion(event=event, from_=begin, to=end)])


@having("mixpanel_default")
def test_the_dialects_of_reentry(case: dict[str, Any]) -> None:
    log, expected = log_of(case), case["expected"]
    assert counts(evaluate(log, funnel_of(case, entry="first"))) == expected["mixpanel_default"]
    assert counts(evaluate(log, funnel_of(case, entry="latest"))) == expected["mixpanel_optimized_reentry"]


@having("clickhouse_level")
def test_the_dialects_of_strictness(case: dict[str, Any]) -> None:
    log, expected = log_of(case), case["expected"]["clickhouse_level"]
    assert sum(counts(evaluate(log, funnel_of(case)))) == expected["default"]
    assert sum(counts(evaluate(log, funnel_of(case, order="strict")))) == expected["strict_order"]


def test_the_default_window_is_the_one_of_the_case() -> None:
    case = next(case for case in CASES if case["name"] == "window_default_is_14_days")
    funnel = Funnel(steps=case["steps"])
    assert counts(evaluate(log_of(case), funnel)) == case["expected"]["counts"]
    assert funnel.conversion_window == f"{case['window_seconds'] // 86_400}d"
