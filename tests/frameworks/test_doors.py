"""What only one framework has: background tasks, teardown functions, answers that are raised, settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from frameworks.sites import running


@pytest.mark.parametrize("name", ["fastapi under uvicorn", "flask under gunicorn"])
def test_what_runs_after_the_answer_is_in_the_requests_context(name: str) -> None:
    with running(name) as site:
        site.browser("v-4").get("/event?name=mv_now&late=mv_late&utm_campaign=brand")
        event = site.event("mv_late")
        assert (event["actor"], event["source"]["campaign"]) == ("v-4", "brand")


def test_answers_that_aiohttp_raises_carry_the_cookie() -> None:
    with running("aiohttp") as site:
        answer = site.browser().get("/moved?utm_campaign=brand")
        assert answer.status == 302
        assert answer.kizashi is not None
        failed = site.browser().get("/fail?utm_campaign=brand")
        assert failed.status == 500
        assert failed.kizashi is not None


DJANGO = """
import sys
from django.conf import settings
settings.configure(**({} if sys.argv[1] == "-" else {"KIZASHI": eval(sys.argv[1])}))
from kizashi.django import Middleware
try:
    Middleware(lambda request: None)
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("-", "ConfigurationError the setting KIZASHI is of type NoneType; write KIZASHI ="),
        ("{'secret': 'a secret for the tests'}", "ConfigurationError KIZASHI['consent'] is missing"),
        (
            "{'secret': 'a secret for the tests', 'consent': 'shop.nowhere'}",
            "ConfigurationError KIZASHI['consent'] is 'shop.nowhere', which cannot be imported; write module.function",
        ),
    ],
)
def test_djangos_setting_is_checked_when_the_site_starts(given: str, told: str) -> None:
    done = subprocess.run([sys.executable, "-c", DJANGO, given], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.startswith(told)


def test_no_door_loads_another_ones_framework(tmp_path: Path) -> None:
    frameworks = {"django", "flask", "aiohttp", "starlette", "fastapi", "werkzeug"}
    for door, own in {
        "asgi": set(),
        "django": {"django"},
        "flask": {"flask", "werkzeug"},
        "aiohttp": {"aiohttp"},
    }.items():
        program = f"import sys, kizashi.{door}; print(*({frameworks!r} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
        assert set(done.stdout.split()) == own, door
