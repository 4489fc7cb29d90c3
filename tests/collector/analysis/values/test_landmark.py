"""What open journeys are worth, against counting how many of those that stood there sold in the end."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from kizashi_collector.analysis._values import BackTest, FittedKeys, fit
from kizashi_collector.analysis._values._grid import DAY_MS, HOUR_MS, Floats
from kizashi_collector.analysis._values._transitions import transitions
from values.landmark import landmark
from values.simulation import EPOCH, STEPS, Journeys, Variant, World
from values.small import counted

AS_OF = EPOCH + 170 * DAY_MS
LOOKBACK = 170 * DAY_MS


def learned(journeys: Journeys) -> FittedKeys:
    return FittedKeys(fit(counted(journeys, [("c000",)], boundary=AS_OF, lookback=LOOKBACK)))


def compared(journeys: Journeys, fitted: FittedKeys, step: int) -> tuple[Floats, Floats, Floats]:
    """Of each bin of age: finals by the fit, finals counted, and the deviation of a count."""
    edges = np.array(fitted.grid.edges)
    standing, sold = landmark(journeys, step, (edges[:-1] + edges[1:]) // 2)
    q = fitted.worth.open[step, 0]
    return standing * q, sold.astype(np.float64), np.sqrt(standing * q * (1 - q))


@pytest.fixture(scope="module")
def stationary() -> Journeys:
    """Journeys of one campaign in which nothing moves, all of them over by the boundary but for a few."""
    return World(Variant(campaigns=1, fattest=400, days=110), 31).known(AS_OF)


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_where_nothing_moves_the_fit_says_what_counting_says(stationary: Journeys, step: int) -> None:
    foretold, happened, deviation = compared(stationary, learned(stationary), step)
    assert happened[0] > 100
    # Four deviations of a count, and what the middle of a bin is off where lags are dense inside it.
    assert (np.abs(happened - foretold) < 4 * deviation + 0.03 * foretold + 1).all()


def test_counting_tells_a_wrong_worth_from_a_right_one(stationary: Journeys) -> None:
    fitted = learned(stationary)
    foretold, happened, deviation = compared(stationary, fitted, 1)
    assert (np.abs(happened - 1.2 * foretold) > 4 * deviation).sum() > 10
    # As if only finals next could come: for a step that is not the last, a fraction of what it is worth.
    straight = fitted.chance[transitions(STEPS).index((1, STEPS + 1)), 0]
    assert straight < 0.2 * fitted.worth.fresh[1, 0]


def returning(seed: int = 3, count: int = 24_000) -> Journeys:
    """Journeys that go on at once and seldom buy, or come back after days and mostly do: a step is worth more to who
    comes late, which no chain of steps knows of."""
    rng = np.random.default_rng(seed)
    begin = EPOCH + np.sort(rng.integers(0, 130 * DAY_MS, count))
    back = rng.uniform(size=count)
    at_once, late = back < 0.3, (back >= 0.3) & (back < 0.45)
    lag = np.where(at_once, rng.integers(1, HOUR_MS, count), rng.integers(DAY_MS, 9 * DAY_MS, count))
    second = np.where(at_once | late, begin + lag, -1)
    sold = rng.uniform(size=count) < np.where(at_once, 0.2, np.where(late, 0.6, 0.0))
    reached = np.stack((np.full(count, -1), begin, second), axis=1)
    end = np.where(sold, second + rng.integers(1, HOUR_MS, count), 0)
    ended = sold.astype(np.int8)
    return Journeys(begin, np.zeros(count, np.int64), reached, ended, end, np.where(sold, 5_000_000_000, 0))


def test_what_a_chain_of_steps_cannot_know_back_tests_put_right() -> None:
    journeys = returning()
    recent = journeys.rows(np.flatnonzero(journeys.begin > AS_OF - 120 * DAY_MS))
    fitted = learned(recent)
    day = slice(fitted.grid.edges.index(DAY_MS), fitted.grid.edges.index(5 * DAY_MS))
    foretold, happened, _ = compared(recent, fitted, 1)
    plain, _, _ = compared(recent, FittedKeys(replace(fitted.fit, recalibration=1.0)), 1)
    assert plain[day].sum() < 0.7 * happened[day].sum()
    assert foretold[day].sum() == pytest.approx(happened[day].sum(), rel=0.1)


def back_tests(journeys: Journeys, day: int) -> tuple[BackTest, ...]:
    """Of the fit of a day, from what was known then."""
    boundary = EPOCH + day * DAY_MS
    over = (journeys.ended > 0) & (journeys.end <= boundary)
    known = journeys._replace(
        reached=np.where(journeys.reached <= boundary, journeys.reached, -1),
        ended=np.where(over, journeys.ended, 0).astype(np.int8),
        end=np.where(over, journeys.end, 0),
        brought=np.where(over, journeys.brought, 0),
    )
    found = fit(counted(known, [("c000",)], boundary=boundary, lookback=LOOKBACK)).back_tests
    assert [test.days for test in found] == [14, 21, 28, 35, 42, 49, 56, 63]
    return found


def test_a_back_test_foretells_with_what_back_tests_had_shown_by_then() -> None:
    newest, *_, oldest = back_tests(returning(count=120_000), 130)
    assert oldest.foretold < 0.7 * oldest.happened
    assert newest.foretold == pytest.approx(newest.happened, rel=0.15)


def test_where_nothing_moves_back_tests_are_off_by_no_more_than_they_say(stationary: Journeys) -> None:
    for test in back_tests(stationary, 110):
        assert abs(test.happened - test.foretold) < 4 * test.error
        assert test.error < 0.2 * test.foretold
