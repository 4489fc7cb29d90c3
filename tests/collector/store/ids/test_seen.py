"""The index of ids: it never calls a stored id new, whatever is merged, killed, damaged or forgotten."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kizashi_collector.store import StoreError
from kizashi_collector.store._ids import _seen as seen_module
from kizashi_collector.store._ids._id_hashes import IdHash, Numbers
from kizashi_collector.store._ids._manifest import read_manifest
from kizashi_collector.store._ids._runs import write_run
from kizashi_collector.store._ids._seen import SeenIds


def names(first: int, count: int) -> list[str]:
    return [str(uuid.UUID(int=(first + n) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)) for n in range(count)]


def fill(index: SeenIds, last: int, *, batch: int = 50) -> None:
    """Add the ids of numbers 1 to `last`, those that are covered excepted, as a log does at its start."""
    for first in range(index.covered + 1, last + 1, batch):
        index.add(first, names(first, min(batch, last + 1 - first)))


def knows(index: SeenIds, first: int, last: int) -> bool:
    found = index.find(names(first, last + 1 - first))
    return all(seq in candidates for seq, candidates in enumerate(found, first))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.002)


def runs_in(folder: Path) -> list[Path]:
    manifest = read_manifest(folder)
    assert manifest is not None
    return [folder / run.name for run in manifest.runs]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., SeenIds]]:
    made: list[SeenIds] = []

    def open_index(folder: Path = tmp_path, **options: object) -> SeenIds:
        for other in made:
            other.close()  # the folder has one owner
        made.append(SeenIds(folder, **{"memtable": 100, "fanout": 3, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield open_index
    for index in made:
        index.close()


# -- the hash ----------------------------------------------------------------------------------------------------------


def test_a_hash_does_not_depend_on_the_company_it_is_in() -> None:
    texts = ["", "a", "a\0", "A", "ab", "東京", "é" * 64, "\ud800", "x" * 64, str(uuid.UUID(int=7)), "𝄞" * 64]
    hash_of = IdHash(b"secret")
    alone = [int(hash_of([text])[0]) for text in texts]
    assert hash_of(texts).tolist() == alone
    assert len(set(alone)) == len(texts)
    assert hash_of([texts[-2]] * 3).tolist() == [alone[-2]] * 3
    assert IdHash(b"another")(texts).tolist() != alone


def test_a_hash_is_the_same_in_every_version() -> None:
    assert IdHash(bytes(32))(["a", "0198c2aa-0000-7000-8000-000000000001"]).tolist() == [
        177306409926037,
        234881128570924,
    ]


def test_ids_with_regular_differences_are_spread_evenly() -> None:
    hash_of = IdHash(b"secret")
    for pattern in ("0198c2aa-{:04x}-7000-8000-000000000000", "{:032x}", "e{}"):
        hashes = hash_of([pattern.format(n) for n in range(60_000)])
        assert len(set(hashes.tolist())) == 60_000
        for bits in (hashes >> np.uint64(42), hashes & np.uint64(63)):
            assert np.bincount(bits.astype(np.intp), minlength=64).min() > 700  # 937 on average


def test_an_id_that_no_event_can_have_is_refused(opened: Callable[..., SeenIds]) -> None:
    with pytest.raises(ValueError, match="an id has 257 bytes; at most 256 can be indexed"):
        opened().find(["a", "b" * 257])


# -- adding and finding ------------------------------------------------------------------------------------------------


def test_new_ids_are_new_and_stored_ids_are_found_through_all_merges(opened: Callable[..., SeenIds]) -> None:
    index = opened()
    for first in range(1, 5_001, 50):
        assert index.find(names(first, 50)) == [()] * 50
        index.add(first, names(first, 50))
        assert knows(index, max(1, first - 500), first + 49)
    assert knows(index, 1, 5_000)
    index.flush()
    wait_for(lambda: index.runs <= 8)
    assert index.find(names(1, 5_000)) == [(seq,) for seq in range(1, 5_001)]
    assert (index.covered, index.waiting, index.trouble) == (5_000, 0, None)


def test_a_batch_may_be_larger_than_several_tables(opened: Callable[..., SeenIds]) -> None:
    index = opened()
    index.add(7, names(7, 1_234))
    assert knows(index, 7, 1_240)
    assert index.find([]) == []


def test_sequence_numbers_may_have_gaps_of_any_width(opened: Callable[..., SeenIds]) -> None:
    index = opened(memtable=2, fanout=2)
    stored = {first: f"id {first}" for first in (1, 5, 2**32 + 9, 2**40, 2**40 + 1, 2**62)}
    for first, event_id in stored.items():
        index.add(first, [event_id])
    index.flush()
    wait_for(lambda: index.runs == 1)
    assert index.find(list(stored.values())) == [(first,) for first in stored]
    assert index.covered == 2**62


def test_numbers_that_were_added_cannot_be_added_again(opened: Callable[..., SeenIds]) -> None:
    index = opened()
    index.add(1, names(1, 10))
    with pytest.raises(ValueError, match="ids from 10 on cannot be added: those up to 10 are in the index"):
        index.add(10, names(10, 5))


# -- opening again -----------------------------------------------------------------------------------------------------


def test_what_was_added_is_there_after_opening_again(opened: Callable[..., SeenIds]) -> None:
    index = opened()
    fill(index, 1_111)
    index.close()
    again = opened()
    assert again.covered == 1_111
    assert knows(again, 1, 1_111)
    assert again.find(names(1_112, 100)) == [()] * 100


def test_an_index_of_another_log_is_forgotten(opened: Callable[..., SeenIds], caplog: pytest.LogCaptureFixture) -> None:
    index = opened(history="one")
    fill(index, 500)
    index.close()
    assert opened(history="one", newest=500).covered == 500
    assert caplog.records == []
    ahead = opened(history="one", newest=499)
    assert (ahead.covered, ahead.find(names(1, 500))) == (0, [()] * 500)
    assert "it belongs to another log, or to more of it" in caplog.text
    fill(ahead, 499)
    ahead.close()
    assert opened(history="one", newest=499).covered == 499
    assert opened(history="two").covered == 0


def test_an_index_ahead_of_its_log_does_not_come_back_when_the_log_has_grown(
    opened: Callable[..., SeenIds], tmp_path: Path
) -> None:
    index = opened()
    fill(index, 500)
    index.flush()
    index.forget_below(501)
    wait_for(lambda: index.runs == 0)
    index.close()
    restored = opened(newest=400)
    assert restored.covered == 0
    shutil.copytree(tmp_path, tmp_path / "after a crash")
    assert opened(tmp_path / "after a crash", newest=600).covered == 0


def test_what_a_crash_left_behind_is_cleared_away(opened: Callable[..., SeenIds], tmp_path: Path) -> None:
    index = opened(fanout=100)
    fill(index, 500)
    index.close()
    live = {path.name for path in tmp_path.iterdir()}
    for name in ("99999999.run", "manifest.tmp"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "somebody's file").touch()
    assert opened(fanout=100).covered == 500
    assert {path.name for path in tmp_path.iterdir()} == {*live, "somebody's file"}


@pytest.mark.parametrize("where", ["bucket", "hash", "seq", "end", "gone"])
def test_a_damaged_run_counts_as_absent_with_all_after_it(
    opened: Callable[..., SeenIds], tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    index = opened(fanout=100)
    fill(index, 500)
    index.close()
    victim = runs_in(tmp_path)[2]
    body = bytearray(victim.read_bytes())
    at = {"bucket": 100, "hash": 4 * 65_536 + 40, "seq": len(body) - 1}
    if where == "gone":
        victim.unlink()
    elif where == "end":
        victim.write_bytes(body[:-1])
    else:
        body[at[where]] ^= 1
        victim.write_bytes(body)
    with caplog.at_level(logging.WARNING):
        again = opened(fanout=100)
    assert again.covered == 200
    assert "it is made again from the log, after 200" in caplog.text
    assert again.find(names(1, 500)) == [(seq,) for seq in range(1, 201)] + [()] * 300
    fill(again, 500)
    assert knows(again, 1, 500)
    again.close()
    assert opened(fanout=100).covered == 500


@pytest.mark.parametrize("content", [b"", b"00000000\n{}", b'843390fa\n{"format":2}'])
def test_a_damaged_or_foreign_manifest_makes_the_index_begin_anew(
    opened: Callable[..., SeenIds], tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    index = opened()
    fill(index, 500)
    index.close()
    (tmp_path / "manifest").write_bytes(content)
    again = opened()
    assert again.covered == 0
    assert "is of no use" in caplog.text
    assert ("it has format 2, and this version reads 1" in caplog.text) == content.endswith(b"2}")
    assert again.find(names(1, 500)) == [()] * 500
    fill(again, 700)
    assert knows(again, 1, 700)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot use .*file.*; check the volume and its rights"):
        SeenIds(tmp_path / "file")


ADDS_FOR_EVER = """
import sys, uuid
from pathlib import Path
from kizashi_collector.store._ids._seen import SeenIds
index = SeenIds(Path(sys.argv[1]), memtable=500, fanout=2)
number = index.covered
while True:
    ids = [str(uuid.UUID(int=(number + n) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)) for n in range(1, 101)]
    print(number + 100, flush=True)  # the log has them
    index.add(number + 1, ids)
    number += 100
