"""Cases about what a server answers, or does not."""

from __future__ import annotations

import time

from conformance.case import QUICK, await_all, await_requests, case
from conformance.trial import Outcome, Trial

__all__ = ["busy", "cut", "cut_and_lost", "page", "refused", "too_large"]


WAITING = "track(0, 105); tell(ready=True); hear(); leave()"


@case("connection refused for a second")
def refused(trial: Trial) -> Outcome:
    """Everything tracked arrives within 20 s once the server is there again."""
    trial.sink.behave("refuse")
    application = trial.start(WAITING, interval=QUICK)
    application.until("ready")
    time.sleep(1)  # the outage
    trial.sink.behave("serve")
    return await_all(trial, application, 105)


@case("reset in the middle of the answer, events kept")
def cut(trial: Trial) -> Outcome:
    """Everything arrives; what is sent again carries the same identity, so that a server can tell."""
    return _cut(trial, keep=True)


@case("reset in the middle of the answer, events lost")
def cut_and_lost(trial: Trial) -> Outcome:
    """An answer that breaks off is no delivery, whatever its status: everything is sent again and arrives."""
    return _cut(trial, keep=False)


def _cut(trial: Trial, keep: bool) -> Outcome:
    trial.sink.behave("cut", times=1, keep=keep)
    application = trial.start(WAITING, interval=QUICK, batch=200)
    application.until("ready")
    await_requests(trial, 2)
    return await_all(trial, application, 105)


@case("200 with a page in place of an answer")
def page(trial: Trial) -> Outcome:
    """A captive portal's page is no delivery: everything is sent again and arrives."""
    trial.sink.behave("html", times=2)
    application = trial.start(WAITING, interval=QUICK, batch=200)
    application.until("ready")
    return await_all(trial, application, 105)


@case("413 above 20 kB, with one event of 25 kB among 200")
def too_large(trial: Trial) -> Outcome:
    """The small events all arrive; only the large one is lost."""
    trial.sink.behave("limit", bytes=20_000)
    program = "track(0, 100, note='a' * 200); track(-1, note='b' * 25_000); track(100, 100, note='a' * 200)\n"
    application = trial.start(program + "tell(ready=True); hear(); leave()", interval=QUICK, batch=500)
    application.until("ready")
    return await_all(trial, application, 200)


@case("429 with Retry-After: 2")
def busy(trial: Trial) -> Outcome:
    """The next request comes after 2 s, and everything arrives."""
    trial.sink.behave("busy", times=1, retry_after=2)
    application = trial.start(WAITING, interval=QUICK, batch=200)
    application.until("ready")
    outcome = await_all(trial, application, 105)
    waited = trial.sink.report()["waited"]
    notes = ("never came back" if waited is None else f"came back after {waited:.1f} s",)
    return outcome._replace(good=outcome.good and waited is not None and waited >= 1.9, notes=notes)
