"""The shop's plan and the shop agree."""

from __future__ import annotations

import re
from pathlib import Path

from kizashi_schemas.plan import load_plan

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PLAN = load_plan((EXAMPLES / "plan.toml").read_text())


def test_the_plan_has_no_warnings() -> None:
    assert PLAN.warnings == ()


def test_the_shop_tracks_what_the_plan_names_and_nothing_else() -> None:
    tracked = set(re.findall(r'track\(\s*"(\w+)"', (EXAMPLES / "shop.py").read_text()))

    assert tracked == set(PLAN.events)


def test_the_ladder_is_the_way_through_the_funnel() -> None:
    steps = [step.event for step in PLAN.funnels["checkout"].normal_steps]

    assert [*PLAN.values.ladder, *PLAN.finals] == steps
