"""The disk behind the queue: events that are not delivered yet survive the process, whatever ends it."""

from kizashi._spool._dead_letters import DeadLetters
from kizashi._spool._spool import Found, Spool

__all__ = ["DeadLetters", "Found", "Spool"]
