"""Plans: whatever comes in, out comes a plan or a list of problems; and a plan comes back from its stored form."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from kizashi_schemas import PlanError
from kizashi_schemas.plan import Plan, load_plan, load_plan_data
from tried import tried

KEYS = [
    *("currency", "rates", "timezone", "retention", "unplanned", "windows", "summaries", "events", "funnels", "values"),
    *("targets", "7d", "expected_value", "brought_value", "finals", "actors"),
    *("action", "value", "use", "counting", "final", "owner", "review_by", "description"),
    *("steps", "order", "conversion_window", "entry", "count", "exclude", "exclusion", "optional", "trend"),
    *("histogram", "event", "where", "from", "to", "bins"),
    *("ladder", "horizon", "lookback", "credit", "min_effective_conversions"),
    *("JPY", "USD", "properties.x", "source.campaign", "mv_view", "purchase", "checkout"),
]
TOML = """currency = "JPY"
rates = { USD = 150.25 }
timezone = "Asia/Tokyo"
retention = "400d"
windows = ["1h", "7d"]
summaries = [["campaign"], ["campaign", "device"]]
[events.mv_view]
value = 300
owner = 'growth'
review_by = 2027-02-01
[events."purchase"]
final = true
[funnels.checkout]
steps = ["mv_view", { event = "purchase", where = { "properties.x" = [1.5, true] } }]
[values]
horizon = "14d"
min_effective_conversions = 1.5e1
[targets.7d]
expected_value = 1e6
finals = 3
"""

long = st.sampled_from(["x" * 5_000, "a\nb", "\x00", "", "\ud800", "x - at `$.x", '"', "商品", "Asia", "../etc"])
# Beyond 4,300 digits the interpreter refuses to write an integer out; so the examples are sizes.
huge = st.sampled_from([63, 64, 128, 129, 16_000, 80_000]).flatmap(
    lambda bits: st.sampled_from([1, -1]).map(lambda sign: sign << bits)
)
integers = st.integers() | st.sampled_from([2**63 - 1, -(2**63), 10**40]) | huge
decimals = st.decimals() | st.sampled_from(
    [Decimal(text) for text in ("1e40", "1e-40", "1e999999", "1e-999999", "-0.0", "sNaN", "9" * 5_000, "0." + "3" * 99)]
)
offsets = st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    decimals,
    st.floats(),
    st.text(max_size=9),
    long,
    st.sampled_from([*KEYS, "7d", "event", "*", "step", "2027-02-01"]),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.none() | offsets),
    st.sampled_from([b"bytes", (1, 2), {3}, object()]),
)
keys = st.sampled_from(KEYS) | st.text(max_size=5) | long
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=12,
)


def outcome(load: Callable[[], Plan]) -> Plan | list[str]:
    """The plan, or its problems. Anything else that is raised fails the test."""
    try:
        return load()
    except PlanError as error:
        return error.problems


def check(told: Plan | list[str]) -> None:
    if isinstance(told, Plan):
        comes_back(told)
        return
    assert told
    for line in told:
        assert line.startswith("plan")
        assert line.isprintable(), line
        assert len(line) < 1_000, line


def comes_back(plan: Plan) -> None:
    again = load_plan_data(msgspec.json.decode(plan.canonical))
    assert again == plan
    assert again.id == plan.id
    # Equal dictionaries may differ in order, and what is first decides.
    assert [*again.events] == [*plan.events]
    assert [*again.funnels] == [*plan.funnels]
    assert again.finals == plan.finals


@tried(150)
@given(st.dictionaries(keys | st.integers() | st.none(), trees, max_size=6) | trees)
def test_any_data_is_a_plan_or_a_list_of_problems(data: object) -> None:
    check(outcome(lambda: load_plan_data(data)))


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(place for key, item in inside for place in places(item, (*path, key)))]


def whole() -> dict[str, Any]:
    return {
        "currency": "JPY",
        "rates": {"USD": Decimal("150.25")},
        "timezone": "Asia/Tokyo",
        "retention": "400d",
        "unplanned": "reject",
        "windows": ["1h", "7d"],
        "summaries": [["campaign"], ["campaign", "device"]],
        "events": {
            "mv_view": {"action": "primary", "value": 300, "use": "learned", "counting": "once", "owner": "growth"},
            "mv_cart": {"value": 1, "review_by": date(2027, 2, 1), "description": "in the cart"},
            "purchase": {"final": True, "value": "event"},
        },
        "funnels": {
            "checkout": {
                "steps": ["mv_view", {"event": "mv_cart", "where": {"properties.x": [1, "a", None]}}, "purchase"],
                "order": "ordered",
                "conversion_window": "7d",
                "exclude": [{"event": "mv_view", "from": 0, "to": 1, "where": {"source.campaign": "x"}}],
                "optional": [1],
                "trend": True,
                "histogram": {"from": 0, "to": 2, "bins": 20},
            }
        },
        "values": {"ladder": ["mv_view"], "horizon": "14d", "lookback": "90d", "min_effective_conversions": 15},
        "targets": {"7d": {"expected_value": 1_000_000, "brought_value": Decimal(5), "finals": 30, "actors": 900}},
    }


@tried(300)
@given(st.sampled_from(places(whole())), trees, st.none() | keys)
def test_anything_at_any_key_of_a_plan_is_taken_or_told(place: tuple[Any, ...], odd: object, extra: str | None) -> None:
    data: Any = whole()
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    if not place:
        data = odd
    elif extra is not None and isinstance(inner[place[-1]], dict):
        inner[place[-1]][extra] = odd
    else:
        inner[place[-1]] = odd
    check(outcome(lambda: load_plan_data(data)))


fragments = st.sampled_from(
    [
        *(
            "=",
            ".",
            "[",
            "]",
            "{",
            "}",
            ",",
            "\n",
            '"',
            "'''",
            "#",
            " = ",
            "[[",
            "]]",
            "-",
            "_",
            "\r\n",
            "\x00",
            "\\u00",
        ),
        *("nan", "-inf", "1e999999", "1e99999999999999999999", "-1.5e-99999999999999999999", "0e99999999999999999999"),
        *("9" * 5_000, "0x" + "f" * 5_000, "0o777", "0b1", "1_000", "07:32:00", "2027-02-30", "2027-02-01T00:00:00Z"),
        *("[" * 3_000, "a." * 200, "{a=" * 500, "true", "\ufeff", "\ud800"),
        *KEYS,
    ]
)


@tried(250)
@given(
    st.integers(0, len(TOML)),
    st.integers(0, 30),
    st.lists(fragments | st.text(max_size=3), max_size=6).map("".join),
)
@example(0, len(TOML), "currency = 'JPY'\nrates = { USD = 1e99999999999999999999 }")
@example(0, len(TOML), "currency = 'JPY'\nwindows = [" + "9" * 5_000)
@example(0, len(TOML), "currency = 'JPY'\nrates = { USD = 0x" + "f" * 50_000 + " }")
@example(0, len(TOML), "a = " + "[" * 100_000)
@example(0, len(TOML), "a" + ".a" * 2_000 + " = 1")
def test_any_text_is_a_plan_or_a_list_of_problems(start: int, cut: int, text: str) -> None:
    whole_text = TOML[:start] + text + TOML[start + cut :]
    check(outcome(lambda: load_plan(whole_text, filename="plan")))


names = st.sampled_from(["mv_a", "mv_b", "mv_c", "look", "z", "buy", "sign_up"])
# What float carries exactly, in whatever form it was written.
fine: st.SearchStrategy[float | Decimal] = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda number: Decimal(repr(number))),
    st.decimals(min_value=-(10**6), max_value=10**6, places=6),
    st.sampled_from([Decimal("1e40"), 1e22, 1e23, 2.0**53, 2.0**60, -0.0, 5e-324, Decimal("1e-7"), 1e16]),
)
amounts = st.integers(0, 10**10) | st.decimals(min_value=0, max_value=10**6, places=2) | st.just(Decimal("1E+3"))
rates = st.decimals(min_value=Decimal("0.000001"), max_value=10**8, places=6) | st.sampled_from([10**12, 1e12, 0.1])
conditions = st.dictionaries(
    st.sampled_from(["properties.x", "properties.y", "source.campaign"]),
    st.one_of(fine, st.booleans(), st.none(), st.text(max_size=4), st.lists(fine | st.text(max_size=2), max_size=3)),
    max_size=2,
)
step_tables: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"event": names | st.just("*"), "where": conditions}
)
steps = st.lists(names | step_tables, min_size=1, max_size=5)
funnels = st.fixed_dictionaries(
    {"steps": steps},
    optional={
        "order": st.sampled_from(["ordered", "strict", "unordered"]),
        "conversion_window": st.sampled_from(["1s", "7d", "4w"]),
        "entry": st.sampled_from(["latest", "first"]),
        "trend": st.booleans(),
    },
)
texts = st.text(max_size=6)
rules = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["primary", "secondary"]),
        "value": amounts | st.just("event"),
        "use": st.sampled_from(["declared", "learned"]),
        "final": st.booleans(),
        "owner": texts | st.none(),
        "description": texts,
        "review_by": st.dates() | st.dates().map(date.isoformat),
    },
)
plans = st.fixed_dictionaries(
    {"currency": st.just("USD")},
    optional={
        "rates": st.dictionaries(st.sampled_from(["JPY", "EUR", "KWD"]), rates),
        "timezone": st.sampled_from(["UTC", "Asia/Tokyo", "Europe/Berlin"]),
        "retention": st.sampled_from(["400d", "200d", None]),
        "unplanned": st.sampled_from(["accept", "reject"]),
        "windows": st.lists(st.sampled_from(["1h", "24h", "60m", "7d"])),
        "summaries": st.lists(st.lists(st.sampled_from(["campaign", "device"]), unique=True)),
        "events": st.dictionaries(names, rules),
        "funnels": st.dictionaries(st.sampled_from(["b", "a", "z"]), funnels),
        "values": st.fixed_dictionaries(
            {},
            optional={
                "horizon": st.sampled_from(["14d", "1w"]),
                "credit": st.sampled_from(["first", "last"]),
                "min_effective_conversions": fine.filter(lambda number: number > 0),
            },
        ),
    },
)


@tried(200)
@given(plans, st.randoms())
def test_a_plan_comes_back_from_its_stored_form_as_it_was(data: dict[str, Any], random: Any) -> None:
    plan = load_plan_data(data)
    comes_back(plan)
    assert load_plan_data(shuffled(data, random)) == plan


def shuffled(value: Any, random: Any, place: str = "") -> Any:
    """The same data with the keys of every table in another order, but for events and funnels, where it counts."""
    if isinstance(value, list):
        return [shuffled(item, random, f"{place}[]") for item in value]
    if not isinstance(value, dict):
        return value
    items = list(value.items())
    if place not in ("events", "funnels"):
        random.shuffle(items)
    return {key: shuffled(item, random, f"{place}.{key}" if place else key) for key, item in items}


@tried(150)
@given(fine)
def test_a_condition_matches_the_same_numbers_after_a_restart(number: float | Decimal) -> None:
    def condition(plan: Plan) -> Any:
        return plan.funnels["f"].normal_steps[0].where["properties.x"]

    steps = [{"event": "mv_a", "where": {"properties.x": number}}]
    plan = load_plan_data({"currency": "JPY", "funnels": {"f": {"steps": steps}}})
    again = load_plan_data(msgspec.json.decode(plan.canonical))
    assert type(condition(again)) is type(condition(plan))
    assert condition(again) == condition(plan) == (number if isinstance(number, int) else float(number))
    assert math.isfinite(condition(plan))
