"""GET /v1/funnels, GET /v1/funnels/{name} and POST /v1/funnels."""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from kizashi_collector.analysis import FunnelFigures, StepFigures, resolve_interval
from kizashi_collector.http._body import batch_format, body_of
from kizashi_collector.http._problems import ProblemError
from kizashi_collector.http._query import INTERVAL, Query
from kizashi_collector.http._respond import json_response, money, respond
from kizashi_collector.http._services import SERVICES
from kizashi_collector.store import FunnelReport
from kizashi_schemas import (
    Funnel,
    FunnelAnswer,
    FunnelDialect,
    FunnelError,
    FunnelGroup,
    FunnelHistogram,
    FunnelListing,
    FunnelRequest,
    FunnelStep,
    FunnelTrendDay,
    StepSeconds,
    StepValue,
    check_funnel,
    check_keys,
    format_time,
)
from kizashi_schemas.plan import Plan

__all__ = ["get_funnel", "list_funnels", "post_funnel"]

_decoder = msgspec.json.Decoder(FunnelRequest)
_msgpack_decoder = msgspec.msgpack.Decoder(FunnelRequest)
_NO_STORE = {"Cache-Control": "no-store"}
Style = Literal["number", "string"]


async def list_funnels(request: web.Request) -> web.Response:
    """The funnels of the plan."""
    Query(request, ())
    plan = request.app[SERVICES].plans.current
    return json_response(FunnelListing(funnels={} if plan is None else plan.funnels))


async def get_funnel(request: web.Request) -> web.Response:
    """A funnel of the plan."""
    services = request.app[SERVICES]
    query = Query(request, (*INTERVAL, "by", "attribution", "money", "fresh"))
    name = request.match_info["name"]
    plan = services.plans.current
    if plan is None or name not in plan.funnels:
        known = ", ".join(plan.funnels) if plan is not None and plan.funnels else "none"
        raise ProblemError(404, "unknown_funnel", f"the plan has no funnel {name[:64]!r}; known: {known}")
    funnel, by = plan.funnels[name], query.by()
    attribution = query.get("attribution") or "first"
    try:
        check_keys(by, properties=False, attribution=attribution, steps=len(funnel.steps))
    except FunnelError as error:
        raise ProblemError(400, "bad_query", str(error)) from None
    style = query.money()
    written = await services.answers.funnel(
        plan,
        funnel,
        query.interval(),
        by,
        attribution,
        _write(plan, funnel, by, style, name),
        name=name,
        moving=query.moving,
        fresh=query.fresh,
    )
    return respond(written, "application/json", _NO_STORE)


async def post_funnel(request: web.Request) -> web.Response:
    """Any funnel."""
    services = request.app[SERVICES]
    query = Query(request, ("money",))
    asked = await _read(request)
    check_funnel(asked)
    by = tuple(asked.by)
    check_keys(by, properties=True, attribution=asked.attribution, steps=len(asked.steps))
    interval = resolve_interval(
        services.clock.now(), window=asked.window, start=asked.from_, end=asked.to, as_of=asked.as_of
    )
    plan = services.plans.current
    style = query.money()
    written = await services.answers.funnel(
        plan, asked, interval, by, asked.attribution, _write(plan, asked, by, style, None)
    )
    return respond(written, "application/json", _NO_STORE)


async def _read(request: web.Request) -> FunnelRequest:
    kind = batch_format(request)
    try:
        async with body_of(request) as body:
            return (_decoder if kind == "json" else _msgpack_decoder).decode(body)
    except msgspec.ValidationError as error:
        raise FunnelError(f"{error}; see docs/funnels.md for the keys") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, "undecodable", f"the body cannot be decoded: {error}") from None


class _Write(msgspec.Struct, frozen=True):
    """Writes the answer as JSON, wherever it was counted: under the plan with an id and a currency."""

    plan: str | None
    currency: str | None
    funnel: Funnel
    by: tuple[str, ...]
    style: Style
    name: str | None

    def __call__(self, report: FunnelReport) -> bytes:
        """The answer."""
        figures, interval, funnel = report.figures, report.interval, self.funnel
        names = [step.event for step in funnel.normal_steps]

        def steps(rows: list[StepFigures]) -> list[FunnelStep]:
            return [_step(event, row, self.style) for event, row in zip(names, rows, strict=True)]

        answer = FunnelAnswer(
            name=self.name,
            steps=steps(figures.steps),
            groups=None
            if figures.groups is None
            else [
                FunnelGroup(key=dict(zip(self.by, group.key, strict=True)), steps=steps(group.steps))
                for group in figures.groups
            ],
            trend=None
            if figures.trend is None
            else [
                FunnelTrendDay(day=day.day.isoformat(), entered=day.entered, completed=day.completed, rate=day.rate)
                for day in figures.trend
            ],
            histogram=_histogram(figures, funnel),
            from_=format_time(interval.start),
            to=format_time(interval.end),
            as_of=format_time(interval.as_of),
            currency=self.currency,
            plan=self.plan,
            recomputing=report.recomputing,
            dialect=FunnelDialect(order=funnel.order, entry=funnel.entry, exclusion=funnel.normal_exclusion),
        )
        return msgspec.json.encode(answer)


def _write(plan: Plan | None, funnel: Funnel, by: tuple[str, ...], style: Style, name: str | None) -> _Write:
    if plan is None:
        return _Write(None, None, funnel, by, style, name)
    return _Write(plan.id, plan.currency, funnel, by, style, name)


def _step(event: str, row: StepFigures, style: Style) -> FunnelStep:
    return FunnelStep(
        event=event,
        count=row.count,
        rate=row.rate,
        step_rate=row.step_rate,
        seconds=StepSeconds(mean=_seconds(row.mean_ms), median=_seconds(row.median_ms), p90=_seconds(row.p90_ms)),
        value=StepValue(declared=money(row.declared, style), final=money(row.final, style)),
    )


def _histogram(figures: FunnelFigures, funnel: Funnel) -> FunnelHistogram | None:
    if figures.histogram is None or funnel.histogram is None:
        return None
    return FunnelHistogram(
        from_=funnel.histogram.from_,
        to=funnel.end_of(funnel.histogram),
        bins=[(edge / 1000, count) for edge, count in figures.histogram],
    )


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
