"""How many keys values are learned for on demand."""

from __future__ import annotations

import pytest

from kizashi_collector.store._known_keys import MOST_KEYS, bounded

SOURCES = [{}, *({"campaign": f"c{n % 3}", "gclid": f"g{n}", "device": "mobile"} for n in range(9))]


def keys(sources: object, *fields: str) -> list[tuple[str, ...]]:
    assert isinstance(sources, list)
    return [tuple(source.get(field, "") for field in fields) for source in sources]


def test_as_many_keys_as_may_be_are_left_as_they_are() -> None:
    assert bounded(SOURCES, ("gclid",), 10) is SOURCES
    assert bounded(SOURCES, ("campaign", "gclid"), 10) is SOURCES
    assert bounded(SOURCES, ("campaign",), 4) is SOURCES
    assert bounded(SOURCES, (), 1) is SOURCES
    assert bounded([], ("gclid",)) == []


def test_of_more_the_wider_key_is_left_and_no_key_is_taken_for_another() -> None:
    found = keys(bounded(SOURCES, ("campaign", "gclid"), 9), "campaign", "gclid")
    assert [campaign for campaign, _ in found] == ["", *["c0", "c1", "c2"] * 3]
    [other] = {gclid for _, gclid in found}
    assert other not in {source.get("gclid", "") for source in SOURCES}


@pytest.mark.parametrize("fields", [("gclid",), ("gclid", "campaign"), ("gclid", "device", "campaign")])
def test_where_no_wider_key_is_known_either_all_are_one(fields: tuple[str, ...]) -> None:
    [key] = set(keys(bounded(SOURCES, fields, 9), *fields))
    assert key not in keys(SOURCES, *fields)
    assert len(key) == len(fields)


def test_the_bound_is_what_a_question_has_time_for() -> None:
    sources = [{"gclid": str(n)} for n in range(MOST_KEYS + 1)]
    assert bounded(sources[:-1], ("gclid",)) == sources[:-1]
    assert len({source["gclid"] for source in bounded(sources, ("gclid",))}) == 1
