"""docs/container.md says what the Containerfile does."""

from __future__ import annotations

import re

import pytest

from container.containerfile import ROOT, environment, stages
from kizashi_collector.cli import SETTINGS
from kizashi_collector.store import SCOPES

PAGE = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
FINAL = stages()[1][-1]


def test_every_variable_on_the_page_exists() -> None:
    known = {setting.variable for setting in SETTINGS} | {f"KIZASHI_{scope.upper()}_KEY" for scope in SCOPES}
    named = set(re.findall(r"KIZASHI_[A-Z_]+", PAGE))
    assert named
    assert named <= known


def test_the_page_names_the_user_of_the_image() -> None:
    (user,) = [one.rest for one in FINAL if one.keyword == "USER"]
    assert f"It runs as {user}," in PAGE


@pytest.mark.parametrize("written", ["--volume kizashi:{data}", "- kizashi:{data}"], ids=["run", "compose"])
def test_the_volume_goes_where_the_collector_writes(written: str) -> None:
    assert written.format(data=environment(FINAL)["KIZASHI_DATA"]) + "\n" in PAGE.replace(" \\\n", "\n")


@pytest.mark.parametrize("written", ["--publish {ports}", '- "{ports}"'], ids=["run", "compose"])
def test_the_port_is_published_on_the_loopback_address_alone(written: str) -> None:
    port = environment(FINAL)["KIZASHI_PORT"]
    assert written.format(ports=f"127.0.0.1:{port}:{port}") in PAGE


def test_both_ways_to_run_it_are_equally_strict() -> None:
    for option in ("--read-only", "--cap-drop all", "--security-opt no-new-privileges", "--init", "--stop-timeout 30"):
        assert option in PAGE
    for line in ("read_only: true", "cap_drop: [ALL]", "no-new-privileges", "init: true", "stop_grace_period: 30s"):
        assert line in PAGE
