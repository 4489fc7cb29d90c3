"""`kizashi copy`: a SQLite log with everything in it, found again in ClickHouse, whatever happened on the way."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contract.replayed_shop import BEFORE, BEGAN, PLAN, Shop
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.cli import add_copy
from kizashi_collector.store import Candidate, EventColumns, KeyRing, Refusal, RejectedFilter, SqliteLog, StoreError
from kizashi_collector.store._clickhouse import _trouble
from kizashi_collector.store._clickhouse._copying import _copy as copying
from kizashi_collector.store._clickhouse._copying._beside import Beside
from kizashi_collector.store._clickhouse._engine import Engine
from kizashi_collector.store._clickhouse._settled import read_settled
from kizashi_collector.store._fits import StoredFit
from kizashi_collector.store.clickhouse import Address, ClickHouseKeys, ClickHouseLog
from live_collector import HOUR, LiveCollector, live_collector
from stores import address_of

DAY = 24 * HOUR
LATER = BEGAN + 61 * DAY
GONE = "v-17"
"""Who was erased."""

EARLY = "early"
"""An adjustment that outlived its own age."""


def event(event_id: str, *, time: int = 1_000, actor: str | None = "v-1", **more: Any) -> LoggedEvent:
    more.setdefault("name", "purchase" if "adjust" in more else "mv_view")
    return LoggedEvent(id=event_id, time=time, received_at=1_000, actor=actor, **more)


def candidate(event_id: str, code: str) -> Candidate:
    return Candidate(event=None, refusal=Refusal(code, "a reason"), id=event_id, body=b"{}", received_at=1_000)


async def write(
    folder: Path,
    events: Sequence[LoggedEvent],
    refused: Sequence[Candidate] = (),
    *,
    plan: bytes | None = None,
    erased: str | None = None,
) -> None:
    """A log with these in it."""
    log = SqliteLog(folder)
    await log.append([EventColumns.of(events), *refused])
    if plan is not None:
        await log.add_plan("p-0", plan, 1)
    if erased is not None:
        await log.erase(erased)
    await log.close()


async def add_fit(folder: Path, fit: StoredFit) -> None:
    log = SqliteLog(folder)
    await log.add_fit(fit)
    await log.close()


async def newest(folder: Path) -> list[LoggedEvent]:
    log = SqliteLog(folder)
    found = await log.newest(10_000)
    await log.close()
    return found


@contextmanager
def at(place: Path, salt: bytes | None = None) -> Iterator[ClickHouseLog]:
    """The log of a store, as a collector opens it."""
    log = ClickHouseLog(address_of(place), pause_seconds=0, salt=salt)
    yield log
    asyncio.run(log.close())


def salt_of(folder: Path) -> bytes:
    with closing(sqlite3.connect(folder / "log.db")) as connection:
        (salt,) = connection.execute("SELECT salt FROM logs").fetchone()
    return bytes(salt)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def written(address: Address) -> str:
    """An address as it is given to the command."""
    if address.path is not None:
        return f"chdb://{address.path}?database={address.database}"
    return f"clickhouse://{address.user}:{address.password}@{address.host}:{address.port}/{address.database}"


class Copied:
    """What a run of the command said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, folder: Path, to: str, *options: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        add_copy(parser.add_subparsers())
        args = parser.parse_args(["copy", "--data", str(folder), "--to", to, *options])
        status: int = args.run(args)
        return status, *self._capsys.readouterr()


@pytest.fixture
def copy(capsys: pytest.CaptureFixture[str]) -> Copied:
    return Copied(capsys)


# -- what is copied ----------------------------------------------------------------------------------------------------


async def put(live: LiveCollector, plan: str) -> None:
    async with live.ask("POST", "/v1/plan", scope="admin", data=plan) as response:
        assert response.status == 200, await response.text()


async def learned(live: LiveCollector) -> None:
    boundary = live.wall // HOUR * HOUR
    async with asyncio.timeout(60):
        while True:
            await live.summary(fresh="1")
            state = live.services.answers.state()
            if (state.current, state.learned_until, state.mending) == (True, boundary, 0):
                return
            await asyncio.sleep(0)


