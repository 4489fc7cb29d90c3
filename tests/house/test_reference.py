"""What pages name is there, and what is there is named on a page. What test_docs.py asks in one direction is asked here
in the other; commands, environment variables, routes and targets of make are asked in both."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from kizashi._commands._cli import whole_parser
from kizashi._commands._parser_outline import Command, outline
from kizashi_collector.cli import SETTINGS
from kizashi_collector.dashboard import add_dashboard
from kizashi_collector.http import Metrics, make_runner
from kizashi_schemas.plan import EventRule, Plan, Target, Values
from live_collector import LiveCollector
from pages import ROOT, blocks_of, commands_of, prose_of, text_of

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
EVERY_PAGE = "\n".join(map(text_of, PAGES))
PARSER = whole_parser()
COMMANDS = {command.name: command for command in outline(PARSER, "kizashi")}
SETTING_OF_A_SITE = {"KIZASHI_SECRET"}
"""What a page calls a setting of the reader's own."""


def column(page: str, number: int) -> Iterator[str]:
    """The cells of one column of all tables of a page."""
    for line in text_of(page).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if line.startswith("| ") and len(cells) > number + 1:
            yield cells[number]


def coded(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`\n]+)`", text)


def typed() -> Iterator[tuple[str, str]]:
    """Every command that a page has somebody type, with its page, without the rest of the shell's line."""
    for page in PAGES:
        for block in blocks_of(page):
            lines = [command for command, _ in commands_of(block)] if block.language == "console" else []
            lines += block.text.splitlines() if block.language in ("bash", "cron") else []
            for line in lines:
                for piece in re.split(r"[|;&<>]|\$\(|\)", re.sub(r"\\\n", " ", re.sub(r"\s# .*", "", line))):
                    if found := re.search(r"(?:^|\s)(kizashi .*)$", piece.strip()):
                        yield page, found[1]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_and_option_is_documented(command: Command) -> None:
    pages = [text for text in map(text_of, PAGES) if command.name in text]
    assert pages, command.name
    options = [option.names for option in command.options if not {"-h", "--version"} & set(option.names)]
    assert [names for names in options if not any(name in text for name in names for text in pages)] == []


@pytest.mark.parametrize(("page", "line"), sorted(set(typed())))
def test_a_command_that_is_shown_is_understood(page: str, line: str) -> None:
    words = shlex.split(line.replace("kizashi kizashi", "kizashi"))
    try:
        args = PARSER.parse_args(words[1:])
    except SystemExit as end:
        pytest.fail(f"{page}: {line} ends with {end.code}")
    assert isinstance(args, argparse.Namespace)


def test_every_command_that_is_spoken_of_exists() -> None:
    strangers = []
    for page in PAGES:
        for text in coded(prose_of(page)):
            words = re.match(r"kizashi((?: [a-z]+)+)", text)
            if words and text.startswith("kizashi ") and f"kizashi {words[1].split()[0]}" not in COMMANDS:
                strangers.append((page, text))
            command = words and max((name for name in COMMANDS if text.startswith(name)), key=len)
            if command and command in COMMANDS:
                known = {name for option in COMMANDS[command].options for name in option.names}
                strangers += [(page, text) for option in re.findall(r"(--[a-z-]+)", text) if option not in known]
    assert strangers == []


def test_the_settings_of_a_page_exist_and_have_that_default() -> None:
    rows = re.findall(r"^\| `(--[a-z-]+)` \| `(KIZASHI_\w+)` \| (.*?) \|", text_of("docs/operate.md"), re.MULTILINE)
    settings = {(setting.option, setting.variable): setting for setting in SETTINGS}
    assert len(rows) >= len(SETTINGS)
    assert {(option, variable) for option, variable, _ in rows} <= set(settings)
    wrong = [
        (option, default)
        for option, variable, default in rows
        if (stated := settings[option, variable].default) is not None and default != f"`{stated}`"
    ]
    assert wrong == []


def test_environment_variables_are_documented_and_exist() -> None:
    folders = ("schemas", "sdk", "collector")
    code = "".join(path.read_text(encoding="utf-8") for name in folders for path in (ROOT / name).rglob("*.py"))
    rest = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    pattern = r"\bKIZASHI_[A-Z_]*[A-Z]\b"
    used = set(re.findall(pattern, code)) | {setting.variable for setting in SETTINGS}
    named = set(re.findall(pattern, EVERY_PAGE))
    assert used - named == set()
    assert named - used - set(re.findall(pattern, rest)) - SETTING_OF_A_SITE == set()


def test_the_metrics_of_a_page_exist() -> None:
    there = {family.name for family in Metrics().registry.collect()}
    named = {
        re.sub(r"\{.*", "", text)
        for cell in column("docs/operate.md", 1)
        for text in coded(cell)
        if re.match(r"(kizashi|process|python)_", text)
    }
    assert len(named) > 40
    assert {name for name in named if not {name, name.removesuffix("_total")} & there} == set()


def test_the_keys_of_the_plan_on_its_page_exist() -> None:
    there = {key for kind in (Plan, EventRule, Values, Target) for key in kind.__struct_fields__}
    keys = text_of("docs/plan.md").partition("## Keys")[2].partition("\n## ")[0]
    named = {
        text.rpartition(".")[2]
        for line in keys.splitlines()
        if line.startswith("| `")
        for text in coded(line.split("|")[1])
    }
    assert len(named) > 15
    assert named - {"NAME", "WINDOW"} - there == set()


async def test_routes_are_documented_and_exist(collector: LiveCollector) -> None:
    router = make_runner(collector.services, extend=add_dashboard).app.router
    there = {(route.method, route.resource.canonical) for route in router.routes() if route.resource is not None}
    pages = {path for _, path in there if path.startswith("/static/")}
    assert {path for _, path in there} - pages - {
        path for text in coded(text_of("docs/api.md")) for path in paths(text)
    } == set()
    named = set(re.findall(r"`(GET|POST|PUT|DELETE) (/[^\s`?]*)", EVERY_PAGE))
    assert len(named) > 15
    assert named - there == set()


def paths(text: str) -> list[str]:
    """The path of a route as it is written, without its query."""
    return [word.partition("?")[0] for word in text.split() if word.startswith("/")]


def test_what_make_is_asked_for_it_can_make() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", text_of("Makefile"), re.MULTILINE))
    asked = {
        target
        for page in PAGES
        for text in [
            *coded(prose_of(page)),
            *(command for block in blocks_of(page) for command, _ in commands_of(block)),
        ]
        for target in re.findall(r"^make ([a-z-]+)", text)
    }
    assert asked <= targets
    assert targets - asked - set(re.findall(r"make ([a-z-]+)", EVERY_PAGE)) == set(), "name them in CONTRIBUTING.md"
