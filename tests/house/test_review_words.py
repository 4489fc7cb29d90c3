"""Whatever code an answer may hold, the dashboard has words for it in both languages, and none for what is gone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from kizashi_collector import cli, dashboard, ingest, store
from kizashi_collector.analysis._review._verdicts import VerdictReason, WorthKeeping
from kizashi_schemas import Event, Reason

STATIC = Path(dashboard.__file__).parent / "static"
# Which of its arguments is the code, by the name of what is called.
REFUSALS = {"Refusal": 0, "_FormError": 0, "Outcome": 1}


def keys(page: str, language: str) -> list[str]:
    """The keys of a page's words in one language."""
    text = (STATIC / page / "words.js").read_text(encoding="utf-8")
    english, japanese = re.split(r"^  ja: \{$", text, flags=re.MULTILINE)
    return re.findall(r'^\s+"([\w.]+)":', english if language == "en" else japanese, flags=re.MULTILINE)


def after(prefix: str, found: list[str]) -> set[str]:
    """What stands behind a prefix in keys that have it, as one word."""
    return {key.removeprefix(prefix) for key in found if re.fullmatch(rf"{re.escape(prefix)}\w+", key)}


def refusals(package: Path) -> Iterator[str]:
    """The codes that a package writes out where it rejects an event."""
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSALS):
                continue
            texts = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
            code = texts[REFUSALS[node.func.id] : REFUSALS[node.func.id] + 1]
            if node.func.id != "Outcome" or texts[0] == "rejected":
                yield from (one for one in code if isinstance(one, str))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_values_page_has_words_for_every_verdict_and_every_reason_of_one(language: str) -> None:
    found = keys("values", language)
    # A lift beyond all measure is told in other words than one that can be told, and that of what is only watched too.
    variants = {"lifts_hardly", "lifts_sign", "lifts_hardly_sign"}
    assert after("values.reason.", found) == set(get_args(VerdictReason)) | variants
    for verdict in get_args(WorthKeeping):
        assert {f"values.{verdict}", f"values.{verdict}_hint", f"values.none_{verdict}"} <= set(found)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_overview_says_of_every_reason_what_it_is_and_what_to_do(language: str) -> None:
    found = keys("overview", language)
    reasons = set(get_args(Reason))
    assert {f"overview.{reason}{part}" for reason in reasons for part in ("", "_what", "_remedy")} <= set(found)
    remedies = {key.removesuffix("_remedy") for key in after("overview.", found) if key.endswith("_remedy")}
    # To the collector a plan without a final is none; the page tells the two apart.
    assert remedies - {"no_final"} == reasons


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_live_page_has_a_fix_for_every_code_that_an_event_is_rejected_with(language: str) -> None:
    assert after("live.fix.", keys("live", language)) == codes()


def codes() -> set[str]:
    """Every code that an event is rejected with."""
    written = {code for package in (ingest, store) for code in refusals(Path(package.__file__ or "").parent)}
    assert {"unplanned", "too_large", "conflict", "bad_event"} <= written
    # A field of the wrong shape is bad_ and its name.
    return written | {f"bad_{field}" for field in Event.__struct_fields__}


def test_a_code_that_an_example_of_a_command_names_exists() -> None:
    source = Path(cli.__file__ or "").parent / "_rejected.py"
    named = set(re.findall(r"--code (\w+)", source.read_text(encoding="utf-8")))
    assert {"bad_currency", "unplanned"} == named & codes() == named
