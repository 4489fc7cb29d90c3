"""How each SDK is called, in the way that costs it least, with the same event.

Name, actor, session, a source of campaign, device and gclid, and four properties, of which `qty` tells one event from
another. Each peer has its cheapest settings that still deliver: no base64 and no messages at each batch (Snowplow), no
line of log for each event (Amplitude), one Subject for all calls of a request (Snowplow).
"""

# The peers live in an environment of their own: see the Makefile.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

__all__ = ["CALLS", "Calls", "Row"]


class Row(NamedTuple):
    """One event."""

    qty: int
    actor: str
    session: str
    campaign: str
    device: str
    gclid: str
    sku: str
    category: str
    price: float


class Calls(NamedTuple):
    """How one SDK is called. `request` wraps ten calls, as a site's middleware would."""

    call: Callable[[Row], object]
    request: Callable[[Row], AbstractContextManager[object]]


def _no_request(_: Row) -> AbstractContextManager[object]:
    return _NOTHING


_NOTHING = contextlib.nullcontext()


def loop_alone(_: Any) -> Calls:
    def call(row: Row) -> None:
        _ignore(properties={"sku": row[6], "qty": row[0], "category": row[7], "price": row[8]})

    return Calls(call, _no_request)


def loop_of_sums(_: Any) -> Calls:
    """As much plain Python as a call of kizashi's takes, that touches nothing: the machine's own share in a p99."""

    def call(row: Row) -> None:
        total = row[0]
        for number in range(75):
            total += number

    return Calls(call, _no_request)


def _ignore(properties: object) -> None:
    pass


def kizashi_each(_: Any) -> Calls:
    import kizashi

    track = kizashi.track

    def call(row: Row) -> None:
        track(
            "mv_add_to_cart",
            actor=row[1],
            session=row[2],
            source={"campaign": row[3], "device": row[4], "gclid": row[5]},
            properties={"sku": row[6], "qty": row[0], "category": row[7], "price": row[8]},
        )

    return Calls(call, _no_request)


def kizashi_context(_: Any) -> Calls:
    import kizashi

    track = kizashi.track

    def request(row: Row) -> AbstractContextManager[object]:
        source = {"campaign": row[3], "device": row[4], "gclid": row[5]}
        return kizashi.context(actor=row[1], session=row[2], source=source)

    def call(row: Row) -> None:
        track("mv_add_to_cart", properties={"sku": row[6], "qty": row[0], "category": row[7], "price": row[8]})

    return Calls(call, request)


def snowplow(client: Any) -> Calls:
    from snowplow_tracker import SelfDescribing, SelfDescribingJson, Subject

    logging.getLogger("snowplow_tracker").setLevel(logging.WARNING)
    logging.getLogger("snowplow_tracker.emitters").setLevel(logging.WARNING)
    track, schema, subject = client.track, "iglu:com.acme/mv_add_to_cart/jsonschema/1-0-0", Subject()

    @contextlib.contextmanager
    def request(row: Row) -> Iterator[None]:
        nonlocal subject
        subject = Subject().set_user_id(row[1]).set_domain_session_id(row[2])
        yield

    def call(row: Row) -> None:
        data = {"sku": row[6], "qty": row[0], "category": row[7], "price": row[8]}
        data |= {"campaign": row[3], "device": row[4], "gclid": row[5]}
        track(SelfDescribing(SelfDescribingJson(schema, data), event_subject=subject))

    return Calls(call, request)


def segment(client: Any) -> Calls:
    track = client.track

    def call(row: Row) -> None:
        track(
            row[1],
            "mv_add_to_cart",
            {"sku": row[6], "qty": row[0], "category": row[7], "price": row[8]},
            {"session": row[2], "campaign": {"name": row[3]}, "device": row[4], "gclid": row[5]},
        )

    return Calls(call, _no_request)


def posthog(client: Any) -> Calls:
    capture = client.capture

    def call(row: Row) -> None:
        capture(
            "mv_add_to_cart",
            distinct_id=row[1],
            properties={
                "sku": row[6],
                "qty": row[0],
                "category": row[7],
                "price": row[8],
                "$session_id": row[2],
                "utm_campaign": row[3],
                "$device_type": row[4],
                "gclid": row[5],
            },
        )

    return Calls(call, _no_request)


def amplitude(client: Any) -> Calls:
    from amplitude import BaseEvent
    from amplitude.constants import EventLogLevel

    client.configuration.event_log_level = EventLogLevel.NONE
    track = client.track

    def call(row: Row) -> None:
        properties = {"sku": row[6], "qty": row[0], "category": row[7], "price": row[8]}
        properties |= {"session": row[2], "campaign": row[3], "gclid": row[5]}
        track(BaseEvent("mv_add_to_cart", user_id=row[1], platform=row[4], event_properties=properties))

    return Calls(call, _no_request)


def opentelemetry(client: Any) -> Calls:
    emit = client.emit

    def call(row: Row) -> None:
        emit(
            event_name="mv_add_to_cart",
            attributes={
                "sku": row[6],
                "qty": row[0],
                "category": row[7],
                "price": row[8],
                "actor": row[1],
                "session": row[2],
                "campaign": row[3],
                "device": row[4],
                "gclid": row[5],
            },
        )

    return Calls(call, _no_request)


CALLS: dict[str, tuple[str | None, Callable[[Any], Calls], dict[str, object]]] = {
    # variant: adapter, calls, further options
    "the loop alone": (None, loop_alone, {}),
    "the loop with 75 sums": (None, loop_of_sums, {}),
    "kizashi, in a context": ("kizashi", kizashi_context, {}),
    "kizashi, all in the call": ("kizashi", kizashi_each, {}),
    "kizashi, in a context, gzip on": ("kizashi", kizashi_context, {"gzip": True}),
    "kizashi, in a context, with a spool": ("kizashi", kizashi_context, {"spool": "a folder"}),
    "snowplow-tracker": ("snowplow-tracker", snowplow, {}),
    "segment-analytics-python": ("segment-analytics-python", segment, {}),
    "posthog": ("posthog", posthog, {}),
    "amplitude-analytics": ("amplitude-analytics", amplitude, {}),
    "opentelemetry-sdk": ("opentelemetry-sdk", opentelemetry, {}),
}
