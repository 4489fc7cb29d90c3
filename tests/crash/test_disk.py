"""The model of a disk: what was synced is there, what was not may be, and names need their folder's sync."""

from __future__ import annotations

import random

from crash.disk import Disk
from crash.trace import Call

RUNS = 300


def written(*calls: tuple[str, tuple[str, ...], int, bytes]) -> Disk:
    return Disk(Call(at, at, *call) for at, call in enumerate(calls))


def found(disk: Disk, path: str, instant: int) -> set[bytes | None]:
    """All contents that chance gives a file after a failure at the instant; None where it is missing."""
    rng = random.Random(1)
    return {disk.after_failure(instant, rng).get(path) for _ in range(RUNS)}


CREATE = ("create", ("a",), 0, b"")
ONE = ("write", ("a",), 0, b"1" * 1024)
TWO = ("write", ("a",), 0, b"2" * 1024)
SYNC = ("sync", ("a",), 0, b"")
SYNC_FOLDER = ("sync", (".",), 0, b"")


def test_what_was_synced_with_its_name_is_there_whatever_happens() -> None:
    disk = written(CREATE, ONE, SYNC, SYNC_FOLDER)
    assert found(disk, "a", 4) == {b"1" * 1024}


def test_a_name_whose_folder_was_not_synced_may_be_missing() -> None:
    disk = written(CREATE, ONE, SYNC)
    assert found(disk, "a", 3) == {None, b"1" * 1024}


def test_a_write_that_was_not_synced_may_be_there_not_at_all_or_in_sectors() -> None:
    disk = written(CREATE, ONE, SYNC, SYNC_FOLDER, TWO)
    halves = {b"1" * 512 + b"2" * 512, b"2" * 512 + b"1" * 512}
    assert found(disk, "a", 5) == {b"1" * 1024, b"2" * 1024, *halves}


def test_a_write_that_began_before_the_failure_alone_may_be_there() -> None:
    disk = written(CREATE, ONE, SYNC, SYNC_FOLDER, TWO)
    assert found(disk, "a", 4) == {b"1" * 1024}


def test_a_sync_that_has_not_ended_promises_nothing() -> None:
    calls = [Call(0, 0, *CREATE), Call(1, 1, *SYNC_FOLDER), Call(2, 2, *ONE), Call(3, 9, *SYNC)]
    assert b"" in found(Disk(calls), "a", 8)
    assert found(Disk(calls), "a", 10) == {b"1" * 1024}


def test_a_sync_that_began_before_a_write_ended_does_not_cover_it() -> None:
    calls = [Call(0, 0, *CREATE), Call(1, 1, *SYNC_FOLDER), Call(3, 4, *SYNC), Call(2, 5, *ONE)]
    assert b"" in found(Disk(calls), "a", 9)


def test_after_a_rename_either_file_may_have_the_name_until_the_folder_is_synced() -> None:
    old = [("create", ("b",), 0, b""), ("write", ("b",), 0, b"old"), ("sync", ("b",), 0, b""), SYNC_FOLDER]
    fresh = [CREATE, ("write", ("a",), 0, b"new"), SYNC, SYNC_FOLDER, ("rename", ("a", "b"), 0, b"")]
    disk = written(*old, *fresh)
    assert found(disk, "b", 9) == {b"old", b"new"}
    assert found(written(*old, *fresh, SYNC_FOLDER), "b", 10) == {b"new"}


def test_a_folder_that_was_not_synced_takes_its_files_with_it() -> None:
    inside = [("create", ("d/a",), 0, b""), ("sync", ("d/a",), 0, b""), ("sync", ("d",), 0, b"")]
    disk = written(("mkdir", ("d",), 0, b""), *inside)
    assert found(disk, "d/a", 4) == {b"", None}


def test_the_memory_that_sqlite_shares_is_never_there() -> None:
    disk = written(("create", ("log.db-shm",), 0, b""), SYNC_FOLDER)
    assert found(disk, "log.db-shm", 2) == {None}
