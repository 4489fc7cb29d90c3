"""Whoever follows a page comes where it leads: its commands and its Python run, and its links lead somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from collector_process import KEYS, CollectorProcess
from pages import ROOT, Block, Reader, anchors_of, blocks_of, commands_of, links_of, text_of

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]

INSTALLED = "needs a package registry; test_wheel.py installs the wheel, and the tests' own environment has the rest"
THE_SUITE = "is this suite, or runs for long; CI and releases run it"

STARTS_A_COLLECTOR: dict[str, dict[str, str]] = {
    "README.md": {
        "make ": THE_SUITE,
        "pip install": INSTALLED,
        ".venv/bin/kizashi demo": "tests/collector/cli/test_demo_serve.py and tests/examples/test_demo.py run it",
    },
    "docs/tutorial.md": {
        "python3 -m venv": INSTALLED,
        ". .venv/bin/activate": INSTALLED,
        "pip install": INSTALLED,
    },
    "docs/operate.md": {"pip install": INSTALLED},
}
"""Pages that are followed from nothing, with the beginnings of what is left out, and why."""

ASKS_A_COLLECTOR: dict[str, dict[str, str]] = {
    "docs/api.md": {"curl --no-buffer": "goes on for ever; tests/collector/http/routes/test_live.py follows it"},
    "docs/bidding.md": {},
    "docs/funnels.md": {},
    "docs/privacy.md": {},
    "docs/sdk.md": {">>> ": "is a conversation, of a process that has tracked 12 events"},
    "docs/terminal.md": {
        "kizashi demo": "tests/collector/cli/test_demo_serve.py runs it",
        "kizashi summary --window 28d": "shows the shop of the demo; tests/collector/cli/test_summary.py has another",
        "kizashi funnel checkout": "shows the shop of the demo; tests/collector/cli/test_funnel.py has another",
    },
    "docs/typed-events.md": {"kizashi plan lint": "tests/sdk/commands has the same findings, of files of its own"},
}
"""Pages that expect a collector with the plan of plan.md, their own files, and some events."""

ELSEWHERE: dict[str, str] = {
    "docs/backups.md": "tests/collector/cli/test_backup.py",
    "docs/frameworks.md": "tests/frameworks/test_documentation.py",
    "docs/import.md": "tests/collector/cli/test_import.py",
    "docs/jobs.md": "tests/frameworks/test_celery.py",
    "docs/rejected.md": "tests/collector/cli/test_rejected.py",
    "docs/testing.md": "tests/sdk/test_pytest_plugin.py",
}
"""Pages whose examples have a test of their own, which reads them from the page."""

# Their commands are understood at least: test_reference.py parses what every page has somebody type.
NOT_RUN: dict[str, str] = {
    "CONTRIBUTING.md": THE_SUITE,
    "docs/clickhouse.md": "goes to a server; tests/collector/cli/test_copy.py copies into the engine in process",
    "docs/crash.md": THE_SUITE,
    "docs/fuzz.md": THE_SUITE,
    "docs/doctor.md": "goes to a host on the internet, over TLS; the tutorial asks the doctor for real",
    "docs/plan.md": "shows what came of one log; tests/sdk/commands/test_apply.py changes a plan, on disk and in force",
    "docs/processes.md": "one function of a server; tests/processes starts such servers",
    "docs/values.md": THE_SUITE + "; tests/collector/cli/test_values_live.py has the review",
}


def first(page: str, language: str) -> str:
    return next(block.text for block in blocks_of(page) if block.language == language)


def runs(block: Block) -> bool:
    return block.language in ("console", "python", "bash") and block.file is None


def test_every_page_with_commands_is_followed_or_it_is_said_why_not() -> None:
    with_commands = {page for page in PAGES if any(map(runs, blocks_of(page)))}
    said = [*STARTS_A_COLLECTOR, *ASKS_A_COLLECTOR, *ELSEWHERE, *NOT_RUN]
    assert len(said) == len(set(said)), "a page is in one of the lists"
    assert with_commands - set(said) == set(), "put each into one of the lists above"
    assert set(said) - with_commands == set(), "these have nothing to run"


@pytest.mark.parametrize(("page", "test"), ELSEWHERE.items(), ids=ELSEWHERE)
def test_what_is_proven_elsewhere_is_read_there(page: str, test: str) -> None:
    assert Path(page).name in text_of(test)


@pytest.mark.parametrize("page", [*STARTS_A_COLLECTOR, *ASKS_A_COLLECTOR])
def test_nothing_is_left_out_that_is_not_there(page: str) -> None:
    there = [
        text
        for block in blocks_of(page)
        for text in ([command for command, _ in commands_of(block)] if block.language == "console" else [block.text])
    ]
    left_out = {**STARTS_A_COLLECTOR, **ASKS_A_COLLECTOR}[page]
    stale = {begins for begins in left_out if not any(text.startswith(begins) for text in there)}
    assert stale == set()


@pytest.mark.parametrize(("page", "left_out"), STARTS_A_COLLECTOR.items(), ids=STARTS_A_COLLECTOR)
def test_a_page_is_followed_from_nothing(page: str, left_out: Mapping[str, str], tmp_path: Path) -> None:
    plan = next((block.text for block in blocks_of(page) if block.language == "toml"), first("docs/plan.md", "toml"))
    (tmp_path / "plan.toml").write_text(plan, encoding="utf-8")
    with Reader(tmp_path, {}) as reader:
        reader.follow(page, left_out)


@pytest.mark.parametrize(("page", "left_out"), ASKS_A_COLLECTOR.items(), ids=ASKS_A_COLLECTOR)
def test_a_page_about_a_running_collector_is_followed(page: str, left_out: Mapping[str, str], tmp_path: Path) -> None:
    shown = {language: first(page, language) for language in ("json", "toml") if f"```{language}\n" in text_of(page)}
    files = {
        "plan.toml": shown.get("toml", first("docs/plan.md", "toml")),
        "batch.json": shown.get("json", ""),
        "funnel.json": shown.get("json", ""),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    # A package to write a module into, and a home that knows fish.
    for folder in ("shop", ".config/fish/completions"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with CollectorProcess(tmp_path / "data", "--plan", str(tmp_path / "plan.toml")) as collector:
        places = {
            **{f"kz_{scope}_…": KEYS[f"KIZASHI_{scope.upper()}_KEY"] for scope in ("write", "read", "admin")},
            **dict.fromkeys(("http://127.0.0.1:8700", "http://collector:8700"), collector.url),
            "/var/spool/kizashi": str(tmp_path / "spool"),
        }
        asks = {"KIZASHI_ENDPOINT": collector.url, "KIZASHI_KEY": KEYS["KIZASHI_READ_KEY"]}
        with Reader(tmp_path, places, asks) as reader:
            reader.follow(page, left_out)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_anchor_leads_somewhere(page: str) -> None:
    assert links_of(page) or "](" not in text_of(page)
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        if not path.startswith("https://"):
            target = (ROOT / page).parent / path if path else ROOT / page
            assert target.exists(), link
            if anchor and target.suffix == ".md":
                assert anchor in anchors_of(str(target.resolve().relative_to(ROOT))), link


def test_every_page_is_reached_from_the_readme() -> None:
    seen, ahead = set(), ["README.md"]
    while ahead:
        page = ahead.pop()
        if page not in seen:
            seen.add(page)
            targets = [((ROOT / page).parent / link.partition("#")[0]).resolve() for link in links_of(page)]
            ahead += [
                str(path.relative_to(ROOT)) for path in targets if path.suffix == ".md" and path.is_relative_to(ROOT)
            ]
    assert set(PAGES) - seen == set()
