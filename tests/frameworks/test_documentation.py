"""The page on frameworks names every option, and what it shows works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from fastapi import FastAPI
from flask import Flask

from kizashi._visit import Settings
from kizashi._visit._touch import FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "frameworks.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("option", Settings.__annotations__)
def test_every_option_is_documented(option: str) -> None:
    assert f"| `{option}` |" in PAGE


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_of_a_source_is_documented(field: str) -> None:
    assert f"`{field}`" in PAGE


@pytest.mark.parametrize(
    ("door", "app"),
    [("kizashi.flask", Flask("shop")), ("kizashi.asgi", FastAPI()), ("kizashi.aiohttp", web.Application())],
    ids=["flask", "asgi", "aiohttp"],
)
def test_what_the_page_shows_works(door: str, app: Any) -> None:
    (example,) = [text for text in EXAMPLES if f"from {door} import" in text]
    exec(example, {"app": app, "SECRET": "a secret for the tests", "current_actor": lambda _request: "v-1"})
    if isinstance(app, FastAPI):
        app.build_middleware_stack()
