"""Money is exact, from its text to micros and back."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from kizashi_schemas import (
    MAX_MICROS,
    MICROS,
    MINOR_UNITS,
    MoneyError,
    check_currency,
    format_micros,
    is_decimal,
    parse_amount,
    parse_money,
    to_currency,
)

amounts = st.integers(min_value=0, max_value=MAX_MICROS)


def test_the_table_of_minor_units_is_that_of_the_kept_library() -> None:
    listed = {currency.code: currency.exponent for currency in Currency if currency.exponent is not None}
    assert listed == MINOR_UNITS


@pytest.mark.parametrize(
    ("text", "currency", "micros"),
    [
        ("0", "JPY", 0),
        ("1200", "JPY", 1_200 * MICROS),
        ("1200.000", "JPY", 1_200 * MICROS),
        ("12.5", "USD", 12_500_000),
        ("0.01", "USD", 10_000),
        ("1e3", "JPY", 1_000 * MICROS),
        ("1.5E1", "USD", 15 * MICROS),
        ("-0", "JPY", 0),
        ("0.001", "BHD", 1_000),
        ("0.0001", "CLF", 100),
        ("10000000000", "JPY", MAX_MICROS),
        ("9999999999.99", "USD", 9_999_999_999_990_000),
    ],
)
def test_an_amount_is_read_from_its_text(text: str, currency: str, micros: int) -> None:
    assert parse_money(text, currency) == micros


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("12.5", "JPY"),
        ("0.001", "USD"),
        ("0.1234567", "BHD"),
        ("1.0000000000000000000000000000000001", "JPY"),
        ("10000000000.01", "USD"),
        ("10000000001", "JPY"),
        ("-1", "JPY"),
        ("NaN", "JPY"),
        ("Infinity", "JPY"),
        ("1e11", "JPY"),
        ("1e999999999", "JPY"),
        ("1e-999999999", "USD"),
        ("9" * 65, "JPY"),
        ("twelve", "JPY"),
        ("", "JPY"),
        ("²", "JPY"),
    ],
)
def test_what_is_no_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(MoneyError) as caught:
        parse_money(text, currency)
    assert caught.value.code == "bad_value"


@pytest.mark.parametrize("code", ["", "jpy", "XXX", "XAU", "YEN", "JPYX"])
def test_an_unknown_currency_is_refused_by_its_own_code(code: str) -> None:
    with pytest.raises(MoneyError) as caught:
        check_currency(code)
    assert caught.value.code == "bad_currency"


@given(amounts)
def test_what_is_written_reads_back_as_the_same_micros(micros: int) -> None:
    fine = micros - micros % 100
    assert parse_amount(format_micros(fine)) == fine


@given(st.integers())
def test_micros_are_written_as_the_exact_decimal(micros: int) -> None:
    text = format_micros(micros)
    assert Fraction(text) * MICROS == micros
    assert text == text.rstrip("0") or "." not in text


@given(amounts, st.integers(min_value=1, max_value=10**12))
def test_a_conversion_is_rounded_half_to_even_and_never_through_a_float(amount: int, rate: int) -> None:
    assert to_currency(amount, rate) == round(Fraction(amount * rate, MICROS))


@pytest.mark.parametrize(
    ("text", "plain"), [("12", True), ("12.50", True), ("1e3", False), ("1_0", False), ("１", False)]
)
def test_a_decimal_string_is_plain_ascii(text: str, plain: bool) -> None:
    assert is_decimal(text) is plain
