"""Units for which it matters in which order events of one instant are taken: by the plain algorithm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import cast
from zoneinfo import ZoneInfo

from msgspec import Struct

from kizashi_collector.analysis import Attempt, Check, LoggedEvent, Rules, attempts, best
from kizashi_collector.store._clickhouse._funnels._found import Key
from kizashi_collector.store._clickhouse._funnels._question import Question
from kizashi_collector.store._clickhouse._funnels._trend import Days
from kizashi_collector.store._clickhouse._funnels._units import units_of
from kizashi_collector.store._clickhouse._sql import Ask, Parameters
from kizashi_schemas import FunnelError

__all__ = ["Apart", "Winner", "run_apart"]

_MOST_EVENTS = 2_000_000


class Winner(Struct, frozen=True):
    """An attempt that counts: its depth, and of each step the time, what its event is worth, declared and final; None
    where it was not taken."""

    depth: int
    steps: list[tuple[int, int | None, int | None] | None]


class Apart(Struct, frozen=True):
    """Attempts that count by key, () being all, and entries by day."""

    winners: dict[Key, list[Winner]]
    days: Days

    def margin(self) -> int:
        """The most times that a step of a group may have."""
        return max(map(len, self.winners.values()), default=0)


class _Event(LoggedEvent, frozen=True, kw_only=True):
    """An event of which no more is known than what a funnel asks."""

    fits: tuple[int, ...]
    excluded: int
    key: Key
    declared: int | None
    final: int | None


class _Rules(Rules):
    """The rules over events of which it is known what they fit."""

    def __init__(self, question: Question, check: Check) -> None:
        super().__init__(question.funnel, check)
        self.exclusions = [(partial(_excluded, e), *span) for e, span in enumerate(question.exclusions)]

    def fits(self, event: LoggedEvent) -> tuple[int, ...]:
        return cast("_Event", event).fits


def run_apart(ask: Ask, question: Question, events: int, check: Check) -> Apart:
    """Fetch the units that are apart, with so many events in all, and run them.

    Raises FunnelError where there are too many to be run one by one.
    """
    if events > _MOST_EVENTS:
        raise FunnelError(
            f"steps: {events} events of actors who had several at one instant would have to be tried in every order "
            f"({_MOST_EVENTS} at most); name more distinct steps or a shorter interval"
        )
    rules, zone = _Rules(question, check), ZoneInfo(question.zone)
    winners: dict[Key, list[Winner]] = {(): []}
    days: Days = {}
    for owner, own in _units(ask, question):
        check()
        run = attempts(own, rules, question.interval)
        for attempt in _counting(run, question, rules):
            winner = _winner(attempt, question)
            winners[()].append(winner)
            key = owner or _attributed(attempt, question)
            if key:
                winners.setdefault(key, []).append(winner)
        if question.funnel.trend:
            _count_days(run, question, rules, zone, days)
    return Apart(winners, days)


def _units(ask: Ask, question: Question) -> Iterator[tuple[Key, list[LoggedEvent]]]:
    parameters = Parameters()
    columns = ["owner", "ids", "t", "m", "x", "key_of", "declared", "final"]
    sql = f"""
        SELECT {", ".join(columns)}
        FROM ({units_of(question, parameters, ids=True).sql([*columns, "apart"])})
        WHERE apart"""
    for owner, ids, *rest in zip(*ask(sql, parameters.values), strict=True):
        events = [
            _Event(
                id=id_,
                name="",
                time=time,
                received_at=time,
                fits=tuple(k for k in range(question.last + 1) if mask >> k & 1),
                excluded=excluded,
                key=tuple(key),
                declared=None if question.plan is None or declared is None else int(declared),
                final=None if question.plan is None or final is None else int(final),
            )
            for id_, time, mask, excluded, key, declared, final in zip(ids, *rest, strict=False)
        ]
        yield tuple(owner), sorted(events, key=lambda event: event.position)


def _counting(run: Sequence[Attempt], question: Question, rules: Rules) -> list[Attempt]:
    if question.funnel.count == "attempts":
        return [attempt for attempt in run if not attempt.tainted]
    winner = best(run, rules)
    return [] if winner is None else [winner]


def _winner(attempt: Attempt, question: Question) -> Winner:
    taken = {step: cast("_Event", event) for step, event in attempt.path}
    steps = [
        (taken[k].time, taken[k].declared, taken[k].final) if k in taken else None for k in range(question.last + 1)
    ]
    return Winner(attempt.depth, steps)


def _attributed(attempt: Attempt, question: Question) -> Key:
    if not question.by:
        return ()
    path = attempt.path if question.attribution == "first" else attempt.path[::-1]
    keys = (cast("_Event", event).key for _, event in path)
    return next((key for key in keys if any(key)), ("",) * len(question.by))


def _count_days(run: Sequence[Attempt], question: Question, rules: Rules, zone: ZoneInfo, days: Days) -> None:
    begun: dict[int, list[Attempt]] = {}
    for attempt in run:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=attempt.start.time)
        begun.setdefault(at.astimezone(zone).date().toordinal(), []).append(attempt)
    for ordinal, own in begun.items():
        day = datetime.fromordinal(ordinal).date()
        for winner in _counting(own, question, rules):
            entered, completed = days.get(day, (0, 0))
            days[day] = (entered + 1, completed + (winner.depth == question.last))


def _excluded(e: int, event: LoggedEvent) -> bool:
    return bool(cast("_Event", event).excluded >> e & 1)
