"""Why a row is not ready to be bid on: one reason, the first that holds, and a sentence for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

from msgspec import Struct

from kizashi_collector.analysis._journeys import Ladder
from kizashi_collector.analysis._readiness._breaks import Break
from kizashi_collector.analysis._readiness._sentences import instant_text, length_text, number_text
from kizashi_schemas import Reason

__all__ = [
    "GENERALLY",
    "Foretold",
    "Grounds",
    "Why",
    "bids_rest_on",
    "incomplete",
    "miscalibrated",
    "reason",
    "sentences",
]

GENERALLY: Mapping[Reason, str] = {
    "no_plan": "No plan is in force in which an event is final: there is nothing to bid on.",
    "recomputing": "What rows are worth is being found anew, or a currency of theirs has no rate in the plan.",
}
"""A sentence for rows of which nothing but their reason is known."""

_LEAST_LAG_MS = 15 * 60_000
_MOST_LAG_MS = 6 * 3_600_000
_SHARE_OF_WINDOW = 20
_OFF = 0.1
# 90 of 100 draws of a standard normal lie within.
_NOISE = 1.6448536269514722
_NO_LADDER = "The plan has no ladder of steps: nothing can be learned from. Give values.ladder."


class Foretold(Struct, frozen=True):
    """One back-test: the finals foretold for journeys then open, those that came, and the standard error of the
    difference (chance of the outcomes included)."""

    foretold: float
    happened: float
    error: float


class Why(Struct, frozen=True):
    """Why a row is not ready: the code, and a sentence for people."""

    code: Reason
    sentence: str


class Grounds(Struct, frozen=True, kw_only=True, dict=True):
    """What decides on readiness and is the same for all rows of an answer; lengths and instants are milliseconds.

    `unfitted`: there is no fit for this plan yet. `mending`: journeys are being brought up to date. `redefined`: the
    plan's JourneyRules changed less than a horizon ago. `ladder` and `finals` are the events that
    a row's value rests on. `minimum` is the plan's min_effective_conversions.
    """

    as_of: int
    complete_until: int | None
    window_ms: int
    ladder: Sequence[str]
    finals: Sequence[str]
    minimum: float
    unfitted: bool = False
    mending: bool = False
    redefined: bool = False
    breaks: Sequence[Break] = ()
    back_tests: Sequence[Foretold] = ()

    @cached_property
    def reason(self) -> Why | None:
        """Why no row at all is ready, None where each is to be judged by its evidence."""
        return _recomputing(self) or _incomplete(self) or _broken(self) or _miscalibrated(self)


def bids_rest_on(ladder: Ladder | None) -> frozenset[str]:
    """The events without which no row is worth anything: the steps of a plan's ladder, and its finals. Nothing is bid
    on before any is final."""
    return frozenset() if ladder is None else frozenset(name for name, depth in ladder.depths.items() if depth > 0)


def incomplete(as_of: int, complete_until: int | None, window_ms: int) -> bool:
    """Tell whether too much of a window may still be on its way: more than a twentieth of it, but never less than 15
    minutes nor more than 6 hours; or nothing was ever received."""
    if complete_until is None:
        return True
    return as_of - complete_until > max(_LEAST_LAG_MS, min(window_ms // _SHARE_OF_WINDOW, _MOST_LAG_MS))


def miscalibrated(tests: Sequence[Foretold]) -> bool:
    """Tell whether recent back-tests are off by more than a tenth, and by more than noise explains at 90 %.

    Judged together: all finals that came against all that were foretold. Journeys may be open in two tests, so that
    their errors are added as if they were one and the same, which is the most that they can come to.
    """
    both = _together(tests)
    off = abs(both.happened - both.foretold)
    return off > _OFF * both.foretold and off > _NOISE * both.error


def reason(grounds: Grounds, evidence: float | None) -> Why | None:
    """Why a row is not ready, None where it is: the first that holds of recomputing, incomplete, tracking_break,
    miscalibrated and thin.

    `evidence` is the row's own finals and the weight of borrowed ones; None, or no number, is none. A row without a
    journey in the interval is judged like any other: nothing is to come of it, and its key has evidence or has not.
    """
    return grounds.reason or _thin(grounds, evidence)


def sentences(grounds: Grounds, *, young: bool = False) -> dict[Reason, str]:
    """A sentence for each reason that rows can have on these grounds: the one that all have, or else `thin`, for
    however many. `young`: no journey is as old as the horizon yet.

    Lengths and counts in them are those of `as_of`: they change with time, though no number of a row does.
    """
    why = grounds.reason
    if why is not None:
        return {why.code: why.sentence}
    if not grounds.ladder:
        return {"thin": _NO_LADDER}
    if young:
        return {"thin": "No journey is as old as the plan's horizon yet: nobody knows how many will convert."}
    least = number_text(grounds.minimum)
    return {"thin": f"A thin row's value rests on less than the {least} effective_conversions that the plan asks for."}


def _recomputing(grounds: Grounds) -> Why | None:
    if grounds.redefined:
        told = "The plan's ladder, finals, horizon, lookback or credit changed less than a horizon ago:"
        told += " figures from before are not to be compared with those of now."
    elif grounds.unfitted:
        told = "The values of the steps have not been learned under this plan yet."
    elif grounds.mending:
        told = "Journeys are being brought up to date with a change."
    else:
        return None
    return Why("recomputing", told)


def _incomplete(grounds: Grounds) -> Why | None:
    if not incomplete(grounds.as_of, grounds.complete_until, grounds.window_ms):
        return None
    if grounds.complete_until is None:
        return Why("incomplete", "No event has ever been received, imported ones aside.")
    behind = length_text(grounds.as_of - grounds.complete_until)
    until = instant_text(grounds.complete_until)
    return Why("incomplete", f"Events are complete only up to {until}, {behind} back: delivery is behind, or stopped.")


def _broken(grounds: Grounds) -> Why | None:
    resting = {*grounds.ladder, *grounds.finals}
    found = [one.sentence for one in grounds.breaks if one.event in resting]
    return Why("tracking_break", " ".join(found)) if found else None


def _miscalibrated(grounds: Grounds) -> Why | None:
    if not miscalibrated(grounds.back_tests):
        return None
    both = _together(grounds.back_tests)
    foretold, happened = number_text(both.foretold), number_text(both.happened)
    told = f"In recent weeks {foretold} conversions were foretold where {happened} came: values are off by more than"
    return Why("miscalibrated", f"{told} a tenth, and not to be bid on until the two agree again.")


def _together(tests: Sequence[Foretold]) -> Foretold:
    return Foretold(
        math.fsum(test.foretold for test in tests),
        math.fsum(test.happened for test in tests),
        math.fsum(test.error for test in tests),
    )


def _thin(grounds: Grounds, evidence: float | None) -> Why | None:
    if not grounds.ladder:
        return Why("thin", _NO_LADDER)
    if evidence is not None and evidence >= grounds.minimum:
        return None
    return Why(
        "thin", f"The value rests on {_few(evidence)} conversions; the plan asks for {number_text(grounds.minimum)}."
    )


def _few(evidence: float | None) -> str:
    """The evidence rounded down, so that it never reads as enough."""
    if evidence is None or not evidence > 0:
        return "no"
    tenths = math.floor(evidence * 10)
    return f"{tenths / 10:g}" if tenths else "fewer than 0.1"