async def keep_a_shop(folder: Path) -> list[tuple[str, bytes]]:
    """Two months of a shop, with all that a log can have in it; what a collector answers in the end."""
    shop = Shop(actors=60)
    async with live_collector(folder, store="sqlite") as live:
        live.advance(BEGAN - live.wall)
        await put(live, BEFORE)
        for day, (now, events, envelope) in enumerate(shop.days()):
            live.advance(now - live.wall)
            for start in range(0, len(events), 500):
                await live.post(events[start : start + 500], **envelope)
            if day == 15:
                # Older than what is kept, and in force as long as its sale is kept.
                sale = next(one for one in await live.services.log.newest(500) if one.order and one.actor != GONE)
                early = {"name": sale.name, "order": sale.order, "time": BEGAN - 8 * DAY, "adjust": "retract"}
                assert (await live.post([{"id": EARLY, **early}])).accepted == 1
        await put(live, PLAN)
        await live.post(shop.adjustments(live.wall))
        async with live.ask("DELETE", f"/v1/actors/{GONE}", scope="admin") as response:
            assert (await response.json())["events"] > 0
        await live.services.log.retain(BEGAN - 5 * DAY)
        await learned(live)
        live.advance(LATER - live.wall)
        # Sent with a shift, since its sender's clock is wrong.
        shifted = {"id": "shifted", "name": "mv_visit", "time": LATER - 2 * HOUR, "actor": "v-1"}
        assert (await live.post([shifted], sent_at=LATER - HOUR)).accepted == 1
        await learned(live)
        ring = live.services.keys
        assert ring is not None
        ring.create("bidder", "read")
        ring.create("gone", "write")
        assert ring.revoke(2)
        return await answers(live)


