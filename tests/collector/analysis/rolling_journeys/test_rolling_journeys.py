"""What is open and when no longer, what finals bring, whom only the log can tell of, and crowds."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from kizashi_collector.analysis import NO_VALUE, Codes, EventTable, LoggedEvent, RollingSummaries, Worth
from kizashi_collector.analysis._journeys import CONVERTED, UNENDED, Journeys, Ladder, find_journeys
from kizashi_collector.analysis._rolling_journeys import JourneyCells, RollingJourneys
from kizashi_schemas.plan import load_plan

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOW = 1_790_000_040_000 - 1_790_000_040_000 % DAY
LENGTHS = (HOUR, DAY, 7 * DAY)
EDGES = (0, 1, 5, 60, 1_440)
PLAN = load_plan(
    """
    currency = "JPY"
    windows = ["1h", "24h", "7d"]
    [events.mv_a]
    [events.mv_b]
    [events.mv_o]
    [events.buy]
    final = true
    value = "event"
    [events.ask]
    final = true
    value = 70
    [values]
    ladder = ["mv_a", "mv_b"]
    horizon = "2d"
    lookback = "5d"
    """
)
NAMES = ["", "mv_a", "mv_b", "mv_o", "buy", "ask", "x"]
BY = [("campaign",), ("campaign", "device")]


def ladder_of(credit: Any = "last", horizon: int = 2 * DAY, lookback: int = 5 * DAY) -> Ladder:
    ladder = Ladder.of(PLAN)
    assert ladder is not None
    return msgspec.structs.replace(ladder, credit=credit, horizon_ms=horizon, lookback_ms=lookback)


class Shop:
    """Rolling journeys, and short ways to tell of events."""

    def __init__(self, ladder: Ladder | None = None, *tables: EventTable) -> None:
        sources = [{}, {"campaign": "g"}, {"campaign": "h", "device": "m"}, {"campaign": "h"}]
        self.codes = Codes(NAMES, ["", "JPY", "USD"], sources)
        self.ladder = ladder or ladder_of()
        self.tables = [EventTable.empty(), *tables]
        self.rolling = RollingSummaries(PLAN, self.codes, windows=LENGTHS, groupings=BY, now=NOW)
        if tables:
            self.rolling.add(EventTable.joined(tables))
        self.kept = RollingJourneys(self.rolling, self.ladder, edges=EDGES)
        if tables:
            self.kept.take_in(self.log())

    def came(self, *events: tuple[str, int, int, int], value: int = NO_VALUE, currency: int = 0) -> None:
        """Events by name, time, source and actor arrive."""
        first = sum(map(len, self.tables)) + 1
        name, time, source, actor = (np.array(column) for column in zip(*events, strict=True))
        codes = np.array([NAMES.index(one) for one in name.tolist()], np.int32)
        every = np.full(len(time), 1)
        self.add(
            EventTable(
                *(np.arange(first, first + len(time)), codes, time, time, value * every, currency * every),
                *(source.astype(np.int32), actor.astype(np.int32), np.zeros(len(time), np.bool_)),
            )
        )

    def add(self, table: EventTable) -> None:
        self.tables.append(table)
        self.kept.passed_over(table)
        self.rolling.add(table)

    def advance(self, now: int) -> None:
        self.rolling.advance(now)
        self.kept.advance(now)

    def log(self, as_of: int | None = None) -> Journeys:
        return find_journeys(
            EventTable.joined(self.tables),
            self.codes,
            self.ladder,
            worth=Worth(PLAN, []),
            adjusted={},
            as_of=self.rolling.now if as_of is None else as_of,
        )

    def total(self, length: int = DAY) -> JourneyCells:
        return self.kept.cells(length, (), np.array([0]))

    def open(self) -> list[list[int]]:
        """The open journeys of a day, by deepest step and bin."""
        cells: list[list[int]] = self.total().open_cells[0].tolist()
        return cells


# -- time passes --------------------------------------------------------------------------------------------------


def test_a_journey_is_open_up_to_its_horizon_to_the_millisecond() -> None:
    shop = Shop(ladder_of(horizon=90 * SECOND + 5))
    shop.came(("mv_a", NOW, 1, 1))
    shop.advance(NOW + 90 * SECOND + 5)
    assert shop.open() == [[0] * 5, [0, 1, 0, 0, 0], [0] * 5]
    before = shop.kept.version(DAY)
    shop.advance(NOW + 90 * SECOND + 6)
    assert shop.total().open.tolist() == [0]
    assert shop.total().journeys.tolist() == [1]
    assert shop.kept.version(DAY) != before


def test_ages_move_as_a_minute_of_the_clock_begins_and_at_no_other_time() -> None:
    shop = Shop()
    shop.advance(NOW + 59_999)
    shop.came(("mv_b", NOW + 59_999, 1, 1))
    assert shop.open()[2] == [1, 0, 0, 0, 0]
    shop.advance(NOW + MINUTE)
    assert shop.open()[2] == [0, 1, 0, 0, 0]
    version = shop.kept.version(DAY)
    shop.advance(NOW + 5 * MINUTE - 1)
    assert shop.kept.version(DAY) == version
    shop.advance(NOW + 5 * MINUTE)
    assert shop.open()[2] == [0, 0, 1, 0, 0]
    shop.advance(NOW + 20 * HOUR)
    assert shop.open()[2] == [0, 0, 0, 1, 0]
    shop.advance(NOW + DAY)
    assert shop.open()[2] == [0, 0, 0, 0, 1]


def test_a_deeper_step_begins_a_new_age_and_a_repeated_one_changes_nothing() -> None:
    shop = Shop()
    shop.came(("mv_o", NOW, 1, 1))
    shop.advance(NOW + 5 * MINUTE)
    shop.came(("mv_a", NOW + 5 * MINUTE, 1, 1))
    assert shop.open() == [[0] * 5, [1, 0, 0, 0, 0], [0] * 5]
    shop.advance(NOW + 6 * MINUTE)
    assert shop.open() == [[0] * 5, [0, 1, 0, 0, 0], [0] * 5]
    version = shop.kept.version(DAY)
    shop.came(("mv_a", NOW + 6 * MINUTE - 1, 1, 1), ("mv_o", NOW + 6 * MINUTE, 0, 1))
    shop.came(("x", NOW + 6 * MINUTE, 2, 1), ("mv_a", NOW + 6 * MINUTE, 2, 0))
    assert shop.kept.version(DAY) == version
    assert shop.open() == [[0] * 5, [0, 1, 0, 0, 0], [0] * 5]


def test_a_journey_leaves_a_window_with_its_first_event() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW, 1, 1), ("buy", NOW, 2, 1), value=5)
    shop.advance(NOW + HOUR - 1)
    shop.came(("mv_a", NOW + HOUR - 1, 1, 1))
    assert [shop.total(length).journeys.tolist() for length in LENGTHS] == [[2], [2], [2]]
    assert shop.total(HOUR).brought == [5]
    shop.advance(NOW + HOUR)
    assert [shop.total(length).journeys.tolist() for length in LENGTHS] == [[1], [2], [2]]
    assert (shop.total(HOUR).brought, shop.total(DAY).brought) == ([0], [5])


def test_what_leaves_one_window_changes_nothing_in_another() -> None:
    shop = Shop()
    shop.came(("buy", NOW, 2, 1), value=5)
    shop.advance(NOW + HOUR - 1)
    before = [shop.kept.version(length) for length in LENGTHS]
    shop.advance(NOW + HOUR)
    after = [shop.kept.version(length) for length in LENGTHS]
    assert [now == was for now, was in zip(after, before, strict=True)] == [False, True, True]


def test_an_event_that_waits_for_its_time_counts_from_then_on() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW + 3 * SECOND, 1, 1))
    assert len(shop.kept.cells(DAY, ())) == 0
    shop.rolling.advance(NOW + 3 * SECOND)
    # Whoever asks need not have said that time has passed.
    assert shop.kept.cells(DAY, ()).open.tolist() == [1]


# -- rows ---------------------------------------------------------------------------------------------------------


def test_rows_are_those_of_the_source_credited_and_add_up_to_the_total() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW - 9, 1, 1), ("mv_a", NOW - 8, 2, 2), ("mv_a", NOW - 8, 0, 3))
    assert shop.kept.cells(DAY, ("campaign",)).keys == [("",), ("g",), ("h",)]
    shop.came(("mv_b", NOW - 7, 3, 1), ("ask", NOW - 7, 0, 2))
    cells = shop.kept.cells(DAY, ("campaign", "device"))
    assert cells.keys == [("", ""), ("h", "m"), ("h", "")]
    assert (cells.journeys.tolist(), cells.converted.tolist(), cells.open.tolist()) == ([1, 1, 1], [0, 1, 0], [1, 0, 1])
    assert cells.brought == [0, 70_000_000, 0]
    assert shop.total().open.tolist() == [2]
    assert len(cells) == 3


def test_rows_may_be_asked_for_by_their_numbers() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW - 9, 1, 1), ("mv_a", NOW - 8, 2, 2))
    cells = shop.kept.cells(DAY, ("campaign",), np.array([2, 0]))
    assert cells.keys == [("h",), ("",)]
    assert cells.journeys.tolist() == [1, 0]


def test_a_window_or_grouping_that_is_not_kept_is_a_key_error() -> None:
    shop = Shop()
    with pytest.raises(KeyError):
        shop.kept.cells(DAY, ("nowhere",))
    with pytest.raises(KeyError):
        shop.kept.cells(DAY + 1, ())


# -- money --------------------------------------------------------------------------------------------------------


def _bought(order: str = "o") -> LoggedEvent:
    return LoggedEvent(id="e", name="buy", time=NOW - 1, received_at=0, order=order, value=5, currency="JPY")


def _adjustment(what: Any, value: int | None = None) -> LoggedEvent:
    return LoggedEvent(
        id="r",
        name="buy",
        time=NOW,
        received_at=0,
        order="o",
        adjust=what,
        value=value,
        currency=None if value is None else "JPY",
    )


def test_a_restated_final_brings_what_it_stands_at_and_a_retracted_one_nothing() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW - 2, 1, 1), ("buy", NOW - 1, 1, 1), value=5, currency=1)
    restated, retracted = _adjustment("restate", 9), _adjustment("retract")
    shop.rolling.adjust(2, _bought(), [restated])
    assert (shop.total().converted.tolist(), shop.total().brought) == ([1], [9])
    assert shop.kept.columns().apart == {}
    shop.rolling.adjust(2, _bought(), [restated, retracted])
    assert (shop.total().journeys.tolist(), shop.total().converted.tolist(), shop.total().brought) == ([1], [0], [0])
    shop.rolling.adjust(2, _bought(), [])
    assert (shop.total().converted.tolist(), shop.total().brought) == ([1], [5])


def test_sums_go_beyond_64_bits() -> None:
    shop = Shop()
    events = [("buy", NOW - 1, at % 4, 1 + at) for at in range(3_000)]
    shop.came(*events, value=(1 << 62) - 1, currency=1)
    assert shop.total().brought == [3_000 * ((1 << 62) - 1)]
    assert sum(shop.kept.columns().apart.values()) == 3_000 * ((1 << 62) - 1)  # type: ignore[arg-type]
    shop.came(*events, value=(1 << 55) - 1, currency=1)
    assert shop.total().brought == [3_000 * ((1 << 62) + (1 << 55) - 2)]


def test_nobody_knows_what_was_brought_while_a_final_without_a_rate_is_in_the_window() -> None:
    shop = Shop()
    shop.came(("buy", NOW - 1, 1, 1), value=5, currency=2)
    shop.came(("buy", NOW, 1, 2), value=7, currency=1)
    assert shop.kept.cells(HOUR, ("campaign",)).brought == [None]
    shop.advance(NOW + HOUR - 1)
    assert shop.kept.cells(HOUR, ("campaign",)).brought == [7]
    assert shop.kept.cells(DAY, ("campaign",)).brought == [None]


# -- what only the log can tell -----------------------------------------------------------------------------------


def _mended(shop: Shop, as_of: int) -> None:
    shop.kept.advance(shop.rolling.now)
    while shop.kept.dirty:
        shop.kept.mend(shop.kept.dirty.pop(), shop.log(as_of), as_of)


def test_an_event_before_all_windows_makes_its_actor_dirty_until_the_log_has_told() -> None:
    shop = Shop()
    # The step is far back; the final continues its journey and nobody here knows.
    shop.came(("mv_b", NOW - 6 * DAY, 1, 1), ("buy", NOW, 0, 1), value=5)
    shop.came(("mv_a", NOW - 7 * DAY - HOUR, 2, 1), ("mv_a", NOW - 7 * DAY - HOUR, 2, 2))
    assert shop.kept.dirty == {1, 2}
    assert shop.kept.cells(7 * DAY, ()).journeys.tolist() == [2]
    _mended(shop, shop.rolling.since)
    assert shop.kept.cells(7 * DAY, ()).journeys.tolist() == [1]
    # Days later, a late event is told from what is here.
    shop.came(("mv_a", NOW - 1, 2, 1))
    assert shop.kept.dirty == set()
    assert shop.kept.columns().begin.tolist() == [NOW - 7 * DAY - HOUR, NOW - 1, NOW - 7 * DAY - HOUR]


def test_a_late_event_that_splits_a_journey_in_the_window_makes_nobody_dirty() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW - 9, 1, 1), ("mv_b", NOW - 7, 2, 1))
    shop.came(("ask", NOW - 8, 0, 1))
    assert shop.kept.columns().source.tolist() == [1, 2]
    assert shop.kept.dirty == set()


def test_what_is_too_old_to_matter_makes_nobody_dirty() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW - 60 * DAY, 1, 1), ("x", NOW - 8 * DAY, 1, 2), ("mv_a", NOW - 8 * DAY, 1, 0))
    assert shop.kept.dirty == set()


@pytest.mark.parametrize(("credit", "begun"), [("first", 1), ("last", 1), ("last", 0)])
def test_a_credit_before_what_is_held_is_told_where_it_can_be(credit: str, begun: int) -> None:
    step, end = ("mv_a", NOW - 7 * DAY, begun, 1), ("buy", NOW - 7 * DAY + HOUR, 0, 1)
    again = "mv_b", NOW - 7 * DAY + HOUR - 1, 2, 1
    table = Shop(ladder_of(credit))
    table.came(step, again, end, value=5)
    shop = Shop(ladder_of(credit), *table.tables)
    # A final before the sourced event: what was credited when the window began matters again.
    shop.came(("ask", NOW - 7 * DAY + HOUR - 2, 0, 1))
    assert shop.kept.dirty == {1}
    _mended(shop, shop.rolling.since)
    expected = shop.log()
    assert shop.kept.columns().source.tolist() == expected.source.tolist() == [begun, 2]
    assert shop.kept.columns().end.tolist() == expected.end.tolist()


@pytest.mark.parametrize("credit", ["first", "last"])
def test_a_journey_from_before_is_told_anew_when_no_later_event_had_a_source(credit: str) -> None:
    edge = NOW - 7 * DAY
    log = Shop()
    log.came(("mv_a", edge, 1, 1), ("mv_a", edge + HOUR, 0, 1))
    shop = Shop(ladder_of(credit), *log.tables)
    shop.came(("mv_b", edge + 2, 0, 1))
    assert shop.kept.columns().reached.tolist() == [[-1, edge, edge + 2]]
    shop.came(("ask", edge + 1, 0, 1))
    assert shop.kept.columns().reached.tolist() == [[-1, edge, -1], [-1, -1, edge + 2]]
    assert shop.kept.columns().source.tolist() == [1, 0]
    assert shop.kept.dirty == set()


def test_a_first_credit_within_the_window_is_taken_back() -> None:
    edge = NOW - 7 * DAY
    log = Shop()
    log.came(("mv_a", edge, 0, 1))
    shop = Shop(ladder_of("first"), *log.tables)
    shop.came(("mv_b", edge + 9, 2, 1))
    assert shop.kept.columns().source.tolist() == [2]
    shop.came(("ask", edge + 8, 0, 1))
    assert shop.kept.columns().source.tolist() == [0, 2]
    assert shop.kept.dirty == set()


@pytest.mark.parametrize("credit", ["first", "last"])
def test_when_journeys_were_credited_may_be_told(credit: str) -> None:
    edge = NOW - 7 * DAY
    log = Shop()
    log.came(("mv_a", edge, 1, 1), ("mv_a", edge + 9, 2, 2), ("mv_b", edge + DAY, 3, 1))
    log.came(("mv_a", edge, 0, 3), ("mv_a", edge + 3, 1, 3))
    shop = Shop(ladder_of(credit))
    shop.tables = log.tables
    shop.rolling.followers.clear()
    shop.rolling.add(EventTable.joined(log.tables))
    shop.kept = RollingJourneys(shop.rolling, shop.ladder, edges=EDGES)
    shop.kept.take_in(shop.log(), np.array([edge if credit == "first" else edge + DAY, edge + 9, edge + 3]))
    shop.came(("ask", edge + 2, 0, 3))
    # Whether an event before the last one had a source is not told.
    assert shop.kept.dirty == (set() if credit == "first" else {3})
    _mended(shop, shop.rolling.since)
    shop.came(("mv_b", edge + DAY + 1, 0, 1))
    assert shop.kept.columns().source.tolist() == shop.log().source.tolist() == [1 if credit == "first" else 3, 2, 0, 1]


def test_an_event_before_a_repeated_step_that_the_log_had_is_late() -> None:
    log = Shop()
    log.came(("mv_a", NOW - 9, 1, 1), ("mv_a", NOW - 3, 2, 1))
    shop = Shop(None, *log.tables)
    shop.came(("mv_a", NOW - 6, 3, 1))
    assert shop.kept.columns().source.tolist() == [2]


@pytest.mark.parametrize("anew", [False, True])
def test_a_last_credit_within_the_window_is_not_taken_for_one_from_before(anew: bool) -> None:
    edge = NOW - 7 * DAY
    log = Shop()
    log.came(("mv_a", edge, 1, 1))
    shop = Shop(None, *log.tables)
    if anew:
        shop.came(("mv_o", edge + 10, 0, 1))
    shop.came(("mv_b", edge + 9, 2, 1))
    assert shop.kept.columns().source.tolist() == [2]
    shop.came(("ask", edge + 8, 0, 1))
    _mended(shop, shop.rolling.since)
    assert shop.kept.columns().source.tolist() == [1, 2]


def test_one_event_long_ago_may_move_all_journeys_since() -> None:
    shop = Shop()
    first = NOW - shop.kept.reach - 8 * DAY
    log = Shop()
    log.came(*(("mv_a", first + at * 36 * HOUR, at % 2, 1) for at in range(1, 15)))
    shop = Shop(None, *log.tables)
    before = shop.kept.columns().begin.tolist()
    shop.came(("mv_a", first, 0, 1))
    assert shop.kept.dirty == {1}
    _mended(shop, shop.rolling.since)
    after = shop.kept.columns().begin.tolist()
    assert not set(after) & set(before)
    found = shop.log().begin
    assert after == found[found > NOW - shop.kept.reach].tolist()


def test_an_actor_is_forgotten_with_what_the_log_has_no_more() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW - 1, 1, 1), ("mv_a", NOW - 1, 1, 2))
    shop.rolling.remove([1])
    nothing = find_journeys(
        EventTable.empty(), shop.codes, shop.ladder, worth=Worth(PLAN, []), adjusted={}, as_of=shop.rolling.now
    )
    shop.kept.mend(1, nothing, shop.rolling.since)
    assert shop.kept.columns().actor.tolist() == [2]
    assert shop.total().journeys.tolist() == [1]


def test_events_that_are_deleted_leave_their_journeys() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW - 5 * DAY, 1, 1), ("mv_b", NOW - 2, 1, 1), ("mv_a", NOW - 1, 2, 1), ("mv_a", NOW - 1, 1, 2))
    shop.rolling.remove([1, 2])
    assert shop.kept.columns().begin.tolist() == [NOW - 1, NOW - 1]
    assert shop.kept.columns().reached.tolist() == [[-1, NOW - 1, -1], [-1, NOW - 1, -1]]
    assert shop.kept.columns().source.tolist() == [2, 1]
    assert shop.total(7 * DAY).journeys.tolist() == [2]
    assert shop.kept.dirty == set()


def test_the_log_is_taken_in_once() -> None:
    shop = Shop()
    shop.came(("mv_a", NOW - 1, 1, 1))
    with pytest.raises(ValueError, match="1 journeys are here already"):
        shop.kept.take_in(shop.log())


# -- crowds -------------------------------------------------------------------------------------------------------


def _events(draw: np.random.Generator, first: int, time: np.ndarray[Any, Any], actors: int) -> EventTable:
    size = len(time)
    name = draw.choice([1, 1, 1, 1, 2, 2, 3, 4, 5, 6], size)
    # A few do a lot.
    actor = np.where(draw.random(size) < 0.2, draw.integers(1, 4, size), draw.integers(1, actors, size))
    return EventTable(
        *(np.arange(first, first + size), name, time, time, np.where(name == 4, draw.integers(0, 10**9, size), -1)),
        *((name == 4).astype(np.int64), draw.integers(0, 4, size), actor, np.zeros(size, np.bool_)),
    )


def _check(shop: Shop) -> None:
    found, kept, now = shop.log(), shop.kept.columns(), shop.rolling.now
    wanted = found.begin > now - shop.kept.reach
    for name in ("actor", "begin", "source", "deepest", "reached", "ended", "end", "final", "brought"):
        np.testing.assert_array_equal(getattr(kept, name), getattr(found, name)[wanted], name)
    is_open = found.open_at(now, shop.ladder.horizon_ms)
    for length in LENGTHS:
        begun = found.begin > now - length
        for by in [(), *BY]:
            keys = [tuple(source.get(field, "") for field in by) for source in shop.codes.sources]
            cells = shop.kept.cells(length, by)
            for row, key in enumerate(cells.keys):
                own = begun & np.array([one == key for one in keys])[found.source]
                assert int(cells.journeys[row]) == np.count_nonzero(own)
                assert int(cells.converted[row]) == np.count_nonzero(own & (found.ended == CONVERTED))
                assert cells.brought[row] == int(found.brought[own].sum())
                opened = own & is_open
                clock = found.deadlines(shop.ladder.horizon_ms)[opened] - shop.ladder.horizon_ms
                bins = np.searchsorted(EDGES, now // MINUTE - clock // MINUTE, side="right") - 1
                expected = np.zeros(cells.open_cells.shape[1:], np.int64)
                np.add.at(expected, (found.deepest[opened], bins), 1)
                np.testing.assert_array_equal(cells.open_cells[row], expected)


@pytest.mark.parametrize("credit", ["first", "last"])
@pytest.mark.parametrize("grain", [1, 10_000])
def test_crowds_that_come_late_and_early_are_told_as_the_log_tells_them(credit: str, grain: int) -> None:
    draw = np.random.default_rng(grain)
    time = np.sort(NOW - draw.integers(0, 20 * DAY, 30_000)) // grain * grain
    shop = Shop(ladder_of(credit, horizon=5 * HOUR), _events(draw, 1, time, 2_000))
    _check(shop)
    first, now = 30_001, NOW
    for size, gap in [(3_000, 10_000), (50, 500), (800, MINUTE), (2_000, 40 * MINUTE), (3_000, 3 * HOUR)]:
        now += gap
        shop.advance(now)
        late = np.where(draw.random(size) < 0.05, draw.integers(0, 9 * DAY, size), draw.integers(0, gap, size))
        shop.add(_events(draw, first, (now - late) // grain * grain, 2_500))
        first += size
        _mended(shop, now if size == 800 else shop.rolling.since)
        _check(shop)


def test_journeys_that_matter_no_more_are_let_go_of() -> None:
    shop, draw = Shop(ladder_of(horizon=HOUR, lookback=DAY)), np.random.default_rng(5)
    most = 0
    for day in range(80):
        now = NOW + day * DAY
        shop.advance(now)
        shop.add(_events(draw, 1 + 200 * day, now - draw.integers(0, DAY, 200), 10_000))
        most = max(most, len(shop.kept))
    _check(shop)
    journeys = len(shop.log())
    assert journeys > 13_000
    # Of 80 days, some 7 matter.
    assert most < journeys // 3
    assert np.count_nonzero(shop.log().ended == UNENDED) > most
