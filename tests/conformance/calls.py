"""Cases about what a site hands to an SDK: events, and code of its own."""

from __future__ import annotations

from conformance.case import PATIENCE, QUICK, await_requests, case, has_spool, losses
from conformance.trial import HungError, Outcome, Trial

__all__ = ["flood", "flood_with_spool", "mutated", "nan", "raising_callback", "raising_log_handler"]


RAISING = """
track(-1, note=float("nan"))
track(0, 50)
tell(ready=True); hear()
track(50, 50)
tell(ready=True); hear()
leave()
"""


@case("raising callback")
def raising_callback(trial: Trial) -> Outcome | None:
    """Whatever a callback raises, the worker lives: what is tracked after a refused batch arrives."""
    return None if trial.sdk == "opentelemetry-sdk" else _raising(trial, raising=True)


@case("raising log handler")
def raising_log_handler(trial: Trial) -> Outcome:
    """Whatever a log handler raises, the worker lives: what is tracked after a refused batch arrives."""
    return _raising(trial, raising_log=True)


def _raising(trial: Trial, **options: bool) -> Outcome:
    # The NaN is what kizashi refuses, and the 400 what makes the peers call.
    trial.sink.behave("bad", times=1)
    application = trial.start(RAISING, interval=QUICK, batch=200, **options)
    application.until("ready")
    await_requests(trial, 1)
    application.go()
    application.until("ready")
    report = trial.sink.wait(100, 5)
    application.go()
    try:
        took = application.end(PATIENCE)
    except HungError as stuck:
        return trial.outcome(False, 100, None, (str(stuck),))
    report = trial.sink.report()
    return trial.outcome(report["later"] == 50 and not report["duplicates"], 100, took)


FLOOD = """
track(0, 1000)
before = resident()
refused = track(1000, 9000, note="a" * 500)
grown = resident() - before
tell(refused=refused, grown=grown); hear()
close(); tell(closed=True); leave()
"""


STEADY_FLOOD = """
import time
track(0, 1000)
before = resident()
for at in range(1000, 10_000, 100):
    time.sleep(0.03)
    track(at, 100, note="a" * 500)
grown = resident() - before
tell(refused=0, grown=grown); hear()
close(); tell(closed=True); leave()
"""


@case("10 times more events than the queue holds")
def flood(trial: Trial) -> Outcome:
    """Memory stays bounded, what the queue holds arrives, and every loss is counted."""
    trial.sink.behave("down")
    application = trial.start(FLOOD, queue=1000)
    told = application.until("refused")
    trial.sink.behave("serve")
    application.go()
    try:
        application.until("closed", 60)
        took = application.end(PATIENCE)
    except HungError as stuck:
        return trial.outcome(False, 10_000, None, (str(stuck),))
    report = trial.sink.report()
    lost = losses(application.words)
    counted = told["refused"] if lost is None else lost
    missing = 10_000 - report["distinct"]
    notes = (f"{counted} of {missing} losses counted", f"{told['grown']:+.0f} MB")
    good = counted == missing and report["distinct"] >= 1000 and told["grown"] < 10
    return trial.outcome(good, 10_000, took, notes)


@case("10 times more events than the queue holds, with a spool")
def flood_with_spool(trial: Trial) -> Outcome | None:
    """At 3,000 events a second, memory stays bounded and everything arrives, once: the rest waits on disk."""
    if not has_spool(trial.sdk):
        return None
    trial.sink.behave("down")
    application = trial.start(STEADY_FLOOD, queue=1000, more={"spool": str(trial.folder)})
    told = application.until("refused")
    trial.sink.behave("serve")
    application.go()
    application.until("closed", 60)
    outcome = trial.exactly_once(10_000, application.end(PATIENCE), (f"{told['grown']:+.0f} MB",))
    return outcome._replace(good=outcome.good and told["grown"] < 10)


@case("mutated after track()")
def mutated(trial: Trial) -> Outcome:
    """What track() was given is copied: what the caller changes afterwards does not travel."""
    program = "given = {'n': 1, 'note': 'before'}; track_mapping(given); given['note'] = 'after'; flush(); leave()"
    took = trial.start(program, batch=200).end(PATIENCE)
    notes = trial.sink.report()["notes"]
    return trial.outcome(notes == {"'before'": 1}, 1, took, (f"sent {', '.join(notes) or 'nothing'}",))


@case("NaN")
def nan(trial: Trial) -> Outcome:
    """It is refused and counted, and neither sent as null nor as a body that is no JSON; its neighbours arrive."""
    application = trial.start("track(0, 5); track(5, note=float('nan')); track(6, 5); flush(); leave()", batch=200)
    took = application.end(PATIENCE)
    sent = [note for note in trial.sink.report()["notes"] if note != "'absent'"]
    lost = losses(application.words)
    notes = (f"sent as {sent[0]}" if sent else "not sent",)
    outcome = trial.exactly_once(10, took, notes)
    return outcome._replace(good=outcome.good and not sent and lost in (None, 1))
