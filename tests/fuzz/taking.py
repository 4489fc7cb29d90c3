"""A body through the collector's ingest and a real log, without HTTP, and back out of the log."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from fuzz.judging import UntrueError, judge_batch, judge_refusal, same_as_stored
from fuzz.plain import PlainPlan, Rules
from kizashi_collector.ingest import BadBodyError, Clock, Ingest, PlanBook, TooManyEventsError
from kizashi_collector.store import SqliteLog
from kizashi_schemas.plan import load_plan

__all__ = ["NOW", "PLANS", "Taker"]

NOW = 1_790_000_000_000
DAY = 86_400_000
EVENTS = "[events.mv_view]\n[events.purchase]\nfinal = true\n"
PLANS: dict[str, tuple[str | None, PlainPlan | None, int | None]] = {
    "none": (None, None, None),
    "accept": (f'currency = "JPY"\nrates = {{ USD = 150 }}\n{EVENTS}', PlainPlan("JPY", ("USD",)), None),
    "reject": (
        f'currency = "USD"\nretention = "200d"\nunplanned = "reject"\n{EVENTS}',
        PlainPlan("USD", (), frozenset({"mv_view", "purchase"})),
        200 * DAY,
    ),
}
"""Plans by name: as TOML, what the plain rules need of it, and its retention in milliseconds."""


class Taker:
    """Takes bodies and checks what became of them. Its clock stands still at NOW."""

    def __init__(self, folder: Path, plan: str = "none") -> None:
        self._runner = asyncio.Runner()
        text, plain, retention = PLANS[plan]
        self.rules = Rules(NOW, plain, retention)
        self.accepted = 0
        self.log = self._runner.run(self._open(folder))
        clock = Clock(lambda: NOW, lambda: 0)
        plans = PlanBook(self.log)
        if text is not None:
            self._runner.run(plans.replace(load_plan(text), NOW))
        self._ingest = Ingest(self.log, plans, clock, max_events=500)

    async def _open(self, folder: Path) -> SqliteLog:
        return SqliteLog(folder)

    def take(self, body: bytes, kind: Literal["json", "msgpack"]) -> str:
        """Hand a body in; return what was said of it in a word. Raises UntrueError, or whatever nobody expected."""
        return self._runner.run(self._take(body, kind))

    async def _take(self, body: bytes, kind: Literal["json", "msgpack"]) -> str:
        try:
            answer = await self._ingest.take(self._ingest.open(body, kind))
        except BadBodyError as error:
            judge_refusal(error.status, error.code, body, kind)
            return error.code
        except TooManyEventsError:
            return "too_many_events"
        expected = judge_batch(answer, body, kind, self.rules)
        self.accepted += answer.accepted
        stored = await self.log.newest(answer.accepted) if answer.accepted else []
        if expected and sorted(event.id for event in stored) != sorted(expected):
            raise UntrueError(
                f"accepted {sorted(expected)}, and the newest in the log are {[event.id for event in stored]}"
            )
        for event in stored:
            if event.id in expected and not same_as_stored(event, expected[event.id]):
                raise UntrueError(f"stored {event}, and sent was {expected[event.id]}")
        if answer.rejected:
            rows, _ = await self.log.rejected(1)
            assert rows
        return "accepted" if answer.accepted else "taken"

    def rejected(self) -> tuple[int, dict[str, int]]:
        """How many of the rejected are kept, and how many of each code."""
        rows, codes = self._runner.run(self.log.rejected(100))
        return len(rows), codes

    def close(self) -> None:
        """Close the log."""
        self._runner.run(self.log.close())
        self._runner.close()
