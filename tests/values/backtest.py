"""A back-test on half a year of a real shop: `python -m values.backtest`.

At weekly instants the nowcast of the week before, from nothing but what was known then, beside what then happened; and
beside what others would have said: declared values added up, and the ratio of the last cohort whose horizon was over.

The shop's file has no amounts. Each purchase is given one that its shopper and time determine (`amount`).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kizashi_collector.analysis import Codes, EventTable, Worth
from kizashi_collector.analysis._journeys import Journeys, Ladder, find_journeys
from kizashi_collector.analysis._values import FittedKeys, Key, Members, OpenCells, Statistics, fit, nowcast
from kizashi_collector.analysis._values._grid import DAY_MS, Floats, Integers, summed
from kizashi_schemas.plan import load_plan

__all__ = ["DATA", "Outcome", "Score", "Shop", "outcomes", "score"]

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "ecom.csv.gz"
WINDOW, LOOKBACK, FIRST = 7 * DAY_MS, 90 * DAY_MS, 60 * DAY_MS
GROUPINGS = (("channel",), ("channel", "platform"))
LADDER = ("mv_product_view", "mv_add_to_cart", "mv_cart", "mv_shipping_details", "mv_payment_details")
BESIDE = ("mv_search", "mv_wishlist_add")
SEED, RESAMPLES = 20_240_701, 4_000
LEAST_EVIDENCE = 15
PLAN = (
    'currency = "JPY"\n'
    + "".join(f"[events.{name}]\n" for name in (*LADDER, *BESIDE))
    + '[events.purchase]\nfinal = true\naction = "primary"\nvalue = "event"\n'
    + f'[values]\nladder = {list(LADDER)}\nhorizon = "%dd"\nlookback = "90d"\ncredit = "%s"\n'
)
_MICROS = 1_000_000


def amount(user: str, timestamp: str) -> int:
    """What a purchase is said to have brought, in yen: lognormal about 5,000, σ 0.6, held to 1,000 … 20,000, drawn
    by the SHA-256 of shopper and time."""
    digest = hashlib.sha256(f"{user} {timestamp}".encode()).digest()
    drawn = (int.from_bytes(digest[:6]) + 0.5) / 2**48
    return round(min(max(5_000 * math.exp(0.6 * NormalDist().inv_cdf(drawn)), 1_000), 20_000))


class Shop:
    """The events of the file as the collector's own table, and the journeys among them as known at any instant."""

    def __init__(self, path: Path = DATA, *, horizon_days: int = 14, credit: str = "last") -> None:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.plan = load_plan(PLAN % (horizon_days, credit))
        self.horizon = horizon_days * DAY_MS
        names = [row["event"] if row["event"] == "purchase" else "mv_" + row["event"] for row in rows]
        sources = [(row["acquisition_channel"], row["platform"]) for row in rows]
        bought = [row["event"] == "purchase" for row in rows]
        self.codes = Codes(
            ["", *sorted(set(names))],
            ["", "JPY"],
            [{}, *({"channel": channel, "platform": platform} for channel, platform in sorted(set(sources)))],
        )
        time = [int(datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC).timestamp()) * 1000 for row in rows]
        paid = [
            amount(row["user_id"], row["timestamp"]) * _MICROS if row["event"] == "purchase" else -1 for row in rows
        ]
        self.events = EventTable(
            seq=np.arange(1, len(rows) + 1),
            name=_coded([(name,) for name in names]),
            time=np.array(time),
            received_at=np.array(time),
            value=np.array(paid),
            currency=np.array(bought, np.int64),
            source=_coded(sources),
            actor=_coded([(row["user_id"],) for row in rows]),
            imported=np.zeros(len(rows), np.bool_),
        )
        self.begin = int(min(time)) // DAY_MS * DAY_MS
        self.end = int(max(time))

    def known(self, as_of: int) -> Journeys:
        """The journeys among the events up to an instant: no later one is even looked at."""
        ladder = Ladder.of(self.plan)
        assert ladder is not None
        seen = self.events.only(self.events.time <= as_of)
        return find_journeys(seen, self.codes, ladder, worth=Worth(self.plan, []), adjusted={}, as_of=as_of)

    @cached_property
    def whole(self) -> Journeys:
        """The journeys as the whole file tells them."""
        return self.known(self.end)


class Outcome(NamedTuple):
    """One row at one as_of, in micros: of the journeys begun in the window and credited to it then, what they brought
    in the end (`truth`), and what was said of it. `own` is the evidence of the row's own keys."""

    as_of: int
    key: Key
    truth: float
    expected: float
    low: float
    high: float
    none: float
    own: float
    so_far: float
    lagged: float
    declared: float


