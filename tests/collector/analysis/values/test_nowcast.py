"""The nowcast and the fit behind it: corners, totals, and the same bytes for the same tables."""

from __future__ import annotations

import itertools

import msgspec
import numpy as np
import pytest

from kizashi_collector.analysis._values import Fit, FittedKeys, Members, Nowcast, OpenCells, Statistics, fit, nowcast
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS
from kizashi_collector.analysis._values._keys import Keys
from values.simulation import EPOCH, HORIZON, Variant, World
from values.small import BOUNDARY, Story, columns, counted, tables

YEN = 1_000_000
AS_OF = EPOCH + 70 * DAY_MS
WORLD = World(Variant(campaigns=8, fattest=60, thinnest=1, days=80), 21)
KEYS = [(f"c{n // 2}", "mobile" if n % 2 else "desktop") for n in range(8)]


@pytest.fixture(scope="module")
def learned() -> FittedKeys:
    return FittedKeys(fit(statistics()))


def statistics() -> Statistics:
    return counted(WORLD.known(AS_OF), KEYS, boundary=AS_OF, lookback=60 * DAY_MS)


def standing(fitted: FittedKeys, *journeys: tuple[int, ...], as_of: int = AS_OF) -> OpenCells:
    """Open journeys by row, place, step and age."""
    row, place, step, age = (np.array(column, np.int64) for column in zip(*journeys, strict=True))
    return OpenCells.of(row, place, step, as_of - age, as_of=as_of, grid=fitted.grid)


def answered(fitted: FittedKeys, cells: OpenCells, brought: list[int]) -> list[Nowcast]:
    """The nowcast of rows whose keys all have an open journey."""
    pairs = sorted(set(zip(cells.row.tolist(), cells.place.tolist(), strict=True)))
    row, place = (np.array([pair[n] for pair in pairs], np.int64) for n in range(2))
    return nowcast(fitted, cells, Members(row, place), brought)


def one(fitted: FittedKeys, *journeys: tuple[int, int, int], brought: int = 0) -> Nowcast:
    return answered(fitted, standing(fitted, *((0, *journey) for journey in journeys)), [brought])[0]


def mixed(exits: int, stays: int, source: int = 0, amount: int = 100 * YEN) -> list[Story]:
    """Journeys of long ago, evenly mixed: some sold after ten minutes, some did not."""
    count = exits + stays
    found: list[Story] = []
    for n in range(count):
        begun = BOUNDARY - 30 * DAY_MS - n * 20 * DAY_MS // count
        sold = (n + 1) * exits // count > n * exits // count
        found.append((source, {1: begun}, begun + 600_000 if sold else None, amount if sold else 0))
    return found


def fresh(stories: list[Story], source: int = 0, count: int = 10) -> Nowcast:
    """What `count` journeys that have just begun will bring, under a fit of stories."""
    fitted = FittedKeys(fit(tables(stories)))
    cells = OpenCells(*(np.array([value]) for value in (0, source, 1, 0, count)))
    return answered(fitted, cells, [0])[0]


def test_the_same_tables_give_the_same_bytes_whatever_the_order_of_rows_and_keys() -> None:
    journeys = WORLD.known(AS_OF)
    rng = np.random.default_rng(5)
    rows, keys = rng.permutation(len(journeys.begin)), rng.permutation(8)
    shuffled = journeys.rows(rows)
    other = Statistics.of(
        shuffled,
        np.argsort(keys),
        [KEYS[n] for n in keys],
        boundary=AS_OF,
        horizon=HORIZON,
        lookback=60 * DAY_MS,
    )
    assert msgspec.json.encode(fit(other)) == msgspec.json.encode(fit(statistics()))


def test_a_fit_that_was_written_down_answers_as_before(learned: FittedKeys) -> None:
    for codec in (msgspec.json, msgspec.msgpack):
        again = codec.decode(codec.encode(learned.fit), type=Fit)
        assert again == learned.fit
        assert one(FittedKeys(again), (0, 1, 5), (3, 2, HOUR_MS)) == one(learned, (0, 1, 5), (3, 2, HOUR_MS))


def test_at_the_horizon_an_open_journey_is_worth_nothing(learned: FittedKeys) -> None:
    before = one(learned, (0, 3, HORIZON - 1), brought=7)
    after = one(learned, (0, 3, HORIZON), brought=7)
    assert before.expected > 7
    assert (after.expected, after.low, after.high, after.finals_to_come) == (7, 7, 7, 0)


def test_low_is_never_below_what_was_brought_nor_above_what_is_expected(learned: FittedKeys) -> None:
    for count, step in itertools.product((1, 3, 30, 3_000), (0, 1, 2, 3)):
        found = one(learned, *[(n % 8, step, n * 60_000) for n in range(count)], brought=5 * YEN)
        assert 5 * YEN <= found.low <= found.expected
        assert found.low <= found.high


