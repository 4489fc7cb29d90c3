"""The table of what answers cost: each figure beside its target, a tenth of the events, and another engine."""

from __future__ import annotations

from statistics import median

import msgspec

from bench.peers import Ways
from bench.polls import Timings

__all__ = ["Found", "table"]

_GROWTH = 1.3
_MEGABYTES = 1_500
_HEAD = ("figure", "kizashi {small}", "kizashi {large}", "ratio", "target", "peer", "ratio to peer")
_ANSWERS: tuple[tuple[str, str, float | None, float | None], ...] = (
    ("summary, 7 days by campaign", "summary", 5.0, _GROWTH),
    ("declared funnel, 4 steps", "funnel", 10.0, _GROWTH),
    ("declared funnel by campaign", "funnel by campaign", 25.0, _GROWTH),
    ("in turn with these, /healthz", "bare", None, None),
    ("unchanged summary (304)", "304", 1.0, None),
)
_EXPLORED = (
    ("undeclared funnel, 4 steps, 30 days", "undeclared funnel", "chdb", 2.0),
    ("undeclared summary, 7 days by device", "undeclared summary", "DuckDB", 3.0),
)


class Found(msgspec.Struct):
    """What was measured with one number of events stored.

    `timings` by question; of `peers`, round by round, our seconds where we answered, and those of another engine.
    `rate` and `taken` are events, a second and in all; `cores` is how many processors the collector used meanwhile, and
    `megabytes` the most that it held at any time.
    """

    timings: dict[str, Timings] = msgspec.field(default_factory=dict)
    peers: dict[str, list[tuple[float | None, Ways]]] = msgspec.field(default_factory=dict)
    rate: float = 0.0
    taken: int = 0
    refused: int = 0
    cores: float = 0.0
    megabytes: float = 0.0

    def failures(self, question: str) -> dict[int, int]:
        """How often other statuses came than may; a 200 to who asks for what changed is no failure."""
        return {status: count for status, count in self.timings[question].others.items() if status != 200}

    def answered(self, question: str, share: float) -> float | None:
        """A percentile in milliseconds, or None unless everything was answered."""
        return None if self.failures(question) else self.timings[question].milliseconds(share)

    def peer(self, question: str, seconds: float, status: int, theirs: Ways) -> None:
        """Note a round: what we took and were answered, and what the other engine took."""
        self.peers.setdefault(question, []).append((seconds if status == 200 else None, theirs))


def table(small: Found, large: Found, small_events: int, large_events: int, rate: int) -> str:
    """All figures in markdown, and under them which targets were missed or not measured."""
    rows = [tuple(cell.format(small=_short(small_events), large=_short(large_events)) for cell in _HEAD)]
    rows.append(("---",) * len(_HEAD))
    missed: list[str] = []

    def judge(what: str, value: float | None, limit: float) -> None:
        if value is None or value > limit:
            missed.append(what)

    for what, key, limit, growth in _ANSWERS:
        ratio = _ratio(large.answered(key, 0.99), small.answered(key, 0.99))
        targets = [f"≤ {limit:g} ms"] if limit is not None else []
        if limit is not None:
            judge(f"{what}, p99", large.answered(key, 0.99), limit)
        if growth is not None:
            targets.append(f"≤ {growth:g} ×")
            judge(f"{what}, p99 beside fewer events", ratio, growth)
        rows.append((f"{what}, p50", *_cells(small, large, key, 0.5), "", "", ""))
        rows.append((f"{what}, p99", *_cells(small, large, key, 0.99), ", ".join(targets), "", ""))
    rows.append(("… share answered 304", _share(small), _share(large), "", "", "", ""))
    for what, key, engine, limit in _EXPLORED:
        way, theirs, ratio = _best(large.peers.get(key, []))
        judge(f"{what}, beside {engine}", ratio, limit)
        peer = f"{engine} not installed" if theirs is None else f"{engine}, {way}: {theirs * 1000:,.1f} ms"
        rows.append((what, *_cells(small, large, key, 0.5), f"≤ {limit:g} × {engine}", peer, _times(ratio)))
    judge("events arriving a second", -large.rate, -0.98 * rate)
    judge("memory", large.megabytes, _MEGABYTES)
    rows.append(("events arriving a second", f"{small.rate:,.0f}", f"{large.rate:,.0f}", "", f"{rate:,}", "", ""))
    rows.append(("… in all", f"{small.taken:,}", f"{large.taken:,}", "", "", "", ""))
    rows.append(("processors used meanwhile", f"{small.cores:.2f}", f"{large.cores:.2f}", "", "", "", ""))
    memory = (
        f"{small.megabytes:,.0f} MB",
        f"{large.megabytes:,.0f} MB",
        _times(_ratio(large.megabytes, small.megabytes)),
    )
    rows.append(("memory of its own", *memory, f"≤ {_MEGABYTES:,} MB", "", ""))
    lines = [f"| {' | '.join(row)} |" for row in rows]
    for events, found in ((small_events, small), (large_events, large)):
        if found.refused:
            lines.append(f"\n{found.refused} requests of the load were refused with {events:,} events stored")
    lines.append(f"\nmissed, or not measured: {'; '.join(missed)}" if missed else "\nno target was missed")
    return "\n".join(lines)


def _best(rounds: list[tuple[float | None, Ways]]) -> tuple[str, float | None, float | None]:
    """The engine's best way by its median over the rounds, that median, and the median of our ratios to it.

    There is no ratio unless every round was answered.
    """
    medians = {way: median(theirs[way] for _, theirs in rounds) for _, ways in rounds[:1] for way in ways}
    if not medians:
        return "", None, None
    way = min(medians, key=medians.__getitem__)
    ratios = [ours / theirs[way] for ours, theirs in rounds if ours is not None]
    return way, medians[way], median(ratios) if len(ratios) == len(rounds) else None


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _cells(small: Found, large: Found, key: str, share: float) -> tuple[str, str, str]:
    """A percentile with few events and with many, and its growth."""
    growth = _times(_ratio(large.answered(key, share), small.answered(key, share)))
    return _ms(small, key, share), _ms(large, key, share), growth


def _ms(found: Found, key: str, share: float) -> str:
    value = found.timings[key].milliseconds(share)
    text = "none" if value is None else f"{value:,.2f} ms"
    failures = ", ".join(f"{count} × {status}" for status, count in sorted(found.failures(key).items()))
    return f"{text} ({failures})" if failures else text


def _share(found: Found) -> str:
    timings = found.timings["304"]
    asked = len(timings.seconds) + timings.others.total()
    return f"{len(timings.seconds) / asked:.0%} of {asked}" if asked else "none"


def _short(events: int) -> str:
    return f"{events / 1e6:g} M" if events >= 1_000_000 else f"{events / 1e3:g} k"
