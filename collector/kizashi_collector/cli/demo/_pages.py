"""What the demo shows of the collector's answers, and of its own progress."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from kizashi_collector.cli._terminal import Screen

__all__ = ["Progress", "headline", "say", "show_books", "show_funnel", "show_summary"]

_WIDTH = 100


def headline(text: str) -> None:
    """Begin a part."""
    print(f"\n{Screen.of(sys.stdout).paint(text, 'bold')}", flush=True)


def say(text: str = "") -> None:
    """Write a line of a part."""
    print(f"  {text}" if text else "", flush=True)


class Progress:
    """A line that grows, where somebody watches."""

    def __init__(self) -> None:
        self.done, self.total = 0, 0
        self.half = asyncio.Event()
        self._screen, self._shown = Screen.of(sys.stdout), sys.stdout.isatty()

    def see(self, line: str) -> None:
        """Read a line that the visitors wrote."""
        if line.startswith("browsed "):
            self.done, self.total = (int(part) for part in line.removeprefix("browsed ").split("/"))
            if self.done * 2 >= self.total:
                self.half.set()
            if self._shown:
                sys.stdout.write(
                    f"\r  {self._screen.bar(self.done / self.total, 50)} {self.done}/{self.total} visitors have left"
                )
                sys.stdout.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stdout.write("\r" + " " * (_WIDTH - 1) + "\r")


def show_funnel(funnel: dict[str, Any]) -> None:
    """A funnel of the plan, as bars."""
    screen = Screen.of(sys.stdout)
    headline(f"Funnel {funnel['name']}, actors, last 7 days")
    say(screen.paint(f"{'':<20} {'':<36} {'count':>7} {'of all':>8} {'of step':>8} {'median':>9}", "dim"))
    for step in funnel["steps"]:
        rate, step_rate, median = step["rate"], step["step_rate"], step["seconds"]["median"]
        figures = (
            f"{step['count']:>7,}",
            f"{'-' if rate is None else f'{rate:.1%}':>8}",
            f"{'-' if step_rate is None else f'{step_rate:.1%}':>8}",
            f"{'-' if median is None else f'{median:.1f} s':>9}",
        )
        say(f"{step['event']:<20} {screen.paint(screen.bar(rate or 0.0, 36), 'bar')} {' '.join(figures)}")


def show_summary(summary: dict[str, Any]) -> None:
    """The summary by campaign."""
    screen = Screen.of(sys.stdout)
    headline(f"Summary by campaign, last 7 days, {summary['currency']}")
    columns = {"views": "mv_product_view", "carts": "mv_add_to_cart", "forms": "mv_checkout_address"}
    head = " ".join(f"{name:>6}" for name in ("actors", *columns, "orders"))
    say(screen.paint(f"{'campaign':<12} {head} {'final_value':>11} {'declared_value':>14}  bid_value", "dim"))
    for row in [*summary["rows"], summary["total"]]:
        name = row["key"]["campaign"] or "(none)" if row["key"] else "total"
        counts = [row["actors"], *(row["events"][event]["count"] for event in (*columns.values(), "purchase"))]
        worth = f"not ready: {row['reason']}" if row["bid_value"] is None else f"{row['bid_value']:,.0f}"
        figures = " ".join(f"{count:>6,}" for count in counts)
        line = f"{name:<12} {figures} {row['final_value']:>11,} {row['declared_value']:>14,}  {worth}"
        say(line if row["key"] else screen.paint(line, "bold"))


def show_books(stats: dict[str, Any], counted: int, seconds: float, commits: float, commit_s: float) -> None:
    """What was tracked against what was counted, and what that took."""
    headline("The books")
    dropped = sum(stats["dropped"].values())
    say("SDK        tracked + adopted = delivered + queued + in_flight + spooled + dropped")
    left = " + ".join(f"{stats[name]:,}" for name in ("tracked", "adopted"))
    right = " + ".join(f"{stats[name]:,}" for name in ("delivered", "queued", "in_flight", "spooled"))
    say(f"           {left} = {right} + {dropped:,}")
    say("visitors   what they did is what the collector counted, campaign by campaign, and to the last yen")
    say(f"collector  {counted:,} events acknowledged durable, {counted / seconds:,.0f} a second: the visitors' pace.")
    say(f"           {commits:,.0f} transactions, {1000 * commit_s / commits:.1f} ms each on average, fsync included.")
    say("           `make bench` looks for the limit.")
