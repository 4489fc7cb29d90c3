"""`kizashi keys --store`: the keys of a ClickHouse store, here of the engine in process."""

from __future__ import annotations

import json
from pathlib import Path

from terminal import Ended, in_a_pipe


def keys(place: Path, *arguments: str) -> Ended:
    return in_a_pipe("keys", *arguments, KIZASHI_STORE=f"chdb://{place}")


def test_a_key_of_the_store_is_made_listed_and_revoked(tmp_path: Path) -> None:
    place = tmp_path / "store"
    made = keys(place, "create", "--scope", "read", "--name", "入札")
    assert (made.status, made.err) == (0, "")
    assert made.out.startswith("kz_read_")
    (key,) = json.loads(keys(place, "list", "--json").out)
    assert (key["name"], key["scope"], key["revoked_at"]) == ("入札", "read", None)
    assert keys(place, "revoke", str(key["id"])) == (0, "", "")
    listed = keys(place, "list").lines
    assert listed[0].split() == ["id", "scope", "created", "revoked", "name"]
    assert listed[1].split()[0::4] == [str(key["id"]), "入札"]
    again = keys(place, "revoke", str(key["id"]))
    assert (again.status, again.out) == (1, "")
    assert f"no key {key['id']} to revoke" in again.err


def test_looking_for_keys_makes_no_store(tmp_path: Path) -> None:
    place = tmp_path / "typo"
    told = keys(place, "list")
    assert (told.status, told.out) == (1, "")
    assert told.err.startswith("kizashi keys: no collector has kept anything in chdb://")
    assert [*tmp_path.iterdir()] == []


def test_a_store_that_does_not_answer_is_named_without_its_password() -> None:
    told = in_a_pipe("keys", "list", "--store", "clickhouse://me:secret@127.0.0.1:1/kizashi")
    assert told.status == 1
    assert "127.0.0.1:1" in told.err
    assert "secret" not in told.err
    assert "Traceback" not in told.err
