"""What plain counts of a summary leave out: journeys have oracles of their own."""

from __future__ import annotations

from msgspec.structs import replace

from kizashi_collector.analysis import Summary

__all__ = ["without_outcomes"]


def without_outcomes(summary: Summary) -> Summary:
    """The summary but for what its journeys came to, and the rows that are there for journeys alone."""
    rows = [replace(row, outcome=None) for row in summary.rows if row.actors or not row.key]
    return replace(summary, rows=rows, total=replace(summary.total, outcome=None), reasons={})
