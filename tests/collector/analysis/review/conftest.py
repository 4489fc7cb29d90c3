"""Reviews of logs that are written by hand or made from a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest

from kizashi_collector.analysis import LoggedEvent, Worth
from kizashi_collector.analysis._journeys import Ladder, find_journeys
from kizashi_collector.analysis._review import NumberedFit, Review, count_review, review
from kizashi_collector.analysis._values import Statistics, fit
from kizashi_schemas.plan import load_plan
from properties.test_column_funnels_against_plain import table_of

HOUR_MS = 3_600_000


@pytest.fixture(scope="session")
def reviewed() -> Callable[..., Review]:
    """Review a log under a plan's text at an as_of, with a fit of the whole site or without; `seed` orders events."""

    def of(log: Sequence[LoggedEvent], text: str, as_of: int, *, fitted: bool = False, seed: int = 0) -> Review:
        plan = load_plan(text)
        ladder = Ladder.of(plan)
        adjustments = [event for event in log if event.adjust and event.time <= as_of]
        worth = Worth(plan, adjustments)
        adjusted = {seq: event for seq, event in enumerate(log, 1) if (event.name, event.order) in worth.adjusted}
        table, codes = table_of(log, Random(seed))
        if ladder is None:
            return review(plan, count_review(table, codes, plan, None, as_of), None, as_of=as_of)
        journeys = find_journeys(table, codes, ladder, worth=worth, adjusted=adjusted, as_of=as_of)
        numbered = None
        if fitted:
            boundary = as_of // HOUR_MS * HOUR_MS
            known = find_journeys(table, codes, ladder, worth=worth, adjusted=adjusted, as_of=boundary)
            statistics = Statistics.of(
                known,
                np.zeros(len(codes.sources), np.int64),
                [()],
                boundary=boundary,
                horizon=ladder.horizon_ms,
                lookback=ladder.lookback_ms,
            )
            numbered = NumberedFit(7, 0.25, fit(statistics))
        return review(plan, count_review(table, codes, plan, journeys, as_of), numbered, as_of=as_of)

    return of
