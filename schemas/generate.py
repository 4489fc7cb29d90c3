"""Write `schemas/openapi.json` and `schemas/json/*.json` from the Structs. A test fails when they are stale."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from kizashi_schemas.openapi import json_schemas, openapi

HERE = Path(__file__).parent


def render() -> dict[Path, str]:
    """Return the text of every generated file."""
    version = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    documents = {HERE / "openapi.json": openapi(version)}
    documents |= {HERE / "json" / f"{name}.json": schema for name, schema in json_schemas().items()}
    return {path: json.dumps(document, indent=1, ensure_ascii=False) + "\n" for path, document in documents.items()}


if __name__ == "__main__":
    for path, text in render().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
