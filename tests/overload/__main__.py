"""Three times the peak for a minute: `make overload`. Prints a table, and fails where a promise did not hold."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from overload.run import GREEDY, Result, overload

_RSS_MIB = 400


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peak-seconds", type=float, default=8.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--times", type=float, default=3.0, help="how much is offered, as a multiple of the peak")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = asyncio.run(
            overload(
                Path(folder) / "data",
                peak_seconds=options.peak_seconds,
                seconds=options.seconds,
                batch=options.batch,
                times=options.times,
            )
        )
    report(result)
    held = promises(result)
    for promise, kept in held.items():
        print(f"{'kept  ' if kept else 'BROKEN'} {promise}")
    return 0 if all(held.values()) else 1


def report(result: Result) -> None:
    print("| key | offered/s | taken/s | taken of what it offered | p99 of the taken |")
    print("|---|---|---|---|---|")
    for key in result.keys:
        cells = (f"{key.offered:,.0f}", f"{key.taken:,.0f}", f"{key.share:.1%}", f"{key.p99 * 1000:,.0f} ms")
        print(f"| {key.name} | {' | '.join(cells)} |")
    print(f"| all | {result.offered:,.0f} | {result.taken:,.0f} | | |\n")
    print(f"peak: {result.peak:,.0f} events/s before, {result.peak_after:,.0f} after; ", end="")
    print(f"under overload {result.taken / _peak(result):.1%} of their mean")
    print(f"RSS: {result.rss_before:,.0f} MiB before, {result.rss_peak:,.0f} MiB at most")
    print(f"answers: {dict(sorted(result.statuses.items()))}; Retry-After: {dict(sorted(result.retry_after.items()))}")
    print(f"connections broken: {result.broken}; batches for which no connection was free: {result.unsent}")
    print(f"acknowledged events missing: {result.missing}; events too many: {result.counted_twice}")


def _peak(result: Result) -> float:
    """Of before and after, so that what else the machine does meanwhile counts on both sides."""
    return (result.peak + result.peak_after) / 2


def promises(result: Result) -> dict[str, bool]:
    """Each promise, and whether it was kept."""
    fair = [key for key in result.keys if key.name != GREEDY]
    return {
        "throughput stays within 10 % of the peak": result.taken >= 0.9 * _peak(result),
        "each fair key gets 90 % of what it offers, or of an equal share": all(
            key.taken >= 0.9 * min(key.offered, result.taken / len(result.keys)) for key in fair
        ),
        "the p99 of what is taken is under 2.5 s": all(key.p99 < 2.5 for key in result.keys),
        f"RSS stays under {_RSS_MIB} MiB": result.rss_peak < _RSS_MIB,
        "every refusal says when to come back": all(text.isdigit() and int(text) > 0 for text in result.retry_after),
        "every acknowledged event is there, once": result.missing == 0 == result.counted_twice,
        "no connection breaks": result.broken == 0,
    }


if __name__ == "__main__":
    sys.exit(main())
