"""Erasure: nothing of an actor is left in any file, nothing of anybody else is missing, and nothing comes back."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizashi_collector.analysis import Interval, LoggedEvent, Worth, complete_until, summarize
from kizashi_collector.store import Candidate, Erased, Gone, LogAnswers, Refusal, SqliteLog, StoreError
from kizashi_collector.store._deletion._erasure import Erasure
from kizashi_schemas.plan import load_plan
from oracle.outcomes import without_outcomes

if sys.version_info >= (3, 14):
    from compression.zstd import decompress
else:
    from backports.zstd import decompress

PLAN = load_plan(
    'currency = "JPY"\n[events.sale]\nfinal = true\naction = "primary"\nvalue = "event"\n[events.mv_view]\n'
)
ACTOR = "qK7vX2mPz9LwRt4YbNc8HdJf6GsAeU3o"  # nothing that a compressor could shorten


def logged(event_id: str, **fields: Any) -> LoggedEvent:
    plain: dict[str, Any] = {"id": event_id, "name": "mv_view", "time": 1, "received_at": 1, "actor": "other"}
    return LoggedEvent(**plain | fields)


def candidates(*events: LoggedEvent) -> list[Candidate]:
    return [Candidate(event=e, refusal=None, id=e.id, body=b"", received_at=e.received_at) for e in events]


def rejected(event_id: str, body: bytes) -> Candidate:
    return Candidate(event=None, refusal=Refusal("bad_name", "no"), id=event_id, body=body, received_at=1)


def traces(folder: Path, text: str) -> list[str]:
    """Where a text is still found: files as they are, and what chunks hold once decoded."""
    wanted = text.encode()
    found = [file.name for file in folder.rglob("*") if file.is_file() and wanted in file.read_bytes()]
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        for first, *bodies in connection.execute("SELECT first, numbers, details FROM chunks").fetchall():
            if any(wanted in decompress(body) for body in bodies):
                found.append(f"chunk {first}")
    return found


async def verdicts(log: SqliteLog, *events: LoggedEvent) -> list[tuple[str, str | None]]:
    return [(outcome.verdict, outcome.code) for outcome in await log.append(candidates(*events))]


async def test_after_an_erasure_no_file_holds_the_actor_in_any_form(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    for batch in range(20):
        await log.append(
            candidates(
                *(logged(f"o{batch}-{n}", actor=f"other-{n}") for n in range(50)),
                *(logged(f"e{batch}-{n}", actor=ACTOR, order=f"order-{batch}-{n}", session=ACTOR) for n in range(7)),
                logged(f"r{batch}", adjust="retract", order=f"order-{batch}-3", actor=None),
                logged(f"t{batch}", adjust="retract", order="somebody", actor=ACTOR),
            )
        )
    await log.append(candidates(*(logged(f"all{n}", actor=ACTOR) for n in range(30))))
    bodies = [
        b'{"id":"x1","actor":"%b"}' % ACTOR.encode(),
        b'{"id":"x2","user":{"ids":["%b"]},"name":5}' % ACTOR.encode(),
        b'{"id":"x3","actor":"\\u0071%b"}' % ACTOR[1:].encode(),
        msgspec.json.encode(f'{{"actor":"{ACTOR}","value":1{"0" * 400}}}'),
        b'{"id":"x5","name":"mv_view","order":"order-1-1","adjust":"restate"}',
    ]
    for number, body in enumerate([*bodies, b'{"id":"y","actor":"other"}', b"null"]):
        await log.append([rejected(f"x{number}", body)])
    assert traces(tmp_path, ACTOR) != []
    erased = await log.erase(ACTOR)
    assert erased == Erased(20 * (7 + 1 + 1) + 30, len(bodies))
    assert traces(tmp_path, ACTOR) == []
    assert traces(tmp_path, "order-1-1") == []
    assert [event.actor for event in await log.newest(10_000)].count(ACTOR) == 0
    assert len(await log.newest(10_000)) == 20 * 50
    assert [row.id for row in (await log.rejected(10))[0]] == ["x6", "x5"]
    await log.close()
    assert traces(tmp_path, ACTOR) == []
    log = SqliteLog(tmp_path)
    assert len(await log.newest(10_000)) == 20 * 50
    assert await log.erase(ACTOR) == Erased(0, 0)
    await log.close()


@pytest.mark.parametrize("index", ["kept", "lost"])
async def test_what_was_erased_does_not_come_back_and_a_new_event_is_a_new_person(tmp_path: Path, index: str) -> None:
    log = SqliteLog(tmp_path)
    mine = [logged(f"m{n}", actor="me", order=f"o{n}") for n in range(3)]
    await log.append(candidates(*mine, logged("k")))
    await log.append([rejected("bad", b'{"actor":"me"}')])
    assert await log.erase("me") == Erased(3, 1)
    for _ in range(2):
        again = [*mine, logged("k"), logged("m9", actor="me", order="o1"), logged("m9", actor="me", order="o1")]
        expected = [("duplicate", "erased")] * 3 + [("duplicate", None), ("accepted", None), ("duplicate", None)]
        assert await verdicts(log, *again) == expected
        # Not even among the rejected, whether its form is in order or not.
        refusal = Refusal("too_old", "no")
        refused = Candidate(event=mine[0], refusal=refusal, id="m0", body=b'{"actor":"me"}', received_at=1)
        outcomes = await log.append([rejected("bad", b'{"actor":"me"}'), refused])
        assert [(o.verdict, o.code) for o in outcomes] == [("duplicate", "erased")] * 2
        assert (await log.rejected(10))[0] == []
        assert await log.erase("me") == Erased(1, 0)
        mine.append(logged("m9", actor="me", order="o1"))
        await log.close()
        if index == "lost":
            shutil.rmtree(tmp_path / "ids")
        log = SqliteLog(tmp_path)
        assert await verdicts(log, *mine) == [("duplicate", "erased")] * 4
        assert await verdicts(log, logged("k")) == [("duplicate", None)]
        break
    await log.close()


@pytest.mark.parametrize("count", [0, 1, 5_000])
async def test_the_number_of_events_that_went_is_told_and_listeners_hear_of_each(tmp_path: Path, count: int) -> None:
    gone: list[Gone] = []
    log = SqliteLog(tmp_path, on_gone=gone.append)
    for start in range(0, count, 1_000):
        events = (logged(f"m{start + n}", actor="me") for n in range(min(1_000, count - start)))
        await log.append(candidates(*events, logged(f"k{start}")))
    assert await log.erase("me") == Erased(count, 0)
    assert {one.why for one in gone} == ({"erased"} if count else set())
    assert sorted(event.id for one in gone for event in one.events) == sorted(f"m{n}" for n in range(count))
    assert await log.erase("nobody") == Erased(0, 0)
    await log.close()


async def test_an_erasure_catches_what_arrives_while_it_looks(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    for batch in range(30):
        await log.append(candidates(*(logged(f"{batch}-{n}", actor=f"v{n}") for n in range(100))))
    before: list[str] = []

    async def go_on() -> None:
        number = 0
        while not erasure.done():
            await log.append(candidates(logged(f"new{number}", actor="v7")))
            if not erasure.done():
                before.append(f"new{number}")
            number += 1

    erasure = asyncio.create_task(log.erase("v7"))
    await go_on()
    erased = await erasure
    left = {event.id for event in await log.newest(100_000) if event.actor == "v7"}
    stored = len(before) + 1
    # What came after it looked for the last time is a new person's; everything before is gone, and counted.
    assert erased.events == 30 + stored - len(left)
    assert left == {f"new{n}" for n in range(stored - len(left), stored)}
    await log.close()


async def test_an_erasure_waits_for_a_reader_that_still_sees_the_old_log(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.append(candidates(logged("a", actor=ACTOR)))
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM chunks").fetchone() == (1,)
        erasure = asyncio.create_task(log.erase(ACTOR))
        while await log.newest(1):  # noqa: ASYNC110  # it is gone for everybody who asks now
            await asyncio.sleep(0)
        assert not erasure.done()
        # Meanwhile others are not kept waiting.
        assert await verdicts(log, logged("b")) == [("accepted", None)]
        reader.execute("ROLLBACK")
    assert await asyncio.wait_for(erasure, 30) == Erased(1, 0)
    assert traces(tmp_path, ACTOR) == []
    await log.close()


async def test_an_actor_whose_events_could_not_be_written_leaves_nothing_behind_either(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    await log.append(candidates(logged("a", actor="other")))
    log._writer.connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON names BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    )
    with pytest.raises(StoreError, match="the disk is full"):
        await log.append(candidates(logged("b", actor=ACTOR)))
    log._writer.connection.execute("DROP TRIGGER full")
    assert await log.erase(ACTOR) == Erased(0, 0)
    await log.append(candidates(logged("c", actor="other")))
    await log.close()
    assert traces(tmp_path, ACTOR) == []


async def test_what_arrives_and_is_merged_while_an_actor_is_erased_goes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SqliteLog(tmp_path)
    await log.append(candidates(logged("first", actor=ACTOR), *(logged(f"a{n}", actor=f"a{n}") for n in range(300))))
    for number in range(14):
        await log.append(candidates(logged(f"b{number}", actor=f"b{number}")))
    last_step, arriving = Erasure._erase_last, iter(range(16))

    async def while_they_arrive(self: Erasure) -> bool:
        for number in arriving:
            await log.append(candidates(logged(f"c{number}", actor=ACTOR if number == 1 else f"c{number}")))
        return await last_step(self)

    monkeypatch.setattr(Erasure, "_erase_last", while_they_arrive)
    assert await log.erase(ACTOR) == Erased(2, 0)
    await log.close()
    log = SqliteLog(tmp_path)
    await log.append(candidates(logged("new", actor="somebody new")))
    found = {event.id: event.actor for event in await log.newest(1_000)}
    await log.close()
    assert not {"first", "c1"} & found.keys()
    assert [event_id for event_id, actor in found.items() if actor == "somebody new"] == ["new"]
    assert traces(tmp_path, ACTOR) == []


async def test_erasures_and_single_events_do_not_stop_each_other(tmp_path: Path) -> None:
    log = SqliteLog(tmp_path)
    over = asyncio.Event()

    async def send() -> int:
        number = 0
        while not over.is_set():
            await log.append(candidates(logged(f"s{number}", actor=f"s{number}")))
            number += 1
        return number

    sending = asyncio.create_task(send())
    for number in range(40):
        await log.append(candidates(logged(f"e{number}", actor=f"gone-{number}")))
        assert (await log.erase(f"gone-{number}")).events == 1
    over.set()
    sent = await sending
    found = await log.newest(1_000_000)
    await log.close()
    assert sorted(event.id for event in found) == sorted(f"s{number}" for number in range(sent))


# -- against a plain list ---------------------------------------------------------------------------------------------

events = st.builds(
    LoggedEvent,
    id=st.uuids(version=4).map(str) | st.sampled_from(["a", "b", "c", "d"]),
    name=st.sampled_from(["mv_view", "sale"]),
    time=st.integers(0, 9),
    received_at=st.integers(0, 9),
    actor=st.sampled_from(["x", "y", "z"]),
    value=st.sampled_from([1_000_000, 2_000_000]),
    currency=st.just("JPY"),
    order=st.sampled_from([None, "o1", "o2"]),
    session=st.sampled_from([None, "s"]),
    source=st.sampled_from([{}, {"campaign": "c"}, {"campaign": "d", "gclid": "g"}]),
    properties=st.sampled_from([{}, {"p": 1}]),
    imported=st.booleans(),
)
adjusting = st.builds(
    lambda event, adjust, actor: msgspec.structs.replace(
        event, adjust=adjust, order=event.order or "o1", actor=actor, source={}, properties={}
    ),
    events,
    st.sampled_from(["restate", "retract"]),
    st.sampled_from([None, None, "x"]),
)
steps = st.lists(
    st.tuples(st.just("append"), st.lists(st.one_of(events, events, events, adjusting), min_size=1, max_size=8))
    | st.tuples(st.just("erase"), st.sampled_from(["x", "y"]))
    | st.tuples(st.just("retain"), st.integers(0, 9))
    | st.tuples(st.just("restart"), st.booleans()),
    min_size=2,
    max_size=10,
)


class Model:
    """The same in a plain list. `in_force` are the adjustments that count."""

    def __init__(self) -> None:
        self.log: list[LoggedEvent] = []
        self.in_force: list[LoggedEvent] = []
        self.erased: set[str] = set()

    def originals(self) -> set[tuple[str, str | None]]:
        return {(e.name, e.order) for e in self.log if e.adjust is None and e.order is not None}

    def append(self, event: LoggedEvent) -> tuple[str, str | None]:
        for stored in self.log:
            if stored.id == event.id:
                fields = ("name", "actor", "value", "currency", "order", "adjust")
                same = all(getattr(stored, field) == getattr(event, field) for field in fields)
                return "duplicate", None if same else "conflict"
        if event.id in self.erased:
            return "duplicate", "erased"
        if event.adjust is None and (event.name, event.order) in self.originals():
            return "duplicate", "order"
        self.log.append(event)
        if event.adjust is not None:
            self.in_force.append(event)
        return "accepted", None

    def erase(self, actor: str) -> int:
        orders = {(e.name, e.order) for e in self.log if e.actor == actor and e.adjust is None and e.order}

        def goes(event: LoggedEvent) -> bool:
            return event.actor == actor or (event.adjust is not None and (event.name, event.order) in orders)

        self.erased |= {event.id for event in self.log if goes(event)}
        before = len(self.log)
        self.log = [event for event in self.log if not goes(event)]
        self.in_force = [event for event in self.in_force if not goes(event)]
        return before - len(self.log)

    def retain(self, time: int) -> int:
        before = len(self.log)
        self.log = [event for event in self.log if event.time >= time]
        left = self.originals()
        self.in_force = [event for event in self.in_force if event.time >= time or (event.name, event.order) in left]
        return before - len(self.log)


async def compare(folder: Path, script: list[tuple[str, Any]]) -> None:
    model, log = Model(), SqliteLog(folder)
    interval = Interval(-1, 9, 9)
    try:
        for action, argument in script:
            if action == "append":
                assert await verdicts(log, *argument) == [model.append(event) for event in argument]
            elif action == "erase":
                assert (await log.erase(argument)).events == model.erase(argument)
            elif action == "retain":
                assert await log.retain(argument) == model.retain(argument)
            else:
                await log.close()
                if argument:
                    shutil.rmtree(folder / "ids")
                log = SqliteLog(folder)
            assert (await log.newest(1_000))[::-1] == model.log
            assert (await log.newest(2))[::-1] == model.log[-2:]
            plain = [event for event in model.log if event.adjust is None]
            assert [(seen.name, seen.count) for seen in await log.names()] == [
                (name, count) for name in ("mv_view", "sale") if (count := sum(event.name == name for event in plain))
            ]
            report = await LogAnswers(log).summary(PLAN, interval, ("campaign",), lambda report: report)
            assert report is not None
            worth = Worth(PLAN, model.in_force)
            expected = summarize(plain, plan=PLAN, worth=worth, interval=interval, by=("campaign",), check=lambda: None)
            assert without_outcomes(report.summary) == expected
            received = [(event.received_at, event.time) for event in model.log if not event.imported]
            last = max((at for at, _ in received), default=None)
            assert report.complete_until == complete_until(received, last_receipt=last, as_of=9)
    finally:
        await log.close()


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(steps)
def test_every_answer_is_that_of_a_plain_list_whatever_is_erased_expired_and_restarted(
    script: list[tuple[str, Any]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder), script))
