"""What a parser of the command line understands: its commands, their options, and the values that these may have."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["Command", "Option", "outline"]


class Option(Struct, frozen=True):
    """An option. `choices`: the values it may have, none where it may have any. `valued`: whether it has a value."""

    names: tuple[str, ...]
    help: str
    choices: tuple[str, ...]
    valued: bool


class Command(Struct, frozen=True):
    """A command by its whole name, such as `kizashi plan check`, with the names and purposes of those below it.

    `arguments`: the values that its positional arguments may have. `free`: whether one of them may have any value.
    """

    name: str
    below: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]
    arguments: tuple[str, ...]
    free: bool


def outline(parser: argparse.ArgumentParser, name: str) -> Iterator[Command]:
    """The command of a parser and, after it, all those below it."""
    options: list[Option] = []
    below: dict[str, str] = {}
    arguments: list[str] = []
    free = False
    parsers: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            parsers |= action.choices
            below |= dict.fromkeys(action.choices, "")
            below |= {one.dest: _purpose(one, parser) for one in action._choices_actions}
        elif action.option_strings:
            options.append(
                Option(tuple(action.option_strings), _purpose(action, parser), _choices(action), action.nargs != 0)
            )
        else:
            arguments += _choices(action)
            free = free or not action.choices
    yield Command(name, tuple(below.items()), tuple(options), tuple(arguments), free)
    for word, child in parsers.items():
        yield from outline(child, f"{name} {word}")


def _choices(action: argparse.Action) -> tuple[str, ...]:
    return tuple(map(str, action.choices or ()))


def _purpose(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    text = action.help or ""
    return " ".join((text % {**vars(action), "prog": parser.prog}).split())
