"""Rows by actor: what was put is found, and what was left is used again."""

from __future__ import annotations

from random import Random

import numpy as np

from kizashi_collector.analysis._rolling_funnel._entries import Entries


def put(entries: Entries, rows: dict[int, list[list[int]]]) -> None:
    actors = np.array(list(rows), np.int32)
    entries.reach(int(actors.max()))
    whose = np.repeat(np.arange(len(actors)), [len(own) for own in rows.values()])
    entries.put(actors, whose, np.array([row for own in rows.values() for row in own], np.int32).reshape(-1, 2))


def test_actors_have_the_rows_that_were_put_last() -> None:
    draw = Random(7)
    entries, there = Entries(2), dict[int, list[list[int]]]()
    for _ in range(300):
        actors = draw.sample(range(5_000), draw.randrange(1, 40))
        rows = {
            actor: [[actor, draw.randrange(99)] for _ in range(draw.choice([0, 1, 1, 2, 3, 9]))] for actor in actors
        }
        put(entries, rows)
        there |= rows
        asked = np.array(draw.sample(sorted(there), min(len(there), 50)), np.int32)
        whose, found = entries.of(asked)
        expected = [(at, row) for at, actor in enumerate(asked.tolist()) for row in there[actor]]
        assert list(zip(whose.tolist(), found.tolist(), strict=True)) == expected


def test_room_that_was_left_is_used_again() -> None:
    entries = Entries(2)
    rows = {actor: [[actor, 0]] * (1 + actor % 5) for actor in range(1_000)}
    put(entries, rows)
    size = entries.nbytes
    for _ in range(50):
        put(entries, {actor: [] for actor in rows})
        put(entries, {actor: rows[999 - actor] for actor in rows})
    assert entries.nbytes == size
