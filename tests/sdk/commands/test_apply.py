"""`kizashi plan apply` with a diff: the file becomes what the diff says, or stays what it is."""

from __future__ import annotations

import difflib
import io
import json
import os
import re
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kizashi._commands._cli import main
from kizashi._commands._plan_changes import change_sentences
from kizashi._commands._replace_file import replace_file
from kizashi._commands._unified_diff import UnifiedDiff
from kizashi_schemas.plan import load_plan

PLAN = """\
currency = "JPY"   # yen, whole ones

[events.mv_view]

[events.mv_cart]   # the cart
action  = "secondary"
value = 300        # a guess
owner = "growth"

[events.mv_search]
action = "primary"
value = 10

[events.purchase]
final = true

[values]
ladder = ["mv_view", "mv_cart"]
"""
WANTED = (
    PLAN.replace("value = 300  ", "value = 1800  ")
    .replace('"primary"', '"secondary"')
    .replace("value = 10", "# value = 10")
)


def diff_of(before: str, after: str, *, context: int = 3) -> str:
    """As diff(1) writes it."""
    old, new = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (before, after))
    lines = difflib.unified_diff(old, new, "plan.toml", "plan.toml", n=context)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_bytes(PLAN.encode())
    return path


@pytest.fixture
def diff(tmp_path: Path) -> Path:
    path = tmp_path / "change.diff"
    path.write_bytes(diff_of(PLAN, WANTED).encode())
    return path


def apply(*arguments: object) -> int:
    return main(["plan", "apply", *map(str, arguments)])


def test_the_file_becomes_what_the_diff_says_and_the_changes_are_told(
    plan: Path, diff: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = load_plan(PLAN).id, load_plan(WANTED).id
    assert apply(diff, plan) == 0
    assert plan.read_bytes() == WANTED.encode()
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "mv_cart is declared to be worth 1800 instead of 300.",
        "mv_search is now secondary: it is reported, and counts in no declared_value.",
        "mv_search has no declared value any more; it was 10.",
        f"{plan}: plan {old} → {new}",
    ]
    assert "SIGHUP" in err
    assert f"kizashi plan apply {plan}" in err


def test_line_ends_and_a_last_line_without_one_stay(plan: Path, diff: Path) -> None:
    for text in (PLAN.replace("\n", "\r\n"), PLAN.removesuffix("\n")):
        wanted = text.replace("value = 300  ", "value = 1800  ").replace('mv_cart"]', 'mv_cart"]  # both')
        plan.write_bytes(text.encode())
        diff.write_bytes(diff_of(text, wanted).encode())
        assert apply(diff, plan) == 0
        assert plan.read_bytes() == wanted.encode()


def test_a_diff_may_come_from_git_or_standard_input(
    plan: Path, diff: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = b"diff --git a/plan.toml b/plan.toml\nindex 3ad4d1c..d4bb4d0 100644\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(head + diff.read_bytes())))
    assert apply("-", plan) == 0
    assert plan.read_bytes() == WANTED.encode()
    assert "1800 instead of 300" in capsys.readouterr().out


def test_what_is_in_the_file_already_is_no_error(plan: Path, diff: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply(diff, plan) == 0
    capsys.readouterr()
    assert apply(diff, plan) == 0
    assert capsys.readouterr().out == f"{plan} has these changes already\n"
    assert plan.read_bytes() == WANTED.encode()


def test_an_empty_diff_changes_nothing(plan: Path, diff: Path, capsys: pytest.CaptureFixture[str]) -> None:
    diff.write_bytes(b"")
    assert apply(diff, plan, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "changed": False, "notes": []}
    assert plan.read_bytes() == PLAN.encode()


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (PLAN.replace("300", "350"), "line 7: stands 'value = 350        # a guess' where the diff has 'value = 300"),
        # The same lines, one further down: they may be another event's.
        (f"# ours\n{PLAN}", "line 4: stands '[events.mv_view]' where the diff has ''"),
        (PLAN.replace("\n", "\r\n"), "ends otherwise than in the diff"),
        (PLAN[: PLAN.index("owner")], "the file has ended where the diff has"),
    ],
)
def test_a_file_that_is_not_as_the_diff_has_it_is_left_alone(
    plan: Path, diff: Path, capsys: pytest.CaptureFixture[str], now: str, told: str
) -> None:
    plan.write_bytes(now.encode())
    assert apply(diff, plan) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{plan}: ")
    assert told in error
    assert f"make it anew with `kizashi values review --diff` {plan}" in error
    assert plan.read_bytes() == now.encode()


