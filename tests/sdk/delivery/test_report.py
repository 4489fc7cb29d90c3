"""Warnings that do not become a storm."""

from __future__ import annotations

import logging

import pytest

from kizashi._delivery._report import SILENCE_SECONDS, Report
from sdk.scripted_collector import SkippingClock


def test_losses_are_summed_up_while_it_is_silent(clock: SkippingClock, caplog: pytest.LogCaptureFixture) -> None:
    report = Report(clock)
    report.losses({})
    report.losses({"invalid": 1})
    report.hint("invalid", "name")
    for count in range(2, 50):
        report.losses({"invalid": count, "queue_full": count})
    clock.now += SILENCE_SECONDS
    report.losses({"invalid": 50, "queue_full": 60})
    report.losses({"invalid": 50, "queue_full": 60})
    assert caplog.messages == [
        "kizashi lost 1 events: 1 invalid",
        "kizashi lost 109 events: 49 invalid (last: name), 60 queue_full",
    ]


def test_the_last_word_is_not_held_back(clock: SkippingClock, caplog: pytest.LogCaptureFixture) -> None:
    report = Report(clock)
    report.losses({"invalid": 1})
    report.losses({"invalid": 1, "exit": 5}, last=True)
    assert caplog.messages[-1] == "kizashi lost 5 events: 5 exit"


def test_a_log_that_raises_does_no_harm(clock: SkippingClock) -> None:
    def broken(_record: logging.LogRecord) -> bool:
        raise RuntimeError("a filter of the site")

    logger = logging.getLogger("kizashi")
    logger.addFilter(broken)
    try:
        Report(clock).losses({"invalid": 1})
    finally:
        logger.removeFilter(broken)


def test_a_servers_words_write_no_lines_of_their_own(clock: SkippingClock, caplog: pytest.LogCaptureFixture) -> None:
    report = Report(clock)
    report.hint("rejected", "bad\nforged")
    report.losses({"rejected": 1})
    report.outage("gone\r\nforged", 1, 1.0)
    assert not any("\n" in message or "\r" in message for message in caplog.messages)
