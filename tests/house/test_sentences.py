"""What the dashboard's modules make of the collector's sentences and figures, run under Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kizashi_collector import dashboard
from kizashi_collector.analysis import GENERALLY, Foretold, Grounds, sentences
from kizashi_collector.analysis._readiness._breaks import Break
from kizashi_collector.analysis._readiness._sentences import break_sentence

STATIC = Path(dashboard.__file__).parent / "static"
NOW = 1_788_000_000_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
# A page in Japanese, as far as words and times look at it.
DOCUMENT = "globalThis.document = {documentElement: {lang: 'ja'}, querySelector: () => null};"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dashboard's modules where Node knows them for such."""
    folder = tmp_path_factory.mktemp("modules")
    for name in ("core", "overview"):
        shutil.copytree(STATIC / name, folder / name)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    return folder


def run(folder: Path, module: str, call: str, given: object) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no `node` on the PATH: the dashboard's modules need a JavaScript engine to be run")
    program = f"{DOCUMENT} const m = await import('./{module}'); const given = {json.dumps(given)};"
    program += f" console.log(JSON.stringify(given.map({call})));"
    done = subprocess.run(
        [node, "--input-type=module", "--eval", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return json.loads(done.stdout)


def grounds(**different: Any) -> Grounds:
    plain: dict[str, Any] = {"as_of": NOW, "complete_until": NOW, "window_ms": DAY, "ladder": ["mv_visit"]}
    return Grounds(**plain | {"finals": ["purchase"], "minimum": 1_500.0} | different)


def broken() -> list[Break]:
    """One event for each kind of break."""
    return [
        Break("mv_visit", kind, 1_200, 2.5, NOW - HOUR, break_sentence("mv_visit", kind, 1_200, 2.5, NOW - HOUR, NOW))
        for kind in ("stopped", "fell", "jumped")
    ]


EVERY = [
    GENERALLY,
    sentences(grounds()),
    sentences(grounds(), young=True),
    sentences(grounds(ladder=[])),
    sentences(grounds(unfitted=True)),
    sentences(grounds(mending=True)),
    sentences(grounds(redefined=True)),
    sentences(grounds(complete_until=None)),
    *(sentences(grounds(complete_until=NOW - behind)) for behind in (16 * MINUTE, 5 * HOUR, 3 * DAY)),
    sentences(grounds(breaks=broken())),
    sentences(grounds(back_tests=[Foretold(1_200.0, 2_400.0, 3.0)])),
]


def test_every_sentence_of_readiness_is_told_in_japanese(modules: Path) -> None:
    found = [sentence for told in EVERY for sentence in told.values()]
    assert {code for told in EVERY for code in told} == {
        *GENERALLY,
        "thin",
        "incomplete",
        "tracking_break",
        "miscalibrated",
    }
    shown = run(modules, "core/sentences.js", "m.told", found)
    for sentence, told in zip(found, shown, strict=True):
        assert told["lang"] == "ja", sentence
        # A full stop and a blank end an English sentence; event names and keys of the plan are left.
        assert ". " not in told["text"], sentence
        words = {word for word in told["text"].split() if word.isascii() and word.isalpha()}
        assert words == set(), (sentence, told["text"])
        assert not told["text"].endswith("."), told["text"]


@pytest.mark.parametrize(
    ("now", "target", "whole"),
    [
        (29, 100, 29),
        ("29", 100, 29),
        ("0.29", 1, 29),
        (115, 100, 115),
        ("1.15", 1, 115),
        (57, 100, 57),
        ("99.999999", 100, 99),
        (100, 100, 100),
        (0, 3, 0),
        (2, 3, 66),
        ("8999999999999.999999", 9_000_000_000_000, 99),
        ("9000000000000", 9_000_000_000_000, 100),
    ],
)
def test_a_target_is_told_in_whole_percent_rounded_down(modules: Path, now: object, target: float, whole: int) -> None:
    assert run(modules, "overview/targets.js", "([now, target]) => m.percentOf(now, target)", [[now, target]]) == [
        whole
    ]
