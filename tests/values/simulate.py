"""Calibration on simulated journeys: `python -m values.simulate --variant stationary --seeds 4` (all without one)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis._values._fit import Fit, fit
from kizashi_collector.analysis._values._fitted import FittedKeys
from kizashi_collector.analysis._values._grid import DAY_MS, Integers, summed
from kizashi_collector.analysis._values._interval import chance_of_none, interval
from kizashi_collector.analysis._values._nowcast import Members, OpenCells, nowcast
from kizashi_collector.analysis._values._statistics import Statistics
from values.simulation import EPOCH, HORIZON, VARIANTS, Journeys, Variant, World

__all__ = ["Row", "Verdict", "judge", "rows"]

WINDOW = 7 * DAY_MS
LOOKBACK = 90 * DAY_MS


class Row(NamedTuple):
    """One campaign, or the total (campaign −1), at one as_of: in micros, of the journeys begun in the window."""

    campaign: int
    truth: float
    expected: float
    low: float
    high: float
    oracle: float
    oracle_low: float
    oracle_high: float
    none: float
    finals_in_window: float
    lagged: float
    declared: float


class Verdict(NamedTuple):
    rows: int
    bias: float
    noise: float
    error: float
    likely: int
    covered: float
    covered_all: float
    width: float
    covered_total: float
    oracle_covered: float
    rivals: tuple[float, float, float]


def rows(variant: Variant, seed: int) -> Iterator[tuple[Row, Fit]]:
    """The rows of every campaign and of the total, at each as_of of a variant."""
    world = World(variant, seed)
    keys = [(f"c{n:03}",) for n in range(variant.campaigns)]
    for day in variant.as_ofs:
        as_of = EPOCH + int(day * DAY_MS)
        known = world.known(as_of)
        statistics = Statistics.of(
            known, np.arange(len(keys)), keys, boundary=as_of, horizon=HORIZON, lookback=LOOKBACK
        )
        fitted = FittedKeys(fit(statistics))
        for row in _at(world, known, as_of, fitted):
            yield row, fitted.fit


def judge(found: list[Row]) -> Verdict:
    """What a table says of rows."""
    of_keys = np.array([row for row in found if row.campaign >= 0])
    totals = np.array([row for row in found if row.campaign < 0])
    names = Row._fields
    column = {name: of_keys[:, n] for n, name in enumerate(names)}
    truth = column["truth"]

    def covered(rows: NDArray[np.float64], low: str, high: str) -> float:
        inside = (rows[:, names.index(low)] <= rows[:, 1]) & (rows[:, 1] <= rows[:, names.index(high)])
        return float(inside.mean())

    def error(name: str) -> float:
        return float(np.abs(column[name] - truth).sum())

    likely = of_keys[column["none"] < 0.9]
    # The noise of a sum: what the oracle's totals miss, too.
    misses = totals[:, names.index("oracle")] - totals[:, 1]
    return Verdict(
        rows=len(of_keys),
        bias=float(column["expected"].sum() / truth.sum() - 1),
        noise=float(2 * np.sqrt((misses**2).sum()) / truth.sum()),
        error=error("expected") / error("oracle"),
        likely=len(likely),
        covered=covered(likely, "low", "high"),
        covered_all=covered(of_keys, "low", "high"),
        width=float((column["high"] - column["low"]).sum() / (column["oracle_high"] - column["oracle_low"]).sum()),
        covered_total=covered(totals, "low", "high"),
        oracle_covered=covered(likely, "oracle_low", "oracle_high"),
        rivals=(
            error("finals_in_window") / error("oracle"),
            error("lagged") / error("oracle"),
            error("declared") / error("oracle"),
        ),
    )


def open_cells(known: Journeys, begun: NDArray[np.int64], fitted: FittedKeys, as_of: int, total: bool) -> OpenCells:
    """The journeys among `begun` that stand open, by campaign (or all in one row)."""
    row, step, since = known.rows(begun).open_at(as_of)
    source = known.source[begun][row]
    return OpenCells.of(source * 0 if total else source, source, step, since, as_of=as_of, grid=fitted.grid)


def _at(world: World, known: Journeys, as_of: int, fitted: FittedKeys) -> Iterator[Row]:
    campaigns = world.variant.campaigns
    begun = np.flatnonzero(known.begin > as_of - WINDOW)
    source = known.source[begun]

    def by_campaign(values: Integers | NDArray[np.float64], of: Integers = source) -> NDArray[np.float64]:
        return summed(of, values, campaigns)

    # Rows of `known` are the first of all journeys, which lie in the order of their beginnings.
    truth = by_campaign(world.journeys.brought[begun])
    brought = by_campaign(known.brought[begun])
    places = np.array([fitted.place((f"c{n:03}",)) for n in range(campaigns)])
    assert (places == np.arange(campaigns)).all()
    cells = open_cells(known, begun, fitted, as_of, total=False)
    members = Members(np.arange(campaigns), places)
    answers = nowcast(fitted, cells, members, [int(b) for b in brought])
    cells = open_cells(known, begun, fitted, as_of, total=True)
    whole = nowcast(fitted, cells, Members(places * 0, places), [int(brought.sum())])[0]
    q = world.oracle(known, as_of)
    count = by_campaign(q[begun])
    spread = by_campaign(q[begun] * (1 - q[begun]))
    mean = world.mean_amount()
    cv2 = world.amount_variation()
    # Rivals.
    recent = np.flatnonzero((known.ended > 0) & (known.end > as_of - WINDOW))
    in_window = by_campaign(known.brought[recent], known.source[recent])
    mature = np.flatnonzero((known.begin > as_of - WINDOW - 28 * DAY_MS) & (known.begin <= as_of - 28 * DAY_MS))
    cohort = by_campaign(np.ones(len(mature)), known.source[mature])
    ratio = known.brought[mature].sum() / max(len(mature), 1)
    own_ratio = np.where(
        cohort > 0, by_campaign(known.brought[mature], known.source[mature]) / np.maximum(cohort, 1), ratio
    )
    lagged = own_ratio * by_campaign(np.ones(len(begun)))
    # Declared: what reaching each step turned out to bring in the first 60 days, scaled so that they add up to it.
    early = np.flatnonzero(known.begin <= EPOCH + 60 * DAY_MS)
    came = known.reached[early] >= 0
    value = (came * known.brought[early, None]).sum(axis=0) / np.maximum(came.sum(axis=0), 1)
    value *= known.brought[early].sum() / max(float((came * value).sum()), 1.0)
    row, step = np.nonzero(known.reached > as_of - WINDOW)
    declared = by_campaign(value[step], known.source[row])
    sizes = by_campaign(np.ones(len(begun)))
    for n in range(campaigns):
        if not sizes[n]:
            continue
        money = count[n] * mean[n]
        variance = mean[n] ** 2 * (count[n] * cv2 + spread[n])
        low, high = interval(count[n], spread[n], money, variance, heavy=cv2 > 1)
        answer = answers[n]
        yield Row(
            n, truth[n], answer.expected, answer.low, answer.high, brought[n] + money, brought[n] + low,
            brought[n] + high, float(chance_of_none(count[n], spread[n])), in_window[n], lagged[n], declared[n],
        )  # fmt: skip
    money = float((count * mean).sum())
    variance = float((mean**2 * (count * cv2 + spread)).sum())
    low, high = interval(count.sum(), spread.sum(), money, variance, heavy=False)
    yield Row(
        -1, truth.sum(), whole.expected, whole.low, whole.high, brought.sum() + money, brought.sum() + low,
        brought.sum() + high, float(chance_of_none(count.sum(), spread.sum())), in_window.sum(),
        lagged.sum(), declared.sum(),
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=sorted(VARIANTS), action="append")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--first", type=int, default=1)
    options = parser.parse_args()
    print(f"seeds {options.first} to {options.first + options.seeds - 1}; rows: campaigns at as_ofs, window 7 d\n")
    print("| variant | rows (P0 < 0.9) | bias (noise) | error/oracle | cover P0 < 0.9 | all | width/oracle | total |"
          " oracle's cover | finals · lagged · declared |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for name in options.variant or VARIANTS:
        started = time.process_time()
        found: list[Row] = []
        fits: list[Fit] = []
        for seed in range(options.first, options.first + options.seeds):
            for row, learned in rows(VARIANTS[name], seed):
                found.append(row)
                if row.campaign < 0:
                    fits.append(learned)
        v = judge(found)
        print(
            f"| {name} | {v.rows} ({v.likely}) | {v.bias:+.1%} (±{v.noise:.1%}) | {v.error:.2f} | {v.covered:.3f} |"
            f" {v.covered_all:.3f} | {v.width:.2f} | {v.covered_total:.2f} | {v.oracle_covered:.3f} |"
            f" {v.rivals[0]:.2f} · {v.rivals[1]:.2f} · {v.rivals[2]:.2f} |"
        )
        lives = {(f.half_life_own, f.half_life_common) for f in fits}
        psi, common = (np.mean([getattr(f, name) for f in fits]) for name in ("inflation", "common_inflation"))
        print(
            f"<!-- psi {psi:.3f}, common {common:.3f};"
            f" half-lives {sorted(lives, key=str)}; {time.process_time() - started:.0f} s CPU -->",
            flush=True,
        )


if __name__ == "__main__":
    main()
