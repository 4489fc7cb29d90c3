"""Every command says what it is for, shows how it is used, and has an exit status that scripts can rely on."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from kizashi._commands._cli import whole_parser


def commands_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Each command below a parser: its whole name, its purpose, and its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            purposes = {one.dest: one.help or "" for one in action._choices_actions}
            for name, child in action.choices.items():
                yield child.prog, purposes.get(name, ""), child
                yield from commands_of(child)


PARSER = whole_parser()
COMMANDS = list(commands_of(PARSER))
PAGE = (Path(__file__).parents[3] / "docs" / "terminal.md").read_text(encoding="utf-8")
EVERY = pytest.mark.parametrize(("name", "purpose", "parser"), COMMANDS, ids=[name for name, _, _ in COMMANDS])


def test_the_commands_are_those_that_the_design_names() -> None:
    assert {name.removeprefix("kizashi ") for name, _, _ in COMMANDS} >= {
        *("serve", "keys create", "keys list", "keys revoke", "demo", "import", "summary", "funnel", "completion"),
        *("plan check", "plan diff", "plan apply", "plan codegen", "plan lint", "values review", "erase", "copy"),
        *("rejected list", "rejected replay", "backup", "restore", "doctor"),
    }


@EVERY
def test_a_command_has_a_purpose_of_one_line(name: str, purpose: str, parser: argparse.ArgumentParser) -> None:
    assert 10 < len(purpose) <= 110, purpose
    assert not purpose.endswith("."), "it is no sentence"
    assert "\n" not in purpose


@EVERY
def test_its_examples_are_understood(name: str, purpose: str, parser: argparse.ArgumentParser) -> None:
    lines = shlex.split((parser.epilog or "").replace(";", " ; ").replace(">", " ; "), comments=False)
    found = 0
    while "kizashi" in lines:
        lines = lines[lines.index("kizashi") :]
        end = lines.index(";") if ";" in lines else len(lines)
        if name != "kizashi completion":
            # What it does not understand, it ends at, with the status 2.
            PARSER.parse_args(lines[1:end])
        lines, found = lines[end:], found + 1
    assert found, "it shows no example"


@EVERY
def test_every_option_and_argument_says_what_it_is(name: str, purpose: str, parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        assert isinstance(action, argparse._SubParsersAction) or action.help, action


@EVERY
def test_what_can_fail_tells_its_exit_statuses(name: str, purpose: str, parser: argparse.ArgumentParser) -> None:
    only_a_group = any(isinstance(action, argparse._SubParsersAction) for action in parser._actions)
    if not only_a_group:
        assert "Exit status: 0 " in " ".join((parser.description or "").split())


@EVERY
def test_its_help_fits_a_terminal(
    name: str, purpose: str, parser: argparse.ArgumentParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = parser.format_help()
    assert [line for line in text.splitlines() if len(line) > 80 and " " in line.strip()] == []


@EVERY
def test_it_is_listed_on_the_page_about_the_terminal(name: str, purpose: str, parser: argparse.ArgumentParser) -> None:
    _, first, *below = name.split()
    rows = [line for line in PAGE.splitlines() if line.startswith("| `kizashi ")]
    assert any(f"`{first}`" in row or f"`kizashi {first}" in row for row in rows)
    assert not below or any(first in row and below[0] in row for row in rows)


@pytest.mark.parametrize("command", ["kizashi demo", "kizashi summary", "kizashi funnel"])
def test_the_page_tells_every_option_of_the_commands_that_it_is_about(command: str) -> None:
    (parser,) = [parser for name, _, parser in COMMANDS if name == command]
    options = {name for action in parser._actions for name in action.option_strings}
    assert [name for name in sorted(options - {"-h", "--help"}) if f"`{name}`" not in PAGE] == []
