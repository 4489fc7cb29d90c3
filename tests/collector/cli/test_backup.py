"""`kizashi backup` and `kizashi restore`: what comes back, and what is refused, damaged or broken off."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from collector_process import CollectorProcess
from kizashi._commands import main
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import (
    BACKUP_STAMP,
    BackupError,
    Candidate,
    KeyRing,
    Refusal,
    SqliteLog,
    StoreError,
    accept_log,
    back_up,
    restore_backup,
)
from kizashi_schemas import format_time
from live_collector import event
from pages import blocks_of

PLAN = """
currency = "JPY"
rates = { USD = 150 }
[events.mv_view]
[events.mv_cart]
action = "primary"
value = 300
[events.purchase]
final = true
[funnels.checkout]
steps = ["mv_view", "mv_cart", "purchase"]
"""
MARK = "a-marker-that-stands-nowhere-else"


def kizashi(*arguments: str | Path) -> tuple[int, str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
    command = [sys.executable, "-W", "error", "-m", "kizashi", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=clean, timeout=60)
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout, result.stderr


def candidate(name: str, *, refused: bool = False) -> Candidate:
    logged = LoggedEvent(id=name, name="mv_view", time=1, received_at=1, actor="v-1", order=f"order of {name}")
    refusal = Refusal("bad_value", MARK) if refused else None
    return Candidate(event=logged, refusal=refusal, id=name, body=b"{}", received_at=1)


def fill(folder: Path, ids: Iterable[str], *, refused: Iterable[str] = (), killed: bool = False) -> None:
    """A data folder with events, rejected ones and a key; as a collector leaves it that stopped, or was killed."""

    async def write() -> None:
        log = SqliteLog(folder)
        for name in ids:
            await log.append([candidate(name)])
        await log.append([candidate(name, refused=True) for name in refused])
        if killed:
            shutil.copytree(folder, folder.with_name("killed"))
        await log.close()

    asyncio.run(write())
    if killed:
        shutil.rmtree(folder)
        folder.with_name("killed").rename(folder)
        assert (folder / "log.db-wal").stat().st_size > 0
    with closing(KeyRing(folder, clock=lambda: 1)) as ring:
        ring.create("first", "read")


def known(folder: Path, ids: Sequence[str]) -> list[str]:
    """Which of these ids a collector on the folder calls duplicates."""

    async def ask() -> list[str]:
        log = SqliteLog(folder)
        outcomes = await log.append([candidate(name, refused=True) for name in ids])
        await log.close()
        return [name for name, outcome in zip(ids, outcomes, strict=True) if outcome.verdict == "duplicate"]

    return asyncio.run(ask())


def take(folder: Path, target: Path) -> Path:
    back_up(folder, target, version="0", now=1_000)
    return target


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute(sql)]


def history(folder: Path) -> str:
    (found,) = rows(folder / "log.db", "SELECT history FROM logs")
    return str(found)


# -- the drill --------------------------------------------------------------------------------------------------------


class Client:
    """Sends and asks as users do."""

    def __init__(self, session: ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def ask(self, method: str, path: str, key: str = "r-secret", **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:
            assert response.status == 200, (path, await response.text())
            return await response.json()

    async def post(self, events: list[dict[str, Any]]) -> Any:
        return await self.ask("POST", "/v1/events", "w-secret", json={"events": events})

    async def answers(self, as_of: int) -> dict[str, Any]:
        """Every answer as of one time."""
        at = {"as_of": format_time(as_of)}
        asked: dict[str, Any] = {}
        for by in ("", "campaign", "campaign,device"):
            query = at | ({"by": by} if by else {}) | {"window": "28d"}
            summary = await self.ask("GET", "/v1/summary", params=query)
            del summary["complete_until"]  # how late events come, which tells of what came after as_of too
            asked[f"summary by {by}"] = summary
        kept = await self.ask("GET", "/v1/funnels/checkout", params=at)
        kept.pop("recomputing", None)  # soon after the start it is counted from the log
        asked["kept funnel"] = kept
        for more in ({"by": ["campaign"]}, {"order": "unordered", "count": "attempts", "trend": True}):
            body = {"steps": ["mv_view", "mv_cart", "purchase"], **at, **more}
            asked[f"funnel {more}"] = await self.ask("POST", "/v1/funnels", json=body)
        events = (await self.ask("GET", "/v1/events", params={"limit": "1000"}))["events"]
        asked["events"] = [one for one in events if not one["id"].startswith("load-")]
        asked["rejected"] = await self.ask("GET", "/v1/rejected")
        asked["plan"] = (await self.ask("GET", "/v1/plan"))["id"]
        return asked


def history_of_a_shop(now: int) -> list[dict[str, Any]]:
    """Visits, orders, restatements and retractions of the last week."""
    made = []
    for number in range(120):
        at = now - 60_000 - number * 3_600_000
        who: dict[str, Any] = {
            "actor": f"v-{number % 37}",
            "source": {"campaign": f"c{number % 4}", "device": "pc" if number % 3 else ""},
        }
        made.append(event("mv_view", at, properties={"sku": f"A-{number}"}, **who))
        if number % 2:
            made.append(event("mv_cart", at + 1_000, **who))
        if number % 4 == 1:
            money: dict[str, Any] = {"value": 1_000 + number, "currency": "JPY" if number % 8 == 1 else "USD"}
            made.append(event("purchase", at + 2_000, order=f"O-{number}", **money, **who))
        if number % 12 == 1:
            restated = money | {"value": 7}
            made.append(event("purchase", at + 3_000, order=f"O-{number}", adjust="restate", **restated))
        if number % 12 == 5:
            made.append(event("purchase", at + 3_000, order=f"O-{number}", adjust="retract"))
    return made


async def test_every_answer_is_as_before_after_a_backup_under_load_and_a_restore(tmp_path: Path) -> None:
    data, backups, restored = tmp_path / "data", tmp_path / "backups", tmp_path / "restored"
    backups.mkdir()
    with closing(KeyRing(data, clock=lambda: 1)) as ring:
        bidder, revoked = ring.create("bidder", "read"), ring.create("old", "read")
        ring.revoke(2)
    sent: list[list[str]] = []
    async with ClientSession() as session:
        with CollectorProcess(data) as collector:
            client = Client(session, collector.url)
            async with session.post(
                f"{collector.url}/v1/plan",
                data=PLAN,
                headers={"Authorization": "Bearer a-secret", "Content-Type": "application/toml"},
            ) as response:
                assert response.status == 200, await response.text()
            now = time.time_ns() // 1_000_000
            shop = history_of_a_shop(now)
            bad = [event("purchase", now - 5_000, value=1, currency="XXX"), event("mv_view", now + 3_600_000)]
            conflict = {**shop[0], "actor": "somebody else"}
            again = event("purchase", now - 4_000, order="O-1", value=1, currency="JPY")
            first = await client.post([*shop, *bad, conflict, again])
            codes = sorted(row["code"] for row in first["verdicts"])
            assert (first["accepted"], codes) == (len(shop), ["bad_currency", "conflict", "from_the_future", "order"])
            as_of = time.time_ns() // 1_000_000
            while time.time_ns() // 1_000_000 <= as_of:
                time.sleep(0.001)  # noqa: ASYNC251  # what comes from now on is later

            async def load() -> None:
                for _ in range(350):  # so that the newest 1,000 events reach back to the shop's
                    at = time.time_ns() // 1_000_000
                    batch = [{**event("mv_view", at), "id": f"load-{len(sent)}-{number}"} for number in range(2)]
                    await client.post(batch)
                    sent.append([one["id"] for one in batch])
                    await asyncio.sleep(0.01)

            loading = asyncio.create_task(load())
            async with asyncio.timeout(30):
                while len(sent) < 5:  # noqa: ASYNC110  # what is waited for is the server's
                    await asyncio.sleep(0)
            before = len(sent)
            code, out, errors = await asyncio.to_thread(kizashi, "backup", "--data", data, backups, "--json")
            assert (code, errors) == (0, "")
            after = len(sent)
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading
            assert after > before, "nothing was sent while the backup was taken"
            expected = await client.answers(as_of)
            assert len(expected["events"]) == len(shop)
            collector.stop()

        told = json.loads(out)
        (backup,) = backups.iterdir()
        assert told["file"] == str(backup)
        log = told["manifest"]["parts"]["log.db"]["contents"]
        assert (log["newest"], log["tables"]["rejected"]) == (log["events"], 2)
        assert log["history"] == history(data)

        # The index of ids of the log as it went on, which knows more than the backup, is not taken for its own.
        assert restore_backup(backup, restored, stamp="then").check == "integrity_check"
        assert history(restored) != history(data)
        shutil.copytree(data / "ids", restored / "ids")
        with CollectorProcess(restored) as collector:
            client = Client(session, collector.url)
            assert await client.answers(as_of) == expected
            for key, status in ((bidder, 200), (revoked, 401)):
                headers = {"Authorization": f"Bearer {key}"}
                async with session.get(f"{collector.url}/v1/summary", headers=headers) as response:
                    assert response.status == status
            resent = await client.post([*shop, conflict, again])
            assert (resent["accepted"], resent["duplicates"]) == (0, len(shop) + 2)
            # One snapshot: batches whole, and none without those before it.
            every = [{**event(), "id": one} for batch in sent for one in batch]
            stored = {row["id"] for row in (await client.post(every))["verdicts"] if row["verdict"] == "duplicate"}
            whole = len(stored) // 2
            assert stored == {one for batch in sent[:whole] for one in batch}
            assert before <= whole == (log["events"] - len(shop)) // 2
            collector.stop()


# -- what is in a backup ----------------------------------------------------------------------------------------------


def test_the_drill_on_the_page_shows_what_the_live_collector_shows_whatever_came_during_the_backup(
    tmp_path: Path,
) -> None:
    drill = next(block.text for block in blocks_of("docs/backups.md") if "drill=$(mktemp" in block.text)
    data, backups, scratch = (tmp_path / name for name in ("data", "backups", "scratch"))
    for folder in (data, backups, scratch):
        folder.mkdir()
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
    with CollectorProcess(data, "--plan", str(tmp_path / "plan.toml")) as collector:

        def send(*times: int) -> None:
            events = [
                event("purchase", time, actor=f"v-{n % 7}", value=n + 1, currency="JPY") for n, time in enumerate(times)
            ]
            request = urllib.request.Request(
                f"{collector.url}/v1/events",
                json.dumps({"events": events}).encode(),
                {"Authorization": "Bearer w-secret", "Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["accepted"] == len(times)

        now = time.time_ns() // 1_000_000
        send(*(now - n * 60_000 for n in range(50)))
        command = [sys.executable, "-m", "kizashi", "backup", "--data", str(data), str(backups), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean) as backing_up:
            while backing_up.poll() is None:
                send(time.time_ns() // 1_000_000)
            assert backing_up.stdout is not None
            told = json.loads(backing_up.stdout.read())
        assert backing_up.returncode == 0
        # What a page sends at its next flush: it happened before the copy or during it, and is not in it.
        began = told["manifest"]["created_at"]
        send(began + 1, began - 30_000)
        done = subprocess.run(
            ["bash", "-c", drill.replace("/backups/", f"{backups}/")],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**clean, "PATH": f"{Path(sys.executable).parent}:{clean['PATH']}", "TMPDIR": str(scratch)},
        )
        assert done.returncode == 0, done.stderr
        restored, as_of, *shown = done.stdout.splitlines()
        ask = urllib.request.Request(
            f"{collector.url}/v1/summary?window=28d&format=csv&by=campaign&{as_of}",
            headers={"Authorization": "Bearer r-secret"},
        )
        with urllib.request.urlopen(ask) as answer:
            live = answer.read().decode()
    assert restored.startswith(f"restored {told['manifest']['parts']['log.db']['contents']['events']} events")
    assert shown == live.splitlines()
    assert len(shown) > 1
    assert list(scratch.iterdir()) == []


def test_a_backup_reads_and_changes_nothing_but_its_stamp(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data, ["a", "b"], killed=True)
    files = [data / "log.db", data / "log.db-wal", data / "keys.db"]
    before = [path.read_bytes() for path in files]
    backup = take(data, tmp_path / "b.tar")
    assert [path.read_bytes() for path in files] == before
    assert (data / BACKUP_STAMP).exists()
    restore_backup(backup, tmp_path / "restored", stamp="then")
    assert known(tmp_path / "restored", ["a", "b", "c"]) == ["a", "b"]


def test_a_backup_holds_only_what_its_owner_may_read_and_nothing_that_was_deleted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data, ["a"], refused=["r"])
    with closing(sqlite3.connect(data / "log.db")) as connection, connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM rejected")
    assert MARK.encode() in (data / "log.db").read_bytes()
    code, _, errors = kizashi("backup", "--data", data, tmp_path / "b.tar")
    assert (code, errors) == (0, "")
    assert MARK.encode() not in (tmp_path / "b.tar").read_bytes()
    assert (tmp_path / "b.tar").stat().st_mode & 0o077 == 0
    with tarfile.open(tmp_path / "b.tar") as archive:
        assert archive.getnames() == ["log.db", "keys.db", "manifest.json"]


def test_a_log_without_keys_comes_back_without(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data, ["a"])
    (data / "keys.db").unlink()
    backup = take(data, tmp_path / "b.tar")
    assert restore_backup(backup, tmp_path / "restored", stamp="then").keys is None
    assert not (tmp_path / "restored" / "keys.db").exists()


def test_progress_is_drawn_on_a_terminal_and_goes_away(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data, ["a"])
    command = [sys.executable, "-m", "kizashi", "backup", "--data", str(data)]
    shown, terminal = pty.openpty()
    subprocess.run([*command, str(tmp_path / "a.tar")], stdout=subprocess.PIPE, stderr=terminal, check=True, timeout=60)
    os.close(terminal)
    drawn = b""
    with suppress(OSError):  # so ends a terminal that nobody holds
        while piece := os.read(shown, 65536):
            drawn += piece
    os.close(shown)
    assert b"log.db  [" in drawn
    assert drawn.endswith(b"\r\x1b[K")


# -- what is refused --------------------------------------------------------------------------------------------------


def test_a_backup_overwrites_nothing_unless_told_to(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data, ["a"])
    target = tmp_path / "b.tar"
    target.write_text("precious")
    code, out, errors = kizashi("backup", "--data", data, target)
    assert (code, out) == (1, "")
    assert f"{target} exists" in errors
    assert target.read_text() == "precious"
    back_up(data, target, version="0", now=0, force=True)
    assert restore_backup(target, tmp_path / "restored", stamp="then").log.events == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "data", "restored"]


def test_what_cannot_be_backed_up_is_named(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"no collector has kept a log in .*nowhere"):
        take(tmp_path / "nowhere", tmp_path / "b.tar")
    data = tmp_path / "data"
    fill(data, [f"e-{number}" for number in range(50)])
    with pytest.raises(BackupError, match=r"cannot write .*no/b.tar"):
        take(data, tmp_path / "no" / "b.tar")
    size = (data / "log.db").stat().st_size
    with (data / "log.db").open("r+b") as file:
        for page in range(4096, size, 4096):
            file.seek(page)
            file.write(b"\xff" * 100)
    with pytest.raises(BackupError, match=r"cannot copy .*log.db: database disk image is malformed"):
        take(data, tmp_path / "b.tar")
    other = tmp_path / "other"
    other.mkdir()
    with closing(sqlite3.connect(other / "log.db")) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(BackupError, match=r"log.db is no log of kizashi"):
        take(other, tmp_path / "b.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "other"]


def test_a_damaged_backup_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data, ["a", "b"])
    whole = take(data, tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "b.tar") as archive:
        places = {member.name: (member.offset_data, member.size) for member in archive}
    spots = [start + step for start, size in places.values() for step in range(-512 + 100, size, 3_000)]
    spots += [start + size - 10 for start, size in places.values()]
    damaged = tmp_path / "damaged.tar"
    for spot in spots:
        damaged.write_bytes(whole[:spot] + bytes([whole[spot] ^ 0xFF]) + whole[spot + 1 :])
        with pytest.raises(BackupError, match=r"damaged\.tar"):
            restore_backup(damaged, tmp_path / "restored", stamp="then")
    end = sum(places["manifest.json"])
    for length in (0, 100, 512, 5_000, places["keys.db"][0], places["manifest.json"][0] + 5, end - 1):
        damaged.write_bytes(whole[:length])
        with pytest.raises(BackupError, match=r"damaged\.tar"):
            restore_backup(damaged, tmp_path / "restored", stamp="then")
    assert [path.name for path in (tmp_path / "restored").iterdir()] == ["lock"]
    assert len(spots) > 25
    code, out, errors = kizashi("restore", damaged, "--data", tmp_path / "restored")
    assert (code, out) == (1, "")
    assert errors.startswith(f"kizashi restore: {damaged} is")


def test_a_backup_of_a_later_format_says_who_can_restore_it(tmp_path: Path) -> None:
    fill(tmp_path / "data", ["a"])
    backup = take(tmp_path / "data", tmp_path / "b.tar")
    backup.write_bytes(backup.read_bytes().replace(b'"format": 1', b'"format": 2'))
    with pytest.raises(BackupError, match="backup of format 2, and this version reads 1"):
        restore_backup(backup, tmp_path / "restored", stamp="then")
    assert not (tmp_path / "restored").exists()


def test_a_folder_that_is_not_empty_is_kept_as_it_is_or_set_aside(tmp_path: Path) -> None:
    data, old = tmp_path / "data", tmp_path / "old"
    fill(data, ["a"])
    fill(old, ["b"])
    (old / "plan.toml").write_text(PLAN)
    backup = take(data, tmp_path / "b.tar")
    before = history(old)
    with pytest.raises(BackupError, match=r"old is not empty: .* --force"):
        restore_backup(backup, old, stamp="then")
    assert history(old) == before
    code, out, _ = kizashi("restore", backup, "--data", old, "--force", "--json")
    told = json.loads(out)
    aside = Path(told["restored"]["aside"])
    assert (code, aside.parent) == (0, old)
    assert (told["restored"]["log"]["events"], told["restored"]["log"]["history"]) == (1, history(old))
    assert sorted(path.name for path in aside.iterdir()) == ["ids", "keys.db", "log.db"]
    assert (history(aside), (old / "plan.toml").read_text()) == (before, PLAN)
    assert known(old, ["a", "b"]) == ["a"]
    assert known(aside, ["a", "b"]) == ["b"]


def test_a_folder_on_which_a_collector_runs_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    fill(data, ["a"])
    backup = take(data, tmp_path / "b.tar")
    log = SqliteLog(data)
    with pytest.raises(StoreError, match="belongs to another running collector"):
        restore_backup(backup, data, stamp="then", force=True)
    with pytest.raises(StoreError, match="belongs to another running collector"):
        accept_log(data)
    asyncio.run(log.close())


@pytest.mark.parametrize("arguments", [[], ["b.tar", "--in-place"]])
def test_a_restore_says_what_it_needs(tmp_path: Path, arguments: list[str]) -> None:
    code, out, errors = kizashi("restore", *arguments, "--data", tmp_path / "data")
    assert (code, out) == (1, "")
    assert "--in-place" in errors
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_every_option_is_documented(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    page = (Path(__file__).parents[3] / "docs" / "backups.md").read_text(encoding="utf-8")
    assert [option for option in options if f"`{option}" not in page] == []


# -- a log that another tool has restored -----------------------------------------------------------------------------


def test_a_log_that_was_put_there_gets_a_history_of_its_own(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    fill(data, ["a", "b"])
    copy.mkdir()
    shutil.copy(data / "log.db", copy)
    assert known(data, ["a", "b", "c"]) == ["a", "b"]
    shutil.copytree(data / "ids", copy / "ids")  # of this log by name
    code, out, _ = kizashi("restore", "--in-place", "--data", copy)
    assert (code, "2 events" in out, "there were no keys" in out) == (0, True, True)
    assert history(copy) != history(data)
    assert not (copy / "log.db-wal").exists()
    assert known(copy, ["a", "b", "c"]) == ["a", "b"]


def test_a_log_that_was_put_there_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"there is no log.db in .*nowhere"):
        accept_log(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    data = tmp_path / "data"
    fill(data, ["a", "b"])
    before = history(data)
    # An index that lacks a row of its table: quick_check would not see it.
    with closing(sqlite3.connect(data / "log.db")) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = NULL, name = 'gone' WHERE name = 'chunks_time'")
    with pytest.raises(BackupError, match=r"log.db is damaged"):
        accept_log(data)
    with suppress(sqlite3.Error):
        assert history(data) == before


# -- Ctrl-C and kill -9 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["copying log.db", "writing log.db", "restoring log.db", "checking log.db"])
def test_one_that_is_interrupted_clears_away_what_it_began(tmp_path: Path, stage: str) -> None:
    data, restored = tmp_path / "data", tmp_path / "restored"
    fill(data, ["a"], refused=[f"r-{number}" for number in range(1_000)])
    fill(restored, ["b"])
    before = history(restored)
    backup = take(data, tmp_path / "b.tar")

    def interrupt(seen: str, _done: int, _total: int) -> None:
        if seen == stage:
            raise KeyboardInterrupt

    def run() -> None:
        if stage.startswith(("copying", "writing")):
            back_up(data, tmp_path / "c.tar", version="0", now=0, progress=interrupt)
        else:
            restore_backup(backup, restored, stamp="then", force=True, progress=interrupt)

    with pytest.raises(KeyboardInterrupt):
        run()
    assert {path.name for path in tmp_path.iterdir()} == {"data", "restored", "b.tar"}
    assert history(restored) == before
    assert {path.name for path in restored.iterdir()} == {"ids", "keys.db", "lock", "log.db"}


def test_one_that_is_killed_leaves_nothing_that_looks_complete_and_loses_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    fill(root / "data", ["a"])
    fill(root / "old", ["b"], killed=True)
    take(root / "data", root / "backup")
    program = [sys.executable, str(Path(__file__).parent / "killed_midway.py"), str(root)]
    tries = subprocess.run(program, capture_output=True, text=True, check=True, timeout=100).stdout.splitlines()
    for kind in ("backup", "restore", "replace"):
        assert sum(line.startswith(kind) for line in tries) > 9
    for line in tries:
        name, killed = line.split()
        place = root / name
        if name.startswith("backup"):
            looks_complete = (place / "made.tar").exists()
            if looks_complete:
                assert restore_backup(place / "made.tar", place / "restored", stamp="x").log.events == 1
            back_up(root / "data", place / "made.tar", version="0", now=0, force=looks_complete)
            assert {path.name for path in place.iterdir()} <= {"made.tar", "restored"}
        elif name.startswith("restore"):
            looks_complete = (place / "data" / "log.db").exists()
            if not looks_complete:
                restore_backup(root / "backup", place / "data", stamp="x")
            check_restored(place / "data", root)
        else:
            looks_complete = (
                history(place / "data") != history(root / "old") if (place / "data/log.db").exists() else False
            )
            kept = [folder for folder in (place / "data", *(place / "data").glob("replaced-*")) if holds(folder, "b")]
            assert kept, f"{name}: the old log is nowhere"
            if not looks_complete:
                restore_backup(root / "backup", place / "data", stamp="x", force=(place / "data/log.db").exists())
            check_restored(place / "data", root)
            assert any(holds(folder, "b") for folder in (place / "data").glob("replaced-*"))
        assert looks_complete or killed == "True", name


def holds(folder: Path, name: str) -> bool:
    """Whether a log in the folder, WAL included, knows the order of an event. The folder stays as it is."""
    if not (folder / "log.db").exists():
        return False
    copy = folder.parent / f"{folder.name}-looked-at"
    copy.mkdir()
    for path in folder.glob("log.db*"):
        shutil.copy(path, copy)
    found = rows(copy / "log.db", "SELECT order_id FROM orders")
    shutil.rmtree(copy)
    return f"order of {name}" in found


def check_restored(folder: Path, root: Path) -> None:
    assert holds(folder, "a")
    assert not holds(folder, "b")
    assert history(folder) != history(root / "data")
    assert rows(folder / "keys.db", "SELECT name FROM keys") == ["first"]
