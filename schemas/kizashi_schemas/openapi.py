"""JSON Schemas and the OpenAPI description, generated from the Structs; `schemas/generate.py` writes them to files."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from kizashi_schemas import _events, _funnels, _increments, _listings, _live, _summary, _upkeep, _values

__all__ = ["json_schemas", "openapi"]

_PUBLIC = {
    "event": _events.Event,
    "batch": _events.Batch,
    "batch_answer": _events.BatchAnswer,
    "problem": _events.Problem,
    "summary_answer": _summary.SummaryAnswer,
    "values_answer": _values.ValuesAnswer,
    "increments_answer": _increments.IncrementsAnswer,
    "funnel_request": _funnels.FunnelRequest,
    "funnel_answer": _funnels.FunnelAnswer,
}
_COMPONENTS = (
    *_PUBLIC.values(),
    _funnels.Funnel,
    _listings.EventListing,
    _listings.FunnelListing,
    _live.LiveBatch,
    _listings.PlanAnswer,
    _listings.RejectedListing,
    _upkeep.ErasureAnswer,
    _upkeep.ReplayAnswer,
    _upkeep.ReplayRequest,
)
_REF = "#/components/schemas/{name}"

_TIME = "Epoch milliseconds, or RFC 3339 with an offset"
_INTERVAL = {
    "window": "A rolling interval that ends at `to`, such as 7d (the default). Not together with `from`",
    "from": f"Exclusive start of the interval. {_TIME}",
    "to": f"Inclusive end of the interval; as_of where left out, and never later than it. {_TIME}",
    "as_of": f"The instant that the answer describes; now where left out. {_TIME}",
}
_MONEY = {"money": "`number` (default) or `string`: how amounts are written in JSON"}
_FRESH = {"fresh": "`1` counts now what a store may have counted some seconds ago (the answer's as_of says when)"}
_SUMMARY = {
    **_INTERVAL,
    **_MONEY,
    "by": "Comma-separated source fields, such as campaign,device",
    "format": "`json` (default) or `csv`",
    "csv": "`raw` leaves out the apostrophe before text that a spreadsheet would run",
    "cursor": "`next_cursor` of the page before",
    **_FRESH,
}
_VALUES = {
    "as_of": _INTERVAL["as_of"],
    "max_age": "How old a review may be that takes long to count, such as `1h`; at most a day (as_of says when it was)",
    **_MONEY,
}
_INCREMENTS = {
    "since": "`next_cursor` of the last answer; from the first increment where left out",
    "limit": "At most this many, from 1 to 10000; 1000 where left out",
    **_MONEY,
}
_FUNNEL = {**_INTERVAL, **_MONEY, "by": "As in the summary", "attribution": "first, last, all or step:k", **_FRESH}
_LIMIT = {"limit": "At most this many, from 1 to 1000; 100 where left out"}
_REJECTED = {
    **_LIMIT,
    "codes": "Comma-separated codes, such as unplanned,bad_currency",
    "since": f"Received later than this. {_TIME}",
    "until": f"Received no later than this. {_TIME}",
}
_PROBLEMS = {
    "400": "The query or body cannot be read",
    "401": "No key, or an unknown or revoked one",
    "403": "The key's scope does not allow this",
    "429": "Too much from this key; Retry-After says when",
    "503": "Not now; Retry-After says when",
}


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return a JSON Schema (2020-12) for each public document, by file name without its ending."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {name: {**dialect, **_portable(msgspec.json.schema(kind))} for name, kind in _PUBLIC.items()}


def openapi(version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 description of the collector; `version` is the distribution's."""
    _, components = msgspec.json.schema_components(_COMPONENTS, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "kizashi collector", "version": version, "license": {"name": "Apache-2.0"}},
        "paths": _paths(),
        "components": {
            "schemas": _portable(components),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _portable(node: Any) -> Any:
    """Rewrite what only Python reads: `\\Z` in a pattern (Python's `$` also matches before a newline), and indents."""
    if isinstance(node, dict):
        return {
            key: value.replace("\\Z", "$")
            if key == "pattern"
            else inspect.cleandoc(value)
            if key == "description" and isinstance(value, str)
            else _portable(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_portable(item) for item in node]
    return node


def _paths() -> dict[str, Any]:
    too_large = {"413": "The body or the batch is too large"}
    body_codes = {**_PROBLEMS, **too_large, "415": "Unknown Content-Type or Content-Encoding", "422": "Wrong shape"}
    return {
        "/v1/events": {
            "post": _operation("Send events (write)", "BatchAnswer", body="Batch", problems=body_codes, msgpack=True),
            "get": _operation("The newest events (read)", "EventListing", query=_LIMIT),
        },
        "/v1/live": {"get": _live_operation()},
        "/v1/summary": {"get": _operation("What each campaign is worth (read)", "SummaryAnswer", query=_SUMMARY)},
        "/v1/values": {"get": _operation("What micro-conversions are worth (read)", "ValuesAnswer", query=_VALUES)},
        "/v1/increments": {
            "get": _operation(
                "What to tell an ad platform since the last time (read)",
                "IncrementsAnswer",
                query=_INCREMENTS,
                problems={**_PROBLEMS, "409": "No plan with a final event is in force"},
            ),
        },
        "/v1/funnels": {
            "get": _operation("The plan's funnels (read)", "FunnelListing"),
            "post": _operation(
                "Any funnel (read)", "FunnelAnswer", body="FunnelRequest", query=_MONEY, problems=body_codes
            ),
        },
        "/v1/funnels/{name}": {
            "get": _operation(
                "A funnel of the plan (read)",
                "FunnelAnswer",
                query=_FUNNEL,
                path="name",
                problems={**_PROBLEMS, "404": "The plan has no such funnel", "422": "Impossible funnel"},
            ),
        },
        "/v1/rejected": {"get": _operation("Rejected events and why (read)", "RejectedListing", query=_REJECTED)},
        "/v1/rejected/replay": {
            "post": _operation(
                "Try rejected events again under the present plan (admin)",
                "ReplayAnswer",
                body="ReplayRequest",
                optional=True,
                problems=body_codes,
            ),
        },
        "/v1/actors/{actor}": {
            "delete": _operation("Erase an actor everywhere (admin)", "ErasureAnswer", path="actor"),
        },
        "/v1/plan": {
            "get": _operation("The plan in force and its health (read)", "PlanAnswer"),
            "post": _operation(
                "Replace the plan (admin)",
                "PlanAnswer",
                body=None,
                toml=True,
                problems={**body_codes, "409": "A --plan file rules"},
            ),
        },
        "/healthz": {"get": _text("The process is alive")},
        "/readyz": {"get": _text("It can take events now", {"503": "It cannot, and why"})},
        "/metrics": {
            "get": {
                **_text("Prometheus metrics (read)", {code: _PROBLEMS[code] for code in ("401", "403")}),
                "security": [{"key": []}],
            }
        },
        "/openapi.json": {"get": _text("This description", media="application/json")},
    }


def _operation(
    summary: str,
    answer: str,
    *,
    body: str | None = None,
    optional: bool = False,
    toml: bool = False,
    msgpack: bool = False,
    query: dict[str, str] | None = None,
    path: str | None = None,
    problems: dict[str, str] | None = None,
) -> dict[str, Any]:
    reference = {"schema": {"$ref": _REF.format(name=answer)}}
    media = {"application/json": reference}
    if msgpack:
        media["application/msgpack"] = reference
    if query and "csv" in query:
        media["text/csv"] = {"schema": {"type": "string"}}
    parameters = [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in (query or {}).items()
    ]
    if path:
        parameters.insert(0, {"name": path, "in": "path", "required": True, "schema": {"type": "string"}})
    operation: dict[str, Any] = {
        "summary": summary,
        "security": [{"key": []}],
        "responses": {
            "200": {"description": "The answer", "content": media},
            **{code: _problem(text) for code, text in (problems or _PROBLEMS).items()},
        },
    }
    if query is _SUMMARY:
        operation["responses"]["304"] = {"description": "No number changed since the answer with this ETag"}
    if parameters:
        operation["parameters"] = parameters
    if body or toml:
        content: dict[str, Any] = {}
        if body:
            content["application/json"] = {"schema": {"$ref": _REF.format(name=body)}}
        if body and msgpack:
            content["application/msgpack"] = content["application/json"]
        if toml:
            content["application/toml"] = {"schema": {"type": "string"}}
        operation["requestBody"] = {"required": not optional, "content": content}
    return operation


def _live_operation() -> dict[str, Any]:
    text = "Server-sent events: `event: batch`, whose `data` is a LiveBatch as JSON"
    media = {"text/event-stream": {"schema": {"type": "string", "description": text}}}
    operation = _operation("What becomes of each batch, as it is answered (read)", "LiveBatch")
    operation["responses"]["200"] = {"description": "Messages, until either side ends it", "content": media}
    return operation


def _problem(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}},
    }


def _text(summary: str, problems: dict[str, str] | None = None, media: str = "text/plain") -> dict[str, Any]:
    responses = {"200": {"description": summary, "content": {media: {}}}}
    return {"summary": summary, "responses": {**responses, **{k: _problem(v) for k, v in (problems or {}).items()}}}
