"""What is worked on ahead comes in its order, and no more of it than was asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from kizashi_collector.analysis._ahead import ahead


def jobs(count: int, taken: list[int]) -> Iterator[Callable[[], int]]:
    for number in range(count):
        taken.append(number)
        yield lambda number=number: number * number  # type: ignore[misc]


def test_results_come_in_the_order_of_their_jobs() -> None:
    assert list(ahead(jobs(200, []), threads=3, most=5)) == [number * number for number in range(200)]


def test_later_jobs_are_done_while_an_earlier_one_is_not() -> None:
    later = threading.Event()

    def second() -> bool:
        later.set()
        return False

    assert list(ahead([lambda: later.wait(60), second], threads=2)) == [True, False]


def test_no_more_jobs_are_taken_than_may_wait() -> None:
    taken: list[int] = []
    results = ahead(jobs(100, taken), most=4)
    assert next(results) == 0
    assert taken == [0, 1, 2, 3, 4]
    results.close()  # type: ignore[attr-defined]
    assert taken == [0, 1, 2, 3, 4]


def test_what_a_job_raises_comes_in_its_place_and_ends_it() -> None:
    def job(number: int) -> Callable[[], int]:
        return lambda: 6 // (3 - number)

    results = ahead([job(number) for number in range(6)])
    assert [next(results), next(results), next(results)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    list(ahead(jobs(9, []), threads=2))
    results = ahead(jobs(9, []), threads=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
