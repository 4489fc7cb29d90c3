"""What goes wrong inside an integration: it ends there, and is said once a minute."""

from __future__ import annotations

import logging

import pytest

from kizashi import UsageError, _swallow
from kizashi._swallow import swallowing


@pytest.fixture(autouse=True)
def nothing_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_swallow, "_next_words", {})


def fail(doing: str, error: BaseException) -> None:
    with swallowing(doing):
        raise error


def test_nothing_gets_out_and_each_kind_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        fail("do one thing", KeyError("v-secret"))
        fail("do another", UsageError("v-secret", field="value"))
    assert [record.getMessage() for record in caplog.records] == [
        "kizashi failed while it was to do one thing: KeyError",
        "kizashi failed while it was to do another: invalid, by value",
    ]


def test_after_a_minute_it_is_said_again(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    for now in (0.0, 59.9, 60.0, 119.9):
        monkeypatch.setattr("kizashi._swallow.time.monotonic", lambda now=now: now)
        fail("do one thing", KeyError())
    assert len(caplog.records) == 2


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_process_or_a_generator_is_no_fault(kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        fail("do one thing", kind())


def test_a_log_that_is_broken_does_no_harm() -> None:
    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise OSError(record.name)

    logger, broken = logging.getLogger("kizashi"), Broken()
    logger.addFilter(broken)
    try:
        fail("do one thing", KeyError())
    finally:
        logger.removeFilter(broken)
