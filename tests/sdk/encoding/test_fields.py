"""What each field may be, and what becomes of it."""

from __future__ import annotations

import inspect
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kizashi
from kizashi import UsageError
from kizashi._capture._capture import capture
from kizashi._capture._context import Ambient
from kizashi._encoding._encode import Encoder
from kizashi._encoding._fields import (
    check_adjust,
    check_consent,
    check_currency,
    check_name,
    check_properties,
    check_source,
    check_text,
    check_time,
    check_value,
)
from kizashi_schemas import Event, parse_money

ARGUMENTS = tuple(inspect.signature(kizashi.track).parameters)


class Safe(str):
    """Like Django's SafeString."""

    __slots__ = ()


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    LARGE = 3


def encode(ambient: Ambient | None = None, **fields: Any) -> dict[str, Any]:
    given = tuple(({"name": "mv_view", "actor": "v-1"} | fields).get(argument) for argument in ARGUMENTS)
    record = capture(given, 1_790_000_000_123_456_789, ambient or Ambient())  # type: ignore[arg-type]  # as many as it takes
    body = Encoder({"channel": "app"}, lambda size: b"\x11" * size).encode(record)
    msgspec.json.decode(body, type=Event)
    decoded: dict[str, Any] = msgspec.json.decode(body)
    return decoded


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        (1200, "JPY", "1200"),
        (0, "JPY", "0"),
        (10**10, "JPY", "10000000000"),
        (Size.LARGE, "JPY", "3"),
        ("12800", "JPY", "12800"),
        ("12.50", "USD", "12.5"),
        (Safe("12.50"), "USD", "12.5"),
        (Decimal("12.34"), "USD", "12.34"),
        (Decimal("1E+3"), "JPY", "1000"),
        (Decimal("0.001"), "KWD", "0.001"),
        (0.1, "USD", "0.1"),
        (12.3, "USD", "12.3"),
        (1e3, "JPY", "1000"),
        (9999999999.99, "USD", "9999999999.99"),
        ("0.25", None, "0.25"),
    ],
)
def test_money_is_exact(value: object, currency: str | None, text: str) -> None:
    raw = check_value(value, currency)
    assert isinstance(raw, msgspec.Raw)
    assert bytes(raw) == text.encode()


@given(st.decimals(0, 10**10, places=2))
def test_any_amount_of_cents_survives_to_the_last_cent(amount: Decimal) -> None:
    raw = check_value(amount, "USD")
    assert isinstance(raw, msgspec.Raw)
    assert parse_money(bytes(raw).decode(), "USD") == int(amount * 10**6)


@pytest.mark.parametrize(
    "value",
    [
        *(-1, 10**10 + 1, 10**5000, -(10**5000), True, False),
        *(float("nan"), float("inf"), -0.5, 0.1 + 0.2, 1e300, 1e-300),
        *(Decimal("NaN"), Decimal("Infinity"), Decimal("1E+999999"), Decimal("1E-999999"), Decimal("0.001")),
        *("", "1e3", "-1", "1,200", " 1", "１２", "1.", ".5", "nan", "0x10"),
        *(b"12", [1], {}, Fraction(1, 2), 1j, object()),
    ],
    ids=lambda value: repr(value)[:20] if not isinstance(value, int) else f"{type(value).__name__}",
)
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(UsageError) as caught:
        check_value(value, "USD")
    assert caught.value.field == "value"


def test_a_yen_has_no_parts() -> None:
    with pytest.raises(UsageError, match="JPY"):
        check_value("12.5", "JPY")


@pytest.mark.parametrize("currency", ["jpy", "XXX", "YEN", "", 392, True])
def test_currencies_are_those_of_iso_4217(currency: object) -> None:
    with pytest.raises(UsageError):
        check_currency(currency)


@pytest.mark.parametrize(
    ("time", "millis"),
    [
        (0, 0),
        (1_790_000_000_100, 1_790_000_000_100),
        ("2026-11-01T09:30:00+09:00", 1_793_493_000_000),
        ("2026-11-01T00:30:00.123999Z", 1_793_493_000_123),
        (datetime(2026, 11, 1, 0, 30, 0, 123_999, tzinfo=UTC), 1_793_493_000_123),
        (datetime(2026, 11, 1, 9, 30, tzinfo=timezone(timedelta(hours=9))), 1_793_493_000_000),
    ],
)
def test_times_become_milliseconds(time: object, millis: int) -> None:
    assert check_time(time) == millis


@pytest.mark.parametrize(
    "time",
    [
        *(-1, 10**18, 1.5e12, True, date(2026, 11, 1), datetime(2026, 11, 1)),
        *("2026-11-01T09:30:00", "yesterday", "", datetime(1969, 12, 31, tzinfo=UTC), [], "9999-12-31T23:59:59-23:00"),
    ],
)
def test_what_is_no_time_is_refused(time: object) -> None:
    with pytest.raises(UsageError):
        check_time(time)


