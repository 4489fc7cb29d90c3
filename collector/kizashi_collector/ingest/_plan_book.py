"""The plan in force: from a file that rules, or the one that was posted last."""

from __future__ import annotations

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

    def last_plan(self) -> bytes | None:
        """The canonical form of the one applied last."""


class PlanBook:
    """Holds the plan in force as `current`; None means that everything is stored and counted as it comes.

    With a `file` that file rules: `reload` reads it again. Without, the last plan posted is in force, also after a
    restart. Raises PlanError when the plan to begin with is broken.
    """

    def __init__(self, history: PlanHistory, file: Path | None = None) -> None:
        self.file = file
        self._history = history
        stored = history.last_plan() if file is None else None
        self.current: Plan | None = None
        if file is not None:
            self.current = _read(file)
        elif stored is not None:
            self.current = load_plan_data(msgspec.json.decode(stored), filename="the stored plan")

    async def reload(self, now: int) -> bool:
        """Read the file again; True if the plan changed. A broken file raises PlanError and changes nothing."""
        if self.file is None:
            return False
        return await self._apply(_read(self.file), now)

    async def replace(self, plan: Plan, now: int) -> bool:
        """Put a posted plan in force; True if it changed. Raises PlanRuledByFileError, StoreError."""
        if self.file is not None:
            raise PlanRuledByFileError(f"the plan is read from {self.file.name}; change that file and send SIGHUP")
        return await self._apply(plan, now)

    async def record(self, now: int) -> None:
        """Append the plan in force to the history if it is not the last one there."""
        plan = self.current
        if plan is not None and self._history.last_plan() != plan.canonical:
            await self._history.add_plan(plan.id, plan.canonical, now)

    async def _apply(self, plan: Plan, now: int) -> bool:
        if self.current is not None and plan.id == self.current.id:
            return False
        await self._history.add_plan(plan.id, plan.canonical, now)
        self.current = plan
        return True


def _read(file: Path) -> Plan:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError([f"{file.name}: cannot be read: {error}; check the path and that it is UTF-8"]) from None
    return load_plan(text, filename=file.name)
