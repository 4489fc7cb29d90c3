"""What a case is: a program that uses an SDK, a server that may misbehave, and the promise that is to hold."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import NamedTuple

from conformance.trial import Application, HungError, Outcome, Trial

__all__ = ["PATIENCE", "QUICK", "Case", "await_all", "await_requests", "case", "has_spool", "losses"]

QUICK = 0.2
"""Seconds that an event waits for others, where a case would otherwise last as long as an SDK's default."""
PATIENCE = 20.0
"""Seconds that a case waits for what an SDK will perhaps never send."""


class Case(NamedTuple):
    """One row of the table."""

    name: str
    promise: str
    run: Callable[[Trial], Outcome | None]
    """None where the SDK has nothing that the case is about."""


def case(name: str) -> Callable[[Callable[[Trial], Outcome | None]], Case]:
    """Make a function a case; its docstring is the promise."""
    return lambda run: Case(name, " ".join(str(run.__doc__).split()), run)


def await_all(trial: Trial, application: Application, tracked: int) -> Outcome:
    """Wait for all events, let the program end, and count."""
    trial.sink.wait(tracked, PATIENCE)
    application.go()
    try:
        return trial.exactly_once(tracked, application.end(PATIENCE))
    except HungError as hung:
        return trial.outcome(False, tracked, None, (str(hung),))


def await_requests(trial: Trial, count: int) -> None:
    """Wait for so many requests; where they never come, the outcome shows it."""
    until = time.monotonic() + 5
    while trial.sink.report()["requests"] < count and time.monotonic() < until:
        time.sleep(0.02)


def has_spool(sdk: str) -> bool:
    """Whether an SDK can keep events on disk. None of the peers can."""
    if sdk != "kizashi":
        return False
    import kizashi

    return "spool" in inspect.signature(kizashi.Client).parameters


def losses(words: list[dict[str, object]]) -> int | None:
    """The losses in an SDK's last books; None where it keeps none."""
    books = words[-1].get("books")
    return sum(books["dropped"].values()) if isinstance(books, dict) else None
