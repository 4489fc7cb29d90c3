"""All cases, in the order of the table."""

from __future__ import annotations

from conformance.answers import busy, cut, cut_and_lost, page, refused, too_large
from conformance.calls import flood, flood_with_spool, mutated, nan, raising_callback, raising_log_handler
from conformance.case import Case
from conformance.ends import (
    fork_and_exit,
    fork_and_flush,
    hung,
    hung_with_spool,
    killed,
    killed_with_spool,
    normal_exit,
    restarted,
    restarted_preloaded,
    sigterm,
)

__all__ = ["CASES", "Case"]

CASES = {
    case.name: case
    for case in (
        normal_exit,
        fork_and_exit,
        fork_and_flush,
        sigterm,
        hung,
        hung_with_spool,
        refused,
        cut,
        cut_and_lost,
        page,
        too_large,
        busy,
        raising_callback,
        raising_log_handler,
        killed,
        killed_with_spool,
        flood,
        flood_with_spool,
        restarted,
        restarted_preloaded,
        mutated,
        nan,
    )
}
