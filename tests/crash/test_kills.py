"""Killed at any instant, a collector has every acknowledged event once, and starts again by itself."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from crash.aims import AIMS, AT_START
from crash.kills import Trial, plan_of_kills
from crash.load import Sent
from crash.record import Record
from kizashi_collector.analysis import LoggedEvent
from kizashi_collector.store import NameSeen, RejectedRow

KILLS = 10


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_killed_nothing_acknowledged_is_lost_or_counted_twice(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    trial = Trial(tmp_path, rng, int(time.time() * 1000))
    kills = list(trial.run(plan_of_kills(KILLS, rng)))
    assert len(kills) == KILLS + 1
    assert [kill for kill in kills if kill.damage] == []
    assert trial.record.acknowledged > 100
    assert any(kill.hit for kill in kills if kill.aim == "checkpoint")
    assert any(kill.hit for kill in kills if kill.aim == "ids")


def test_every_aim_takes_its_turn() -> None:
    assert set(plan_of_kills(KILLS, random.Random(1))) == set(AIMS)
    assert set(AT_START) == {name for name, aim in AIMS.items() if not aim.loaded}


# -- the harness would notice ------------------------------------------------------------------------------------------

SENT: Sent = {"id": "a", "name": "purchase", "time": 5, "actor": "v", "value": 7, "currency": "JPY", "order": "o-1"}
STORED = LoggedEvent(
    id="a", name="purchase", time=5, received_at=6, actor="v", value=7_000_000, currency="JPY", order="o-1"
)
NAMES = [NameSeen("purchase", 1, 5)]


@pytest.fixture
def record() -> Record:
    """One event that was acknowledged as new."""
    record = Record()
    record.sending([SENT])
    record.answered([SENT], {"verdicts": []})
    return record


def test_a_log_that_keeps_its_word_is_undamaged(record: Record) -> None:
    assert not record.compare([STORED], [], NAMES)


def test_an_acknowledged_event_that_is_not_there_is_lost(record: Record) -> None:
    assert record.compare([], [], []).lost


def test_an_event_that_is_there_twice_is_noticed_by_id_and_by_order(record: Record) -> None:
    record.sending([SENT | {"id": "b"}])
    twins = [STORED, replace(STORED, id="b")]
    assert len(record.compare([STORED, STORED], [], [NameSeen("purchase", 2, 5)]).twice) == 2
    assert len(record.compare(twins, [], [NameSeen("purchase", 2, 5)]).twice) == 1


def test_content_that_nobody_sent_is_noticed(record: Record) -> None:
    changed = replace(STORED, value=8_000_000)
    assert record.compare([changed], [], NAMES).other


def test_figures_beside_the_log_must_agree_with_it(record: Record) -> None:
    assert record.compare([STORED], [], [NameSeen("purchase", 2, 5)]).other


def test_an_event_that_is_acknowledged_as_new_a_second_time_is_counted_twice(record: Record) -> None:
    record.answered([SENT], {"verdicts": []})
    assert record.damage.twice


def test_a_rejected_event_must_be_among_the_rejected(record: Record) -> None:
    record.sending([SENT | {"id": "r"}])
    verdict = {"index": 0, "verdict": "rejected", "code": "too_old"}
    record.answered([SENT | {"id": "r"}], {"verdicts": [verdict]})
    row = RejectedRow(received_at=6, id="r", code="too_old", message="", body=b"")
    assert not record.compare([STORED], [row], NAMES)
    assert record.compare([STORED], [], NAMES).lost
