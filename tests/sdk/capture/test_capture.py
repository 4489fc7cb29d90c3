"""What track() takes along, and what it is charged for."""

from __future__ import annotations

import inspect
import tracemalloc
from collections.abc import Callable
from operator import itemgetter
from types import MappingProxyType
from typing import Any

import msgspec
import pytest

import kizashi
from kizashi import UsageError
from kizashi._capture import Call, Record, capture, known_names
from kizashi._capture._context import ambient

ARGUMENTS = tuple(inspect.signature(kizashi.track).parameters)


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
    return capture(
        tuple((given | fields)[argument] for argument in ARGUMENTS),  # type: ignore[arg-type]  # as many as it takes
        1_790_000_000_000_000_000 + number,
        ambient(),
    )


def said(record: Record) -> Any:
    return msgspec.json.decode(record.call, type=Call) if isinstance(record.call, bytes) else record.call


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"properties": {f"key_{at}": at * 1.5 for at in range(64)}},
        {"properties": {"text": "絵文字😀" * 500}},
        {"properties": {"bytes": b"x" * 5_000}},
        {"actor": "v" * 10_000},
        {"source": None, "properties": None},
        {"properties": {f"a_rather_long_key_of_the_sites_{at}": None for at in range(64)}},
        {"properties": {"wide": "😀" * 500}, "currency": "c" * 5_000, "adjust": "a" * 5_000},
        {"around": {"actor": "v" * 1_000, "source": {"campaign": "b" * 400, "device": "mobile"}}},
        {"properties": {"model": "x" * 100_000}},
    ],
    ids=["plain", "many", "wide", "strange", "long", "bare", "keys", "currency", "context", "huge"],
)
def test_a_record_is_charged_for_no_less_than_it_takes(fields: dict[str, object]) -> None:
    def fresh(number: int) -> Record:
        # Values made anew for each, as requests make them; the interpreter would share literals.
        own = {key: _anew(field) for key, field in fields.items()}
        around = own.pop("around", None)
        if not isinstance(around, dict):
            return take(number, **own)
        with kizashi.context(**around):
            return take(number, **own)

    fresh(0)
    # The least of some measurements: what other threads of the process take meanwhile is counted too.
    taken, records = min((_measured(fresh) for _ in range(3)), key=itemgetter(0))
    charged = sum(record.size for record in records)
    assert taken <= charged
    assert charged < 4 * taken


def _measured(fresh: Callable[[int], Record]) -> tuple[int, list[Record]]:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        records = [fresh(number) for number in range(1_000, 1_500)]
        return tracemalloc.get_traced_memory()[0] - before, records
    finally:
        tracemalloc.stop()


def _anew(value: object) -> object:
    if isinstance(value, dict):
        return {_anew(key): _anew(inner) for key, inner in value.items()}
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
    assert said(record).properties == {"sku": "A-1"}


@pytest.mark.parametrize("nested", [["x" * 1_000] * 1_000, {"a": "b"}, object(), b"x" * 5_000])
def test_nothing_nested_is_held(nested: object) -> None:
    record = take(actor=nested, properties={"deep": nested, "sku": "A-1"})
    assert isinstance(said(record).properties, dict)
    assert said(record).properties["sku"] == "A-1"
    for kept in (said(record).actor, said(record).properties["deep"]):
        assert kept is not nested
        assert type(kept).__name__ == type(nested).__name__
        assert not hasattr(kept, "__dict__")


def test_texts_beyond_an_events_size_are_not_held_whole() -> None:
    record = take(actor="v" * 10**6, properties={"note": "x" * 10**6})
    assert len(str(said(record).actor)) == len(said(record).properties["note"]) == 32 * 1024 + 1


def test_subclasses_are_held_as_what_they_are() -> None:
    class Text(str):
        baggage = "x"

    record = take(actor=Text("v-1"), properties={Text("sku"): Text("A-1")})
    assert type(said(record).actor) is str
    assert said(record).properties == {"sku": "A-1"}
    assert [type(part) for pair in said(record).properties.items() for part in pair] == [str, str]


def test_mappings_beyond_measure_are_not_copied() -> None:
    with pytest.raises(UsageError, match="properties has 1001 keys"):
        take(properties={f"k_{at}": at for at in range(1_001)})


def test_a_call_of_known_names_is_sealed_and_charged_for_what_it_takes() -> None:
    known_names.update(("mv_add_to_cart", "sku", "qty", "campaign", "device", "gclid"))
    record = take()
    assert isinstance(record.call, bytes)
    assert msgspec.json.decode(record.call)["properties"] == {"sku": "A-0", "qty": 0}
    assert len(record.call) < record.size < len(record.call) + 400


UNUSUAL: dict[str, list[object]] = {
    "value": [-1, 10**10 + 1, 1.5, "12", True, []],
    "actor": ["", "v" * 201, 7, True, b"v", "\ud800", [1]],
    "properties": [
        *({"sku": item} for item in (float("nan"), float("inf"), 2**64, b"x", object)),
        *({"sku": []}, {"sku": {}}),
        *({key: 1} for key in ("Sku", "never_seen_before", 1, b"sku", None)),
        *([1], {}, {f"k_{at}": 1 for at in range(65)}),
    ],
    "source": [{"campaign": 1}, {"campaign": None}, {"campaign": "x" * 501}, {"never_seen_before": "x"}, [], "x", {}],
    "name": ["Mv", "never_seen_before", [1], None],
    "currency": ["YEN", [1]],
    "order": ["", "x" * 201, 7],
    "session": ["", "x" * 201, 7],
    "adjust": ["retract"],
    "consent": [{"ads": True}],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in UNUSUAL.items() for value in values])
def test_whatever_needs_a_second_look_is_not_sealed(field: str, value: object) -> None:
    known_names.update(("mv_add_to_cart", "sku", "qty", "campaign", "device", "gclid"))
    assert isinstance(take(0).call, bytes)
    try:
        record = take(0, **{field: value})
    except (TypeError, ValueError):
        return  # no mapping at all: the client counts it as invalid
    assert isinstance(record.call, Call)
