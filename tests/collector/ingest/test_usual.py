"""The usual event is checked in few steps, and no differently."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.ingest._check import FUTURE_TOLERANCE_MS, Checker
from kizashi_collector.ingest._decode import BadBodyError, Format
from kizashi_collector.ingest._usual import UsualEvents
from kizashi_schemas.plan import Plan, load_plan
from tried import tried

NOW = 1_790_000_000_000
DAY = 86_400_000
PLANS: list[Plan | None] = [
    None,
    load_plan(
        'currency = "JPY"\nrates = { USD = 150 }\n[events.mv_view]\n[events.purchase]\nfinal = true\nvalue = 1\n'
    ),
    load_plan('currency = "JPY"\nunplanned = "reject"\n[events.mv_view]\n'),
]
texts = st.one_of(st.text(max_size=5), st.sampled_from(["x" * 200, "x" * 201, "x" * 501, "é\u0000😀"]))
anything = st.one_of(
    *(st.none(), st.booleans(), st.integers(-(2**65), 2**65), st.floats(allow_nan=False), texts),
    *(st.just([1]), st.just({"a": 1})),
)
keys = st.sampled_from(["sku", "qty", "campaign", "Bad", "", "a" * 65, "a\n", "never_seen_before"])
fields: dict[str, st.SearchStrategy[Any]] = {
    "id": st.sampled_from(["e-1", "", "x" * 64, "x" * 65, 7, None]),
    "name": st.sampled_from(["mv_view", "purchase", "unplanned", "Bad", "a\n", None]),
    "time": st.sampled_from(
        [
            *(NOW, NOW + FUTURE_TOLERANCE_MS, NOW + FUTURE_TOLERANCE_MS + 1, NOW - DAY, NOW - DAY - 1, 0, -1, 2**60),
            *(1.5, "2026-09-21T14:13:20Z", "yesterday"),
        ]
    ),
    "actor": st.one_of(st.just("v-1"), texts, st.none(), st.just(7)),
    "value": st.one_of(st.integers(-1, 10**10 + 1), st.sampled_from([1.5, 12.0, "12", "x", True, None, 1e400])),
    "currency": st.sampled_from(["JPY", "USD", "EUR", "XXX", "", None, 7]),
    "order": st.one_of(st.none(), texts),
    "session": st.one_of(st.none(), texts, st.just(1)),
    "adjust": st.sampled_from([None, "restate", "retract", "other"]),
    "source": st.one_of(st.none(), st.dictionaries(keys, texts | st.just(1), max_size=4), st.just([]), st.just({})),
    "properties": st.one_of(st.none(), st.dictionaries(keys, anything, max_size=4), st.just("x")),
    "consent": st.sampled_from([None, {}, {"ads": True}, {"ads": 1}]),
    "unknown": anything,
}
usual = {"id": "e-1", "name": "mv_view", "time": NOW, "actor": "v-1"}
# Most events differ from the usual one in a field or two: what both ways agree on would drown in refusals otherwise.
events = st.dictionaries(st.sampled_from(sorted(fields)), st.none(), max_size=3).flatmap(
    lambda chosen: st.fixed_dictionaries({name: fields[name] for name in chosen}).map(lambda given: usual | given)
)


def written(event: dict[str, Any], kind: Format) -> msgspec.Raw:
    if kind == "json":
        return msgspec.Raw(json.dumps(event, ensure_ascii=False).replace("Infinity", "1e400").encode())
    return msgspec.Raw(msgspec.msgpack.encode(event))


def in_full(checker: Checker, raws: list[msgspec.Raw]) -> list[LoggedEvent] | None:
    """The events, where the full check finds nothing against any of them."""
    try:
        candidates = [checker.check_in_full(raw) for raw in raws]
    except BadBodyError:
        return None
    events = [candidate.event for candidate in candidates if candidate.refusal is None and candidate.event is not None]
    return events if len(events) == len(raws) else None


@tried(800)
@given(
    st.lists(events, min_size=1, max_size=3),
    st.sampled_from(PLANS),
    st.sampled_from(["json", "msgpack"]),
    st.sampled_from([0, 7, -DAY]),
    st.booleans(),
)
def test_what_passes_as_usual_is_what_the_full_check_makes_of_it(
    batch: list[dict[str, Any]], plan: Plan | None, kind: Format, shift: int, retained: bool
) -> None:
    try:
        raws = [written(event, kind) for event in batch]
    except OverflowError:
        return  # no number of MessagePack's
    retention = DAY if retained else None
    said: dict[str, Any] = {"received_at": NOW, "shift": shift, "imported": False, "retention": retention}
    found = UsualEvents(kind, plan, **said, latest=NOW + FUTURE_TOLERANCE_MS).read(raws)
    if found is not None:
        assert [found.event(at) for at in range(len(found))] == in_full(Checker(kind, plan, **said), raws)


@given(
    st.lists(st.sampled_from([1, 0, 12.5, 0.001, "12.50", "x", None, 1e300]), min_size=1, max_size=4),
    st.lists(st.sampled_from(["USD", "JPY", None]), min_size=4, max_size=4),
)
def test_decimals_are_read_from_their_text(values: list[Any], currencies: list[str | None]) -> None:
    batch = [
        usual | {"value": value} | ({"currency": currency} if currency else {})
        for value, currency in zip(values, currencies, strict=False)
    ]
    raws = [written(event, "json") for event in batch]
    said: dict[str, Any] = {"received_at": NOW, "shift": 0, "imported": False, "retention": None}
    found = UsualEvents("json", PLANS[1], **said, latest=NOW).read(raws)
    expected = in_full(Checker("json", PLANS[1], **said), raws)
    assert (None if found is None else [found.event(at) for at in range(len(found))]) == expected


@pytest.mark.parametrize("plan", PLANS, ids=["none", "accept", "reject"])
@pytest.mark.parametrize("kind", ["json", "msgpack"])
def test_the_event_of_the_documentation_is_usual(plan: Plan | None, kind: Format) -> None:
    event = usual | {
        "value": 1200,
        "currency": "JPY",
        "order": None,
        "session": "s-1",
        "source": {"campaign": "brand", "device": "mobile", "gclid": "EAIa"},
        "properties": {"sku": "A-1", "qty": 2},
    }
    reader = UsualEvents(kind, plan, received_at=NOW, shift=0, imported=False, retention=None, latest=NOW)
    assert reader.read([written(event, kind)]) is not None


def test_an_event_longer_than_may_be_is_not_usual_however_it_is_written() -> None:
    raw = msgspec.Raw(json.dumps(usual).encode()[:-1] + b" " * 32_768 + b"}")
    reader = UsualEvents("json", None, received_at=NOW, shift=0, imported=False, retention=None, latest=NOW)
    assert reader.read([raw]) is None