class Score(NamedTuple):
    """What a table says of rows; each (low, high) is a 95 % bootstrap interval, weeks drawn as wholes.

    Errors are mean absolute ones a row, in yen; `beyond` is by how much ours exceeds each rival's, and `squared` the
    ratio of the root mean square of ours to that of each rival's.
    """

    rows: int
    truth: float
    error: float
    bias: float
    bias_interval: tuple[float, float]
    likely: int
    covered: float
    covered_interval: tuple[float, float]
    covered_all: float
    beyond: dict[str, tuple[float, float, float]]
    squared: dict[str, float]


RIVALS = {"so_far": "brought so far", "lagged": "lagged ratio", "declared": "declared sums"}


def as_ofs(shop: Shop) -> list[int]:
    """Weekly: from a week after the days that declared values are fitted on, to the last whose outcome is known."""
    return list(range(shop.begin + FIRST + WINDOW, shop.end - 2 * shop.horizon + 1, 7 * DAY_MS))


def outcomes(shop: Shop, grouping: tuple[str, ...], at: Sequence[int] | None = None) -> Iterator[Outcome]:
    """The rows of a grouping, and the total (key ()), at each as_of. Rows without a journey are left out."""
    sources = shop.codes.sources
    keys: list[Key] = [tuple(source.get(field, "") for field in grouping) for source in sources]
    unit = _declared(shop)
    for as_of in as_ofs(shop) if at is None else at:
        known = shop.known(as_of)
        rows = np.arange(len(sources))
        fitted = FittedKeys(
            fit(Statistics.of(known, rows, keys, boundary=as_of, horizon=shop.horizon, lookback=LOOKBACK))
        )
        place = np.array([fitted.place(key) for key in keys])
        yield from _at(shop, known, as_of, fitted, place, unit)


def _declared(shop: Shop) -> Floats:
    """What each depth is declared to be worth: what journeys of the first 60 days that came there brought on average,
    scaled so that the values of all their steps add up to what they brought. It is told how those days turned out in
    the end, which nobody knew then: declared values can only gain by it."""
    whole = shop.whole
    early = np.flatnonzero(whole.begin <= shop.begin + FIRST)
    came, brought = whole.reached[early] >= 0, whole.brought[early]
    value = (came * brought[:, None]).sum(axis=0) / np.maximum(came.sum(axis=0), 1)
    return np.asarray(value * brought.sum() / max(float((came * value).sum()), 1.0))


def _at(
    shop: Shop, known: Journeys, as_of: int, fitted: FittedKeys, place: NDArray[np.int64], unit: Floats
) -> Iterator[Outcome]:
    then = np.flatnonzero(shop.whole.begin <= as_of)
    # What comes later never moves the beginning of a journey, and so both lists are of the same journeys.
    assert (shop.whole.begin[then] == known.begin).all()
    assert (shop.whole.actor[then] == known.actor).all()
    begun = np.flatnonzero(known.begin > as_of - WINDOW)
    assert not shop.whole.open_at(shop.end, shop.horizon)[then][begun].any()
    is_open = begun[known.ended[begun] == 0]
    step = known.deepest[is_open].astype(np.int64)
    since = known.reached[is_open, step]
    mature = np.flatnonzero(
        (known.begin > as_of - 2 * shop.horizon - WINDOW) & (known.begin <= as_of - 2 * shop.horizon)
    )
    at, depth = np.nonzero(known.reached > as_of - WINDOW)
    ratio = known.brought[mature].sum() / max(len(mature), 1)
    keys = len(fitted.fit.keys)
    for total in (False, True):
        row_of = np.zeros(keys, np.int64) if total else np.arange(keys)
        row = row_of[place[known.source]]
        count = 1 if total else keys

        def by_row(
            rows: Integers, values: Floats | Integers, row: NDArray[np.int64] = row, count: int = count
        ) -> Floats:
            return summed(row[rows], values, count)

        cells = OpenCells.of(row[is_open], place[known.source[is_open]], step, since, as_of=as_of, grid=fitted.grid)
        so_far = by_row(begun, known.brought[begun])
        found = nowcast(fitted, cells, Members(row_of, np.arange(keys)), [int(b) for b in so_far])
        truth = by_row(begun, shop.whole.brought[then][begun])
        size, cohort = by_row(begun, np.ones(len(begun))), by_row(mature, np.ones(len(mature)))
        own_ratio = by_row(mature, known.brought[mature]) / np.maximum(cohort, 1)
        lagged = size * np.where(cohort > 0, own_ratio, ratio)
        declared = by_row(at, unit[depth])
        for n in np.flatnonzero(size).tolist():
            said = found[n]
            yield Outcome(
                as_of, () if total else fitted.fit.keys[n], truth[n], said.expected, said.low, said.high,
                said.none_to_come, said.own_conversions, so_far[n], lagged[n], declared[n],
            )  # fmt: skip