def test_a_change_that_leaves_no_plan_is_refused_with_every_problem(
    plan: Path, diff: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = PLAN.replace("value = 300", "value = -300").replace("final = true", "finale = true")
    diff.write_bytes(diff_of(PLAN, broken).encode())
    assert apply(diff, plan) == 1
    *problems, last = capsys.readouterr().err.splitlines()
    assert any("events.mv_cart.value" in line and "-300" in line for line in problems)
    assert any("events.purchase.finale" in line and "did you mean final" in line for line in problems)
    assert last == f"{plan}: nothing was written; mend the diff, or the plan first"
    assert plan.read_bytes() == PLAN.encode()


def test_a_change_may_mend_a_plan(plan: Path, diff: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan.write_bytes(PLAN.replace("JPY", "YEN").encode())
    diff.write_bytes(diff_of(PLAN.replace("JPY", "YEN"), PLAN).encode())
    assert apply(diff, plan) == 0
    assert plan.read_bytes() == PLAN.encode()
    assert "The event mv_cart is new" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("value = 1800\n", "is no unified diff: no lines"),
        ("--- plan.toml\n+++ plan.toml\n", "no line that begins with @@"),
        ("--- plan.toml\n+++ plan.toml\n@@ -7 +7 @@\n-value = 300\n", "is cut short"),
        ("--- plan.toml\n+++ plan.toml\n@@ -7 +7 @@\nvalue = 300\n", "begins with no sign of a diff"),
        ("--- a\n+++ a\n@@ -1 +1 @@\n-x\n+y\n--- b\n+++ b\n@@ -1 +1 @@\n-x\n+y\n", "a second file begins"),
        ("--- a\n+++ a\n@@ -1 +1 @@\n-x\n+y\nand more\n", "belongs to no hunk"),
        (b"\xff\xfe-\x00", "is not UTF-8 (byte 0)"),
    ],
)
def test_what_is_no_diff_of_one_file_is_refused(
    plan: Path, diff: Path, capsys: pytest.CaptureFixture[str], text: str | bytes, told: str
) -> None:
    diff.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert apply(diff, plan) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"{diff}: ")
    assert told in error
    assert plan.read_bytes() == PLAN.encode()


