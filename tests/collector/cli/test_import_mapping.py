"""A mapping makes events of rows: exactly, or with a sentence that says what to change."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi_collector.cli.importing import (
    Format,
    InputFile,
    Mapper,
    MappingError,
    Row,
    RowError,
    load_mapping,
    open_rows,
)
from kizashi_schemas import MINOR_UNITS, Event, parse_money

CSV = '[fields]\nname = "event"\ntime = { from = "at", timezone = "UTC" }\nactor = "user"\n'
NOON = 1_704_110_400_000
HEADER = ("event", "at", "user", "amount", "cur")


def one(cells: Any, mapping: str | None, kind: Format = "csv", header: tuple[str, ...] | None = HEADER) -> Any:
    """The event of one row, which also has the form of the wire."""
    row = Row(2, list(cells) if header else cells, json.dumps(cells, default=str).encode())
    encoded = Mapper(load_mapping(kind, mapping), header, "export.csv").map(row)
    if encoded is None:
        return None
    msgspec.json.decode(encoded, type=Event)
    return json.loads(encoded, parse_float=Decimal)


def events(path: Path, kind: Format, mapping: str | None = None) -> list[Any]:
    """The events of a whole file."""
    with InputFile(path) as file:
        rows = open_rows(file, load_mapping(kind, mapping), 0)
        mapper = Mapper(load_mapping(kind, mapping), rows.header, file.name)
        mapped = [mapper.map(row) for row in rows if isinstance(row, Row)]
    for encoded in mapped:
        if encoded is not None:
            msgspec.json.decode(encoded, type=Event)
    return [None if encoded is None else json.loads(encoded) for encoded in mapped]


@pytest.mark.parametrize(
    ("rule", "cell", "expected"),
    [
        ('timezone = "UTC"', "2024-01-01 12:00:00", NOON),
        ('timezone = "Asia/Tokyo"', "2024-01-01 21:00:00.9999", NOON + 999),
        ('timezone = "Asia/Tokyo"', "2024-01-01T12:00:00Z", NOON),
        ('unit = "iso"', "2024-01-01 12:00:00 UTC", NOON),
        ('unit = "s"', "1704110400.5", NOON + 500),
        ('unit = "us"', "1704110400000999", NOON),
        ('unit = "ns"', "1704110400000999999", NOON),
        ('unit = "auto"', "1704110400000", NOON),
        ('format = "%d/%m/%Y %H:%M", timezone = "UTC"', "01/01/2024 12:00", NOON),
        ('format = "%Y%m%d%H%M", timezone = "UTC"', "202401011200", NOON),
    ],
)
def test_a_time_is_read_as_the_mapping_says(rule: str, cell: str, expected: int) -> None:
    mapping = CSV.replace('timezone = "UTC"', rule)
    assert one(("x", cell, "u", "", ""), mapping)["time"] == expected


@pytest.mark.parametrize(
    ("rule", "cell", "remedy"),
    [
        ('unit = "auto"', "2024-01-01 12:00:00", "timezone"),
        ('unit = "auto"', "1704110400", 'unit = "s"'),
        ('unit = "ms"', "1704110400000000", "unit"),
        ('unit = "auto"', "yesterday", "format"),
        ('unit = "auto"', "", "needs a time"),
        ('unit = "s"', "NaN", "number"),
        ('unit = "s"', "1e999", "number"),
    ],
)
def test_a_time_that_cannot_be_names_column_value_and_remedy(rule: str, cell: str, remedy: str) -> None:
    with pytest.raises(RowError) as caught:
        one(("x", cell, "u", "", ""), CSV.replace('timezone = "UTC"', rule))
    assert (caught.value.code, caught.value.column) == ("bad_time", "at")
    assert "at " in str(caught.value)
    assert cell in str(caught.value)
    assert remedy in str(caught.value)


MONEY = CSV + 'value = { from = "amount" }\ncurrency = "cur"\n'


@pytest.mark.parametrize(
    ("rule", "amount", "currency", "expected"),
    [
        ("", "12.50", "USD", "12.5"),
        ("", " 1200 ", "jpy", "1200"),
        ("", "1200.00", "JPY", "1200"),
        ("", "1.2e3", "JPY", "1200"),
        ("", "9999999999.99", "USD", "9999999999.99"),
        (', unit = "minor"', "1250", "USD", "12.5"),
        (', unit = "minor"', "1250", "JPY", "1250"),
        (', unit = "minor"', "1250", "BHD", "1.25"),
        (', unit = "micros"', "12500000", "USD", "12.5"),
        (', decimal_mark = ",", thousands = "."', "1.234,50", "EUR", "1234.5"),
        (', thousands = ","', "1,234", "JPY", "1234"),
        (", round_to = 2", "19.990000000000002", "USD", "19.99"),
        ("", "0", "USD", "0"),
    ],
)
def test_an_amount_is_exact(rule: str, amount: str, currency: str, expected: str) -> None:
    mapping = MONEY.replace('from = "amount"', f'from = "amount"{rule}')
    assert one(("x", "2024-01-01", "u", amount, currency), mapping)["value"] == expected


@given(st.integers(0, 10**12), st.sampled_from(["JPY", "USD", "BHD", "CLF"]))
def test_any_amount_of_minor_units_keeps_every_digit(minor: int, currency: str) -> None:
    digits = MINOR_UNITS[currency]
    mapping = MONEY.replace('from = "amount"', 'from = "amount", unit = "minor"')
    if minor > 10 ** (10 + digits):
        return
    value = one(("x", "2024-01-01", "u", str(minor), currency), mapping)["value"]
    assert parse_money(value, currency) * 10**digits == minor * 10**6


@pytest.mark.parametrize(
    ("amount", "currency", "remedy"),
    [
        ("12,50", "EUR", "decimal_mark"),
        ("¥1200", "JPY", "digits and a point"),
        ("12.5", "JPY", "round_to = 0"),
        ("-5", "USD", "adjust"),
        ("10000000001", "JPY", "unit"),
        ("1e99", "JPY", "number"),
        ("NaN", "USD", "digits"),
    ],
)
def test_an_amount_that_cannot_be_names_column_value_and_remedy(amount: str, currency: str, remedy: str) -> None:
    with pytest.raises(RowError) as caught:
        one(("x", "2024-01-01", "u", amount, currency), MONEY)
    assert (caught.value.code, caught.value.column) == ("bad_value", "amount")
    assert repr(amount) in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Order Completed", "purchase"),
        ("order_completed", "purchase"),
        ("Product Viewed", "mv_product_viewed"),
        ("addToCart", "mv_add_to_cart"),
        ("Café — Menü!", "mv_cafe_menu"),
        ("404", "mv_n_404"),
        ("debug", None),
    ],
)
def test_names_are_renamed_or_made_legal(written: str, expected: str | None) -> None:
    mapping = f'name_prefix = "mv_"\n{CSV}[names]\n"Order Completed" = "purchase"\ndebug = false\n'
    event = one((written, "2024-01-01", "u", "", ""), mapping)
    assert event is None if expected is None else event["name"] == expected


@pytest.mark.parametrize("written", ["購入", "!!", ""])
def test_a_name_that_would_lose_its_meaning_is_asked_for(written: str) -> None:
    with pytest.raises(RowError, match="event") as caught:
        one((written, "2024-01-01", "u", "", ""), CSV)
    assert caught.value.code == "bad_name"
    assert one(("購入", "2024-01-01", "u", "", ""), CSV + '[names]\n"購入" = "purchase"\n')["name"] == "purchase"


def test_other_names_may_be_left_out_or_refused() -> None:
    row = ("x", "2024-01-01", "u", "", "")
    assert one(row, f'other_names = "skip"\n{CSV}') is None
    with pytest.raises(RowError, match="names"):
        one(row, f'other_names = "reject"\n{CSV}')


def test_fields_may_have_constants_alternatives_joins_types_and_hashes() -> None:
    mapping = (
        CSV.replace('actor = "user"', 'actor = { from = ["none", "user"], hash = true, salt = "s" }')
        + 'currency = { constant = "JPY" }\nsession = { join = ["user", "none"], with = "-", whole = true }\n'
        '"source.channel" = { join = ["cur", "event"], with = "/" }\n'
        'properties.amount = { from = "amount", type = "number" }\n'
        'consent.ads = "none"\n'
    )
    header = (*HEADER, "none")
    event = one(("x", "2024-01-01", "u", "1.50", "google", ""), mapping, header=header)
    assert event["source"] == {"channel": "google/x"}
    assert event["currency"] == "JPY"
    assert event["properties"] == {"amount": Decimal("1.50")}
    assert (len(event["actor"]), "session" in event, "consent" in event) == (64, False, False)
    event = one(("x", "2024-01-01", "u", "", "", "Yes"), mapping, header=header)
    assert event["consent"] == {"ads": True}


def test_a_constant_currency_goes_with_a_value_alone() -> None:
    mapping = CSV + 'value = "amount"\ncurrency = { constant = "JPY" }\n'
    assert "currency" not in one(("x", "2024-01-01", "u", "", ""), mapping)
    assert one(("x", "2024-01-01", "u", "5", ""), mapping)["currency"] == "JPY"


def test_columns_that_no_field_takes_are_dropped_kept_or_refused() -> None:
    header, row = ("event", "at", "user", "Item Name", "空"), ("x", "2024-01-01", "u", "Tea", "?")
    assert "properties" not in one(row, CSV, header=header)
    assert one(row, f'unmapped = "properties"\n{CSV}', header=header)["properties"] == {"item_name": "Tea"}
    with pytest.raises(MappingError, match="Item Name"):
        one(row, f'unmapped = "reject"\n{CSV}', header=header)


def test_an_id_depends_on_content_and_place_and_on_nothing_else() -> None:
    def made(content: bytes, line: int, options: str = "", file: str = "a.csv") -> str:
        mapper = Mapper(load_mapping("csv", options + CSV), HEADER, file)
        encoded = mapper.map(Row(line, ["x", "2024-01-01", "u", "", ""], content))
        assert encoded is not None
        return str(json.loads(encoded)["id"])

    first = made(b"r", 2)
    assert first == made(b"r", 2)
    assert len({first, made(b"s", 2), made(b"r", 3), made(b"r", 2, file="b.csv")}) == 4
    merged = "id = { place = false }\n"
    assert made(b"r", 2, merged) == made(b"r", 3, merged, "b.csv") != made(b"s", 2, merged)
    named = 'id = { namespace = "shop" }\n'
    assert made(b"r", 2, named) == made(b"r", 2, named, "b.csv") != made(b"r", 3, named)
    assert made(b"r", 2, 'id = { hash = ["user"] }\n') == made(b"s", 9, 'id = { hash = ["user"] }\n')
    assert made(b"r", 2, 'name_prefix = "mv_"\n') == first


def test_an_id_of_the_export_stays_and_one_that_is_too_long_is_hashed() -> None:
    mapping = CSV + 'id = "cur"\n'
    assert one(("x", "2024-01-01", "u", "", "e-1"), mapping)["id"] == "e-1"
    assert len(one(("x", "2024-01-01", "u", "", "e" * 65), mapping)["id"]) == 64
    assert len(one(("x", "2024-01-01", "u", "", ""), mapping)["id"]) == 36


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("[fields", "TOML"),
        ('[fields]\ntime = "at"\n', "fields.name"),
        (CSV + 'colour = "x"\n', "colour"),
        (CSV + '"source.Bad Key" = "x"\n', "Bad Key"),
        (CSV + "order = 5\n", "order"),
        (CSV + 'value = { from = "amount", unit = "cents" }\n', "cents"),
        (CSV + 'order = { from = "x", unit = "s" }\n', "unit"),
        (CSV + 'order = { constant = "x", from = "y" }\n', "one of"),
        (CSV.replace("UTC", "Mars/Base"), "Mars/Base"),
        (CSV + '[names]\n"A" = "Bad Name"\n', "Bad Name"),
        ('encoding = "klingon"\n' + CSV, "klingon"),
        ('name_prefix = "Mv "\n' + CSV, "name_prefix"),
        ("nonsense = 1\n" + CSV, "nonsense"),
        (CSV + 'order = "absent"\n', "absent"),
        ('format = "ga4"\n' + CSV, "format"),
    ],
)
def test_a_mapping_that_cannot_be_used_says_where(document: str, named: str) -> None:
    with pytest.raises(MappingError, match=named.replace("(", r"\(")):
        one(("x", "2024-01-01", "u", "", ""), document)


def test_kizashis_own_events_need_no_mapping(tmp_path: Path) -> None:
    event = {
        "id": "e-1",
        "name": "purchase",
        "time": NOON,
        "actor": "v",
        "value": "12.5",
        "currency": "USD",
        "order": "A-1",
        "session": "s",
        "source": {"campaign": "brand"},
        "properties": {"qty": 2, "new": True},
        "consent": {"ads": False},
    }
    path = tmp_path / "own.ndjson"
    path.write_text(json.dumps(event), encoding="utf-8")
    assert events(path, "ndjson") == [event]
    table = tmp_path / "own.csv"
    table.write_text(
        f"id,name,time,actor,value,currency,source.campaign,properties.sku,extra\ne-1,purchase,{NOON},v,12.5,USD,brand,A,?\n",
        encoding="utf-8",
    )
    assert events(table, "csv") == [
        {
            "id": "e-1",
            "name": "purchase",
            "time": NOON,
            "actor": "v",
            "value": "12.5",
            "currency": "USD",
            "source": {"campaign": "brand"},
            "properties": {"sku": "A"},
        }
    ]


def test_segments_track_calls_are_read_and_its_other_calls_left_out(tmp_path: Path) -> None:
    calls: list[dict[str, Any]] = [
        {
            "type": "track",
            "event": "Order Completed",
            "messageId": "ajs-1",
            "anonymousId": "anon",
            "userId": "97",
            "timestamp": "2024-01-01T12:00:00.123Z",
            "originalTimestamp": "2024-01-01T13:00:00Z",
            "context": {
                "campaign": {
                    "name": "TPS",
                    "source": "Newsletter",
                    "medium": "email",
                    "term": "reports",
                    "content": "l",
                },
                "page": {"url": "https://shop.example/"},
            },
            "properties": {
                "order_id": "50314b8e",
                "revenue": 25.00,
                "currency": "USD",
                "coupon": "hasbros",
                "products": [],
            },
        },
        {"type": "identify", "messageId": "ajs-2", "anonymousId": "anon", "traits": {}},
        {
            "type": "track",
            "event": "Product Added",
            "messageId": "ajs-3",
            "userId": "97",
            "sentAt": "2024-01-01T12:00:00Z",
        },
    ]
    path = tmp_path / "segment.json"
    path.write_text("\n".join(map(json.dumps, calls)), encoding="utf-8")
    order, other, added = events(path, "segment")
    assert order == {
        "id": "ajs-1",
        "name": "purchase",
        "time": NOON + 123,
        "actor": "anon",
        "order": "50314b8e",
        "value": "25",
        "currency": "USD",
        "source": {"campaign": "TPS", "channel": "Newsletter/email", "keyword": "reports", "creative": "l"},
        "properties": {"coupon": "hasbros"},
    }
    assert other is None
    assert (added["name"], added["actor"]) == ("mv_add_to_cart", "97")
    (changed, *_) = events(path, "segment", '[fields]\nactor = ["userId", "anonymousId"]\norder = false\n')
    assert (changed["actor"], "order" in changed) == ("97", False)


def test_segments_warehouse_tables_are_read(tmp_path: Path) -> None:
    path = tmp_path / "order_completed.csv"
    path.write_text(
        "id,anonymous_id,user_id,event,event_text,timestamp,received_at,context_campaign_name,context_campaign_source,"
        "order_id,revenue,currency,coupon\n"
        "ajs-1,anon,97,order_completed,Order Completed,2024-01-01 12:00:00.123 UTC,,TPS,Newsletter,"
        "50314b8e,25.50,usd,x\n",
        encoding="utf-8",
    )
    (order,) = events(path, "segment", 'unmapped = "properties"\n')
    assert (order["id"], order["name"], order["time"]) == ("ajs-1", "purchase", NOON + 123)
    assert (order["value"], order["currency"], order["order"]) == ("25.5", "USD", "50314b8e")
    assert order["source"] == {"campaign": "TPS", "channel": "Newsletter"}
    assert order["properties"]["coupon"] == "x"


def ga4(**fields: Any) -> dict[str, Any]:
    params = {"ga_session_id": {"int_value": "1704110000"}, "page_location": {"string_value": "https://shop.example/"}}
    params |= fields.pop("params", {})
    return {
        "event_date": "20240101",
        "event_timestamp": "1704110400123456",
        "event_name": "purchase",
        "user_pseudo_id": "1234.5678",
        "stream_id": "1",
        "platform": "WEB",
        "batch_event_index": "3",
        "event_params": [{"key": key, "value": value} for key, value in params.items()],
        "privacy_info": {"analytics_storage": "Yes", "ads_storage": "No", "uses_transient_token": "No"},
        "device": {"category": "mobile"},
        "geo": {"country": "Japan"},
        "traffic_source": {"name": "(direct)", "medium": "(none)", "source": "(direct)"},
    } | fields


def test_ga4s_export_is_read(tmp_path: Path) -> None:
    rows = [
        ga4(
            params={"currency": {"string_value": "USD"}, "value": {"double_value": 10.5}},
            ecommerce={"transaction_id": "T-1", "purchase_revenue": 19.990000000000002},
            collected_traffic_source={"gclid": "EAIa", "manual_campaign_name": "winter"},
            session_traffic_source_last_click={
                "google_ads_campaign": {"campaign_name": "brand", "campaign_id": "77", "ad_group_name": "shoes"},
                "cross_channel_campaign": {"source": "google", "medium": "cpc"},
            },
        ),
        ga4(event_name="add_to_cart", ecommerce={"transaction_id": "(not set)"}),
        ga4(event_name="add_to_cart", ecommerce={"transaction_id": "(not set)"}),
    ]
    path = tmp_path / "events_20240101.json"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    bought, added, again = events(path, "ga4")
    assert bought == {
        "id": bought["id"],
        "name": "purchase",
        "time": NOON + 123,
        "actor": "1234.5678",
        "session": "1234.5678.1704110000",
        "order": "T-1",
        "value": "19.99",
        "currency": "USD",
        "source": {
            "campaign": "brand",
            "campaign_id": "77",
            "ad_group": "shoes",
            "channel": "google/cpc",
            "gclid": "EAIa",
            "device": "mobile",
        },
        "consent": {"ads": False, "analytics": True},
        "properties": {
            "country": "Japan",
            "platform": "WEB",
            "page_location": "https://shop.example/",
            "first_campaign": "(direct)",
            "first_medium": "(none)",
            "first_source": "(direct)",
        },
    }
    assert added["name"] == "mv_add_to_cart"
    assert "order" not in added
    assert added == again
    assert added["id"] != bought["id"]