def score(found: Sequence[Outcome], resamples: int = RESAMPLES) -> Score:
    """Score rows. All figures are resampled together, by whole weeks, so that differences are paired."""
    names = ("expected", *RIVALS)
    truth = np.array([row.truth for row in found])
    error = {name: np.abs(np.array([getattr(row, name) for row in found]) - truth) / _MICROS for name in names}
    miss = np.array([row.expected for row in found]) - truth
    inside = np.array([row.low <= row.truth <= row.high for row in found])
    likely = np.array([row.none < 0.9 for row in found])
    weeks, week = np.unique([row.as_of for row in found], return_inverse=True)
    drawn = np.random.default_rng(SEED).integers(len(weeks), size=(resamples, len(weeks)))

    def ratio(top: Floats, bottom: Floats) -> tuple[float, float, float]:
        above, below = summed(week, top, len(weeks)), summed(week, bottom, len(weeks))
        again = above[drawn].sum(axis=1) / np.maximum(below[drawn].sum(axis=1), 1e-9)
        low, high = np.quantile(again, (0.025, 0.975)).tolist()
        return float(above.sum() / max(below.sum(), 1e-9)), low, high

    each = np.ones(len(found))
    bias, covered = ratio(miss, truth), ratio(1.0 * (inside & likely), 1.0 * likely)
    return Score(
        rows=len(found),
        truth=float(truth.mean() / _MICROS),
        error=float(error["expected"].mean()),
        bias=bias[0],
        bias_interval=bias[1:],
        likely=int(likely.sum()),
        covered=covered[0],
        covered_interval=covered[1:],
        covered_all=float(inside.mean()),
        beyond={name: ratio(error["expected"] - error[name], each) for name in RIVALS},
        squared={name: math.sqrt((error["expected"] ** 2).sum() / (error[name] ** 2).sum()) for name in RIVALS},
    )


def main() -> None:
    print(f"Window 7 d, lookback 90 d; {RESAMPLES:,} resamples of weeks, seed {SEED}; yen, means over rows.\n")
    print("| rows | n | they brought | our error | bias | cover where P0 < 0.9 | cover of all |")
    print("|---|---|---|---|---|---|---|")
    scores = {name: score(rows) for name, rows in _tables()}
    for name, s in scores.items():
        bias, covered = (f"({low:{form}} … {high:{form}})" for (low, high), form in (
            (s.bias_interval, "+.1%"), (s.covered_interval, ".2f")))  # fmt: skip
        print(
            f"| {name} | {s.rows} | {s.truth:,.0f} | {s.error:,.0f} | {s.bias:+.1%} {bias} |"
            f" {s.covered:.2f} {covered} of {s.likely} | {s.covered_all:.2f} |"
        )
    print("\n| ours − its error; root mean square, ours/its | " + " | ".join(RIVALS.values()) + " |")
    print("|---|" + "---|" * len(RIVALS))
    for name, s in scores.items():
        cells = (
            f"{d:+,.0f} ({low:+,.0f} … {high:+,.0f}); {s.squared[r]:.2f}" for r, (d, low, high) in s.beyond.items()
        )
        print(f"| {name} | " + " | ".join(cells) + " |")


def _tables() -> Iterator[tuple[str, list[Outcome]]]:
    for days in (7, 14):
        shop = Shop(horizon_days=days)
        for grouping in GROUPINGS:
            found = list(outcomes(shop, grouping))
            if len(grouping) == 1:
                yield f"{days} d: total", [row for row in found if not row.key]
            for name, enough in (("≥", True), ("<", False)):
                rows = [row for row in found if row.key and (row.own >= LEAST_EVIDENCE) == enough]
                yield f"{days} d: {' × '.join(grouping)}, finals {name} {LEAST_EVIDENCE}", rows


def _coded(values: Sequence[tuple[str, ...]]) -> NDArray[np.int64]:
    place = {value: code for code, value in enumerate(sorted(set(values)), 1)}
    return np.array([place[value] for value in values])


if __name__ == "__main__":
    main()
