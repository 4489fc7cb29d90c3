"""A real collector under a short fuzz; `make fuzz` runs the long one."""

from __future__ import annotations

from pathlib import Path

from fuzz.campaign import Campaign


def test_bodies_over_http_are_answered_truly_and_the_log_holds_what_was_accepted(tmp_path: Path) -> None:
    campaign = Campaign(seed=7)
    campaign.fuzz_bodies(tmp_path, "accept", 300)
    assert not campaign.untrue
    assert campaign.events["accepted"] > 60
    assert campaign.stored >= campaign.events["accepted"]
    assert campaign.told["400 undecodable"] > 20


def test_whatever_is_asked_is_answered_as_documented_and_the_last_plan_outlives_a_restart(tmp_path: Path) -> None:
    campaign = Campaign(seed=8)
    campaign.fuzz_questions(tmp_path, 400)
    assert not campaign.untrue
    assert campaign.told["200"] > 30
    assert campaign.told["422 bad_plan"] > 10
    assert campaign.told["422 bad_funnel"] > 10
    assert campaign.told["400 bad_query"] > 10
