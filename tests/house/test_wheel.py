"""The wheel that users install, in an empty environment."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sources with the build backend that the tests' own environment has."""
    out = tmp_path_factory.mktemp("dist")
    build = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    result = subprocess.run(
        [sys.executable, "-c", build, str(out)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return out / result.stdout.split()[-1]


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel without extras."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    quietly = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([str(python), "-m", "pip", "install", *quietly, str(wheel)], check=True)
    return python


def run(python: Path, *args: str) -> str:
    result = subprocess.run([python, *args], capture_output=True, text=True, check=False, cwd=python.parent)
    return (result.stdout + result.stderr).strip()


def test_the_wheel_holds_the_three_packages_and_their_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {
        *("kizashi", "kizashi_schemas", "kizashi_collector"),
    }
    for package in ("kizashi", "kizashi_schemas", "kizashi_collector"):
        assert f"{package}/py.typed" in names


def test_the_wheel_holds_what_the_dashboard_is_made_of(wheel: Path) -> None:
    folder = ROOT / "collector" / "kizashi_collector" / "dashboard" / "static"
    wanted = {
        f"kizashi_collector/dashboard/static/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert {name.rpartition("/")[2] for name in wanted} >= {"app.css", "core.js", "icon.svg"}
    with zipfile.ZipFile(wheel) as archive:
        assert wanted <= set(archive.namelist())


def test_the_base_install_brings_msgspec_and_nothing_more(python: Path) -> None:
    listed = run(python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check").splitlines()
    names = {line.partition("==")[0].lower() for line in listed}
    assert names - {"pip", "setuptools"} == {"kizashi", "msgspec"}


def test_importing_the_sdk_warns_of_nothing_and_loads_no_server(python: Path) -> None:
    code = "import sys, kizashi; print(sorted({'aiohttp', 'sqlite_utils', 'kizashi_collector'} & set(sys.modules)))"
    assert run(python, "-W", "error", "-c", code) == "[]"


def test_the_servers_commands_say_how_to_install_them(python: Path) -> None:
    assert "kizashi[collector]" in run(python, "-m", "kizashi", "serve")
    assert run(python, "-m", "kizashi", "--version") == "kizashi 0.1.0"


def test_a_plan_can_be_checked_without_the_server(python: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('currency = "YEN"', encoding="utf-8")
    assert "ISO 4217" in run(python, "-m", "kizashi", "plan", "check", str(plan))


def test_the_commands_of_an_engineer_work_without_the_server(python: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('currency = "JPY"\n[events.mv_view]\n', encoding="utf-8")
    (tmp_path / "code.py").write_text("import kizashi\nkizashi.track('mv_view')\n", encoding="utf-8")
    assert "def mv_view(" in run(python, "-m", "kizashi", "plan", "codegen", str(plan), "-o", "-")
    linted = run(python, "-m", "kizashi", "plan", "lint", str(tmp_path / "code.py"), "--plan", str(plan))
    assert linted == "OK 1 file, 1 call of track()"
    assert "nothing listens" in run(python, "-m", "kizashi", "doctor", "--endpoint", "http://127.0.0.1:1")
