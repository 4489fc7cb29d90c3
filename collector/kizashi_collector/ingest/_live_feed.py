"""What was answered, told at once to whoever follows; nobody's batch waits for that, and nobody is waited for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import Struct

from kizashi_collector.store import Candidate, EventColumns, Outcome
from kizashi_schemas import LiveBatch, LiveEvent, format_micros

__all__ = ["Follower", "LiveFeed"]

_log = logging.getLogger("kizashi.live")

_EVENTS = 50
_BATCHES_A_SECOND = 20
_MOST_BYTES = 64 * 1024
_WAITING = 2 * _BATCHES_A_SECOND
_TEXT = 200

_encode = msgspec.json.Encoder().encode
_Parts = Sequence[EventColumns | Candidate]


class _AsSent(Struct):
    """What may be read of something that is no event."""

    name: object = None
    actor: object = None


_as_sent = msgspec.json.Decoder(_AsSent).decode


class Follower:
    """One who follows: the messages that wait for it, at most two seconds' worth."""

    def __init__(self, untold: int, on_end: Callable[[], None]) -> None:
        self.on_end = on_end
        self._waiting: deque[bytes] = deque()
        self._untold = untold
        self._lost = 0
        self._news = asyncio.Event()

    async def news(self) -> list[bytes]:
        """Wait until there is something to tell, and return all of it: LiveBatch as JSON."""
        await self._news.wait()
        self._news.clear()
        told = list(self._waiting)
        self._waiting.clear()
        return told

    @property
    def fell_behind(self) -> bool:
        """Whether it lost messages of which it was not told yet."""
        return self._lost > 0

    def tell(self, at: int, events: bytes, count: int, untold: int) -> None:
        """Have it told, or counted as lost where it does not keep up. `untold` counts what nobody was told so far."""
        if len(self._waiting) >= _WAITING:
            self._lost += count
            return
        left_out = self.left_out(untold)
        rest = b',"left_out":%d}' % left_out if left_out else b"}"
        self._waiting.append(b'{"at":%d,"events":[%b]%b' % (at, events, rest))
        self._news.set()

    def left_out(self, untold: int) -> int:
        """How many events it was not told since this was last asked."""
        left_out = self._lost + untold - self._untold
        self._lost, self._untold = 0, untold
        return left_out


class LiveFeed:
    """Tells followers of each batch what it held and what became of it. Runs in the event loop.

    At most 50 events of a batch, those first that were not plainly accepted, and 20 batches a second; what is left out
    is counted in the message after it. `clock` gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.followers: set[Follower] = set()
        self._clock = clock
        self._untold = 0
        self._free_at = 0.0
        self._at = 0

    def follow(self, on_end: Callable[[], None]) -> Follower:
        """Begin to follow; `on_end` is called when there will be nothing more to tell. Ends with `leave`."""
        follower = Follower(self._untold, on_end)
        self.followers.add(follower)
        return follower

    def leave(self, follower: Follower) -> None:
        """Follow no longer."""
        self.followers.discard(follower)

    def close(self) -> None:
        """Tell all followers that this was all."""
        for follower in list(self.followers):
            follower.on_end()

    def tell(self, at: int, parts: _Parts, outcomes: Sequence[Outcome]) -> None:
        """Tell a batch that was received at `at`, in milliseconds since 1970. Never raises."""
        try:
            self._tell(at, parts, outcomes)
        except Exception:  # noqa: BLE001  # the batch is stored: what people watch must not make an error of that
            _log.exception("a batch could not be shown to those who follow")

    def losses(self, follower: Follower) -> bytes | None:
        """A message about nothing but what the follower was not told, or None where it was told all."""
        left_out = follower.left_out(self._untold)
        return _encode(LiveBatch(at=self._at, events=[], left_out=left_out)) if left_out else None

    def _tell(self, at: int, parts: _Parts, outcomes: Sequence[Outcome]) -> None:
        self._at = at
        if not self._has_turn():
            self._untold += len(outcomes)
            return
        told: list[bytes] = []
        size = 0
        for event in _chosen(parts, outcomes):
            told.append(_encode(event))
            size += len(told[-1])
            if size > _MOST_BYTES:
                break
        self._untold += len(outcomes) - len(told)
        events = b",".join(told)
        for follower in self.followers:
            follower.tell(at, events, len(told), self._untold)

    def _has_turn(self) -> bool:
        """Whether one more batch may be told in this second: the generic cell rate algorithm (ITU-T I.371, annex A)."""
        now = self._clock()
        free_at = max(self._free_at, now)
        if (free_at - now) * _BATCHES_A_SECOND > _BATCHES_A_SECOND - 0.5:
            return False
        self._free_at = free_at + 1 / _BATCHES_A_SECOND
        return True


def _chosen(parts: _Parts, outcomes: Sequence[Outcome]) -> Iterator[LiveEvent]:
    """The events that are shown: what went wrong before what did not, each in the batch's order."""
    wrong = [at for at, outcome in enumerate(outcomes) if outcome.verdict != "accepted"][:_EVENTS]
    wanted = set(wrong)
    for at in range(len(outcomes)):
        if len(wanted) == _EVENTS:
            break
        wanted.add(at)
    at = 0
    for part in parts:
        if isinstance(part, EventColumns):
            for place in range(len(part)):
                if at + place in wanted:
                    yield _of_columns(part, place, outcomes[at + place])
            at += len(part)
        else:
            if at in wanted:
                yield _of_candidate(part, outcomes[at])
            at += 1


def _of_columns(columns: EventColumns, at: int, outcome: Outcome) -> LiveEvent:
    value = columns.value[at]
    return LiveEvent(
        id=columns.id[at],
        name=columns.name[at],
        time=columns.time[at],
        actor=columns.actor[at],
        value=None if value is None else format_micros(value),
        currency=columns.currency[at],
        source=dict(columns.source[at]),
        verdict=outcome.verdict,
        code=outcome.code,
        message=outcome.message,
    )


def _of_candidate(candidate: Candidate, outcome: Outcome) -> LiveEvent:
    if candidate.event is not None:
        return _of_columns(EventColumns.of([candidate.event]), 0, outcome)
    try:
        sent = _as_sent(candidate.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        sent = _AsSent()
    return LiveEvent(
        id=candidate.id,
        name=_shown(sent.name),
        time=None,
        actor=_shown(sent.actor),
        value=None,
        currency=None,
        source={},
        verdict=outcome.verdict,
        code=outcome.code,
        message=outcome.message,
    )


def _shown(sent: object) -> str | None:
    return sent[:_TEXT] if isinstance(sent, str) else None