class Kept(NamedTuple):
    """The data folder of a collector that ran on SQLite, and what it answered last."""

    folder: Path
    answers: list[tuple[str, bytes]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("sqlite")
    return Kept(folder / "data", asyncio.run(keep_a_shop(folder)))


FUNNEL: dict[str, Any] = {
    "steps": ["mv_visit", "mv_view", "mv_cart", "purchase"],
    "window": "90d",
    "by": ["properties.plan"],
    "trend": True,
}
QUESTIONS: list[tuple[str, dict[str, str]]] = [
    ("/v1/summary", {"window": "28d", "by": "campaign,device", "money": "string"}),
    ("/v1/summary", {"window": "90d", "by": "gclid", "as_of": str(LATER - 20 * DAY), "format": "csv"}),
    ("/v1/funnels/checkout", {"window": "28d", "by": "campaign"}),
    ("/v1/values", {}),
    ("/v1/values", {"as_of": str(LATER - 2 * DAY)}),
    ("/v1/events", {"limit": "100"}),
    ("/v1/rejected", {"limit": "1000"}),
    ("/v1/plan", {}),
]
_FIT = re.compile(rb'(?<="fit":\{"number":)[0-9]+')


async def answers(live: LiveCollector) -> list[tuple[str, bytes]]:
    """What it answers; the stores number their fits in ways of their own."""
    found = []
    for path, params in QUESTIONS:
        async with live.ask("GET", path, params=params) as response:
            assert response.status == 200, await response.text()
            found.append((f"{path} {params}", _FIT.sub(b"#", await response.read())))
    async with live.ask("POST", "/v1/funnels", json=FUNNEL) as response:
        assert response.status == 200, await response.text()
        found.append(("a funnel", await response.read()))
    return found


async def answers_of(folder: Path) -> list[tuple[str, bytes]]:
    async with live_collector(folder, store="clickhouse") as live:
        live.advance(LATER - live.wall)
        return await answers(live)


def test_every_endpoint_answers_from_clickhouse_what_it_answered_from_sqlite(
    shop: Kept, tmp_path: Path, copy: Copied
) -> None:
    status, out, err = copy(shop.folder, written(address_of(tmp_path / "data")))
    assert (status, err) == (0, "")
    assert "compared by name: 7 of 7 have as many events there as here" in out
    for (what, sqlite), (_, clickhouse) in zip(shop.answers, asyncio.run(answers_of(tmp_path)), strict=True):
        assert sqlite == clickhouse, what
    with at(tmp_path / "data") as log:
        there = [event for event in asyncio.run(log.newest(10_000)) if event.id != EARLY]
    assert there == asyncio.run(newest(shop.folder))
    assert any(event.imported for event in there)
    assert any(event.shift for event in there)


def test_a_key_opens_the_other_store_unless_it_was_revoked(tmp_path: Path, copy: Copied) -> None:
    asyncio.run(write(tmp_path / "data", [event("e-1")]))
    with closing(KeyRing(tmp_path / "data", clock=lambda: 1)) as ring:
        good, bad = ring.create("good", "read"), ring.create("bad", "admin")
        ring.revoke(2)
        known = ring.all()
    assert copy(tmp_path / "data", written(address_of(tmp_path)))[0] == 0
    with at(tmp_path) as log:
        keys = ClickHouseKeys(log.engine, clock=lambda: 2)
        assert (keys.scope_of(good), keys.scope_of(bad)) == ("read", None)
        assert keys.all() == known


# -- again, and broken off ---------------------------------------------------------------------------------------------


def counts(log: ClickHouseLog) -> dict[str, int]:
    """How many rows of each table count."""
    view = read_settled(log.engine).view()
    found = {"events": log.engine.ask(f"SELECT count() FROM {view.table} WHERE {view.where}")[0][0]}
    for table in ("plans", "fits", "keys", "rejected", "erased"):
        found[table] = log.engine.ask(f"SELECT count() FROM {table} {'FINAL' * (table in ('keys', 'rejected'))}")[0][0]
    return found


def test_a_second_run_changes_nothing(shop: Kept, tmp_path: Path, copy: Copied) -> None:
    to = written(address_of(tmp_path))
    first = json.loads(copy(shop.folder, to, "--json")[1])["copied"]
    with at(tmp_path) as log:
        before = counts(log)
    assert all(before.values())
    status, out, _ = copy(shop.folder, to, "--json")
    second = json.loads(out)["copied"]
    assert (status, second["new"], second["known"]) == (0, 0, first["new"])
    assert set(second["beside"].values()) == {0}
    assert second["names"] == first["names"]
    with at(tmp_path) as log:
        assert counts(log) == before


def test_a_run_that_is_broken_off_before_any_of_its_writes_is_taken_up_by_the_next(
    shop: Kept, tmp_path: Path, copy: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_BATCH", 300)
    left = 0

    def counted(do: Callable[..., None]) -> Callable[..., None]:
        def do_or_die(*args: Any, **named: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise StoreError("broken off")
            do(*args, **named)

        return do_or_die

    monkeypatch.setattr(Engine, "insert", counted(Engine.insert))
    monkeypatch.setattr(Engine, "run", counted(Engine.run))
    to = written(address_of(tmp_path))
    # What makes the tables is no business of this test.
    left = 1000
    with at(tmp_path, salt_of(shop.folder)):
        pass
    status, runs = 1, 0
    while status:
        runs += 1
        left = 1 + runs
        status, _, err = copy(shop.folder, to)
        assert status == 0 or "broken off" in err
    assert runs > 5
    left = 1000
    with at(tmp_path) as log:
        broken = counts(log), asyncio.run(log.newest(10_000))
    assert copy(shop.folder, written(address_of(tmp_path / "whole")))[0] == 0
    with at(tmp_path / "whole") as log:
        assert (counts(log), asyncio.run(log.newest(10_000))) == broken


PROGRAM = """
import argparse, os, signal, sys
from kizashi_collector.cli import add_copy
from kizashi_collector.store._clickhouse._copying import _copy
from kizashi_collector.store._clickhouse._engine import Engine

_copy._BATCH, left, insert = 100, int(sys.argv.pop(1)), Engine.insert
def insert_or_die(*args):
    global left
    left -= args[1] == "batches"
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    insert(*args)
Engine.insert = insert_or_die
parser = argparse.ArgumentParser()
add_copy(parser.add_subparsers())
args = parser.parse_args()
sys.exit(args.run(args))
"""
LOOK = """
import asyncio, sys
from kizashi_collector.store._clickhouse._settled import read_settled
from kizashi_collector.store.clickhouse import Address, ClickHouseLog
log = ClickHouseLog(Address.of(sys.argv[1]))
print(*(event.id for event in asyncio.run(log.newest(10_000))), sep="\\n")
"""


def run(program: str, *arguments: str | Path, said: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, input=said)


def test_what_was_copied_when_the_process_was_killed_is_there_once(shop: Kept, tmp_path: Path) -> None:
    to = f"chdb://{tmp_path / 'chdb'}"
    command: list[str | Path] = ["copy", "--data", shop.folder, "--to"]
    assert run(PROGRAM, "3", *command, to).returncode == -signal.SIGKILL
    # An address with a password may come by standard input.
    finished = run(PROGRAM, "1000", *command, "-", said=f"{to}\n")
    assert finished.returncode == 0, finished.stderr
    assert "; 300 were there before" in finished.stdout
    found = run(LOOK, to)
    assert found.returncode == 0, found.stderr
    there = found.stdout.split()
    there.remove(EARLY)
    assert there == [event.id for event in asyncio.run(newest(shop.folder))]


def test_what_changed_since_the_first_run_is_changed_by_the_second(tmp_path: Path, copy: Copied) -> None:
    folder, to = tmp_path / "data", written(address_of(tmp_path))
    refused = [candidate("r-1", "bad_value"), candidate("r-2", "bad_value"), candidate("r-3", "bad_value")]
    sold = event("e-2", actor="v-gone", name="purchase", order="o-1")
    asyncio.run(write(folder, [event("e-1"), sold, event("a-1", actor=None, adjust="retract", order="o-1")], refused))
    asyncio.run(add_fit(folder, StoredFit(0, "p-1", 100, 2, 0.5, b"first")))
    with closing(KeyRing(folder, clock=lambda: 1)) as ring:
        secret = ring.create("soon gone", "read")
    assert copy(folder, to)[0] == 0

    async def change() -> None:
        log = SqliteLog(folder)
        await log.erase("v-gone")
        await log.append([EventColumns.of([event("e-3", actor="v-gone"), event("e-4")])])
        (_, second, third) = await log.rejected_after(0, 10, RejectedFilter())
        await log.settle_rejected([second.seq], [(third.seq, "bad_currency", "another reason")])
        await log.add_plan("p-1", b"{}", 5)
        await log.add_fit(StoredFit(0, "p-1", 100, 3, 0.5, b"second"))
        await log.close()

    asyncio.run(change())
    with closing(KeyRing(folder, clock=lambda: 2)) as ring:
        ring.revoke(1)
    status, _, err = copy(folder, to)
    assert (status, err) == (0, "")
    with at(tmp_path) as log:
        assert [one.id for one in asyncio.run(log.newest(10))] == ["e-4", "e-3", "e-1"]
        assert [(one.id, one.code) for one in asyncio.run(log.rejected(9))[0]] == [
            ("r-3", "bad_currency"),
            ("r-1", "bad_value"),
        ]
        assert ClickHouseKeys(log.engine, clock=lambda: 3).scope_of(secret) is None
        assert asyncio.run(log.last_plan()) == b"{}"
        # Of two fits for one boundary the last is in force there.
        fit = log.kept.fit_at("p-1", 200)
        assert fit is not None
        assert fit.fits == b"second"
        # It does not come back, by whatever way.
        (outcome,) = asyncio.run(log.append([EventColumns.of([sold])]))
        assert outcome.code == "erased"


# -- a store that has something already --------------------------------------------------------------------------------


def test_a_store_that_collectors_use_keeps_what_it_has(tmp_path: Path, copy: Copied) -> None:
    with at(tmp_path) as log:
        asyncio.run(log.append([EventColumns.of([event("own"), event("both")])]))
        asyncio.run(log.add_plan("newer", b"[]", 9))
    folder = tmp_path / "data"
    asyncio.run(write(folder, [event("both"), event("e-1")], plan=b"{}"))
    status, out, err = copy(folder, written(address_of(tmp_path)))
    assert (status, err) == (0, "")
    assert "copied 1 event" in out
    assert "mv_view: 2 in the log, 3 in ClickHouse" in out
    with at(tmp_path) as log:
        assert {one.id for one in asyncio.run(log.newest(10))} == {"own", "both", "e-1"}
        assert asyncio.run(log.last_plan()) == b"[]"


def test_an_event_that_is_another_one_there_is_told(tmp_path: Path, copy: Copied) -> None:
    with at(tmp_path) as log:
        asyncio.run(log.append([EventColumns.of([event("e-1", actor="somebody else")])]))
    asyncio.run(write(tmp_path / "data", [event("e-1"), event("e-2")]))
    status, out, err = copy(tmp_path / "data", written(address_of(tmp_path)))
    assert status == 1
    assert "1 event not taken (conflict): another one counts there" in out
    assert "not all of the log counts" in err


def test_an_event_that_is_missing_afterwards_is_told(
    tmp_path: Path, copy: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = copying._Copy._compare

    def lose_one(self: Any) -> Any:
        self._log.engine.run("ALTER TABLE events DELETE WHERE id = 'e-2' SETTINGS mutations_sync = 2")
        return compare(self)

    monkeypatch.setattr(copying._Copy, "_compare", lose_one)
    asyncio.run(write(tmp_path / "data", [event("e-1"), event("e-2")]))
    status, out, _ = copy(tmp_path / "data", written(address_of(tmp_path)))
    assert status == 1
    assert "mv_view: 2 in the log, 1 in ClickHouse" in out


def test_what_is_too_old_for_the_store_stays_behind(tmp_path: Path, copy: Copied) -> None:
    with at(tmp_path) as log:
        asyncio.run(log.retain(500))
    asyncio.run(write(tmp_path / "data", [event("old", time=499), event("new", time=500)]))
    for said in ("copied 1 event", "copied 0 events"):
        status, out, _ = copy(tmp_path / "data", written(address_of(tmp_path)))
        assert status == 0
        assert said in out
        assert "1 event left out: too old" in out


def test_every_erased_id_is_found_again_whatever_its_digest(tmp_path: Path) -> None:
    digests = {bytes([number]) * 15 + bytes([end]) for number in range(3) for end in range(256)}
    with at(tmp_path) as log:
        beside = Beside(log.engine)
        beside.bury(digests, 1)
        assert beside.erased_among(digests) == digests
        assert beside.erased_among({b"\x09" * 16}) == set()


# -- refused -----------------------------------------------------------------------------------------------------------


def test_erased_ids_are_not_copied_to_where_they_would_mean_nothing(tmp_path: Path, copy: Copied) -> None:
    with at(tmp_path):
        pass  # a collector was there, and chose what goes into its hashes
    asyncio.run(write(tmp_path / "data", [event("e-1"), event("e-2", actor="v-gone")], erased="v-gone"))
    status, out, err = copy(tmp_path / "data", written(address_of(tmp_path)))
    assert (status, out) == (1, "")
    assert "copy into a new database" in err
    with at(tmp_path) as log:
        assert asyncio.run(log.newest(10)) == []


def test_two_logs_do_not_go_into_one_store(tmp_path: Path, copy: Copied) -> None:
    to = written(address_of(tmp_path))
    for name in ("first", "second"):
        asyncio.run(write(tmp_path / name, [event(f"of the {name}")], plan=b"{}"))
    assert copy(tmp_path / "first", to)[0] == 0
    status, _, err = copy(tmp_path / "second", to)
    assert status == 1
    assert "another log was copied into" in err


def test_a_folder_on_which_a_collector_runs_is_not_copied(tmp_path: Path, copy: Copied) -> None:
    async def meanwhile() -> tuple[int, str, str]:
        log = SqliteLog(tmp_path)
        try:
            # Nothing of the command needs this event loop.
            return await asyncio.get_running_loop().run_in_executor(None, attempt)
        finally:
            await log.close()

    def attempt() -> tuple[int, str, str]:
        done = run(PROGRAM, "1000", "copy", "--data", tmp_path, "--to", f"chdb://{tmp_path / 'chdb'}")
        return done.returncode, done.stdout, done.stderr

    status, out, err = asyncio.run(meanwhile())
    assert (status, out) == (1, "")
    assert "belongs to another running collector" in err
    assert not (tmp_path / "chdb").exists()


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("sqlite", "--to: write clickhouse://host:8123/kizashi or chdb://path"),
        ("clickhouse://", "names no host"),
        ("clickhouse://host/kizashi?shards=3", "'shards' is not known"),
        ("clickhouse://127.0.0.1:1/kizashi", "no answer from ClickHouse"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused(tmp_path: Path, copy: Copied, to: str, said: str) -> None:
    asyncio.run(write(tmp_path, [event("e-1")]))
    status, out, err = copy(tmp_path, to)
    assert (status, out) == (1, "")
    assert said in err


def test_a_folder_without_a_log_is_refused_and_stays_as_it_is(tmp_path: Path, copy: Copied) -> None:
    status, _, err = copy(tmp_path / "nowhere", written(address_of(tmp_path)))
    assert status == 1
    assert "no collector has kept a log in" in err
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_log_is_told_and_nothing_after_the_damage_is_copied(tmp_path: Path, copy: Copied) -> None:
    asyncio.run(write(tmp_path / "data", [event("e-1")]))
    with closing(sqlite3.connect(tmp_path / "data" / "log.db")) as connection:
        connection.execute("UPDATE chunks SET numbers = x'00'")
        connection.commit()
    status, out, err = copy(tmp_path / "data", written(address_of(tmp_path)))
    assert (status, out) == (1, "")
    assert "restore the data folder from a backup" in err


# -- the page about it -------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[3] / "docs" / "clickhouse.md").read_text(encoding="utf-8")


def test_every_option_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_copy(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["copy", "--help"])
    options = set(re.findall(r"--[a-z]+", capsys.readouterr().out)) - {"--help"}
    assert len(options) == 3
    assert [option for option in options if f"| `{option}" not in PAGE] == []


def test_every_error_that_has_a_remedy_is_in_the_table() -> None:
    codes = {*_trouble._REMEDIES, *_trouble._TOO_SLOW, *_trouble._BUSY}
    stated = {int(code) for row in re.findall(r"^\| ([0-9, ]+) \|", PAGE, re.MULTILINE) for code in row.split(", ")}
    assert stated == codes
