"""The table of what the store in ClickHouse costs: ingest beside SQLite, and answers by how much is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

import msgspec

from bench.clickhouse_filled import Filled, Table
from bench.polls import Answer, Timings

__all__ = ["Asked", "Learned", "Load", "Stored", "table"]

_RATIO, _SUMMARY_S, _FUNNEL_S, _POLL_MS = 0.5, 1.5, 5.0, 10.0
_TABLES = ("events", "ids", "orders")
_FRESH: tuple[tuple[str, str, float | None], ...] = (
    ("summary, 7 days by campaign, `fresh=1`", "summary", _SUMMARY_S),
    ("declared funnel of 4 steps, 7 days, `fresh=1`", "funnel", _FUNNEL_S),
    ("… by campaign", "funnel by campaign", None),
    ("… over 28 days", "funnel of 28 days", None),
    ("summary by device, not declared", "undeclared summary", None),
)
_POLLS: tuple[tuple[str, str, float | None], ...] = (
    ("poll: summary, 7 days by campaign", "summary", _POLL_MS),
    ("poll: declared funnel", "funnel", _POLL_MS),
    ("poll: … by campaign", "funnel by campaign", _POLL_MS),
    ("`/healthz` in turn with these", "bare", None),
)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A round of ingest on one store.

    `rate` is events a second, `cpu` the microseconds of the collector's processes for an event, until nothing went on
    in the background any more. `cores` is how many processors those used while events came, `client_cores` the sender.
    """

    rate: float
    cpu: float
    cores: float
    client_cores: float


class Asked(msgspec.Struct):
    """Answers of one kind: seconds, and the collector's seconds of processors; and how often another status came."""

    seconds: list[float] = msgspec.field(default_factory=list)
    cpu: list[float] = msgspec.field(default_factory=list)
    others: Counter[int] = msgspec.field(default_factory=Counter)

    def add(self, answer: Answer, cpu: float) -> None:
        if answer.status == 200:
            self.seconds.append(answer.seconds)
            self.cpu.append(cpu)
        else:
            self.others[answer.status] += 1


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """How long a collector took to learn: seconds from its first answer on, those of processors, and of the fit."""

    waited: float
    cpu: float
    learning: float


class Stored(msgspec.Struct, kw_only=True):
    """What was measured with one number of events stored.

    `unlearned` is the first answer of a collector before anything was learned, and `learned` how that came then. The
    rest is of one that starts afterwards: `ready` after so many seconds, its `first` answer, what is counted anew,
    polls, how many processors it used while those were asked, and the tables that it left.
    """

    filled: Filled
    unlearned: Asked = msgspec.field(default_factory=Asked)
    learned: Learned | None = None
    ready: float = 0.0
    first: Asked = msgspec.field(default_factory=Asked)
    fresh: dict[str, Asked] = msgspec.field(default_factory=dict)
    polls: dict[str, Timings] = msgspec.field(default_factory=dict)
    polled_cores: float = 0.0
    megabytes: float = 0.0
    tables: dict[str, Table] = msgspec.field(default_factory=dict)


