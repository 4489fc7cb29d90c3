"""The plan in force: from a file that rules, or the one that was posted last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from kizashi_schemas import KizashiError, PlanError
from kizashi_schemas.plan import Plan, load_plan, load_plan_data

__all__ = ["PlanBook", "PlanHistory", "PlanRuledByFileError"]


class PlanRuledByFileError(KizashiError):
    """A plan was posted while a `--plan` file rules."""


class PlanHistory(Protocol):
    """Where applied plans are kept."""

    async def add_plan(self, plan_id: str, canonical: bytes, applied_at: int) -> None:
        """Append a plan."""

    async def last_plan(self) -> bytes | None:
        """The canonical form of the one applied last."""


class PlanBook:
    """Holds the plan in force as `current`; None means that everything is stored and counted as it comes.

    With a `file` that file rules: `load` reads it again. Without, the last plan posted is in force, also after a
    restart. `on_change` is told of each plan that comes into force.
    """

    def __init__(
        self,
        history: PlanHistory,
        file: Path | None = None,
        *,
        on_change: Callable[[Plan | None], None] = lambda _: None,
    ) -> None:
        self.file = file
        self.current: Plan | None = None
        self._history = history
        self._on_change = on_change

    async def load(self, now: int) -> bool:
        """Put the file's plan in force, or where no file rules the last one posted; True if the plan changed.

        `now` is when, in milliseconds since 1970. Raises PlanError, and then nothing has changed.
        """
        stored = await self._history.last_plan()
        if self.file is not None:
            plan = _read(self.file)
        elif stored is not None:
            plan = load_plan_data(msgspec.json.decode(stored), filename="the stored plan")
        else:
            return False
        return await self._apply(plan, now, stored)

    async def replace(self, plan: Plan, now: int) -> bool:
        """Put a posted plan in force; True if it changed. Raises PlanRuledByFileError, StoreError."""
        if self.file is not None:
            raise PlanRuledByFileError(f"the plan is read from {self.file.name}; change that file and send SIGHUP")
        return await self._apply(plan, now, await self._history.last_plan())

    async def _apply(self, plan: Plan, now: int, stored: bytes | None) -> bool:
        changed = self.current is None or plan.id != self.current.id
        if plan.canonical != stored:
            await self._history.add_plan(plan.id, plan.canonical, now)
        self.current = plan
        if changed:
            self._on_change(plan)
        return changed


def _read(file: Path) -> Plan:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError([f"{file.name}: cannot be read: {error}; check the path and that it is UTF-8"]) from None
    return load_plan(text, filename=file.name)