def test_rows_add_up_to_the_total_and_their_bounds_do_not(learned: FittedKeys) -> None:
    journeys = [(n % 8, n % 8, 1 + n % 3, n * 600_000) for n in range(800)]
    rows = answered(learned, standing(learned, *journeys), [n * YEN for n in range(8)])
    total = answered(learned, standing(learned, *((0, *rest) for _, *rest in journeys)), [28 * YEN])[0]
    assert total.brought == sum(row.brought for row in rows)
    assert total.expected == pytest.approx(sum(row.expected for row in rows))
    assert total.own_conversions == sum(row.own_conversions for row in rows)
    assert total.borrowed_conversions == 0
    width = sum(row.high - row.low for row in rows)
    assert (total.high - total.low) < 0.8 * width
    # Yet errors that all share do not average out: it is wider than rows without them would make it.
    alone = sum((row.high - row.low) ** 2 for row in rows) ** 0.5
    assert (total.high - total.low) > 0.8 * alone


def test_what_relatives_share_does_not_average_out_between_them() -> None:
    # A campaign with little behind it, and two devices that know nothing of their own: one error, not two.
    keys = [("a", "d"), ("a", "m"), ("b", "d"), ("c", "d"), ("d", "d"), ("e", "d"), ("e", "m")]
    known = (None, None, (40, 160), (10, 190), (20, 180), (3, 27), (0, 1))
    stories = [story for n, counts in enumerate(known) if counts for story in mixed(*counts, source=n)]
    fitted = FittedKeys(fit(tables(stories, keys)))
    journeys = [(0, 5 + n % 2, 1, 0) for n in range(4_000)]
    together = answered(fitted, standing(fitted, *journeys), [0])[0]
    apart = answered(fitted, standing(fitted, *((n % 2, *rest) for n, (_, *rest) in enumerate(journeys))), [0, 0])
    independent = sum((row.high - row.low) ** 2 for row in apart) ** 0.5
    assert together.expected == pytest.approx(sum(row.expected for row in apart))
    assert together.high - together.low > 1.1 * independent


def test_a_row_may_gather_keys_in_any_way(learned: FittedKeys) -> None:
    by_device = standing(learned, *((n % 2, n % 8, 2, HOUR_MS) for n in range(80)))
    rows = answered(learned, by_device, [0, 0])
    apart = [one(learned, *((n, 2, HOUR_MS) for _ in range(10))) for n in range(8)]
    assert rows[1].expected == pytest.approx(sum(found.expected for found in apart[1::2]))


def test_a_row_with_nothing_open_is_what_it_brought(learned: FittedKeys) -> None:
    rows = answered(learned, standing(learned, (1, 0, 1, 0)), [5 * YEN, 0])
    assert (rows[0].expected, rows[0].low, rows[0].high, rows[0].none_to_come) == (5 * YEN, 5 * YEN, 5 * YEN, 1)


def test_evidence_is_there_without_an_open_journey(learned: FittedKeys) -> None:
    empty = np.zeros(0, np.int64)
    none_open = OpenCells(empty, empty, empty, empty, empty)
    found = nowcast(learned, none_open, Members(np.zeros(2, np.int64), np.array([0, 3])), [5])[0]
    assert found.own_conversions == learned.own[0] + learned.own[3] > 0
    assert found.borrowed_conversions > 0
    assert (found.low, found.expected, found.high) == (5, 5, 5)


def test_no_rows_have_no_nowcasts(learned: FittedKeys) -> None:
    empty = np.zeros(0, np.int64)
    assert answered(learned, OpenCells(empty, empty, empty, empty, empty), []) == []


def test_a_key_that_the_fit_has_not_seen_takes_what_its_relatives_have_and_is_less_sure(learned: FittedKeys) -> None:
    known, cousin, stranger = (learned.place(key) for key in (("c0", "mobile"), ("c0", "tablet"), ("c9", "mobile")))
    assert len({known, cousin, stranger}) == 3
    width = []
    for place in (known, cousin, stranger):
        found = one(learned, *((place, 1, 0) for _ in range(5_000)))
        assert found.expected > 0
        width.append((found.high - found.low) / found.expected)
    assert width[0] < width[1] < width[2]
    assert one(learned, (stranger, 1, 0)).own_conversions == 0


def test_the_value_of_a_step_is_its_chance_times_what_a_final_brings(learned: FittedKeys) -> None:
    values = learned.values(0)
    assert values == pytest.approx(learned.worth.fresh[:-1, 0] * learned.mean[0])
    assert values[1] < values[2] < values[3]


def test_evidence_is_a_keys_own_finals_and_what_it_borrows_from_its_relatives() -> None:
    found = FittedKeys(fit(tables([*mixed(40, 60), *mixed(1, 3, source=1)])))
    assert found.own[:2].tolist() == [40, 1]
    assert found.borrowed[0] <= 1
    assert 1 < found.borrowed[1] <= 40


def test_a_row_borrows_nothing_from_the_keys_that_it_gathers() -> None:
    found = FittedKeys(fit(tables([*mixed(40, 60), *mixed(1, 3, source=1)])))
    none = OpenCells(*(np.zeros(0, np.int64) for _ in range(5)))
    apart = nowcast(found, none, Members(np.array([0, 1]), np.array([0, 1])), [0, 0])
    [together] = nowcast(found, none, Members(np.array([0, 0]), np.array([0, 1])), [0])
    assert [row.borrowed_conversions for row in apart] == found.borrowed[:2].tolist()
    assert (together.own_conversions, together.borrowed_conversions) == (41, 0)


