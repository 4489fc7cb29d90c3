"""Plans as the log keeps them, in the order in which they came into force."""

from __future__ import annotations

from sqlite3 import Connection

import msgspec

from kizashi_schemas import PlanError
from kizashi_schemas.plan import JourneyRules, load_plan_data

__all__ = ["rules_changed_at"]

_BACK = "SELECT applied_at, canonical FROM plans WHERE applied_at <= ? ORDER BY seq DESC"


def rules_changed_at(connection: Connection, after: int, until: int) -> int | None:
    """When a change of plan last made another thing of journeys and of what they are worth: in (after, until], or None.

    The first plan changes nothing, nor does one with the same `JourneyRules` as the last that had any. One that takes
    a change back is a change like any other. `after` and `until` are milliseconds since 1970.
    """
    # The plans that had the rules of today, back to the first of them.
    today: JourneyRules | None = None
    since = until
    for applied_at, canonical in connection.execute(_BACK, (until,)):
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
