"""What kizashi over ClickHouse takes at a rate of events: a plan, and the limits it meets, from stated assumptions.

    python examples/scale.py --rate 25k --days 90 --bytes 75
    python examples/scale.py --into docs/scale.md

The second writes the tables into the page, which says what of this was measured, and what was not.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

__all__ = ["FIGURES", "LIMITS", "Assumptions", "Plan", "first_rate", "main", "plan_for", "tables"]

# The code's own: what is younger than SETTLED_S is not sealed, each collector seals every SEAL_S, a batch holds
# GROUP_EVENTS and a request, a fit may take LEARN_S.
SETTLED_S, SEAL_S, GROUP_EVENTS, LEARN_S = 120, 20, 50_000, 600
# A list of more numbers ClickHouse goes through for each row.
LISTED = 65_536
# Of the index of `ids`: key, batch and n, for so many rows.
KEY_BYTES, KEY_ROWS = 28, 256
RATES = (10_000.0, 100_000.0, 1_000_000.0)
BEGIN, END = "<!-- begin: examples/scale.py -->", "<!-- end -->"


def _assumed(default: float, unit: str, meaning: str, source: str) -> Any:
    return field(default=default, metadata={"unit": unit, "meaning": meaning, "source": source})


_BENCH, _HERE = "docs/benchmarks.md", "measured, 2 cores, engine in process"
_GUESS, _CHOICE = "a guess", "a choice"


@dataclass(frozen=True)
class Assumptions:
    """What the plan stands on. Each is an option of the command."""

    peak: float = _assumed(2, "times", "the busiest minutes over the mean rate", _GUESS)
    load: float = _assumed(0.5, "part", "how busy a core may be at the peak", _CHOICE)
    days: float = _assumed(30, "days", "retention", "as in the measured log")
    request: float = _assumed(50, "events", "in one request of a sender", _GUESS)

    append_rate: float = _assumed(80_000, "events/s", "one collector appends, all else aside", _HERE)
    http_cpu: float = _assumed(5.1, "µs/event", "HTTP, decoding and checking in a collector", f"{_BENCH}, SQLite")
    engine_cpu: float = _assumed(8, "µs/event", "insert and merges, in each replica", f"guessed part of 13.6 {_HERE}")
    sdk_cpu: float = _assumed(7.5, "µs/event", "the SDK, at the sender", _BENCH)
    pause: float = _assumed(0.1, "s", "between two batches of a collector", "the code's own")
    bytes: float = _assumed(
        79, "bytes/event", "on disk, ids and all, one replica", "measured: 65, and 7 for each of two walks"
    )
    wire: float = _assumed(350, "bytes/event", "in a request, and again in an insert", _GUESS)
    replicas: float = _assumed(3, "servers", "of a shard", "a majority is left when one is lost")
    cores: float = _assumed(16, "cores", "of a server", _CHOICE)
    memory: float = _assumed(64, "GB", "of a server", _CHOICE)
    disk: float = _assumed(8, "TB", "of a server", _CHOICE)
    disk_fill: float = _assumed(0.7, "part", "of a disk that may be used", "room for merges")
    inserts: float = _assumed(20, "a second", "into one table of a server", "a guess; measured: 10")
    quorum: float = _assumed(20, "ms", "an insert until a majority has it", _GUESS)
    mutation: float = _assumed(1, "s", "one ALTER … DELETE over the cluster", _GUESS)
    lookup: float = _assumed(0.02, "ns/id kept", "to look for a batch's rivals", "1.7 ms at 100 M ids")
    summaries: float = _assumed(1, "answers", "declared summaries that are asked", _CHOICE)
    funnels: float = _assumed(1, "answers", "declared funnels that are asked", _CHOICE)
    refresh: float = _assumed(10, "s", "between two counts of a declared answer", "--refresh")
    query_timeout: float = _assumed(30, "s", "that an answer may take", "--query-timeout")
    summary_cpu: float = _assumed(0.14, "µs/event kept", "a summary with journeys", f"14 s at 100 M, {_HERE}")
    funnel_cpu: float = _assumed(0.053, "µs/event kept", "a funnel of 4 steps", f"5.3 s at 100 M, {_HERE}")
    fit_cpu: float = _assumed(1.4, "µs/event kept", "a walk and a fit", f"36 s and 104 s at 100 M, {_HERE}")
    rewalk: float = _assumed(10, "times", "an event counted again, if answers were kept as events come", _GUESS)
    tell: float = _assumed(20, "µs/event", "increments, in the one collector that tells them", _GUESS)
    polls: float = _assumed(10, "a second", "polls of declared answers", _CHOICE)
    poll_cpu: float = _assumed(5, "ms", "a poll, 200 rows", f"{_BENCH}, SQLite")
    actor_events: float = _assumed(50, "events", "of an actor within retention", _GUESS)
    actor_bytes: float = _assumed(500, "bytes/actor", "to count distinct actors exactly", "16 sets of 32 bytes")


@dataclass(frozen=True)
class Plan:
    """How many of what one rate takes."""

    rate: float
    peak: float
    kept: float
    collectors: int
    batches: float
    pause: float
    batch_events: float
    shards: int
    shards_by: str
    servers: int


def plan_for(rate: float, a: Assumptions) -> Plan:
    """The plan for a mean rate in events/s."""
    peak, kept = rate * a.peak, rate * a.days * 86_400
    one = 1e6 / (1e6 / a.append_rate + a.http_cpu)
    # One to spare, so that one may fail at the peak.
    collectors = math.ceil(peak / (one * a.load)) + 1
    batches = min(peak / a.request, collectors / a.pause)
    pause = max(a.pause, collectors / a.inserts) if batches > a.inserts else a.pause
    needs = {
        "disk": kept * a.bytes / (a.disk * 1e12 * a.disk_fill),
        "cores": peak * a.engine_cpu / 1e6 / (a.cores * a.load),
    }
    by = max(needs, key=lambda need: needs[need])
    shards = max(1, math.ceil(needs[by]))
    in_batch = peak / min(batches, collectors / pause)
    return Plan(rate, peak, kept, collectors, batches, pause, in_batch, shards, by, shards * math.ceil(a.replicas))


def _summary(p: Plan, a: Assumptions) -> float:
    return p.kept * a.summary_cpu / 1e6


def _declared(a: Assumptions) -> float:
    return (a.summaries * a.summary_cpu + a.funnels * a.funnel_cpu) / 1e6


def _recount(p: Plan, a: Assumptions) -> float:
    return p.collectors * p.kept * _declared(a) / a.refresh


def _unsealed(p: Plan, _: Assumptions) -> float:
    return p.batches * (SETTLED_S + SEAL_S) / LISTED


def _quorum(p: Plan, a: Assumptions) -> float:
    if math.ceil(a.replicas) < 2:
        return 0.0
    # What a shard's rows bring forth in `ids` comes from all shards at once, where only one may write.
    return math.inf if p.shards > 1 else p.batches * a.quorum / 1e3 / 0.1


def _rivals(p: Plan, a: Assumptions) -> float:
    return p.kept / p.shards * a.lookup / 1e9 * p.batches / (a.cores * a.load)


def _distinct(p: Plan, a: Assumptions) -> float:
    return p.kept / a.actor_events * a.actor_bytes / (a.memory * 1e9 / 2)


_Of = Callable[[Plan, Assumptions], float]
FIGURES: Sequence[tuple[str, str, _Of]] = (
    ("events/s at the peak", "", lambda p, a: p.peak),
    ("events a day", "", lambda p, a: p.rate * 86_400),
    ("events kept", "", lambda p, a: p.kept),
    ("collectors, a core each, one to spare", "", lambda p, a: p.collectors),
    ("cores of all senders for the SDK", "", lambda p, a: p.peak * a.sdk_cpu / 1e6),
    ("an hour's events in the senders' spools", "B", lambda p, a: p.rate * 3_600 * a.wire),
    ("batches a second, today", "", lambda p, a: p.batches),
    ("pause between batches that a table bears", " s", lambda p, a: p.pause),
    ("events in a batch then", "", lambda p, a: p.batch_events),
    ("shards", "", lambda p, a: p.shards),
    ("servers", "", lambda p, a: p.servers),
    ("on disk, all replicas", "B", lambda p, a: p.kept * a.bytes * math.ceil(a.replicas)),
    ("on disk, one server", "B", lambda p, a: p.kept * a.bytes / p.shards),
    ("cores of one server to insert and merge", "", lambda p, a: p.peak * a.engine_cpu / 1e6 / p.shards),
    ("memory of one server for the index of `ids`", "B", lambda p, a: p.kept / p.shards / KEY_ROWS * KEY_BYTES),
    ("network, senders to collectors", "bit/s", lambda p, a: p.peak * a.wire * 8),
    # What comes to one server goes on to the shard that it lies on.
    ("network, on to servers and their shards", "bit/s", lambda p, a: p.peak * a.wire * 8 * (2 - 1 / p.shards)),
    ("network, among replicas", "bit/s", lambda p, a: p.peak * a.bytes * 8 * (math.ceil(a.replicas) - 1)),
    ("CPU of a summary with journeys, once", " s", _summary),
    ("CPU of a funnel, once", " s", lambda p, a: p.kept * a.funnel_cpu / 1e6),
    ("CPU of a fit, once an hour", " s", lambda p, a: p.kept * a.fit_cpu / 1e6),
    ("cores to count declared answers again, today", "", _recount),
    ("cores if they were kept as events come", "", lambda p, a: p.peak * _declared(a) * a.rewalk),
    ("cores of collectors for polls", "", lambda p, a: a.polls * a.poll_cpu / 1e3),
)
"""Rows of the table: name, unit, and number, of all servers together unless it says otherwise."""

LIMITS: Sequence[tuple[str, _Of]] = (
    (f"{LISTED:,} batches that no seal speaks of yet", _unsealed),
    ("one batch in ten meets another one's quorum", _quorum),
    ("a summary within the time for an answer", lambda p, a: _summary(p, a) / (a.cores * a.query_timeout)),
    ("declared answers, each collector its own", lambda p, a: _recount(p, a) / (p.servers * a.cores * a.load)),
    ("the look for rivals, over all ids kept", _rivals),
    ("inserts into `ids` of one server", lambda p, a: p.batches * p.shards / a.inserts),
    ("a fit within ten minutes", lambda p, a: p.kept * a.fit_cpu / 1e6 / (a.cores * LEARN_S)),
    ("distinct actors, in half of a server's memory", _distinct),
    ("one collector that tells increments", lambda p, a: p.peak * a.tell / 1e6),
    ("deletions over the cluster, two a seal", lambda p, a: p.collectors / SEAL_S * 2 * a.mutation),
    (f"batches of {GROUP_EVENTS:,} events, at the pause above", lambda p, a: p.batch_events / GROUP_EVENTS),
)
"""What each is about, and how many times over it a plan is: 1 is as much as it bears."""


def first_rate(over: _Of, given: Assumptions) -> float | None:
    """The lowest rate of two digits that is more than a limit bears; None where none up to 10 M events/s is."""
    rates = (digits * 10.0**power for power in range(6) for digits in range(10, 100))
    return next((rate for rate in rates if over(plan_for(rate, given), given) > 1), None)


def tables(rates: Sequence[float], given: Assumptions) -> str:
    """Plan and limits for these rates, as two Markdown tables."""
    plans = [plan_for(rate, given) for rate in rates]
    heads = [f"{_short(rate)}/s" for rate in rates]
    rows = [[name, *(_short(of(plan, given), unit) for plan in plans)] for name, unit, of in FIGURES]
    rows.insert(
        [name for name, *_ in rows].index("shards") + 1, ["what sets their number", *(plan.shards_by for plan in plans)]
    )
    limits = []
    for name, over in LIMITS:
        first = first_rate(over, given)
        times = [over(plan, given) for plan in plans]
        cells = ["always" if math.isinf(each) else f"{_short(each)}×" for each in times]
        limits.append((first or math.inf, [name, "never" if first is None else f"{_short(first)}/s", *cells]))
    limits.sort(key=lambda limit: limit[0])
    over_it = _table(["limit of today's code", "beyond", *heads], [cells for _, cells in limits])
    return f"{_table(['', *heads], rows)}\n\n{over_it}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _short(number: float, unit: str = "") -> str:
    """Two digits, with a thousand's name where that is shorter."""
    if number <= 0:
        return f"0{unit}"
    rounded = round(number, 1 - math.floor(math.log10(number)))
    for size, name in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit != " s" and rounded >= (1e4 if size == 1e3 else size):
            return f"{rounded / size:.10g} {name}{unit}"
    return f"{rounded:,.10g}{unit}"


