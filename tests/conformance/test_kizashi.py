"""kizashi keeps every promise of the suite, and its books balance at every look; `make conformance` asks its peers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from conformance.cases import CASES, Case
from conformance.trial import Outcome, Trial

HELD = ("delivered", "queued", "in_flight", "spooled")


def balance(books: Mapping[str, Any]) -> bool:
    accounted = sum(books[name] for name in HELD) + sum(books["dropped"].values())
    return bool(books["tracked"] + books["adopted"] == accounted)


def check(outcome: Outcome) -> None:
    assert outcome.books
    assert [books for books in outcome.books if not balance(books)] == []
    assert outcome.good, str(outcome)
    assert outcome.duplicates == 0


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_kizashi_keeps_the_promise_and_its_books_balance(case: Case) -> None:
    with Trial("kizashi") as trial:
        outcome = case.run(trial)
    if outcome is None:
        pytest.skip("this version has nothing that the case is about")
    check(outcome)


def test_a_case_can_fail() -> None:
    # A program that loses what it tracked: the verdict must see it.
    with Trial("kizashi") as trial:
        trial.start("track(0, 10); os._exit(0)").end()
        assert not trial.exactly_once(10).good
