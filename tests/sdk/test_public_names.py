"""The door of the package: what is there, and what coming in costs."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib.metadata import version
from types import ModuleType

import pytest

import kizashi

HEAVY = (
    "asyncio",
    "collections",
    "email",
    "hashlib",
    "http",
    "importlib.metadata",
    "logging",
    "msgspec",
    "random",
    "socket",
    "ssl",
    "typing",
    "urllib",
)


def test_all_names_what_is_there() -> None:
    for name in kizashi.__all__:
        assert getattr(kizashi, name) is not None
    things = {name: value for name, value in vars(kizashi).items() if not name.startswith("_")}
    there = {name for name, value in things.items() if type(value) is not ModuleType}
    assert set(kizashi.__all__) == there - {"TYPE_CHECKING", "opener", "annotations"} | {"__version__"}
    with pytest.raises(AttributeError, match="has no attribute 'trakc'"):
        kizashi.trakc  # type: ignore[attr-defined]  # noqa: B018 - that is the test
    assert sorted(kizashi.__all__) == sorted(set(kizashi.__all__))


def test_the_version_is_that_of_the_distribution() -> None:
    assert kizashi.__version__ == version("kizashi")


def test_importing_is_light_and_free_of_warnings() -> None:
    program = (
        "import sys\nbefore = set(sys.modules)\nimport kizashi\n"
        f"loaded = [name for name in {HEAVY!r} if name in set(sys.modules) - before]\n"
        "assert loaded == [], loaded\n"
        "import threading\nassert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_options_are_the_same_for_configure_and_client() -> None:
    public = [
        (parameter.name, parameter.default, parameter.annotation)
        for parameter in inspect.signature(kizashi.Client).parameters.values()
        if not parameter.name.startswith("_")
    ]
    configure = inspect.signature(kizashi.configure).parameters.values()
    assert public == [(parameter.name, parameter.default, parameter.annotation) for parameter in configure]
    documented = inspect.getdoc(kizashi.Client) or ""
    assert all(f"\n{name} " in documented for name, _, _ in public)
    track = list(inspect.signature(kizashi.Client.track).parameters.values())[1:]
    assert track == list(inspect.signature(kizashi.track).parameters.values())
