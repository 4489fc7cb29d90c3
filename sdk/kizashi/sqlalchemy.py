"""Events that wait for a transaction of SQLAlchemy 2: tracked when it commits, forgotten when it does not.

from kizashi.sqlalchemy import track_on_commit

with Session() as session, session.begin():
    session.add(order)
    track_on_commit(session, "purchase", value=order.total, currency="JPY", order=order.number)
"""

from __future__ import annotations

import time as clocks
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from kizashi._default import track
from kizashi._errors import UsageError
from kizashi._swallow import swallowing

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
    from sqlalchemy.orm import scoped_session

__all__ = ["track_on_commit"]

# In Session.info, which is the session's own and goes with it.
_WAITING = "kizashi.waiting"


class _Noted:
    """One event that waits. `transaction` is None while the session has begun none."""

    __slots__ = ("emit", "transaction", "world")

    def __init__(self, transaction: SessionTransaction | None, world: object, emit: Callable[[], object]) -> None:
        self.transaction = transaction
        self.world = world
        self.emit = emit


def track_on_commit(
    work: Session | scoped_session[Any] | AsyncSession | async_scoped_session[Any],
    /,
    name: str,
    *,
    actor: str | int | None = None,
    value: int | Decimal | str | float | None = None,
    currency: str | None = None,
    order: str | int | None = None,
    session: str | int | None = None,
    source: Mapping[str, str | int | None] | None = None,
    properties: Mapping[str, str | int | float | Decimal | bool | None] | None = None,
    time: datetime | int | str | None = None,
    idempotency_key: str | int | None = None,
    consent: Mapping[str, bool | None] | None = None,
    adjust: Literal["restate", "retract"] | None = None,
) -> None:
    """Track an event once the outermost transaction of an SQLAlchemy session, given first, has committed.

    All other arguments are those of `kizashi.track`, `session` (the actor's visit) included. The time, the mappings and
    what `kizashi.context` says are taken now, at the call. Nothing is tracked after a rollback, or when the session is
    closed without a commit. An event noted inside a savepoint is dropped with it when the savepoint is rolled back, and
    waits for the outer commit when it is released. Events keep their order. They wait in memory, as many as one
    transaction notes.

    A session that has not begun yet begins by itself when it is first used: an event noted before waits for the
    transaction that begins next, and is dropped if the session is closed before one begins.

    "Outermost" is the session's own: one that joins the transaction of a Connection (as test suites do) is done when
    the session commits. Raises UsageError for what is no session; a Connection is none, and SQLAlchemy does not say
    when one has committed. Nothing that goes wrong later is raised into the session's commit: it is logged.
    """
    owner = _session_of(work)
    emit = partial(
        copy_context().run,
        track,
        name,
        actor=actor,
        value=value,
        currency=currency,
        order=order,
        session=session,
        source=_copied(source),
        properties=_copied(properties),
        time=clocks.time_ns() // 1_000_000 if time is None else time,
        idempotency_key=idempotency_key,
        consent=_copied(consent),
        adjust=adjust,
    )
    transaction = owner.get_nested_transaction()
    if transaction is None:
        transaction = owner.get_transaction()
    owner.info.setdefault(_WAITING, []).append(_Noted(transaction, owner.identity_map, emit))


def _session_of(work: object) -> Session:
    registry = getattr(work, "registry", None)
    if callable(registry):  # scoped_session and its asynchronous sister
        work = registry()
    work = getattr(work, "sync_session", work)
    if isinstance(work, Session):
        return work
    raise UsageError(
        f"the first argument is of type {type(work).__name__}; pass a Session, an AsyncSession or a scoped_session of "
        "SQLAlchemy 2",
        field="session",
    )


def _copied(mapping: Any) -> Any:
    if not isinstance(mapping, Mapping):
        return mapping
    try:
        return dict(mapping)
    except Exception:  # noqa: BLE001 - whatever a stranger's mapping raises; track() will meet it, and count it
        return mapping


def _began(session: Session, transaction: SessionTransaction) -> None:
    # Session.close() gives no sign where nothing had begun, but leaves the session with another identity map.
    waiting: list[_Noted] | None = session.info.get(_WAITING)
    if waiting and transaction.parent is None:
        session.info[_WAITING] = still = [noted for noted in waiting if noted.world is session.identity_map]
        for noted in still:
            noted.transaction = transaction


def _committed(session: Session) -> None:
    waiting: list[_Noted] | None = session.info.get(_WAITING)
    if not waiting:
        return
    released = session.get_nested_transaction()
    if released is None:
        del session.info[_WAITING]
        for noted in waiting:
            with swallowing("track an event after a commit"):
                noted.emit()
        return
    outer = released.parent
    while outer is not None and outer.parent is not None and not outer.nested:
        outer = outer.parent  # a flush begins a transaction of its own kind, which nobody notes events in
    for noted in waiting:
        if noted.transaction is released:
            noted.transaction = outer


def _ended(session: Session, transaction: SessionTransaction) -> None:
    # What was committed has been tracked, or moved outwards, before this: what is left was rolled back, or closed.
    waiting: list[_Noted] | None = session.info.get(_WAITING)
    if waiting:
        session.info[_WAITING] = [noted for noted in waiting if noted.transaction is not transaction]


event.listen(Session, "after_transaction_create", _began)
event.listen(Session, "after_commit", _committed)
event.listen(Session, "after_transaction_end", _ended)
