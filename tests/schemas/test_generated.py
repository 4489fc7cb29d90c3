"""What is generated is fresh, and says what the decoder does."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from kizashi_schemas.openapi import json_schemas, openapi

SCHEMAS = Path(__file__).parents[2] / "schemas"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCHEMAS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_schemas_and_openapi_are_fresh_run_make_docs() -> None:
    rendered: dict[Path, str] = script("generate").render()
    stale = [path.name for path, text in rendered.items() if path.read_text(encoding="utf-8") != text]
    assert stale == []
    assert {path.name for path in (SCHEMAS / "json").iterdir()} == {
        path.name for path in rendered if path.parent.name == "json"
    }


def test_the_table_of_currencies_is_fresh_run_make_docs() -> None:
    assert (SCHEMAS / "kizashi_schemas" / "_currencies.py").read_text(encoding="utf-8") == script(
        "generate_currencies"
    ).render()


def test_patterns_are_portable() -> None:
    assert "\\Z" not in str(json_schemas()) + str(openapi("0"))


def test_every_reference_resolves() -> None:
    document = openapi("0")
    names = set(document["components"]["schemas"])

    def references(node: object) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"].rpartition("/")[2]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(references(item) for item in node.values()))
        if isinstance(node, list):
            return set[str]().union(*(references(item) for item in node))
        return set()

    assert references(document) <= names


def test_importing_the_wire_does_not_import_the_plan() -> None:
    code = "import sys, kizashi_schemas; print([m for m in ('tomllib', 'zoneinfo', 'difflib') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
