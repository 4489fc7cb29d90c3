"""After a power loss, whatever was synced is enough: every acknowledged event is there, once."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from crash.power_loss import Recording, losses, record_lives
from crash.trace import cannot_trace

POINTS = 60
SEED = 3


@pytest.fixture(scope="module", autouse=True)
def _traced() -> None:
    """Skips where no process can be traced, and says why."""
    if (reason := cannot_trace()) is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """What a collector did in three lives, the second of which was killed."""
    folder, now = tmp_path_factory.mktemp("power"), int(time.time() * 1000)
    return record_lives(folder, random.Random(SEED), now, ["stop+", "kill", "stop"], 6)


def test_no_power_loss_takes_or_doubles_an_acknowledged_event(recording: Recording) -> None:
    found = list(losses(recording, random.Random(SEED), POINTS, by_collector=2))
    assert [loss for loss in found if loss.damage] == []
    assert sum(loss.acknowledged > 0 for loss in found) > POINTS / 2


def test_a_collector_that_did_not_sync_its_log_would_be_found_out(recording: Recording) -> None:
    careless = recording.without_syncs_of("log.db-wal")
    found = list(losses(careless, random.Random(SEED), 15))
    assert any(loss.damage.lost for loss in found)


def test_the_trace_knows_the_instant_of_every_answer(recording: Recording) -> None:
    assert sum(len(told) for _, told in recording.replies) == len(recording.record.told) > 0


def test_a_data_folder_that_the_collector_makes_survives_with_all_that_is_in_it(tmp_path: Path) -> None:
    now = int(time.time() * 1000)
    recording = record_lives(tmp_path, random.Random(SEED), now, ["kill"], 2, fresh=True)
    found = list(losses(recording, random.Random(SEED), 20))
    assert [loss for loss in found if loss.damage] == []