"""


def test_a_killed_process_leaves_an_index_that_covers_what_it_says(
    opened: Callable[..., SeenIds], tmp_path: Path
) -> None:
    folder, logged, covered = tmp_path / "ids", 0, 0
    for adds in (1, 40, 333, 120):
        process = subprocess.Popen(
            [sys.executable, "-c", ADDS_FOR_EVER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(adds):
            logged = int(process.stdout.readline())
        process.kill()
        logged = max([logged, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
        process.wait()
        process.stdout.close()
        index = SeenIds(folder, memtable=500, fanout=2, newest=logged)
        covered = index.covered
        assert index.find(names(1, covered)) == [(seq,) for seq in range(1, covered + 1)]
        assert index.find(names(logged + 1, 500)) == [()] * 500
        fill(index, logged)
        assert knows(index, 1, logged)
        index.close()
    assert covered > 1_000


# -- trouble -----------------------------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing_and_is_told(
    opened: Callable[..., SeenIds], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    index = opened()
    fill(index, 300)
    index.flush()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(seen_module, "write_manifest", full)
        fill(index, 1_500)
        with pytest.raises(OSError, match="No space left"):
            index.flush()
        assert index.trouble == "cannot write the index of ids: [Errno 28] No space left on device"
        assert index.covered == 300
        assert knows(index, 1, 1_500)
        assert set(tmp_path.glob("*.run")) == set(runs_in(tmp_path))
    index.flush()
    wait_for(lambda: index.trouble is None)
    assert index.covered == 1_500
    assert knows(index, 1, 1_500)
    assert caplog.text.count("check the volume's space") >= 1


def test_adding_waits_for_a_slow_disk_only_so_long(
    opened: Callable[..., SeenIds], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, gate = opened(), threading.Event()
    whole = write_run

    def slow(*arguments: object) -> object:
        gate.wait()
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(seen_module, "write_run", slow)
    fill(index, 500)
    began = time.monotonic()
    fill_from = 501
    for first in range(fill_from, fill_from + 300, 100):
        index.add(first, names(first, 100))
    took = time.monotonic() - began
    assert 0.05 <= took < 1
    assert knows(index, 1, 800)
    gate.set()
    index.flush()
    assert index.covered == 800


# -- forgetting --------------------------------------------------------------------------------------------------------


def test_what_is_below_the_floor_is_forgotten_and_leaves_the_disk(
    opened: Callable[..., SeenIds], tmp_path: Path
) -> None:
    index = opened()
    fill(index, 3_000)
    index.flush()
    index.forget_below(2_001)
    assert index.find(names(1, 2_000)) == [()] * 2_000
    assert knows(index, 2_001, 3_000)

    def counted() -> int:
        manifest = read_manifest(tmp_path)
        assert manifest is not None
        return sum(run.count for run in manifest.runs)

    wait_for(lambda: counted() < 2_000)
    index.close()
    again = opened()
    assert again.covered == 3_000
    assert again.find(names(1, 3_000)) == [()] * 2_000 + [(seq,) for seq in range(2_001, 3_001)]


def test_what_is_added_after_a_floor_ahead_of_it_is_kept(opened: Callable[..., SeenIds]) -> None:
    index = opened()
    fill(index, 300)
    index.flush()
    index.forget_below(10**9)
    wait_for(lambda: index.runs == 0)
    fill(index, 600)
    index.close()
    again = opened()
    assert again.covered == 600
    assert again.find(names(1, 600)) == [()] * 300 + [(seq,) for seq in range(301, 601)]


# -- anything, in any order --------------------------------------------------------------------------------------------


def few_hashes(secret: bytes) -> Callable[[Sequence[str]], Numbers]:
    """A hash with 300 values: nearly every id has strangers under its hash, and some buckets are long."""
    whole = IdHash(secret)

    def hash_of(ids: Sequence[str]) -> Numbers:
        few = whole(ids) % np.uint64(300)
        return (few % np.uint64(3) << np.uint64(40)) + few + np.uint64(1)

    return hash_of


class AnyOrder(RuleBasedStateMachine):
    """A SeenIds and a plain dict, which stands for the log and so survives everything."""

    @initialize(memtable=st.integers(1, 12), fanout=st.integers(2, 4), hash_with=st.sampled_from([IdHash, few_hashes]))
    def begin(
        self, memtable: int, fanout: int, hash_with: Callable[[bytes], Callable[[Sequence[str]], Numbers]]
    ) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.folder = self.root / "0"
        self.options = {"memtable": memtable, "fanout": fanout, "hash_with": hash_with}
        self.log: dict[int, str] = {}
        self.used: set[str] = set()
        self.last = self.floor = self.copies = 0
        self.index = SeenIds(self.folder, **self.options)  # type: ignore[arg-type]

    def open(self) -> None:
        self.index = SeenIds(self.folder, newest=self.last, **self.options)  # type: ignore[arg-type]
        assert self.index.covered <= self.last
        covered = [seq for seq in self.log if self.floor <= seq <= self.index.covered]
        for seq, found in zip(covered, self.index.find([self.log[seq] for seq in covered]), strict=True):
            assert seq in found
        for seq in sorted(seq for seq in self.log if seq > self.index.covered):
            self.index.add(seq, [self.log[seq]])

    @rule(ids=st.lists(st.text(min_size=1, max_size=5) | st.uuids().map(str), max_size=30), gap=st.integers(1, 3))
    def add(self, ids: list[str], gap: int) -> None:
        fresh = [event_id for event_id in dict.fromkeys(ids) if event_id not in self.used]
        first = self.last + gap
        self.index.add(first, fresh)
        self.log.update(enumerate(fresh, first))
        self.used.update(fresh)
        self.last = max([self.last, *self.log])

    @rule()
    def flush(self) -> None:
        self.index.flush()
        assert self.index.covered == max([0, *self.log])

    @rule()
    def open_again(self) -> None:
        self.index.close()
        self.open()
        assert self.index.covered == max([0, *self.log])

    @rule(share=st.floats(0, 1))
    def forget(self, share: float) -> None:
        self.floor = max(self.floor, int(share * self.last))
        self.index.forget_below(self.floor)

    @rule(harm=st.sampled_from(["none", "cut", "flip", "gone", "left"]), share=st.floats(0, 0.999))
    def crash(self, harm: str, share: float) -> None:
        """Go on with a copy that is taken file by file while the thread may be at work, and perhaps harm it."""
        self.copies += 1
        copy = self.root / str(self.copies)
        copy.mkdir()
        for path in sorted(self.folder.iterdir(), key=lambda path: path.name != "manifest"):
            try:
                shutil.copyfile(path, copy / path.name)
            except FileNotFoundError:
                continue
        self.index.close()
        self.folder = copy
        files = sorted(copy.iterdir())
        if files and harm != "none":
            victim = files[int(share * len(files))]
            body = bytearray(victim.read_bytes())
            place = int(share * len(body))
            if harm == "cut":
                os.truncate(victim, place)
            elif harm == "flip" and body:
                body[place] ^= 16
                victim.write_bytes(body)
            elif harm == "gone":
                victim.unlink()
            else:
                (copy / "12345678.run").write_bytes(body)
        self.open()

    @invariant()
    def every_stored_id_is_found(self) -> None:
        found = self.index.find(list(self.log.values()))
        exact = self.options["hash_with"] is IdHash
        for seq, candidates in zip(self.log, found, strict=True):
            assert list(candidates) == sorted(set(candidates))
            if exact:
                assert candidates in ((seq,), ()) if seq < self.floor else candidates == (seq,)
            else:
                assert seq < self.floor or seq in candidates
        if exact:
            assert self.index.find(["never stored", "東京 never"]) == [(), ()]

    def teardown(self) -> None:
        if hasattr(self, "index"):
            self.index.close()
            shutil.rmtree(self.root)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
