"""What `bench.sdk` measures, a process each: `python -m bench.sdk_programs cost|pace VARIANT ENDPOINT AMOUNT`."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from bench.sdk_calls import CALLS, Calls, Row
from conformance.adapters import ADAPTERS, Options

__all__ = ["BATCH", "CHUNK", "WARM_UP"]

CHUNK = 2_000
"""Calls between two waits until everything has arrived: no queue fills up."""
BATCH = 500
"""Events in a request."""
WARM_UP = 2
"""Chunks before the clock starts: connections, late imports."""
A_REQUEST = 10
"""Calls within one request of a site."""
BUSY_NS = 75_000
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def rows(start: int, count: int) -> list[Row]:
    """Events that differ from request to request, as a shop's would."""
    made = []
    for at in range(start, start + count):
        visit = at // A_REQUEST
        made.append(
            Row(
                at,
                f"v-{visit * 2654435761 % 2**32:08x}",
                f"s-{visit:06x}",
                ("brand", "generic", "video")[visit % 3],
                "mobile",
                f"EAIaIQobChMI{visit:08x}",
                f"A-{at % 1000}",
                ("shoes", "bags", "hats")[at % 3],
                19.5 + at % 7,
            )
        )
    return made


@contextmanager
def made(variant: str, endpoint: str) -> Iterator[tuple[Calls, Callable[[], object]]]:
    """The calls of a variant, and how to make it hurry."""
    adapter, calls, more = CALLS[variant]
    if adapter is None:
        yield calls(None), lambda: None
        return
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        given = {**more, "spool": folder} if "spool" in more else more
        sdk = ADAPTERS[adapter](endpoint, Options(queue=100_000, batch=BATCH, more=given))
        yield calls(sdk.client), sdk.flush


def arrived(count: int) -> None:
    """Wait until the sink has so many events: the process that started this one answers when it has."""
    print(count, flush=True)
    sys.stdin.readline()


def spend(calls: Calls, events: list[Row]) -> float:
    """CPU seconds of this thread for the calls."""
    call, request = calls
    began = time.thread_time()
    for at in range(0, len(events), A_REQUEST):
        with request(events[at]):
            for row in events[at : at + A_REQUEST]:
                call(row)
    return time.thread_time() - began


def cost(variant: str, endpoint: str, chunks: int) -> dict[str, float]:
    """CPU µs a call in the calling thread, and an event in the whole process until everything has arrived."""
    with made(variant, endpoint) as (calls, flush):
        return _cost(calls, flush, chunks)


def _cost(calls: Calls, flush: Callable[[], object], chunks: int) -> dict[str, float]:
    work = [rows(at * CHUNK, CHUNK) for at in range(WARM_UP + chunks)]
    gc.collect()
    gc.freeze()
    caller = began = 0.0
    for at, events in enumerate(work):
        if at == WARM_UP:
            caller, began = 0.0, time.process_time()
        caller += spend(calls, events)
        flush()
        arrived((at + 1) * CHUNK)
    total = time.process_time() - began
    return {"caller": caller / chunks / CHUNK * 1e6, "total": total / chunks / CHUNK * 1e6}


def pace(variant: str, endpoint: str, count: int) -> dict[str, float]:
    """Percentiles in µs of one call, each after BUSY_NS of other work, while the worker drains."""
    with made(variant, endpoint) as (calls, flush):
        return _pace(calls, flush, count)


def _pace(calls: Calls, flush: Callable[[], object], count: int) -> dict[str, float]:
    events = rows(0, count)
    call, request = calls
    clock = time.perf_counter_ns
    taken = [0] * count
    gc.collect()
    gc.freeze()
    for at in range(0, count, A_REQUEST):
        with request(events[at]):
            for place in range(at, at + A_REQUEST):
                row = events[place]
                until = clock() + BUSY_NS
                while clock() < until:
                    pass
                began = clock()
                call(row)
                taken[place] = clock() - began
    flush()
    arrived(count)
    taken.sort()
    return {name: taken[int(count * part)] / 1e3 for name, part in PERCENTILES.items()}


def main() -> None:
    what, variant, endpoint, amount = sys.argv[1:]
    measure = {"cost": cost, "pace": pace}[what]
    print(json.dumps(measure(variant, endpoint, int(amount))), flush=True)
    # The exit of each SDK is the conformance suite's business.
    os._exit(0)


if __name__ == "__main__":
    main()
