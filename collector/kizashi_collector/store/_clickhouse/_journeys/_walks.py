"""Walks: the journeys of all actors up to some time, kept in a table, so that an answer walks only what came since.

A walk is written under a number of its own, and counts once a row of `walks` says that it is done. Any collector may
make one, from the last one and what has changed since. Old ones are said to be gone, and deleted a while later.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection
from typing import Any

import msgspec
from msgspec import Struct

from kizashi_collector.analysis import Ladder
from kizashi_collector.store._chunks import DIMENSIONS
from kizashi_collector.store._clickhouse._amounts import Amounts
from kizashi_collector.store._clickhouse._engine import DELETING_S, Engine
from kizashi_collector.store._clickhouse._journeys._asking import Asking
from kizashi_collector.store._clickhouse._journeys._changes import changed_actors
from kizashi_collector.store._clickhouse._journeys._credit import Credit
from kizashi_collector.store._clickhouse._journeys._found import AT_ONCE, walked_sql
from kizashi_collector.store._clickhouse._journeys._kept import KeptJourneys, walked_events
from kizashi_collector.store._clickhouse._schema import actor_key
from kizashi_collector.store._clickhouse._seen import Seen
from kizashi_collector.store._clickhouse._settled import Edge, RowNumber, Settled
from kizashi_collector.store._clickhouse._sql import Ask, Parameters
from kizashi_collector.store._protocol import StoreError
from kizashi_schemas.plan import Plan

__all__ = ["LAG_MS", "Walks"]

_log = logging.getLogger("kizashi.store")

LAG_MS = 120_000
"""So long ago is what is walked: what comes later than that is walked anew, so it should be little."""

_MOST_ANEW = 20_000
"""Where something has changed of more actors than these, all are walked."""

_FRESH_MS = 1_800_000
"""A walk of so short a time before is not made again: whoever needs it may fail, and ask again soon."""

_BUSY = "INTERVAL 20 MINUTE"
"""So long somebody who began a walk is taken to be at it, and an old one is kept for those who still read it."""

_DIMENSIONS = ", ".join(DIMENSIONS)
_JOURNEY = f"actor_key, open, begin, sourced, {_DIMENSIONS}, firsts, clock, deepest, ended, end, number, brought"
_STEPS = """
    SELECT generation, any(plan_id), max(step) AS last, anyIf(seen, step != 'gone'), anyIf(edges, step != 'gone'),
        anyIf(until, step != 'gone') AS of_until, max(said_at) > now64(3) - {busy} AS lately
    FROM walks WHERE {where} GROUP BY generation