@pytest.mark.parametrize("name", ["", "Mv", "1a", "mv-view", "mv view", "a" * 65, "mv_view\n", "é", "mv\0", None, 3])
def test_names_are_lower_case(name: object) -> None:
    with pytest.raises(UsageError):
        check_name("name", name)
    with pytest.raises(UsageError):
        check_source({name: "x"})
    with pytest.raises(UsageError):
        check_properties({name: "x"})
    with pytest.raises(UsageError):
        check_consent({name: True})


def test_identifiers_are_text_or_whole_numbers() -> None:
    assert check_text("actor", "v-1") == "v-1"
    assert check_text("actor", 42) == "42"
    assert check_text("actor", "") is None
    assert check_text("actor", "a" * 200) == "a" * 200
    strange: list[object] = ["a" * 201, True, 1.5, b"v", [], 10**5000]
    for value in strange:
        with pytest.raises(UsageError):
            check_text("actor", value)


def test_properties_are_flat_and_finite() -> None:
    given = {"s": "é\0😀", "i": 3, "f": 1.5, "d": Decimal("1.50"), "b": True, "n": None, "e": Colour.RED}
    given["l"] = Size.LARGE
    assert encode(properties=given)["properties"] == given | {"d": 1.5, "e": "red", "l": 3}
    strange: list[object] = [float("nan"), float("-inf"), Decimal("NaN"), Decimal("1E+400"), 2**64, -(2**63) - 1]
    strange += [[], {}, b"x", object(), date(2026, 1, 1)]
    for value in strange:
        with pytest.raises(UsageError):
            check_properties({"a": value})
    assert len(check_properties({f"k{at}": at for at in range(64)})) == 64
    with pytest.raises(UsageError):
        check_properties({f"k{at}": at for at in range(65)})


def test_sources_are_text_and_none_says_nothing() -> None:
    assert check_source({"campaign": "brand", "campaign_id": 123, "device": None}) == {
        "campaign": "brand",
        "campaign_id": "123",
    }
    strange: list[object] = ["x" * 501, 1.5, True, [], b"x"]
    for value in strange:
        with pytest.raises(UsageError):
            check_source({"campaign": value})
    with pytest.raises(UsageError):
        check_source({f"k{at}": "x" for at in range(33)})


def test_consent_is_true_or_false() -> None:
    assert check_consent({"ads": True, "stats": False, "other": None}) == {"ads": True, "stats": False}
    strange: list[object] = [1, "yes", []]
    for value in strange:
        with pytest.raises(UsageError):
            check_consent({"ads": value})


def test_adjustments_need_an_order_and_no_actor() -> None:
    assert check_adjust("retract") == "retract"
    event = encode(name="purchase", actor=None, adjust="restate", order="A-1", value=900, currency="JPY")
    assert event["adjust"] == "restate"
    assert "actor" not in event
    fields: dict[str, Any]
    for fields in ({"adjust": "retract"}, {"adjust": "restate", "order": "A-1"}, {"adjust": "undo", "order": "A-1"}):
        with pytest.raises(UsageError):
            encode(None, **fields)


@pytest.mark.parametrize("fields", [{"actor": None}, {"actor": ""}])
def test_an_event_without_an_actor_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        encode(None, **fields)
    assert caught.value.reason == "no_actor"


@pytest.mark.parametrize("field", ["actor", "order", "session", "idempotency_key"])
def test_half_a_surrogate_pair_is_no_text(field: str) -> None:
    with pytest.raises(UsageError):
        encode(None, **{field: "\ud800"})


def test_an_event_is_completed_from_context_and_client() -> None:
    around = Ambient("v-9", "s-9", {"campaign": "brand", "device": "mobile"}, {"ads": True})
    event = encode(around, actor=None, source={"campaign": "sale", "device": None}, consent={"stats": False})
    assert event == {
        "id": event["id"],
        "name": "mv_view",
        "time": 1_790_000_000_123,
        "actor": "v-9",
        "session": "s-9",
        "source": {"channel": "app", "campaign": "sale", "device": "mobile"},
        "consent": {"ads": True, "stats": False},
    }
    assert encode(around, actor="v-1", session="s-1")["actor"] == "v-1"


def test_one_idempotency_key_gives_one_id_at_any_time_and_place() -> None:
    first = encode(idempotency_key="order:A-1")
    assert encode(idempotency_key="order:A-1", actor="v-2", value=3, currency="JPY")["id"] == first["id"]
    assert encode(idempotency_key="order:A-2")["id"] != first["id"]
    assert encode(name="mv_other", idempotency_key="order:A-1")["id"] != first["id"]
    assert len(first["id"]) == 64


def test_an_event_is_at_most_32_kib() -> None:
    with pytest.raises(UsageError) as caught:
        encode(properties={"text": "é" * 17_000})
    assert caught.value.reason == "too_large"
