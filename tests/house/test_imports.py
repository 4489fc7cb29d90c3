"""Each part knows only those that it may know."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# _typeshed exists for type checkers alone.
STANDARD_LIBRARY = {*sys.stdlib_module_names, "_typeshed"}
# Inside the collector, each part may import those before it.
PARTS = ["analysis", "store", "ingest", "http", "dashboard", "cli"]
MATHEMATICS = {"msgspec", "numpy"}
# Doors of the SDK for those who use something else as well: each may import that, and nothing else may.
DOORS: dict[str, set[str]] = {
    "aiohttp.py": {"aiohttp"},
    "asgi.py": set(),
    "celery.py": {"celery"},
    "django.py": {"asgiref", "django"},
    "flask.py": {"flask", "werkzeug"},
    "prometheus.py": {"prometheus_client"},
    "pytest_plugin.py": {"pytest"},
    "rq.py": {"rq"},
    "sqlalchemy.py": {"sqlalchemy"},
    "testing.py": set(),
}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The full names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides where it leads"
            assert node.module is not None
            yield node.module


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)} - STANDARD_LIBRARY


@pytest.mark.parametrize("path", modules("schemas/kizashi_schemas"), ids=lambda path: path.name)
def test_the_schemas_import_msgspec_alone(path: Path) -> None:
    assert roots(path) <= {"msgspec", "kizashi_schemas"}


@pytest.mark.parametrize("path", modules("sdk/kizashi"), ids=lambda path: path.name)
def test_the_sdk_imports_the_schemas_and_msgspec(path: Path) -> None:
    door = DOORS.get(path.name, set()) if path.parent.name == "kizashi" else set()
    assert roots(path) <= {"msgspec", "kizashi_schemas", "kizashi"} | door


@pytest.mark.parametrize(
    "path", modules("collector/kizashi_collector"), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_each_part_of_the_collector_knows_only_those_before_it(path: Path) -> None:
    assert "kizashi" not in roots(path)
    part = path.relative_to(ROOT / "collector" / "kizashi_collector").parts[0]
    if part not in PARTS:
        assert part == "__init__.py"
        assert roots(path) == set()
        return
    known = {name.split(".")[1] for name in imports(path) if name.startswith("kizashi_collector.")}
    assert known <= set(PARTS[: PARTS.index(part) + 1])


@pytest.mark.parametrize("path", modules("collector/kizashi_collector/analysis"), ids=lambda path: path.name)
def test_the_analysis_is_pure(path: Path) -> None:
    assert roots(path) <= MATHEMATICS | {"kizashi_schemas", "kizashi_collector"}
    assert not {"time", "os", "random", "socket", "sqlite3", "pathlib", "asyncio"} & set(imports(path))


@pytest.mark.parametrize("path", modules("collector/kizashi_collector/http"), ids=lambda path: path.name)
def test_http_holds_no_sql(path: Path) -> None:
    assert not {"sqlite3", "sqlite_utils"} & roots(path) | ({"sqlite3"} & set(imports(path)))


@pytest.mark.parametrize(
    "path",
    [*modules("schemas/kizashi_schemas"), *modules("sdk/kizashi"), *modules("collector/kizashi_collector")],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_private_modules_are_entered_by_their_own_package_alone(path: Path) -> None:
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[1:-1])
    for name in imports(path):
        parent, _, last = name.rpartition(".")
        if last.startswith("_") and last != "__future__" and parent:
            assert f"{package}.".startswith(f"{parent}."), f"{path.name} reaches into {name}"


@pytest.mark.parametrize(
    "path", [p for f in ("schemas", "sdk", "collector") for p in modules(f) if p.name == "__init__.py"]
)
def test_a_door_only_opens_it_defines_nothing(path: Path) -> None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    # An If names for type checkers what is loaded when it is first used.
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr, ast.If)
    assert all(isinstance(node, allowed) for node in body)