"""


class Walk(Struct, frozen=True):
    """The journeys of events up to `until`, as they were `seen`; what is before the `edges` was gone."""

    generation: int
    until: int
    edges: tuple[Edge, ...]
    seen: Seen


class Walks:
    """Makes walks, and finds what an answer can make of them. All methods raise StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def kept(self, ask: Ask, settled: Settled, plan: Plan, ladder: Ladder, as_of: int) -> KeptJourneys | None:
        """What the last walk of a plan by as_of tells of the rows that stand; None where that would be little."""
        walk = self._last(ask, plan.learning_id, as_of, settled.sealed)
        if walk is None:
            return None
        anew = changed_actors(ask, walk.seen, Seen.of(settled, as_of), settled.edges, ladder, _MOST_ANEW)
        if anew is None:
            return None
        # Of an erasure that broke off nobody knows how far it came.
        (erasing,) = ask("SELECT actor_key FROM erasing GROUP BY actor_key HAVING NOT argMax(done, said_at)", {})
        anew.update(erasing)
        if len(anew) > _MOST_ANEW:
            return None
        # Of these there may be any number: the edge moves by a day at once.
        gone = max((before for before, _ in set(settled.edges) - set(walk.edges)), default=None)
        return KeptJourneys(walk.generation, walk.until, tuple(sorted(anew)), gone)

    def being_made(self, plan: Plan) -> bool:
        """Whether somebody has begun a walk of a plan lately, and may still be at it."""
        steps = self._engine.ask(_STEPS.format(busy=_BUSY, where="plan_id = {plan:String}"), {"plan": plan.learning_id})
        return any(last == "begun" and lately for _, _, last, *_, lately in zip(*steps, strict=True))

    def make(
        self,
        ask: Ask,
        settled: Settled,
        plan: Plan,
        ladder: Ladder,
        until: int,
        generation: int,
        *,
        adjusted: bool,
        at_once: int = AT_ONCE,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Walk the journeys of all that stands and happened by a time, under a number that nobody else has.

        `adjusted` tells whether there is any adjustment at all; `at_once` that of Asking.
        """
        last = self._last(ask, plan.learning_id, until)
        if last is not None and until - last.until < _FRESH_MS:
            return
        said = (until, settled.edges, msgspec.json.encode(Seen.of(settled, until)).decode())
        self._say(generation, plan.learning_id, "begun", *said)
        done = told = False
        try:
            kept = self.kept(ask, settled, plan, ladder, until)
            asking = Asking(ask, plan, ladder, settled.view(), until, adjusted, at_once, kept)
            self._write(asking, generation, check)
            # Who was erased meanwhile may be in it.
            ((erased,),) = ask("SELECT count() FROM erased", {})
            if erased == settled.erased:
                told = True
                self._say(generation, plan.learning_id, "done", *said)
                done = True
        finally:
            if not done:
                self._say(generation, plan.learning_id, "gone")
                if not told:
                    # Nobody reads it, and who was erased may be in it. What fails here is tidied up later.
                    with contextlib.suppress(StoreError):
                        self._engine.drop_partition("journeys", generation)
        try:
            self._tidy(plan)
        except StoreError as error:
            # The walk is there.
            _log.warning("cannot delete old walks: %s; it is tried again", error)

    def begin_to_forget(self, actor: str) -> None:
        """Use nothing that is kept of an actor, from now on until all of it is forgotten."""
        self._say_of(actor, forgotten=False)

    def forget(self, actor: str) -> None:
        """Delete the journeys of an actor whose events are gone."""
        self._engine.delete("journeys", f"actor_key = {actor_key('{actor:String}')}", {"actor": actor})
        self._say_of(actor, forgotten=True)

    def _say_of(self, actor: str, *, forgotten: bool) -> None:
        said = f"INSERT INTO erasing (actor_key, done) SELECT {actor_key('{actor:String}')}, {{done:Bool}}"
        self._engine.run(said, {"actor": actor, "done": forgotten})

    def forget_lost(self, rows: Collection[RowNumber]) -> None:
        """Give up walks, also those that are being made, in which any of these rows stood: they lost to others since,
        and are about to be deleted."""
        if not rows:
            return
        for plan_id, walk in self._walks(self._engine.ask, steps=("begun", "done")):
            then = walk.seen.settled(walk.edges)
            if any(then.stands(row) for row in rows):
                self._say(walk.generation, plan_id, "gone")

    def _last(self, ask: Ask, plan_id: str, as_of: int, sealed: int | None = None) -> Walk | None:
        """With `sealed` only of those who knew no later seal: what settled in between is in theirs."""
        done = [
            walk
            for _, walk in self._walks(ask, plan_id)
            if walk.until <= as_of and (sealed is None or walk.seen.sealed <= sealed)
        ]
        return max(done, key=lambda walk: (walk.until, walk.generation), default=None)

    def _walks(
        self, ask: Ask, plan_id: str | None = None, steps: Collection[str] = ("done",)
    ) -> list[tuple[str, Walk]]:
        where = "1" if plan_id is None else "plan_id = {plan:String}"
        found = ask(_STEPS.format(busy=_BUSY, where=where), {} if plan_id is None else {"plan": plan_id})
        return [
            (plan, Walk(generation, until, tuple(edges), msgspec.json.decode(seen, type=Seen)))
            for generation, plan, last, seen, edges, until, _ in zip(*found, strict=True)
            if last in steps
        ]

    def _write(self, asking: Asking, generation: int, check: Callable[[], None]) -> None:
        ladder, view, until, kept = asking.ladder, asking.view, asking.as_of, asking.kept
        still = f"ended = 0 AND clock + {ladder.horizon_ms} >= {until}"
        columns = _JOURNEY.replace("open", still)
        written = 0

        def write(select: str, parameters: Parameters) -> None:
            nonlocal written
            check()
            into = f"INSERT INTO journeys (generation, {_JOURNEY}, query)"
            self._engine.run(f"{into} {select}", parameters.values, seconds=DELETING_S)
            ((queries,),) = asking.ask(f"SELECT uniqExact(query) FROM journeys WHERE generation = {generation}", {})
            if queries > written + 1:
                # A client that lost the connection may send a statement again.
                raise StoreError("journeys were written twice; they are walked again later")
            written = queries

        if kept is not None:
            parameters = Parameters()
            standing = kept.standing(ladder, view, until, parameters)
            write(f"SELECT {generation}, {columns}, initialQueryID() FROM journeys WHERE {standing}", parameters)
        parts = asking.parts(kept)
        for part in range(parts):
            parameters = Parameters()
            credit = Credit.of(DIMENSIONS, parameters)
            amounts = Amounts.of(asking.plan, view, until, parameters, adjusted=asking.adjusted)
            walked = walked_sql(ladder, view, until, parameters, amounts, credit, None, (part, parts), kept)
            names = credit.names_sql(view, walked_events(ladder, view, until, parameters, kept), kept, "open")
            texts = ", ".join(f"k{place}" for place in range(len(DIMENSIONS)))
            named = columns.replace("sourced", "source != 0").replace(_DIMENSIONS, texts)
            write(
                f"SELECT {generation}, {named}, initialQueryID() FROM ({walked}\n) AS walked "
                f"GLOBAL ANY LEFT JOIN ({names}) AS named USING source",
                parameters,
            )

    def _say(self, generation: int, plan_id: str, step: str, *done: Any) -> None:
        row = [generation, plan_id, step, *done]
        columns = ("generation", "plan_id", "step", "until", "edges", "seen")[: len(row)]
        self._engine.insert("walks", columns, msgspec.json.encode(row))

    def _tidy(self, plan: Plan) -> None:
        """Say of old walks that they are gone, and delete what was gone long enough, or was never done."""
        there = set(self._engine.ask("SELECT DISTINCT generation FROM journeys")[0])
        steps = list(zip(*self._engine.ask(_STEPS.format(busy=_BUSY, where="1")), strict=True))
        newest = {plan_id: generation for generation, plan_id, last, *_ in sorted(steps) if last == "done"}
        for generation, plan_id, last, *_, lately in steps:
            if lately:
                continue
            if last == "gone":
                self._drop(generation, there)
            elif last == "begun" or newest[plan_id] != generation or plan_id != plan.learning_id:
                self._say(generation, plan_id, "gone")
        for generation in there.difference(step[0] for step in steps):
            self._drop(generation, there)

    def _drop(self, generation: int, there: Collection[int]) -> None:
        if generation in there:
            self._engine.drop_partition("journeys", generation)
