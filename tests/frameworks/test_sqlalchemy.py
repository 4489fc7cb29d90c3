"""Events that wait for a commit, with SQLAlchemy itself on SQLite files."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

import kizashi
from kizashi import UsageError, _swallow
from kizashi.sqlalchemy import track_on_commit
from kizashi.testing import TrackedEvents, recorded


class Model(DeclarativeBase):
    pass


class Order(Model):
    __tablename__ = "orders"
    number: Mapped[str] = mapped_column(primary_key=True)
    total: Mapped[int] = mapped_column(default=0)


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrackedEvents]:
    monkeypatch.setattr(_swallow, "_next_words", {})
    with recorded() as events:
        yield events


def real_transactions(engine: Engine) -> None:
    """Let SQLAlchemy begin transactions: with its own ways, Python's sqlite3 would break savepoints."""

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    real_transactions(engine)
    Model.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with Session(engine) as session:
        yield session


def orders(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(Order.number).order_by(Order.number)))


def note_and_fail(session: Session) -> None:
    track_on_commit(session, "mv_lost", actor="v-1")
    raise ZeroDivisionError


def now() -> int:
    return time.time_ns() // 1_000_000


def wait_for_the_next_millisecond(moment: int) -> None:
    while now() == moment:
        pass


def names(events: TrackedEvents) -> list[str]:
    return [event.name for event in events]


def test_an_event_waits_for_the_commit(session: Session, engine: Engine, events: TrackedEvents) -> None:
    session.add(Order(number="A-1"))
    track_on_commit(session, "purchase", actor="v-1", session="s-1", value=12_800, currency="JPY", order="A-1")
    session.flush()
    assert names(events) == []
    session.commit()
    assert orders(engine) == ["A-1"]
    events.one("purchase", actor="v-1", session="s-1", value=12_800, currency="JPY", order="A-1")
    session.commit()
    assert names(events) == ["purchase"]


