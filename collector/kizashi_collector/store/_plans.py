"""Plans as the log keeps them, in the order in which they came into force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from sqlite3 import Connection

import msgspec

from kizashi_schemas import PlanError
from kizashi_schemas.plan import JourneyRules, load_plan_data

__all__ = ["PlanRow", "plans_until", "rules_changed_at"]

_BACK = "SELECT applied_at, canonical FROM plans WHERE applied_at <= ? ORDER BY seq DESC"


PlanRow = tuple[int, bytes]
"""When a plan was applied, in milliseconds since 1970, and its canonical form."""


def rules_changed_at(plans: Iterable[PlanRow], after: int, until: int) -> int | None:
    """When a change of plan last made another thing of journeys and of what they are worth: in (after, until], or None.

    `plans` are those applied up to `until`, the latest first. The first plan changes nothing, nor does one with the
    same `JourneyRules` as the last that had any. One that takes a change back is a change like any other.
    """
    # The plans that had the rules of today, back to the first of them.
    today: JourneyRules | None = None
    since = until
    for applied_at, canonical in plans:
        if today is not None and since <= after:
            return None
        try:
            rules = JourneyRules.of(load_plan_data(msgspec.json.decode(canonical), filename="a stored plan"))
        except PlanError:
            continue  # one that another version wrote: what it said is not known, and a guess would keep rows unready
        if rules is None:
            continue
        if today is not None and rules != today:
            return since
        today, since = rules, applied_at
    return None


def plans_until(connection: Connection, until: int) -> Iterator[PlanRow]:
    """The plans of a SQLite log that were applied up to a time, the latest first."""
    return connection.execute(_BACK, (until,))