def _positive(text: str) -> float:
    factor = {"k": 1e3, "M": 1e6}.get(text[-1:], 1.0)
    try:
        number = float(text if factor == 1.0 else text[:-1]) * factor
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number such as 0.5, 10k or 1M") from None
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"{text!r} must be more than 0, and finite")
    return number


def _part(text: str) -> float:
    if (number := _positive(text)) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is a part of a whole: at most 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="A plan for kizashi over ClickHouse, and the limits that it meets. docs/scale.md explains it."
    )
    parser.add_argument(
        "--rate", type=_positive, action="append", metavar="EVENTS/S", help="mean rate, as 25k; may be given again"
    )
    parser.add_argument("--into", type=Path, metavar="PAGE", help="write the tables between the marks in this page")
    parser.add_argument("--json", action="store_true", help="print an object: assumptions, plans, limits")
    for one in fields(Assumptions):
        unit, meaning, source = (one.metadata[name] for name in ("unit", "meaning", "source"))
        parser.add_argument(
            f"--{one.name.replace('_', '-')}",
            type=_part if unit == "part" else _positive,
            default=one.default,
            metavar="N",
            help=f"{meaning} ({unit}; default {one.default}: {source})",
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or write them into a page."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    rates, as_json, page = given.pop("rate") or RATES, given.pop("json"), given.pop("into")
    assumptions = Assumptions(**given)
    if page is None:
        print(json.dumps(_answer(rates, assumptions), indent=2) if as_json else tables(rates, assumptions))
        return
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        parser.error(f"argument --into: {page} has no lines {BEGIN!r} and {END!r}")
    page.write_text(f"{before}{begin}\n{tables(rates, assumptions)}\n{end}{after}", encoding="utf-8")


def _answer(rates: Sequence[float], given: Assumptions) -> dict[str, Any]:
    plans = []
    for plan in (plan_for(rate, given) for rate in rates):
        times = {name: each if math.isfinite(each := over(plan, given)) else None for name, over in LIMITS}  # not JSON
        figures = {name: of(plan, given) for name, _, of in FIGURES}
        plans.append(asdict(plan) | {"figures": figures, "times": times})
    beyond = {name: first_rate(over, given) for name, over in LIMITS}
    return {"assumptions": asdict(given), "plans": plans, "beyond": beyond}


if __name__ == "__main__":
    main()
