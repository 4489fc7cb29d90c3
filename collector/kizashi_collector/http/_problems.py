"""Errors as application/problem+json (RFC 9457), each with a stable code."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

from kizashi_collector.analysis import IntervalError
from kizashi_collector.http._request_id import current_note
from kizashi_collector.ingest import BadBodyError, PlanRuledByFileError, TooManyEventsError
from kizashi_collector.store import QueryTooSlowError, StoreBusyError, StoreError
from kizashi_schemas import FunnelError, KizashiError, PlanError, Problem

__all__ = ["ProblemError", "problems"]

_log = logging.getLogger("kizashi.http")


class ProblemError(KizashiError):
    """An answer that is an error: HTTP status, stable code, and a sentence that names thing, value and remedy."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[type[ProblemError], tuple[object, ...]]:
        # It may be raised in another process.
        return type(self), (self.status, self.code, str(self), self.headers)


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer every error as a problem; what nobody expected becomes a 500 and a log line without payload."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        kept = {name: value for name, value in error.headers.items() if name == "Allow"}
        problem = ProblemError(error.status, _http_code(error.status), f"{request.method} {request.path}", kept)
    except KizashiError as error:
        problem = as_problem(error)
    except Exception:  # noqa: BLE001  # the last resort: a bug must cost one request, not the connection
        _log.exception("%s %s failed", request.method, request.match_info.route.resource)
        problem = ProblemError(500, "internal", "the collector failed; its log says where")
    return problem_response(problem)


def as_problem(error: KizashiError) -> ProblemError:
    """What an error is answered with. Raises the error itself where that is nobody's business."""
    match error:
        case ProblemError():
            return error
        case BadBodyError():
            return ProblemError(error.status, error.code, str(error))
        case TooManyEventsError():
            return ProblemError(413, "too_many_events", str(error))
        case StoreBusyError():
            return ProblemError(503, "busy", str(error), {"Retry-After": "1"})
        case QueryTooSlowError():
            return ProblemError(503, "too_slow", str(error), {"Retry-After": "60"})
        case StoreError():
            return ProblemError(503, "unavailable", str(error), {"Retry-After": "5"})
        case IntervalError():
            return ProblemError(400, "bad_query", str(error))
        case FunnelError():
            return ProblemError(422, "bad_funnel", str(error))
        case PlanError():
            return ProblemError(422, "bad_plan", str(error))
        case PlanRuledByFileError():
            return ProblemError(409, "plan_file_rules", str(error))
    raise error


def _http_code(status: int) -> str:
    return {404: "not_found", 405: "method_not_allowed", 413: "too_large"}.get(status, f"http_{status}")


def problem_body(problem: ProblemError, request_id: str | None) -> bytes:
    """A problem as it is sent (RFC 9457)."""
    body = Problem(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        code=problem.code,
        detail=str(problem),
        request_id=request_id,
    )
    return msgspec.json.encode(body)


def problem_response(problem: ProblemError) -> web.Response:
    """The answer to a request of which this came."""
    note = current_note()
    if note is not None:
        note.code = problem.code
    response = web.Response(
        status=problem.status,
        body=problem_body(problem, None if note is None else note.request_id),
        content_type="application/problem+json",
        headers=problem.headers,
    )
    if problem.status == HTTPStatus.REQUEST_TIMEOUT:
        response.force_close()  # the rest of the body may still come, and is no request
    return response
