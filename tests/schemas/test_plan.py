"""The plan: what is read, what is refused, and how it says so."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import msgspec
import pytest

from kizashi_schemas import MICROS, Micros, PlanError
from kizashi_schemas.plan import JourneyRules, Target, load_plan, load_plan_data

WHOLE = """
currency = "JPY"
rates = { USD = 150.25, KWD = 480 }
timezone = "Asia/Tokyo"
retention = "400d"
unplanned = "reject"
windows = ["1h", "7d"]
summaries = [["campaign"], ["campaign", "device"]]

[events.mv_product_view]

[events.mv_add_to_cart]
action = "primary"
value = 300
use = "learned"
counting = "once"
owner = "growth team"
review_by = 2027-02-01

[events.purchase]
final = true
action = "primary"
value = "event"

[funnels.checkout]
steps = ["mv_product_view", { event = "mv_add_to_cart", where = { "properties.qty" = 2 } }, "purchase"]
conversion_window = "7d"

[values]
horizon = "14d"
lookback = "90d"

[targets.7d]
expected_value = 1000000
finals = 120
"""


def problems(text: str) -> list[str]:
    with pytest.raises(PlanError) as caught:
        load_plan(text)
    return caught.value.problems


def test_a_whole_plan_is_read() -> None:
    plan = load_plan(WHOLE)
    assert plan.warnings == ()
    assert plan.rates == {"USD": 150_250_000, "KWD": 480 * MICROS}
    assert plan.finals == ("purchase",)
    assert plan.rate("JPY") == MICROS
    assert plan.rate("EUR") is None
    cart = plan.events["mv_add_to_cart"]
    assert (cart.value, cart.counting, cart.review_by) == (300 * MICROS, "once", date(2027, 2, 1))
    assert plan.events["purchase"].value == "event"
    assert plan.funnels["checkout"].normal_steps[1].where == {"properties.qty": 2}
    assert plan.targets == {"7d": Target(expected_value=Micros(1_000_000 * MICROS), finals=120)}


def test_what_is_left_out_has_its_documented_default() -> None:
    plan = load_plan('currency = "JPY"\n[events.mv_view]\n[events.purchase]\nfinal = true')
    assert (plan.timezone, plan.retention, plan.unplanned) == ("UTC", None, "accept")
    assert plan.windows == ("1h", "24h", "7d", "28d")
    assert (plan.events["mv_view"].action, plan.events["mv_view"].value) == ("secondary", None)
    assert (plan.events["purchase"].action, plan.events["purchase"].value) == ("primary", "event")
    assert plan.events["purchase"].counting == "every"
    assert (plan.values.horizon, plan.values.lookback, plan.values.credit) == (14 * 86_400_000, 90 * 86_400_000, "last")


def test_the_ladder_defaults_to_the_micro_conversions_of_the_first_funnel_that_ends_in_a_final() -> None:
    assert load_plan(WHOLE).values.ladder == ("mv_product_view", "mv_add_to_cart")
    assert load_plan('currency = "JPY"\n[events.purchase]\nfinal = true').values.ladder == ()


def test_the_identity_ignores_comments_and_order_and_notices_values() -> None:
    one = load_plan('currency = "JPY"\ntimezone = "Asia/Tokyo"')
    other = load_plan('# a comment\ntimezone = "Asia/Tokyo"\ncurrency = "JPY"')
    third = load_plan('currency = "JPY"\ntimezone = "UTC"')
    assert one.id == other.id != third.id


def test_the_canonical_form_loads_as_the_same_plan() -> None:
    plan = load_plan(WHOLE)
    assert load_plan_data(plan.document(), filename="plan.toml") == plan


def test_numbers_are_kept_exactly_as_json_carries_them() -> None:
    where = "where = { 'properties.x' = [1e40, 1e22, 2.0, 0.1, -7, 9223372036854775807] }"
    plan = load_plan(
        f'currency = "USD"\nrates = {{ JPY = 0.0067 }}\n[funnels.f]\nsteps = [{{ event = "x", {where} }}]'
        "\n[values]\nmin_effective_conversions = 1.50"
    )
    assert plan.canonical == (
        b'{"currency":"USD","funnels":{"f":{"steps":[{"event":"x","where":'
        b'{"properties.x":[1e40,1e22,2,0.1,-7,9223372036854775807]}}]}},'
        b'"rates":{"JPY":0.0067},"values":{"min_effective_conversions":1.5}}'
    )
    again = load_plan_data(msgspec.json.decode(plan.canonical), filename="plan.toml")
    assert again == plan
    assert again.funnels["f"].normal_steps[0].where == {"properties.x": [1e40, 1e22, 2, 0.1, -7, 2**63 - 1]}


def test_the_order_of_events_and_funnels_is_kept_and_that_of_keys_means_nothing() -> None:
    head = 'currency = "JPY"\n[events.mv_z]\n[events.mv_a]\n[events.buy]\nfinal = true\naction = "primary"\n'
    one, other = '[funnels.z]\nsteps = ["mv_z", "buy"]\n', '[funnels.a]\nsteps = ["mv_a", "buy"]\n'
    plan = load_plan(head + one + other)
    assert (list(plan.events), list(plan.funnels)) == (["mv_z", "mv_a", "buy"], ["z", "a"])
    assert plan.values.ladder == ("mv_z",)
    assert load_plan_data(plan.document()) == plan
    assert list(load_plan_data(plan.document()).events) == ["mv_z", "mv_a", "buy"]
    swapped = load_plan(head + other + one)
    assert (swapped.values.ladder, swapped.id == plan.id) == (("mv_a",), False)
    keys = head.replace('final = true\naction = "primary"', 'action = "primary"\nfinal = true')
    assert load_plan(keys + one + other).id == plan.id


def test_every_problem_is_told_at_once_with_file_and_key() -> None:
    told = problems('currenc = "JPY"\nwindows = ["1x"]\n[events.Big]\n[events.x]\nvalue = -1')
    assert [line.split(":")[1].strip() for line in told] == [
        "currenc",
        "currency",
        "events.Big",
        "events.x.value",
        "windows",
    ]
    assert all(line.startswith("plan.toml: ") for line in told)


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ("", "currency", 'currency = "JPY"'),
        ('currency = "YEN"', "currency", "ISO 4217"),
        ('currenc = "JPY"', "currenc", "did you mean currency"),
        ('currency = "JPY"\nrates = { USD = 0 }', "rates.USD", "positive"),
        ('currency = "JPY"\nrates = { USD = nan }', "rates.USD", "positive"),
        ('currency = "JPY"\nrates = { JPY = 1 }', "rates.JPY", "remove it"),
        ('currency = "JPY"\nrates = { USD = "x" }', "rates.USD", "not a number"),
        ('currency = "JPY"\nrates = { ABC = 1 }', "rates.ABC", "ISO 4217"),
        ('currency = "JPY"\ntimezone = "Mars/Base"', "timezone", "Asia/Tokyo"),
        ('currency = "JPY"\nretention = 400', "retention", "in quotes"),
        ('currency = "JPY"\nretention = "1y"', "retention", "7d"),
        ('currency = "JPY"\nunplanned = "drop"', "unplanned", '"accept" or "reject"'),
        ('currency = "JPY"\nwindows = "7d"', "windows", "list"),
        ('currency = "JPY"\nsummaries = [["Campaign"]]', "summaries[0]", "campaign"),
        ('currency = "JPY"\nsummaries = [["a", "a"]]', "summaries[0]", "twice"),
        ('currency = "JPY"\nevents = 3', "events", "table"),
        ('currency = "JPY"\n[events.x]\nvalue = 1.5', "events.x.value", "decimals"),
        ('currency = "JPY"\n[events.x]\nvalue = "much"', "events.x.value", "300"),
        ('currency = "JPY"\n[events.x]\nvalue = true', "events.x.value", "300"),
        ('currency = "JPY"\n[events.x]\naction = "third"', "events.x.action", '"primary" or "secondary"'),
        ('currency = "JPY"\n[events.x]\ncounting = "one"', "events.x.counting", '"every" or "once"'),
        ('currency = "JPY"\n[events.x]\nfinal = "true"\nuse = "x"', "events.x.final", "write final = true"),
        ('currency = "JPY"\n[events.x]\nfinal = "true"\nuse = "x"', "events.x.use", '"declared" or "learned"'),
        ('currency = "JPY"\n[events.x]\nactoin = "primary"', "events.x.actoin", "did you mean action"),
        ('currency = "JPY"\n[events.x]\nreview_by = 2027-01-01T00:00:00Z', "events.x.review_by", "date"),
        ('currency = "JPY"\n[events.x]\nvalue = "event"\ncounting = "once"', "events.x.counting", "every"),
        ('currency = "JPY"\n[events.x]\nfinal = true\ncounting = "once"', "events.x.counting", "every"),
        ('currency = "JPY"\n[funnels.f]\nsteps = []', "funnels.f", "1 to 64"),
        ('currency = "JPY"\n[funnels.f]\nsteps = ["a", "b"]\noptional = [0]', "funnels.f", "between"),
        ('currency = "JPY"\n[funnels.f]\nsteps = ["a"]\nby = ["campaign"]', "funnels.f.by", "known keys"),
        ('currency = "JPY"\n[funnels.f]\nsteps = ["a"]\nconversion_window = "x"', "funnels.f", "conversion_window"),
        ('currency = "JPY"\n[values]\nladder = ["mv_a"]\n[events.mv_a]', "values.ladder", "final = true"),
        ('currency = "JPY"\n[values]\nladder = ["x"]\n[events.p]\nfinal = true', "values.ladder", "add [events.x]"),
        ('currency = "JPY"\n[values]\nladder = ["p"]\n[events.p]\nfinal = true', "values.ladder", "final"),
        ('currency = "JPY"\n[values]\nhorizon = "soon"', "values.horizon", "7d"),
        ('currency = "JPY"\n[values]\nmin_effective_conversions = 0', "values.min_effective_conversions", "above 0"),
        ('currency = "JPY"\nretention = "7d"\nwindows = ["28d"]', "windows", "retention"),
        ('currency = "JPY"\nretention = "30d"\nwindows = ["7d"]\n[values]\nhorizon = "14d"', "values.lookback", "keep"),
        ('currency = "JPY"\n[targets.3d]\nactors = 9', "targets.3d", "1h, 24h, 7d, 28d"),
        ('currency = "JPY"\n[targets.7d]\nfinals = 9', "targets.7d.finals", "final = true"),
        ('currency = "JPY"\n[targets.7d]\nactor = 9', "targets.7d.actor", "did you mean actors"),
        ('currency = "JPY"\n[targets.7d]\nactors = 0', "targets.7d.actors", "above 0"),
        ('currency = "JPY"\n[targets.7d]\nactors = 9.5', "targets.7d.actors", "whole number"),
        ('currency = "JPY"\n[targets.7d]\nactors = true', "targets.7d.actors", "whole number"),
        ('currency = "JPY"\n[targets.7d]\nexpected_value = "much"', "targets.7d.expected_value", "write for example"),
        ('currency = "JPY"\n[targets.7d]\nexpected_value = 1.5', "targets.7d.expected_value", "decimals"),
        ('currency = "JPY"\n[targets.7d]\nexpected_value = 1.5', "targets.7d.expected_value", "JPY has (0); round it"),
        ('currency = "JPY"\n[targets.7d]\nexpected_value = 0', "targets.7d.expected_value", "meant to come to"),
        ('currency = "JPY"\n[targets.7d]\nbrought_value = nan', "targets.7d.brought_value", "nan is not a number"),
        ('currency = "JPY"\n[targets.7d]\nbrought_value = inf', "targets.7d.brought_value", "not a number"),
        ('currency = "JPY"\n[targets.7d]\nbrought_value = 9223372036855', "targets.7d.brought_value", "9223372036854"),
        ('currency = "JPY"\n[targets.7d]\nbrought_value = 1e300', "targets.7d.brought_value", "too large for a target"),
        ('currency = "JPY"\n[targets.7d]\nfinals = ' + "9" * 20, "targets.7d.finals", "too large for a target"),
        ('currency = "JPY"\n[targets.7d]\nactors = 1e-9999', "targets.7d.actors", "whole number"),
        ('currency = "JPY"\n[targets]\n7d = 9', "targets.7d", "[targets.7d]"),
        ('currency = "JPY"\ntargets = 9', "targets", "[targets]"),
        ("currency = ", "not TOML", "check quotes"),
        ("currency = " + "9" * 5_000, "not TOML", "smaller"),
        ("currency = " + "[" * 5_000, "not TOML", "levels"),
        ("currency = []", "currency", '"JPY"'),
        ("currency = {}", "currency", '"JPY"'),
        ('currency = "JPY"\nrates = 5', "rates", "[rates]"),
        ('currency = "JPY"\nrates = { USD = 1e999999 }', "rates.USD", "positive"),
        ('currency = "JPY"\nrates = { USD = 1e99999999999999999999 }', "rates.USD", "positive"),
        ('currency = "JPY"\nrates = { USD = 1e-99999999999999999999 }', "rates.USD", "positive"),
        ('currency = "JPY"\nrates = { USD = 0x' + "f" * 9_000 + " }", "rates.USD", "positive"),
        ('currency = "JPY"\nrates = { USD = 999999999999.123457 }', "rates.USD", "write 999999999999.1234"),
        ('currency = "JPY"\ntimezone = ["UTC"]', "timezone", "Asia/Tokyo"),
        ('currency = "JPY"\nretention = 2027-02-01', "retention", "in quotes"),
        ('currency = "JPY"\nunplanned = nan', "unplanned", '"accept"'),
        ('currency = "JPY"\nwindows = ["7d", 7]', "windows[1]", "in quotes"),
        ('currency = "JPY"\nsummaries = ["campaign"]', "summaries[0]", '["a", "b"]'),
        ('currency = "JPY"\n[events]\nx = [1]', "events.x", "[events.x]"),
        ('currency = "JPY"\n[events.x]\nvalue = 1e999999', "events.x.value", "10000000000"),
        ('currency = "JPY"\n[events.x]\nreview_by = 07:32:00', "events.x.review_by", "date"),
        ('currency = "JPY"\n[events.x]\nowner = 2027-02-01', "events.x.owner", "takes text"),
        ('currency = "JPY"\n[funnels]\nx = 5', "funnels.x", "[funnels.x]"),
        ('currency = "JPY"\n[funnels]\nx = [1]', "funnels.x", "[funnels.x]"),
        ('currency = "JPY"\n[funnels.f]\nsteps = ["a"]\noptional = [inf]', "funnels.f.optional[0]", "takes"),
        (
            'currency = "JPY"\n[funnels.f]\nsteps = [{ event = "a", where = { "properties.x" = nan } }]',
            'funnels.f.steps[0].where."properties.x"',
            "in digits",
        ),
        (
            'currency = "JPY"\n[funnels.f]\nsteps = [{ event = "a", where = { "source.x" = 9223372036854775808 } }]',
            'funnels.f.steps[0].where."source.x"',
            "64 bits",
        ),
        (
            'currency = "JPY"\n[funnels.f]\nsteps = [{ event = "a", where = { "source.x" = 0.10000000000000001 } }]',
            'funnels.f.steps[0].where."source.x"',
            "write 0.1",
        ),
        ('currency = "JPY"\n[values]\nmin_effective_conversions = nan', "values.min_effective_conversions", "above 0"),
        ('currency = "JPY"\n[values]\nmin_effective_conversions = inf', "values.min_effective_conversions", "digits"),
        ('currency = "JPY"\n[values]\nmin_effective_conversions = 1e400', "values.min_effective_conversions", "1e308"),
        ('currency = "JPY"\n"a\\nb" = 1', '"a\\nb"', "known keys"),
    ],
)
def test_a_problem_names_file_key_and_remedy(text: str, key: str, remedy: str) -> None:
    told = problems(text)
    assert any(line.startswith(f"plan.toml: {key}:") and remedy in line for line in told), told


ODD: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "integer": 7,
    "integer of 10,000 digits": 10**9_999,
    "nan": float("nan"),
    "infinity": float("-inf"),
    "date": date(2027, 2, 1),
    "time": time(7, 32),
    "instant": datetime(2027, 2, 1, tzinfo=UTC),
    "list in a list": [[[]]],
    "table": {"a": {"b": 1}},
    "long text": "x" * 5_000,
    "no text": "\ud800",
    "bytes": b"x",
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize(
    "place",
    [
        "currency",
        "rates.USD",
        "events.mv_a",
        "events.mv_a.value",
        "funnels.f",
        "values",
        "targets",
        "targets.7d.finals",
    ],
)
def test_a_value_of_an_odd_kind_is_a_problem_of_its_key(place: str, odd: object) -> None:
    data: dict[str, Any] = {"currency": "JPY", "events": {}, "rates": {}, "funnels": {}}
    *above, last = place.split(".")
    table = data
    for key in above:
        table = table.setdefault(key, {})
    table[last] = odd
    if (place, odd) in [("rates.USD", 7), ("events.mv_a.value", 7), ("events.mv_a.value", None)]:
        assert load_plan_data(data).currency == "JPY"
        return
    with pytest.raises(PlanError) as caught:
        load_plan_data(data)
    assert any(line.startswith(f"plan: {place}") for line in caught.value.problems)
    assert max(len(line) for line in caught.value.problems) < 300
    assert all(line.isprintable() for line in caught.value.problems)


def test_a_bad_value_is_told_once() -> None:
    assert len(problems('currency = "JPY"\nrates = { USD = nan }\n[events.mv_a]\nvalue = inf')) == 2


def test_a_key_that_is_no_text_and_endless_nesting_are_told() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    with pytest.raises(PlanError) as caught:
        load_plan_data({"currency": "JPY", 1: 2, "rates": endless})
    assert "the key 1" in str(caught.value)
    assert "nested too deep" in str(caught.value)


def test_default_windows_beyond_the_retention_are_left_out() -> None:
    assert load_plan('currency = "JPY"\nretention = "7d"').windows == ("1h", "24h", "7d")


def test_a_micro_conversion_without_the_prefix_is_warned_about() -> None:
    plan = load_plan('currency = "JPY"\n[events.add_to_cart]\n[events.mv_view]\n[events.purchase]\nfinal = true')
    assert [line.split(":")[1].strip() for line in plan.warnings] == ["events.add_to_cart"]


def test_a_funnel_step_that_the_plan_does_not_know_is_warned_about() -> None:
    plan = load_plan('currency = "JPY"\n[funnels.f]\nsteps = ["mv_x", "*"]')
    assert ["mv_x" in line for line in plan.warnings] == [True]
    typo = load_plan('currency = "JPY"\n[events.mv_view]\n[funnels.f]\nsteps = ["mv_veiw"]')
    assert ["did you mean mv_view?" in line for line in typo.warnings] == [True]


def test_a_plan_that_is_no_table_is_refused() -> None:
    with pytest.raises(PlanError, match="table"):
        load_plan_data([1])


def test_a_target_may_be_larger_than_any_event_s_value() -> None:
    text = 'currency = "{}"\n[events.sale]\nfinal = true\n[targets.28d]\nexpected_value = {}'
    for currency, amount, micros in (
        ("JPY", "12_000_000_000", 12 * 10**15),
        ("JPY", "9223372036854", 9_223_372_036_854 * MICROS),
        ("JPY", "1.2e10", 12 * 10**15),
        ("USD", "12000000000.25", 12 * 10**15 + 250_000),
    ):
        plan = load_plan(text.format(currency, amount))
        assert plan.targets == {"28d": Target(expected_value=Micros(micros))}
        assert load_plan_data(msgspec.json.decode(plan.canonical)).targets == plan.targets


def test_no_message_about_a_target_speaks_of_an_event_that_is_sent() -> None:
    text = 'currency = "JPY"\n[events.sale]\nfinal = true\n[targets.7d]\nexpected_value = '
    for amount in ("1.5", "1e300", "-1", "nan", '"much"', "0.00001"):
        (told,) = problems(text + amount)
        assert "send" not in told
        assert "sending" not in told


def test_a_table_of_targets_without_any_is_warned_of() -> None:
    plan = load_plan('currency = "JPY"\n[targets.7d]')
    assert plan.warnings == (
        "plan.toml: targets.7d: sets no target; "
        "write one of expected_value, brought_value, finals, actors, or leave the table out",
    )


def test_targets_change_the_plan_and_nothing_that_is_learned_or_journeys_are_made_of() -> None:
    one, other = load_plan(WHOLE), load_plan(WHOLE.replace("finals = 120", "finals = 130"))
    assert one.id != other.id
    assert one.learning_id == other.learning_id
    assert JourneyRules.of(one) == JourneyRules.of(other)
