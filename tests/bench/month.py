"""A month of a shop's events: as numbers for other engines, as columns for the log, as JSON for a collector.

The shape is that of `bench.load.Traffic`, made by the ten thousand with numpy: a million actors, 200 campaigns on 3
devices, a click id for each visit of five events, an order for each purchase; and of six names in place of four.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from kizashi_collector.store import EventColumns

__all__ = ["ACTORS", "DEVICES", "MONTH_MS", "NAMES", "ROW", "Block", "Month"]

NAMES = ("mv_product_view", "mv_search", "mv_newsletter_signup", "mv_add_to_cart", "mv_form_step1", "purchase")
DEVICES = ("mobile", "desktop", "tablet")
ACTORS = 1_000_000
MONTH_MS = 30 * 86_400_000
ROW = np.dtype(
    [("time", "<u8"), ("actor", "<u4"), ("value", "<u4"), ("name", "u1"), ("campaign", "u1"), ("device", "u1")]
)
"""An event in numbers, packed: milliseconds, the actor's number, whole yen, and places in NAMES and DEVICES."""

_TENTHS = np.array([0, 0, 0, 0, 1, 2, 3, 3, 4, 5], dtype=np.uint8)
_PURCHASE = NAMES.index("purchase")
_VISIT = 5
_MICROS = 1_000_000
_SKUS, _QUANTITIES = 5_000, 3
_PROPERTIES = [{"sku": f"A-{n % _SKUS}", "qty": n // _SKUS + 1} for n in range(_SKUS * _QUANTITIES)]
_CAMPAIGNS = [f"campaign-{n}" for n in range(200)]


class Block:
    """Some thousand events in the order of time, of visits that go on beside each other.

    They lie evenly in (start, end], milliseconds since 1970. One seed makes one block.
    """

    def __init__(self, seed: tuple[int, ...], size: int, start: float, end: float) -> None:
        self._random = chance = np.random.default_rng(seed)
        self._seed = seed
        visits = -(-size // _VISIT)
        self._visit = visit = chance.permutation(np.repeat(np.arange(visits), _VISIT))[:size]
        self._actors = chance.integers(0, ACTORS, visits)
        self._campaigns = chance.integers(0, len(_CAMPAIGNS), visits)
        self._devices = chance.integers(0, len(DEVICES), visits)
        self.rows = rows = np.empty(size, dtype=ROW)
        rows["time"] = start + (end - start) * np.arange(1, size + 1) / size
        rows["actor"], rows["campaign"], rows["device"] = (
            self._actors[visit],
            self._campaigns[visit],
            self._devices[visit],
        )
        rows["name"] = _TENTHS[chance.integers(0, len(_TENTHS), size)]
        rows["value"] = 100 * chance.integers(0, 300, size)

    def columns(self) -> EventColumns:
        """The events as the log takes them, each received some tenths of a second after its time."""
        rows, size, chance = self.rows, len(self.rows), self._random
        times = rows["time"].tolist()
        names: list[int] = rows["name"].tolist()
        value = [yen * _MICROS for yen in rows["value"].tolist()]
        digits = chance.bytes(10 * size).hex()
        visits = self._visits()
        of = [visits[visit] for visit in self._visit.tolist()]
        order = "-".join(map(str, self._seed))
        return EventColumns(
            id=[_uuid7(time, digits[20 * at : 20 * at + 18]) for at, time in enumerate(times)],
            name=[NAMES[name] for name in names],
            time=times,
            received_at=(rows["time"] + chance.integers(50, 250, size).astype(np.uint64)).tolist(),
            actor=[actor for actor, _, _ in of],
            value=[*value],
            currency=["JPY"] * size,
            order=[f"A-{order}-{at}" if name == _PURCHASE else None for at, name in enumerate(names)],
            session=[session for _, session, _ in of],
            adjust=[None] * size,
            source=[source for _, _, source in of],
            properties=[_PROPERTIES[n] for n in chance.integers(0, len(_PROPERTIES), size).tolist()],
            consent=[{}] * size,
            shift=[0] * size,
            imported=[False] * size,
            currency_defaulted=[False] * size,
        )

    def _visits(self) -> list[tuple[str, str, dict[str, str]]]:
        """Actor, session and source of each visit."""
        drawn = self._random.bytes(19 * len(self._actors)).hex()
        visits = []
        for at, (actor, campaign, device) in enumerate(
            zip(self._actors.tolist(), self._campaigns.tolist(), self._devices.tolist(), strict=True)
        ):
            digits = drawn[38 * at : 38 * at + 38]
            click = f"EAIaIQobChMI{digits[:21]}EAAYASAAEg{digits[21:26]}_BwE"
            source = {"campaign": _CAMPAIGNS[campaign], "device": DEVICES[device], "gclid": click}
            visits.append((f"v-{actor:x}", f"s-{digits[26:]}", source))
        return visits

    def bodies(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Bodies of `size` events for POST /v1/events, and the time of each one's last."""
        columns = self.columns()
        yen = self.rows["value"].tolist()
        for start in range(0, len(columns), size):
            events = [
                {
                    "id": columns.id[at],
                    "name": columns.name[at],
                    "time": columns.time[at],
                    "value": yen[at],
                    "currency": "JPY",
                    "order": columns.order[at],
                    "actor": columns.actor[at],
                    "session": columns.session[at],
                    "source": columns.source[at],
                    "properties": columns.properties[at],
                }
                for at in range(start, min(start + size, len(columns)))
            ]
            yield columns.time[min(start + size, len(columns)) - 1], msgspec.json.encode({"events": events})


class Month:
    """`events` events spread evenly over the thirty days that end at `end`, the same ones each time."""

    def __init__(self, events: int, end: int) -> None:
        self.events, self.end = events, end

    def blocks(self, size: int = 10_000) -> Iterator[Block]:
        """The month from its beginning, in blocks of `size`, the last one perhaps smaller."""
        begin = self.end - MONTH_MS
        for at in range(0, self.events, size):
            until = min(at + size, self.events)
            yield Block(
                (self.events, at),
                until - at,
                begin + MONTH_MS * at / self.events,
                begin + MONTH_MS * until / self.events,
            )

    def rows(self) -> NDArray[np.void]:
        """All of it in numbers, of type ROW."""
        return np.concatenate([block.rows for block in self.blocks()])


def _uuid7(time: int, digits: str) -> str:
    stamp = f"{time:012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{digits[:3]}-a{digits[3:6]}-{digits[6:]}"
