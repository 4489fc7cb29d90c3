"""Starts that must not be: a folder that is taken, one of a newer version, a plan that cannot be read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from faults.marks import long
from faults.serving import Client, Serving, refused
from faults.table import fault


def test_a_second_collector_refuses_at_once_and_leaves_the_first_alone(tmp_path: Path) -> None:
    data, client, row = tmp_path / "data", Client(), fault("a second collector")
    with Serving(data, tmp_path / "log") as first:
        client.send(first, client.batch(5))
        row.log_says(refused(data))
        assert first.unready is None
        client.send(first, client.batch(5))
        first.kill()
    with Serving(data, tmp_path / "log") as next_one:
        client.check(next_one)


@pytest.mark.parametrize(("file", "kind"), [("log.db", "log"), pytest.param("keys.db", "keys", marks=long)])
def test_a_folder_of_a_newer_version_is_left_alone(file: str, kind: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Serving(data, tmp_path / "log") as collector:
        assert collector.stop() == 0
    with closing(sqlite3.connect(data / file)) as connection, connection:
        row = (kind, "2031-02-03 columns nobody knows yet", "2031-02-03 00:00:00")
        connection.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)", row)
    before = (data / file).read_bytes()
    said = refused(data)
    fault("a folder of a newer version").log_says(said)
    assert "2031-02-03" in said
    assert (data / file).read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [None, "[[event", pytest.param('currency = "YEN"\n', marks=long), pytest.param("\udcff", marks=long)],
    ids=["missing", "TOML", "plan", "UTF-8"],
)
def test_a_plan_that_cannot_be_used_refuses_the_start_and_names_the_file(text: str | None, tmp_path: Path) -> None:
    plan = tmp_path / "our-plan.toml"
    if text is not None:
        plan.write_bytes(text.encode(errors="surrogateescape"))
    said = refused(tmp_path / "data", "--plan", str(plan))
    fault("the plan cannot be read").log_says(said)
    assert said.count("\n") < 8
