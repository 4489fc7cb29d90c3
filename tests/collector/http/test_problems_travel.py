"""Errors that are raised in the companion arrive as they were."""

from __future__ import annotations

import pickle

from kizashi_collector.http._problems import ProblemError


def test_a_problem_is_the_same_in_another_process() -> None:
    problem = ProblemError(422, "too_many_names", "name those that matter", {"Retry-After": "1"})
    arrived = pickle.loads(pickle.dumps(problem))
    assert (arrived.status, arrived.code, str(arrived), arrived.headers) == (
        *(422, "too_many_names", "name those that matter"),
        {"Retry-After": "1"},
    )
