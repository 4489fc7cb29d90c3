"""Cases about where processes end and fork: programs are texts, see `application` for their words."""

from __future__ import annotations

import signal

from conformance.case import PATIENCE, QUICK, await_requests, case, has_spool, losses
from conformance.prefork import behind_gunicorn, behind_gunicorn_with_the_collector
from conformance.trial import HungError, Outcome, Trial

__all__ = [
    "fork_and_exit",
    "fork_and_flush",
    "hung",
    "hung_with_spool",
    "killed",
    "killed_with_spool",
    "normal_exit",
    "restarted",
    "restarted_preloaded",
    "sigterm",
]


@case("normal exit without flush")
def normal_exit(trial: Trial) -> Outcome:
    """Everything tracked arrives."""
    took = trial.start("track(0, 1005); leave()").end(PATIENCE)
    return trial.exactly_once(1005, took)


FORK = """
track(0, 10)
pid = os.fork()
if pid == 0:
    track(100, 20)
    CHILD
os.waitpid(pid, 0)
track(200, 10)
leave()
"""


@case("fork, the child ends by sys.exit")
def fork_and_exit(trial: Trial) -> Outcome:
    """What parent and child track arrives, each event once."""
    return _forked(trial, "sys.exit(0)")


@case("fork, the child flushes and ends by os._exit")
def fork_and_flush(trial: Trial) -> Outcome:
    """What parent and child track arrives, each event once: os._exit runs no exit handlers, so the child flushes."""
    return _forked(trial, "flush(); tell(flushed=True); os._exit(0)")


def _forked(trial: Trial, child: str) -> Outcome:
    application = trial.start(FORK.replace("CHILD", child))
    try:
        took = application.end(PATIENCE)
    except HungError as hung:
        return trial.outcome(False, 40, None, (str(hung),))
    return trial.exactly_once(40, took)


@case("SIGTERM")
def sigterm(trial: Trial) -> Outcome:
    """Everything tracked arrives, with the handler that the SDK documents, if it does."""
    application = trial.start("handle_sigterm(); track(0, 105); tell(ready=True); leave(); hear()")
    application.until("leaving")
    application.send(signal.SIGTERM)
    return trial.exactly_once(105, application.end(PATIENCE))


@case("hung server")
def hung(trial: Trial) -> Outcome:
    """The process ends within 3 s of its own end, and what did not arrive is counted as lost."""
    trial.sink.behave("hang")
    application = trial.start("track(0, 105); leave()")
    try:
        took = application.end(75)
    except HungError as stuck:
        return trial.outcome(False, 105, None, (str(stuck),))
    assert took is not None
    lost = losses(application.words)
    notes = ("loss not counted" if lost is None else f"{lost} counted as lost",)
    return trial.outcome(took < 3 and lost == 105, 105, took, notes)


@case("kill -9 without a spool")
def killed(trial: Trial) -> Outcome:
    """What was flushed before is there, once. The rest dies with the process, and nobody says otherwise."""
    application = trial.start(
        "track(0, 50); flush(); tell(ready=True); hear(); track(50, 50); tell(again=True); hear()"
    )
    application.until("ready")
    trial.sink.wait(50, PATIENCE)
    trial.sink.behave("refuse")
    application.go()
    application.until("again")
    application.kill()
    trial.sink.behave("serve")
    trial.start("flush(); leave()").end(PATIENCE)
    return trial.exactly_once(50)


SPOOLED = """
import time
track(0, 50); tell(first=True); hear()
track(50, 55); time.sleep(0.1); tell(second=True); hear()
"""


@case("kill -9 with a spool")
def killed_with_spool(trial: Trial) -> Outcome | None:
    """Everything tracked 100 ms before arrives, once, as soon as another process uses the same spool."""
    if not has_spool(trial.sdk):
        return None
    # While a request hangs: whatever the worker waits for, the disk must not.
    trial.sink.behave("hang")
    application = trial.start(SPOOLED, interval=QUICK, more={"spool": str(trial.folder)})
    application.until("first")
    await_requests(trial, 1)
    application.go()
    application.until("second")
    application.kill()
    application.process.wait()
    return _inherited(trial)


@case("hung server, with a spool")
def hung_with_spool(trial: Trial) -> Outcome | None:
    """The process ends within 3 s of its own end; everything arrives, once, from the next process with that spool."""
    if not has_spool(trial.sdk):
        return None
    trial.sink.behave("hang")
    took = trial.start("track(0, 105); leave()", more={"spool": str(trial.folder)}).end(PATIENCE)
    assert took is not None
    outcome = _inherited(trial)
    return outcome._replace(good=outcome.good and took < 3, exit_seconds=took)


def _inherited(trial: Trial) -> Outcome:
    trial.sink.behave("serve")
    heir = trial.start("done = flush(); tell(done=done); leave()", more={"spool": str(trial.folder)})
    done = heir.until("done")
    outcome = trial.exactly_once(105, heir.end(PATIENCE))
    adopted = done["books"]["adopted"]
    return outcome._replace(good=outcome.good and done["done"] and adopted == 105, notes=(f"{adopted} adopted",))


@case("4 gunicorn workers, the server restarted five times")
def restarted(trial: Trial) -> Outcome:
    """Every event of every request that was answered 200 is there, once."""
    return behind_gunicorn_with_the_collector(trial) if trial.sdk == "kizashi" else behind_gunicorn(trial)


@case("4 gunicorn workers with --preload, likewise")
def restarted_preloaded(trial: Trial) -> Outcome:
    """The SDK was set up before the fork: still every event of every request is there, once."""
    return behind_gunicorn(trial, "--preload")