def table(loads: Mapping[int, Sequence[Mapping[str, Load]]], found: Mapping[int, Stored]) -> str:
    """All figures in markdown, and under them which targets were missed; those of answers are for the most events."""
    sizes = list(found.values())
    rows = [["", "empty store", *map(_short, found), "target"], ["---"] * (len(found) + 3)]
    missed: list[str] = []

    def judge(what: str, met: bool) -> None:
        if not met:
            missed.append(what)

    for connections, rounds in loads.items():
        each = f"{connections} connections × 500"
        rows += [
            [f"ingest over {name}, {each}", _load([one[name] for one in rounds]), *_empty(found), ""]
            for name in ("SQLite", "ClickHouse")
        ]
        ratio = median(one["ClickHouse"].rate / one["SQLite"].rate for one in rounds)
        cpu = median(one["ClickHouse"].cpu / one["SQLite"].cpu for one in rounds)
        cell = f"{ratio:.2f} of the rate, {cpu:.2f} of the CPU"
        rows.append(["… ClickHouse beside SQLite", cell, *_empty(found), f"≥ {_RATIO:g} of the rate"])
        judge(f"rate with {connections} connections", ratio >= _RATIO)

    def row(what: str, cells: Sequence[str], target: str = "") -> None:
        rows.append([what, "", *cells, target])

    row("filled by the engine itself", [f"{one.filled.seconds:,.0f} s, CPU {one.filled.cpu:,.0f} s" for one in sizes])
    row(
        "… and merged so much later",
        [f"{one.filled.merging:,.0f} s, {one.filled.parts} parts of `events`" for one in sizes],
    )
    for name in (*_TABLES, *sorted({name for one in sizes for name in _large(one)} - set(_TABLES))):
        row(f"on disk, `{name}`", [_disk(one, name) for one in sizes])
    row("on disk, all", [f"{_bytes(one):.1f} bytes an event" for one in sizes])
    row("first answer before anything was learned (summary)", [_asked(one.unlearned) for one in sizes])
    row("… and after it, until something was", [_learned(one.learned) for one in sizes])
    row("ready after a start", [f"{one.ready:.1f} s" for one in sizes])
    row("… and the first answer then (summary)", [_asked(one.first) for one in sizes])
    for what, key, seconds in _FRESH:
        row(what, [_asked(one.fresh[key]) for one in sizes], "" if seconds is None else f"≤ {seconds:g} s")
        if seconds is not None and sizes:
            last = sizes[-1].fresh[key]
            judge(what, not last.others and bool(last.seconds) and median(last.seconds) <= seconds)
    for what, key, limit in _POLLS:
        row(what, [_polled(one.polls[key]) for one in sizes], "" if limit is None else f"p99 ≤ {limit:g} ms")
        if limit is not None and sizes:
            p99 = sizes[-1].polls[key].milliseconds(0.99)
            judge(what, not sizes[-1].polls[key].others and p99 is not None and p99 <= limit)
    row("processors used meanwhile", [f"{one.polled_cores:.2f}" for one in sizes])
    row("memory of its own after all", [f"{one.megabytes:,.0f} MB" for one in sizes])
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    if loads and found:
        lines.append(f"\nmissed: {'; '.join(missed)}" if missed else "\nno target was missed")
    return "\n".join(lines)


def _empty(found: Mapping[int, Stored]) -> list[str]:
    return [""] * len(found)


def _load(rounds: Sequence[Load]) -> str:
    rate, cpu, cores, client = (
        median(getattr(one, what) for one in rounds) for what in ("rate", "cpu", "cores", "client_cores")
    )
    return f"{rate:,.0f} events/s, {cpu:.1f} µs CPU an event; {cores:.2f} processors, the client {client:.2f}"


def _large(stored: Stored) -> list[str]:
    """Tables that take a byte an event or more."""
    return [name for name, one in stored.tables.items() if one.bytes >= stored.filled.events]


def _disk(stored: Stored, name: str) -> str:
    one = stored.tables.get(name)
    each = "none" if one is None else f"{one.bytes / stored.filled.events:.1f} bytes an event"
    return each if one is None else f"{each}, {one.parts} part{'' if one.parts == 1 else 's'}"


def _bytes(stored: Stored) -> float:
    return sum(one.bytes for one in stored.tables.values()) / stored.filled.events


def _learned(one: Learned | None) -> str:
    return "not" if one is None else f"{one.waited:.0f} s, CPU {one.cpu:.1f}; the fit {one.learning:.1f} s"


def _asked(asked: Asked) -> str:
    """Median and worst, and the median of what the collector's processors had to do."""
    cells = []
    if asked.seconds:
        cells.append(f"{median(asked.seconds):.2f} s")
        if len(asked.seconds) > 1:
            cells.append(f"worst {max(asked.seconds):.2f}")
        cells.append(f"CPU {median(asked.cpu):.2f}")
    return ", ".join(cells + _statuses(asked.others))


def _polled(timings: Timings) -> str:
    cells = []
    for what, share in (("p50", 0.5), ("p99", 0.99), ("worst", 1.0)):
        if (value := timings.milliseconds(share)) is not None:
            cells.append(f"{what} {value:.1f}")
    return (
        " ".join([", ".join(cells), "ms", *_statuses(timings.others)])
        if cells
        else ", ".join(_statuses(timings.others))
    )


def _statuses(others: Counter[int]) -> list[str]:
    return [f"{count} × {status}" for status, count in sorted(others.items())]


def _short(events: int) -> str:
    return f"{events / 1e6:g} M events" if events >= 1_000_000 else f"{events / 1e3:g} k events"
