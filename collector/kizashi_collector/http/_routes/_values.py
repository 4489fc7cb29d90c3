"""GET /v1/values: the review of micro-conversions."""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from kizashi_collector.analysis import EventReview, Learned, NumberedFit, Review, Trend, suggest
from kizashi_collector.http._query import Query
from kizashi_collector.http._respond import json_response, money
from kizashi_collector.http._services import SERVICES
from kizashi_schemas import (
    ConversionLag,
    DoubleCounted,
    FitBackTest,
    FitReport,
    LearnedValue,
    OverdueReviews,
    SuggestedChange,
    TrendPeriod,
    ValueLift,
    ValuesAnswer,
    ValueStep,
    format_time,
)
from kizashi_schemas.plan import Plan

__all__ = ["get_values"]

_Style = Literal["number", "string"]


async def get_values(request: web.Request) -> web.Response:
    """What each micro-conversion of the plan in force turned out to be worth."""
    services = request.app[SERVICES]
    query = Query(request, ("as_of", "max_age", "money"))
    style = query.money()
    max_age = query.max_age()
    as_of = query.interval().as_of
    plan = services.plans.current
    if plan is None:
        return json_response(_without_plan(as_of))
    review = await services.answers.values(plan, as_of, max_age_ms=max_age)
    return json_response(_answer(review, plan, style))


def _without_plan(as_of: int) -> ValuesAnswer:
    now = format_time(as_of)
    return ValuesAnswer(
        as_of=now,
        from_=now,
        to=now,
        plan=None,
        currency=None,
        fit=None,
        journeys=0,
        converted=0,
        steps=[],
        double_counted=[],
        overdue=[],
        suggestions=[],
        sentence="No plan is in force, so that there is nothing to review.",
    )


def _answer(review: Review, plan: Plan, style: _Style) -> ValuesAnswer:
    return ValuesAnswer(
        as_of=format_time(review.as_of),
        from_=format_time(review.start),
        to=format_time(review.end),
        plan=review.plan,
        currency=review.currency,
        fit=_fit(review.fit),
        journeys=review.journeys,
        converted=review.converted,
        steps=[_step(event, style) for event in review.events],
        double_counted=[
            DoubleCounted(
                event=double.event,
                followed_by=double.followed_by,
                journeys=double.journeys,
                followed=double.followed,
                sentence=double.sentence,
            )
            for double in review.double_counts
        ],
        overdue=[OverdueReviews(owner=overdue.owner, events=list(overdue.events)) for overdue in review.overdue],
        suggestions=[
            SuggestedChange(
                event=change.event, key=change.key, before=change.before, after=change.after, reason=change.reason
            )
            for change in suggest(plan, review).changes
        ],
        sentence=review.sentence,
    )


def _fit(numbered: NumberedFit | None) -> FitReport | None:
    if numbered is None:
        return None
    fit = numbered.fit
    return FitReport(
        number=numbered.number,
        boundary=format_time(fit.boundary),
        half_life_days=fit.half_life_own,
        common_half_life_days=fit.half_life_common,
        inflation=fit.inflation,
        common_inflation=fit.common_inflation,
        back_tests=[
            FitBackTest(days=test.days, foretold=test.foretold, happened=test.happened) for test in fit.back_tests
        ],
        seconds=numbered.seconds,
    )


def _step(event: EventReview, style: _Style) -> ValueStep:
    lift, lag, declared = event.lift, event.lag, event.declared
    return ValueStep(
        event=event.event,
        step=event.step,
        action=event.action,
        declared=msgspec.Raw(b'"event"') if declared == "event" else money(declared, style),
        learned=_learned(event.learned, style),
        journeys=event.journeys,
        converted=event.converted,
        share=event.share,
        waiting=event.waiting,
        lift=None if lift is None else ValueLift(ratio=lift.ratio, low=lift.low, high=lift.high),
        marginal_gain=event.marginal_gain,
        lag_seconds=None if lag is None else ConversionLag(p50=lag.p50 / 1000, p90=lag.p90 / 1000),
        trend=_trend(event.trend),
        direction=event.trend.direction,
        count_28d=event.recent,
        owner=event.owner,
        review_by=None if event.review_by is None else event.review_by.isoformat(),
        overdue=event.overdue,
        verdict=event.verdict,
        reason=event.reason,
        sentence=event.sentence,
    )


def _learned(learned: Learned | None, style: _Style) -> LearnedValue | None:
    if learned is None:
        return None
    return LearnedValue(
        value=money(learned.value, style),
        low=money(learned.low, style),
        high=money(learned.high, style),
        chance=learned.chance.share,
        chance_low=learned.chance.low,
        chance_high=learned.chance.high,
        method=learned.method,
    )


def _trend(trend: Trend) -> list[TrendPeriod]:
    return [
        TrendPeriod(
            from_=format_time(period.start),
            to=format_time(period.end),
            journeys=period.journeys,
            converted=period.converted,
            chance=period.converted / period.journeys if period.journeys else None,
        )
        for period in trend.periods
    ]