@pytest.mark.parametrize("missing", ["change.diff", "plan.toml"])
def test_a_file_that_is_not_there_is_told_of(
    plan: Path, diff: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    (plan.parent / missing).unlink()
    assert apply(diff, plan) == 1
    assert f"{missing}: cannot be read: No such file or directory; name a" in capsys.readouterr().err


def test_a_dry_run_says_all_and_writes_nothing(plan: Path, diff: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply("--dry-run", diff, plan) == 0
    out = capsys.readouterr().out
    assert "1800 instead of 300" in out
    assert out.endswith("not written\n")
    assert apply("--dry-run", "--json", diff, plan) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["changed"], told["from"], told["to"]) == (False, load_plan(PLAN).id, load_plan(WANTED).id)
    assert told["differences"]["events.mv_cart.value"] == {"from": 300, "to": 1800}
    assert told["removed"] == {"events.mv_search.value": 10}
    assert len(told["sentences"]) == 3
    assert plan.read_bytes() == PLAN.encode()


def test_mode_and_link_stay_and_nothing_else_is_left(plan: Path, diff: Path) -> None:
    plan.chmod(0o640)
    link = plan.parent / "link.toml"
    link.symlink_to(plan.name)
    assert apply(diff, link) == 0
    assert link.is_symlink()
    assert plan.read_bytes() == WANTED.encode()
    assert stat.S_IMODE(plan.stat().st_mode) == 0o640
    assert sorted(path.name for path in plan.parent.iterdir()) == ["change.diff", "link.toml", "plan.toml"]


def test_whoever_reads_meanwhile_has_the_old_plan_as_a_whole(plan: Path, diff: Path) -> None:
    with plan.open("rb") as reader:
        head = reader.read(10)
        assert apply(diff, plan) == 0
        assert head + reader.read() == PLAN.encode()


def test_a_file_that_changed_meanwhile_is_left_alone(plan: Path) -> None:
    with pytest.raises(FileExistsError):
        replace_file(plan, b"what it said before", b"what it is to say")
    assert plan.read_bytes() == PLAN.encode()
    assert [path.name for path in plan.parent.iterdir()] == ["plan.toml"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to the superuser")
def test_a_file_that_may_not_be_written_is_left_alone(
    plan: Path, diff: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan.chmod(0o440)
    assert apply(diff, plan) == 1
    assert (
        "cannot be written: Permission denied; nothing changed, check the rights of the file and of its folder"
        in capsys.readouterr().err
    )
    assert plan.read_bytes() == PLAN.encode()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("{diff}", "{plan}", "--endpoint", "http://127.0.0.1:1"), "--endpoint and --key are for a plan alone"),
        (("{diff}", "{plan}", "more"), "3 files are given"),
        (("{diff}", "--yes"), "is a diff; name the plan that it changes, too"),
        (("{plan}", "--json"), "give --yes to put the plan in force, or --dry-run"),
        (("{plan}",), "endpoint is missing"),
        (("{plan}", "--endpoint", "collector:8700"), "endpoint is not a URL"),
        (("{plan}", "--endpoint", "http://me:secret@collector"), "endpoint is not a URL"),
        (("{plan}", "--endpoint", "http://127.0.0.1:1", "--key", "a b"), "key is not one line"),
    ],
)
def test_wrong_use_is_status_2(
    plan: Path,
    diff: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.delenv("KIZASHI_ENDPOINT", raising=False)
    assert apply(*(argument.format(plan=plan, diff=diff) for argument in arguments)) == 2
    shown = "".join(capsys.readouterr())
    assert told in shown
    assert "secret" not in shown


@given(
    before=st.lists(st.sampled_from("ab\r"), max_size=12),
    after=st.lists(st.sampled_from("ab\r"), max_size=12),
    ends=st.tuples(st.booleans(), st.booleans()),
    context=st.integers(0, 3),
)
def test_any_diff_makes_the_other_text_of_the_one(
    before: list[str], after: list[str], ends: tuple[bool, bool], context: int
) -> None:
    one, other = (
        "\n".join(lines) + "\n" * (bool(lines) and end) for lines, end in zip((before, after), ends, strict=True)
    )
    patch = UnifiedDiff.of(diff_of(one, other, context=context))
    assert patch.applied(one) == other
    assert patch.is_in(other)


def told(before: str, after: str) -> list[str]:
    return change_sentences(load_plan(before).document(), load_plan(after))


def test_changes_are_told_in_sentences() -> None:
    assert told(PLAN, PLAN.replace("\n[events.mv_search]\n", "\n[events.mv_chat]\nvalue = 5\n[events.mv_find]\n")) == [
        "The event mv_chat is new: value 5.",
        'The event mv_find is new: action "primary", value 10.',
        "The event mv_search is no longer in the plan.",
    ]
    assert told(PLAN, PLAN.replace("[events.mv_view]\n", '[events.mv_view]\nvalue = 1\nowner = "a\\u009b"\n')) == [
        'events.mv_view.owner is new: "a\\u009b".',
        "mv_view is declared to be worth 1.",
    ]
    zone = 'timezone = "Asia/Tokyo"\n'
    assert told(zone + PLAN, PLAN) == ['timezone is no longer given; it was "Asia/Tokyo".']
    assert told(zone + PLAN, zone.replace("Tokyo", "Seoul") + PLAN) == [
        'timezone is "Asia/Seoul"; it was "Asia/Tokyo".'
    ]
    assert told(PLAN, PLAN) == []
    view, cart = "[events.mv_view]\n\n", PLAN[PLAN.index("[events.mv_cart]") : PLAN.index("[events.mv_search]")]
    assert told(PLAN, PLAN.replace(view + cart, cart + view)) == [
        "Events or funnels stand in another order, and with them the columns of answers."
    ]


def test_what_makes_rows_wait_for_a_horizon_is_told() -> None:
    [change, meaning] = told(PLAN, PLAN + 'horizon = "7d"\n')
    assert change == 'values.horizon is new: "7d".'
    assert meaning == (
        "Journeys are told apart otherwise than before (values.horizon): once a collector counts by this plan, "
        "no row is ready to be bid on until a horizon (1w) has passed."
    )


def test_every_option_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        apply("--help")
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help", "--diff"}
    page = (Path(__file__).parents[3] / "docs" / "plan.md").read_text(encoding="utf-8")
    assert {"--endpoint", "--key", "--yes", "--dry-run", "--json"} == options
    assert [option for option in options if option not in page] == []