def test_after_the_commit_means_that_others_can_see_the_row(
    session: Session, engine: Engine, events: TrackedEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    send = events.transport.send

    def look(body: bytes, *, seconds: float) -> Any:
        seen.append(orders(engine))
        return send(body, seconds=seconds)

    monkeypatch.setattr(events.transport, "send", look)
    session.add(Order(number="A-1"))
    track_on_commit(session, "purchase", actor="v-1")
    session.commit()
    assert names(events) == ["purchase"]
    assert seen == [["A-1"]]


def test_a_rollback_forgets(session: Session, events: TrackedEvents) -> None:
    session.add(Order(number="A-1"))
    track_on_commit(session, "purchase", actor="v-1")
    session.rollback()
    session.add(Order(number="A-2"))
    session.commit()
    assert names(events) == []


def test_a_close_without_a_commit_forgets(session: Session, events: TrackedEvents) -> None:
    session.add(Order(number="A-1"))
    track_on_commit(session, "purchase", actor="v-1")
    session.close()
    session.add(Order(number="A-2"))
    session.commit()
    assert names(events) == []


def test_an_exception_in_the_block_forgets(engine: Engine, events: TrackedEvents) -> None:
    def buy() -> None:
        with Session(engine) as session, session.begin():
            note_and_fail(session)

    with pytest.raises(ZeroDivisionError):
        buy()
    assert names(events) == []


def test_a_commit_that_fails_forgets(session: Session, engine: Engine, events: TrackedEvents) -> None:
    with Session(engine) as other, other.begin():
        other.add(Order(number="A-1"))
    session.add(Order(number="A-1"))
    track_on_commit(session, "purchase", actor="v-1")
    with pytest.raises(IntegrityError):
        session.commit()
    session.rollback()
    session.add(Order(number="A-2"))
    session.commit()
    assert orders(engine) == ["A-1", "A-2"]
    assert names(events) == []


def test_a_savepoint_that_is_rolled_back_takes_its_events_along(session: Session, events: TrackedEvents) -> None:
    with session.begin():
        track_on_commit(session, "mv_outer", actor="v-1")
        savepoint = session.begin_nested()
        track_on_commit(session, "mv_lost", actor="v-1")
        with session.begin_nested():
            track_on_commit(session, "mv_lost_inside", actor="v-1")
        savepoint.rollback()
        track_on_commit(session, "mv_after", actor="v-1")
    assert names(events) == ["mv_outer", "mv_after"]


def test_a_savepoint_that_is_released_waits_for_the_outer_commit(session: Session, events: TrackedEvents) -> None:
    with session.begin():
        with session.begin_nested():
            session.execute(insert(Order).values(number="A-1"))
            with session.begin_nested():
                track_on_commit(session, "mv_inmost", actor="v-1")
            track_on_commit(session, "mv_inner", actor="v-1")
            with pytest.raises(ZeroDivisionError), session.begin_nested():
                note_and_fail(session)
        assert names(events) == []
        track_on_commit(session, "mv_outer", actor="v-1")
    assert names(events) == ["mv_inmost", "mv_inner", "mv_outer"]


def test_a_released_savepoint_falls_with_the_outer_transaction(session: Session, events: TrackedEvents) -> None:
    session.begin()
    with session.begin_nested():
        track_on_commit(session, "purchase", actor="v-1")
    session.rollback()
    session.commit()
    assert names(events) == []


def test_a_commit_releases_the_savepoints_that_are_open(session: Session, events: TrackedEvents) -> None:
    session.begin_nested()
    track_on_commit(session, "mv_inner", actor="v-1")
    session.begin_nested()
    track_on_commit(session, "mv_inmost", actor="v-1")
    session.get_transaction().commit()  # type: ignore[union-attr]  # there is one
    assert names(events) == ["mv_inner", "mv_inmost"]


def test_a_session_that_has_not_begun_waits_for_its_next_transaction(session: Session, events: TrackedEvents) -> None:
    assert not session.in_transaction()
    track_on_commit(session, "mv_first", actor="v-1")
    assert not session.in_transaction()
    session.add(Order(number="A-1"))
    assert names(events) == []
    session.commit()
    assert names(events) == ["mv_first"]


def test_a_session_that_is_closed_before_it_begins_forgets(session: Session, events: TrackedEvents) -> None:
    track_on_commit(session, "purchase", actor="v-1")
    session.close()
    session.add(Order(number="A-1"))
    session.commit()
    assert names(events) == []


def test_prepared_is_not_committed(tmp_path: Path, events: TrackedEvents) -> None:
    # SQLite has no two-phase transactions of its own; what is told to the session is the same.
    engine = create_engine(f"sqlite:///{tmp_path / 'two.db'}")
    Model.metadata.create_all(engine)
    engine.dialect.do_begin_twophase = lambda *_: None  # type: ignore[method-assign]
    engine.dialect.do_prepare_twophase = lambda *_: None  # type: ignore[method-assign]
    engine.dialect.do_rollback_twophase = (  # type: ignore[method-assign]
        lambda connection, *_, **__: connection.connection.rollback()
    )
    engine.dialect.do_commit_twophase = (  # type: ignore[method-assign]
        lambda connection, *_, **__: connection.connection.commit()
    )
    try:
        for end, seen in (("rollback", []), ("close", []), ("commit", ["purchase"])):
            with Session(engine, twophase=True) as session:
                session.add(Order(number="A-1"))
                track_on_commit(session, "purchase", actor="v-1")
                session.prepare()
                assert names(events) == []
                getattr(session, end)()
                assert names(events) == seen
    finally:
        engine.dispose()


def test_time_mappings_and_context_are_those_of_the_call(session: Session, events: TrackedEvents) -> None:
    before = now()
    source, properties, consent = {"campaign": "brand"}, {"sku": "A"}, {"ads": True}
    with kizashi.context(actor="v-1", session="s-1", source={"device": "mobile"}, consent={"analytics": False}):
        track_on_commit(session, "mv_step", source=source, properties=properties, consent=consent)
    after = now()
    wait_for_the_next_millisecond(after)
    source["campaign"] = properties["sku"] = "changed"
    consent["ads"] = False
    with kizashi.context(actor="v-2", session="s-2", source={"keyword": "late"}, consent={"late": True}):
        session.add(Order(number="A-1"))
        session.commit()
    tracked = events.one("mv_step", actor="v-1", session="s-1", properties={"sku": "A"})
    assert tracked.source == {"campaign": "brand", "device": "mobile"}
    assert tracked.consent == {"ads": True, "analytics": False}
    assert before <= tracked.time <= after


def test_a_given_time_stays(session: Session, events: TrackedEvents) -> None:
    session.begin()
    track_on_commit(session, "mv_step", actor="v-1", time=1_790_000_000_000, value=Decimal("0.10"), currency="USD")
    session.commit()
    events.one("mv_step", time=1_790_000_000_000, value="0.1")


def test_many_events_keep_their_order(session: Session, events: TrackedEvents) -> None:
    with session.begin():
        for number in range(1_000):
            track_on_commit(session, "mv_step", actor=number)
    assert [event.actor for event in events] == [str(number) for number in range(1_000)]


def test_sessions_do_not_mix(engine: Engine, events: TrackedEvents) -> None:
    with Session(engine) as one, Session(engine) as other:
        track_on_commit(one, "mv_one", actor="v-1")
        track_on_commit(other, "mv_other", actor="v-1")
        other.add(Order(number="A-1"))
        other.commit()
        assert names(events) == ["mv_other"]
        one.rollback()
    assert names(events) == ["mv_other"]


def test_what_goes_wrong_with_an_event_leaves_the_commit_alone(
    session: Session, engine: Engine, events: TrackedEvents, caplog: pytest.LogCaptureFixture
) -> None:
    session.add(Order(number="A-1"))
    track_on_commit(session, "No Name", actor="v-secret")
    track_on_commit(session, "mv_after", actor="v-1")
    with caplog.at_level(logging.WARNING, "kizashi"):
        session.commit()
    assert orders(engine) == ["A-1"]
    assert names(events) == ["mv_after"]
    said = [record.getMessage() for record in caplog.records]
    assert "kizashi failed while it was to track an event after a commit: invalid, by name" in said
    assert "v-secret" not in "".join(said)


def test_a_scoped_session_and_its_maker_will_do(engine: Engine, events: TrackedEvents) -> None:
    scoped = scoped_session(sessionmaker(engine, info={"site": "shop"}))
    track_on_commit(scoped, "mv_lost", actor="v-1")
    scoped.remove()
    scoped.add(Order(number="A-1"))
    track_on_commit(scoped, "purchase", actor="v-1")
    scoped.commit()
    scoped.remove()
    assert names(events) == ["purchase"]


def test_a_session_inside_a_tests_own_transaction_tells_of_its_commits(engine: Engine, events: TrackedEvents) -> None:
    with engine.connect() as connection:
        transaction = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            session.add(Order(number="A-1"))
            track_on_commit(session, "purchase", actor="v-1")
            session.commit()
            track_on_commit(session, "mv_lost", actor="v-1")
        transaction.rollback()
    assert orders(engine) == []
    assert names(events) == ["purchase"]


@pytest.mark.parametrize("make", [lambda engine: engine, lambda _engine: None], ids=["engine", "nothing"])
def test_what_is_no_session_is_refused(engine: Engine, make: Callable[[Engine], Any]) -> None:
    with pytest.raises(UsageError, match="pass a Session, an AsyncSession or a scoped_session"):
        track_on_commit(make(engine), "purchase", actor="v-1")


def test_a_connection_is_refused_since_it_does_not_say_when_it_has_committed(engine: Engine) -> None:
    connection: Any
    with engine.connect() as connection, pytest.raises(UsageError, match="the first argument is of type Connection"):
        track_on_commit(connection, "purchase", actor="v-1")


def test_the_example_of_the_documentation_works(engine: Engine, events: TrackedEvents) -> None:
    page = Path(__file__).parents[2] / "docs" / "jobs.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    (example,) = (block for block in blocks if "kizashi.sqlalchemy" in block)
    exec(example, {"Session": Session, "Order": Order, "engine": engine})
    assert orders(engine) == ["A-1001"]
    events.one("purchase", actor="v-8f2", value=12_800, currency="JPY", order="A-1001")


async def test_asynchronous_sessions_are_the_same(tmp_path: Path, events: TrackedEvents) -> None:
    pytest.importorskip("aiosqlite")
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
    real_transactions(engine.sync_engine)
    async with engine.begin() as connection:
        await connection.run_sync(Model.metadata.create_all)
    try:
        async with AsyncSession(engine) as session:
            track_on_commit(session, "mv_first", actor="v-1")
            session.add(Order(number="A-1"))
            async with session.begin_nested():
                track_on_commit(session, "mv_inner", actor="v-1")
            savepoint = await session.begin_nested()
            track_on_commit(session, "mv_lost", actor="v-1")
            await savepoint.rollback()
            assert names(events) == []
            await session.commit()
            assert names(events) == ["mv_first", "mv_inner"]
            track_on_commit(session, "mv_lost", actor="v-1")
            session.add(Order(number="A-2"))
            await session.rollback()
        scoped = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: "the only task")
        scoped.add(Order(number="A-3"))
        track_on_commit(scoped, "mv_scoped", actor="v-1")
        await scoped.commit()
        await scoped.remove()
    finally:
        await engine.dispose()
    assert names(events) == ["mv_first", "mv_inner", "mv_scoped"]


def test_an_asynchronous_session_is_found_without_a_driver(engine: Engine, events: TrackedEvents) -> None:
    session = AsyncSession(sync_session_class=Session)
    session.sync_session.bind = engine
    track_on_commit(session, "purchase", actor="v-1")
    session.sync_session.add(Order(number="A-1"))
    session.sync_session.commit()
    session.sync_session.close()
    assert names(events) == ["purchase"]
