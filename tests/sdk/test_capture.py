"""What track() takes along, and what it is charged for."""

from __future__ import annotations

import tracemalloc
from types import MappingProxyType

import pytest

from kizashi._capture import Record, capture
from kizashi._context import Ambient

AMBIENT = Ambient()


def take(number: int = 0, **fields: object) -> Record:
    given: dict[str, object] = {
        "name": "mv_add_to_cart",
        "actor": f"visitor-{number}",
        "value": 1_200 + number,
        "currency": "JPY",
        "order": None,
        "session": f"session-{number}",
        "source": {"campaign": f"brand-{number}", "device": f"mobile-{number}", "gclid": f"EAIaIQobChMI-{number}"},
        "properties": {"sku": f"A-{number}", "qty": number},
        "time": None,
        "idempotency_key": None,
        "consent": None,
        "adjust": None,
    }
    return capture(**(given | fields), now_ns=1_790_000_000_000_000_000 + number, ambient=AMBIENT)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"properties": {f"key_{at}": at * 1.5 for at in range(64)}},
        {"properties": {"text": "絵文字😀" * 500}},
        {"properties": {"bytes": b"x" * 5_000}},
        {"actor": "v" * 10_000},
        {"source": None, "properties": None},
    ],
    ids=["plain", "many", "wide", "strange", "long", "bare"],
)
def test_a_record_is_charged_for_no_less_than_it_takes(fields: dict[str, object]) -> None:
    def fresh(number: int) -> Record:
        # Values made anew for each, as requests make them; the interpreter would share literals.
        own = {
            key: {name: _anew(value) for name, value in field.items()} if isinstance(field, dict) else _anew(field)
            for key, field in fields.items()
        }
        return take(number, **own)

    fresh(0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        records = [fresh(number) for number in range(1_000, 1_500)]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    charged = sum(record.size for record in records)
    assert taken <= charged
    assert charged < 4 * taken


def _anew(value: object) -> object:
    if isinstance(value, str):
        return "".join(list(value))
    if isinstance(value, bytes):
        return bytes(bytearray(value))
    return value + 0.0 if isinstance(value, float) else value


def test_fifty_thousand_events_fit_into_the_default_queue() -> None:
    assert 50_000 * take(99_999).size <= 96 * 1024 * 1024


def test_mappings_are_copied_whatever_their_kind() -> None:
    properties: dict[str, object] = {"sku": "A-1"}
    record = take(properties=MappingProxyType(properties))
    properties["sku"] = "changed"
    assert record.properties == {"sku": "A-1"}
