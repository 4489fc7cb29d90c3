"""Whether the collector can take events now, and what to do where it cannot."""

from __future__ import annotations

from kizashi_collector.http._services import Services
from kizashi_collector.store import LogState, StoreError

__all__ = ["REASONS", "unready"]

REASONS = ("draining", "clock", "log", "disk", "ids")
"""Why a collector is not ready: it stops; the clock was set; no writes, no room, no index of ids."""

# Each holds a quarter of a million ids in 8 MiB; a healthy index has one or two that wait.
_MANY_TABLES = 8
_MIB = 1024 * 1024


async def unready(services: Services, min_free: int | None, state: LogState | None = None) -> dict[str, str]:
    """The reasons not to be ready, each with a sentence that says what to do.

    The volume must have `min_free` bytes left; without it, 64 MiB or a twentieth of the volume, whichever is less.
    `state` is asked for where it is not given.
    """
    found: dict[str, str] = {}
    if services.draining:
        found["draining"] = "the collector is stopping; send to another, or again once it has been restarted"
    if not services.clock.trusted:
        drift = services.clock.drift() // 1000
        found["clock"] = f"the wall clock was set by {drift} s since the start; mend it, or restart the collector"
    if (trouble := await services.log.check()) is not None:
        found["log"] = trouble
    try:
        state = state or await services.log.state()
    except StoreError as error:
        found.setdefault("log", str(error))
        return found
    floor = min(64 * _MIB, state.disk_bytes // 20) if min_free is None else min_free
    if state.free_bytes < floor:
        found["disk"] = (
            f"the log's volume has {state.free_bytes // _MIB} MiB free of {state.disk_bytes // _MIB} MiB, and "
            f"{floor // _MIB} MiB are to be kept free; make room, grow the volume, or lower --min-free"
        )
    if state.index.trouble is not None:
        found["ids"] = state.index.trouble
    elif state.index.tables_waiting > _MANY_TABLES:
        found["ids"] = (
            f"{state.index.ids_waiting} ids wait to be written to their index; the volume is too slow for the rate: "
            "send less for a while, or move the data to a faster one"
        )
    return found