def test_where_nobody_has_ever_bought_nothing_is_expected() -> None:
    found = fresh(mixed(0, 50))
    assert (found.expected, found.low, found.high) == (0, 0, 0)


def test_where_everybody_buys_nearly_all_are_expected_to() -> None:
    found = fresh([*mixed(50, 0), *mixed(25, 25, source=1)])
    assert 7 < found.finals_to_come <= 10
    assert found.high <= 1_300 * YEN


def test_of_a_key_nobody_has_come_by_what_others_do_is_expected() -> None:
    assert fresh(mixed(20, 20), source=1).finals_to_come == pytest.approx(5, rel=0.1)


def test_with_one_key_alone_it_is_its_own_rate() -> None:
    fitted = FittedKeys(fit(tables(mixed(30, 70), keys=[("a",)])))
    assert fitted.worth.fresh[1, 0] == pytest.approx(0.3, rel=0.05)


def test_with_no_journey_at_all_there_is_a_fit_that_expects_nothing() -> None:
    empty = fit(counted(columns([]), []))
    fitted = FittedKeys(empty)
    found = one(fitted, (fitted.place(("a",)), 1, 0), brought=3)
    assert (found.expected, found.low, found.high, empty.back_tests) == (3, 3, 3, ())


def test_where_all_are_younger_than_a_day_nothing_breaks() -> None:
    young: list[Story] = [
        (n % 2, {1: BOUNDARY - n * 60_000}, BOUNDARY - n * 60_000 + 30_000 if n % 5 == 1 else None, YEN)
        for n in range(1, 900)
    ]
    found = fresh(young)
    assert 0 < found.finals_to_come < 10
    assert found.low <= found.expected <= found.high


def test_finals_without_money_of_their_own_are_worth_their_number_in_the_plan() -> None:
    found = fresh([*mixed(50, 50, amount=3_000 * YEN), *mixed(10, 10, source=1, amount=3_000 * YEN)])
    assert found.expected == pytest.approx(found.finals_to_come * 3_000 * YEN)


def test_finals_that_were_all_refunded_are_expected_to_bring_nothing() -> None:
    found = fresh(mixed(30, 70, amount=0))
    assert found.finals_to_come > 2
    assert (found.expected, found.low, found.high) == (0, 0, 0)


@pytest.mark.parametrize("amount", [1, 19_990_000, 10**16])
def test_cents_yen_and_the_largest_amounts_behave_alike(amount: int) -> None:
    found, yen = fresh(mixed(30, 70, amount=amount)), fresh(mixed(30, 70, amount=YEN))
    assert found.expected / amount == pytest.approx(yen.expected / YEN)
    assert found.high / amount == pytest.approx(yen.high / YEN)


@pytest.mark.parametrize("horizon", [30 * 60_000, 5 * HOUR_MS, 36 * HOUR_MS, 60 * DAY_MS])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_any_horizon_and_ladder_will_do(horizon: int, steps: int) -> None:
    stories: list[Story] = []
    for n in range(200):
        begun = BOUNDARY - DAY_MS - n * 8 * HOUR_MS
        sold = begun + horizon // 2 if n % 4 == 0 else None
        stories.append((n // 4 % 2, {steps: begun}, sold if sold and sold <= BOUNDARY else None, YEN if sold else 0))
    fitted = FittedKeys(fit(tables(stories, steps=steps, horizon=horizon)))
    cells = OpenCells(*(np.array([value]) for value in (0, 0, steps, 0, 100)))
    assert answered(fitted, cells, [0])[0].finals_to_come == pytest.approx(25, rel=0.25)


def test_a_micro_conversion_after_its_final_begins_another_journey_and_is_counted_so() -> None:
    old = BOUNDARY - 40 * DAY_MS
    stories: list[Story] = []
    for n in range(100):
        begun = old - n * HOUR_MS
        stories += [(0, {1: begun}, begun + 60_000, YEN), (0, {1: begun + 120_000}, None, 0)]
    assert fresh(stories).finals_to_come == pytest.approx(5, rel=0.05)


def test_more_of_the_same_evidence_makes_a_narrower_interval() -> None:
    wide, narrow = (fresh([*mixed(n, 9 * n), *mixed(50, 450, source=1)], count=2_000) for n in (2, 200))
    assert (narrow.high - narrow.low) / narrow.expected < (wide.high - wide.low) / wide.expected


def test_keys_at_every_level_lead_up_to_the_total() -> None:
    keys, _ = Keys.of([("b", "m"), ("a", "m"), ("b", "d")])
    assert keys.leaves == (("a", "m"), ("b", "d"), ("b", "m"))
    total, campaign, device = keys.levels()
    assert (total.size, campaign.size, device.size) == (1, 2, 3)
    assert campaign.of_leaf.tolist() == [0, 1, 1]
    assert device.parent.tolist() == [0, 1, 1]
    assert keys.wider == ((), ("a",), ("b",))
