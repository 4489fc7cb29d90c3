"""The plan in docs/scale.md is what the script makes, and the script's model reacts as a plan should."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT, PAGE = ROOT / "examples" / "scale.py", ROOT / "docs" / "scale.md"
RATES = (1, 100, 3_000, 10_000, 70_000, 250_000, 1_000_000)
HALVED = ("append-rate", "load", "cores", "disk", "disk-fill", "memory", "inserts", "refresh", "query-timeout")
MORE = {"collectors, a core each, one to spare", "shards", "servers"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, encoding="utf-8", timeout=30, check=False
    )


def plans(*arguments: str, rates: tuple[float, ...] = RATES) -> list[dict[str, Any]]:
    asked = [text for rate in rates for text in ("--rate", str(rate))]
    found: list[dict[str, Any]] = json.loads(run("--json", *asked, *arguments).stdout)["plans"]
    return found


def assumptions() -> dict[str, float]:
    found: dict[str, float] = json.loads(run("--json").stdout)["assumptions"]
    return found


def test_the_page_has_the_tables_that_the_script_prints() -> None:
    printed = run().stdout.strip()

    assert printed.count("\n\n| ") == 1
    assert printed in PAGE.read_text(encoding="utf-8")


def test_the_script_writes_its_tables_into_the_page_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    page.write_text(PAGE.read_text(encoding="utf-8").replace(run().stdout.strip(), "old"), encoding="utf-8")

    assert run("--into", str(page)).returncode == 0
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_a_page_without_the_marks_is_refused_and_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "other.md"
    page.write_text("nothing here\n", encoding="utf-8")

    refused = run("--into", str(page))

    assert refused.returncode == 2
    assert "argument --into" in refused.stderr
    assert page.read_text(encoding="utf-8") == "nothing here\n"


def test_twice_the_rate_never_takes_less_of_anything() -> None:
    for one, two in zip(plans(), plans(rates=tuple(2 * rate for rate in RATES)), strict=True):
        for name, number in one["figures"].items():
            # Servers have the less to do, each, where there are more of them.
            if "one server" not in name:
                assert two["figures"][name] >= number, (one["rate"], name)


@pytest.mark.parametrize("option", HALVED)
def test_half_of_what_a_machine_bears_never_takes_fewer_machines(option: str) -> None:
    half = assumptions()[option.replace("-", "_")] / 2

    for before, after in zip(plans(), plans(f"--{option}", str(half)), strict=True):
        for name in MORE:
            assert after["figures"][name] >= before["figures"][name], (before["rate"], name)
        for name, times in before["times"].items():
            # More servers, of half the size, bear the more together, but what one of them bears is less.
            if times is not None and after["figures"]["servers"] == before["figures"]["servers"]:
                assert after["times"][name] is None or after["times"][name] >= times, (before["rate"], name)


def test_each_assumption_changes_something() -> None:
    usual = run().stdout
    for name, value in assumptions().items():
        factor = 0.4 if name in ("load", "disk_fill") else 4
        assert run(f"--{name.replace('_', '-')}", str(factor * value)).stdout != usual, name


def test_rates_are_given_with_or_without_a_thousands_name() -> None:
    assert run("--rate", "25k", "--rate", "2M").stdout == run("--rate", "25000", "--rate", "2e6").stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("rate", "many"),
        ("rate", "0"),
        ("rate", "-10k"),
        ("append-rate", "0"),
        ("bytes", "nan"),
        ("pause", "inf"),
        ("load", "1.5"),
        ("days", ""),
    ],
)
def test_a_bad_argument_is_refused_by_its_name(option: str, value: str) -> None:
    refused = run(f"--{option}={value}")

    assert refused.returncode == 2
    assert f"argument --{option}: " in refused.stderr
    assert refused.stdout == ""


def test_the_help_says_of_each_assumption_its_unit_its_default_and_where_that_comes_from() -> None:
    text = " ".join(run("--help").stdout.split())

    for name, value in assumptions().items():
        option = name.replace("_", "-")
        assert re.search(rf" --{option} N [^()]+ \([^;]+; default {value:g}: [^)]+\)", text), name
