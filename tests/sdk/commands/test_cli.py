"""The program."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import kizashi
from kizashi._commands import _cli
from kizashi._commands._cli import main

GOOD = """
currency = "JPY"
summaries = [["campaign"]]
[events.mv_add_to_cart]
value = 300
[events.purchase]
final = true
[funnels.checkout]
steps = ["mv_add_to_cart", "purchase"]
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"kizashi {kizashi.__version__}\n"


def test_a_good_plan_is_told_in_one_line(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "check", str(plan)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"OK {plan}: plan ")
    assert out.rstrip().endswith("2 events, 1 final conversion, 1 funnel, 1 summary")
    assert err == ""
    assert main(["plan", "check", "--json", str(plan)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "ok": True,
        "plan": told["plan"],
        "events": 2,
        "finals": 1,
        "funnels": 1,
        "summaries": 1,
        "warnings": [],
    }


def test_warnings_do_not_fail_a_plan(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan.write_text(GOOD + "[events.look]\n", encoding="utf-8")
    assert main(["plan", "check", str(plan)]) == 0
    assert "warning: " in capsys.readouterr().err


def test_each_problem_is_a_line(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan.write_text(GOOD.replace("JPY", "YEN").replace("final = true", "finale = true"), encoding="utf-8")
    assert main(["plan", "check", str(plan)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(f"{plan}: ") for line in lines)
    assert main(["plan", "check", str(plan), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"ok": False, "problems": lines}


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"= ="])
def test_a_plan_that_cannot_be_read_is_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "plan.toml"
    if content is not None:
        path.write_bytes(content)
    assert main(["plan", "check", str(path)]) == 1
    assert str(path) in capsys.readouterr().err


def test_diff_tells_what_changed_by_key(plan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = tmp_path / "new.toml"
    new.write_text(GOOD.replace("300", "350").replace('summaries = [["campaign"]]', 'timezone = "Asia/Tokyo"'), "utf-8")
    assert main(["plan", "diff", str(plan), str(new)]) == 0
    *lines, total = capsys.readouterr().out.splitlines()
    assert lines == [
        "~ events.mv_add_to_cart.value: 300 → 350",
        '- summaries = [["campaign"]]',
        '+ timezone = "Asia/Tokyo"',
    ]
    assert total.endswith("1 added, 1 removed, 1 changed")
    assert main(["plan", "diff", "--json", str(plan), str(new)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changed"] == {"events.mv_add_to_cart.value": {"from": 300, "to": 350}}
    assert (told["added"], told["removed"]) == ({"timezone": "Asia/Tokyo"}, {"summaries": [["campaign"]]})
    assert main(["plan", "diff", str(plan), str(plan)]) == 0
    assert "0 added, 0 removed, 0 changed" in capsys.readouterr().out


def test_diff_of_a_broken_plan_fails(plan: Path, tmp_path: Path) -> None:
    assert main(["plan", "diff", str(plan), str(tmp_path / "none.toml")]) == 1


def install(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    def found(*, group: str) -> list[EntryPoint]:
        assert group == "kizashi.commands"
        return list(entries)

    monkeypatch.setattr(_cli, "entry_points", found)


def add_echo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("echo")
    parser.add_argument("word")
    parser.set_defaults(run=lambda args: len(args.word))


def test_other_parts_add_commands_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, EntryPoint("echo", f"{__name__}:add_echo", "kizashi.commands"))
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, sys.modules["kizashi"]))
    monkeypatch.setattr(sys.modules[__name__], "add_echo", add_echo, raising=False)
    assert main(["echo", "four"]) == 4


@pytest.mark.parametrize("rest", [[], ["--data", "./data"], ["--help"], ["word"]])
def test_a_command_whose_part_is_missing_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rest: list[str]
) -> None:
    install(monkeypatch, EntryPoint("serve", "kizashi_missing.cli:add_serve", "kizashi.commands"))
    assert main(["serve", *rest]) == 2
    assert capsys.readouterr().err == "kizashi serve needs the server: pip install 'kizashi[collector]'\n"


def add_needy(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("serve")
    parser.add_argument("module")
    parser.set_defaults(run=lambda args: importlib.import_module(args.module))


def test_a_command_that_misses_its_part_when_it_runs_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, EntryPoint("serve", f"{__name__}:add_needy", "kizashi.commands"))
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, sys.modules["kizashi"]))
    monkeypatch.setattr(sys.modules[__name__], "add_needy", add_needy, raising=False)
    assert main(["serve", "a_server_that_is_not_there"]) == 2
    assert capsys.readouterr().err == "kizashi serve needs the server: pip install 'kizashi[collector]'\n"
    with pytest.raises(ModuleNotFoundError):  # a module of our own that is missing is a bug
        main(["serve", "kizashi._not_there"])


@pytest.mark.parametrize("arguments", [[], ["dance"], ["plan"], ["plan", "check"], ["plan", "check", "a", "--loud"]])
def test_wrong_use_is_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    install(monkeypatch)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: kizashi" in capsys.readouterr().err


def test_the_program_runs(plan: Path) -> None:
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        "import sys; from kizashi._commands import main; sys.exit(main())",
    ]
    assert subprocess.run([*command, "plan", "check", str(plan)], check=False, capture_output=True).returncode == 0


def test_whoever_has_read_enough_hears_no_complaint(tmp_path: Path) -> None:
    many = "".join(f"[events.mv_{number}]\nvalue = 1\n" for number in range(20_000))
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    old.write_text('currency = "JPY"\n' + many, encoding="utf-8")
    new.write_text('currency = "JPY"\n' + many.replace("value = 1", "value = 2"), encoding="utf-8")
    command = f"{sys.executable} -m kizashi plan diff {old} {new} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
