"""The commands that the demo names work where it was called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kizashi_collector.cli.demo._called import called


def installed(folder: Path) -> Path:
    """A program called kizashi in a folder."""
    folder.mkdir(parents=True)
    program = folder / "kizashi"
    program.write_text("#!/bin/sh\necho found $1\n", encoding="utf-8")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("place", "named"),
    [
        (".venv/bin", ".venv/bin/kizashi"),
        (".", "./kizashi"),
        ("a folder", "'a folder/kizashi'"),
        ("../elsewhere", "{parent}/elsewhere/kizashi"),
    ],
)
def test_a_program_that_the_shell_does_not_find_is_named_with_the_way_to_it(
    tmp_path: Path, place: str, named: str
) -> None:
    here = tmp_path / "here"
    where = (here / place).resolve()
    if where != here:
        here.mkdir()
    program = installed(where)
    told = called(str(program), path="/usr/bin:/bin", folder=here)
    assert told == named.format(parent=tmp_path)
    shell = ["/bin/sh", "-c", f"{told} it"]
    assert subprocess.run(shell, cwd=here, capture_output=True, text=True, check=True).stdout == "found it\n"


def test_a_program_on_the_path_is_named_plainly_and_another_of_its_name_is_not_taken_for_it(tmp_path: Path) -> None:
    program, other = installed(tmp_path / "bin"), installed(tmp_path / "other")
    assert called(str(program), path=str(program.parent), folder=tmp_path) == "kizashi"
    assert called(str(program), path=str(other.parent), folder=tmp_path) == "bin/kizashi"


def test_a_module_that_was_run_is_named_plainly(tmp_path: Path) -> None:
    assert called(str(tmp_path / "kizashi" / "__main__.py"), folder=tmp_path) == "kizashi"


def test_it_looks_at_how_it_was_called_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = installed(tmp_path / ".venv" / "bin")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(program), "demo"])
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert called() == ".venv/bin/kizashi"
