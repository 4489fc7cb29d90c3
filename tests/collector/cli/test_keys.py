"""`kizashi keys`: what it makes, what it never makes, and how it says that something is in its way."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from kizashi_collector.cli import add_keys
from terminal import called, in_a_pipe


def keys(*arguments: str, **environment: str) -> tuple[int, str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
    with patch.dict(os.environ, {**clean, **environment}, clear=True):
        return called(add_keys, "keys", *arguments)


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    code, secret, _ = in_a_pipe("keys", "create", "--scope", "read", "--name", "入札", "--data", str(folder))
    assert (code, secret.startswith("kz_read_")) == (0, True)
    assert keys("revoke", "1", "--data", str(folder)) == (0, "", "")
    code, listed, _ = keys("list", "--json", KIZASHI_DATA=str(folder))
    (key,) = json.loads(listed)
    assert (code, key["id"], key["name"], key["scope"]) == (0, 1, "入札", "read")
    assert key["revoked_at"] is not None
    assert "入札" in keys("list", "--data", str(folder))[1]


@pytest.mark.parametrize("action", [["list"], ["list", "--json"], ["revoke", "1"]])
@pytest.mark.parametrize("there", [False, True])
def test_looking_for_keys_makes_nothing_and_says_how_to_name_the_folder(
    tmp_path: Path, action: list[str], there: bool
) -> None:
    folder = tmp_path / "typo"
    if there:
        folder.mkdir()
    code, out, errors = keys(*action, "--data", str(folder))
    assert (code, out) == (1, "")
    assert errors.startswith("kizashi keys: ")
    assert str(folder) in errors
    assert "--data or KIZASHI_DATA" in errors
    assert [*tmp_path.rglob("*")] == ([folder] if there else [])


@pytest.mark.parametrize("number", ["0", "2", "9223372036854775808", "99999999999999999999"])
def test_a_number_that_no_key_has_is_told(tmp_path: Path, number: str) -> None:
    keys("create", "--scope", "read", "--data", str(tmp_path))
    code, _, errors = keys("revoke", number, "--data", str(tmp_path))
    assert (code, errors) == (1, f"kizashi keys: no key {number} to revoke; `kizashi keys list` shows them\n")


ACTIONS = [["create", "--scope", "read"], ["list"], ["revoke", "1"]]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_file_that_is_no_key_ring_is_named(tmp_path: Path, action: list[str]) -> None:
    (tmp_path / "keys.db").write_bytes(b"no database, and long enough to be looked at" * 99)
    code, out, errors = keys(*action, "--data", str(tmp_path))
    assert (code, out) == (1, "")
    assert errors.startswith("kizashi keys: cannot open ")
    assert "keys.db" in errors


@pytest.mark.parametrize("action", ACTIONS)
def test_a_folder_that_cannot_be_one_is_named(tmp_path: Path, action: list[str]) -> None:
    (tmp_path / "file").touch()
    code, out, errors = keys(*action, "--data", str(tmp_path / "file"))
    assert (code, out) == (1, "")
    assert errors.startswith("kizashi keys: ")
    assert str(tmp_path / "file") in errors


@pytest.mark.parametrize("action", [["create", "--scope", "read"], ["revoke", "1"]])
def test_keys_that_cannot_be_written_are_named(tmp_path: Path, action: list[str]) -> None:
    keys("create", "--scope", "read", "--data", str(tmp_path))
    with closing(sqlite3.connect(tmp_path / "keys.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        code, out, errors = keys(*action, "--data", str(tmp_path))
        writer.execute("ROLLBACK")
    assert (code, out) == (1, "")
    assert errors.startswith("kizashi keys: cannot ")
    assert "keys.db" in errors
    assert "locked" in errors


@pytest.mark.parametrize("action", ACTIONS)
def test_a_folder_that_is_read_only_is_named(tmp_path: Path, action: list[str]) -> None:
    folder = tmp_path / "data"
    keys("create", "--scope", "read", "--data", str(folder))
    for path in (folder / "keys.db", folder):
        path.chmod(path.stat().st_mode & ~0o222)
    if os.access(folder, os.W_OK):
        pytest.skip("to this user nothing is read-only")
    code, _, errors = keys(*action, "--data", str(folder))
    folder.chmod(0o700)
    assert (code, errors.startswith("kizashi keys: cannot ")) == (1, True)
    assert str(folder) in errors


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    code, out, errors = keys("create", "--scope", "read", "--name", "\udcff", "--data", str(tmp_path))
    assert (code, out) == (1, "")
    assert errors.startswith("kizashi keys: --name: ")
