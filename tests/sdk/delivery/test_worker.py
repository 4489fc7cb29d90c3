"""Delivery against a server that misbehaves in every way it can."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from kizashi import Client, Stats
from kizashi._delivery._backoff import BASE_SECONDS, CAP_SECONDS
from sdk.scripted_collector import Collector, Handler, Reply, Request, SkippingClock, accept, cut, refuse, reset, status

MakeClient = Callable[..., Client]


def track(client: Client, count: int = 1, **fields: object) -> None:
    for number in range(count):
        client.track("mv_view", **({"actor": f"v-{number}"} | fields))  # type: ignore[arg-type]  # each case brings its own fields


def delivered(client: Client) -> Stats:
    assert client.flush(10)
    stats = client.stats()
    assert stats.balanced
    assert stats.queued == stats.in_flight == stats.queue_bytes == 0
    return stats


def verdicts(*given: tuple[int, str, str]) -> Reply:
    """Answer with these verdicts (place, verdict, code); store what was accepted."""

    def reply(handler: Handler, request: Request) -> None:
        ids = [event["id"] for event in request.events]
        listed = [{"index": at, "id": ids[at], "verdict": verdict, "code": code} for at, verdict, code in given]
        counts = {kind: sum(verdict == kind for _, verdict, _ in given) for kind in ("duplicate", "rejected")}
        told = {
            "accepted": len(ids) - len(given),
            "duplicates": counts["duplicate"],
            "rejected": counts["rejected"],
            "verdicts": listed,
        }
        judged = {at for at, _, _ in given}
        handler.server.collector.store([event for at, event in enumerate(request.events) if at not in judged])
        handler.respond(200, {}, json.dumps(told).encode())

    return reply


def test_events_arrive_in_the_order_of_tracking(client: Client, scripted: Collector) -> None:
    for name in ("mv_a", "mv_b", "mv_c"):
        client.track(name, actor="v-1")
    assert delivered(client).delivered == 3
    assert scripted.names() == ["mv_a", "mv_b", "mv_c"]


def test_a_request_carries_key_path_and_the_time_of_sending(client: Client, scripted: Collector) -> None:
    track(client)
    delivered(client)
    [request] = scripted.requests
    assert request.path == "/v1/events"
    assert request.headers["authorization"] == "Bearer w-secret"
    assert request.headers["content-type"] == "application/json"
    assert request.batch["sent_at"] == 1_790_000_000_000


def test_sent_at_is_stamped_anew_while_ids_and_times_stay(
    client: Client, scripted: Collector, clock: SkippingClock
) -> None:
    def later(handler: Handler, request: Request) -> None:
        clock.wall_ns += 5_000_000_000
        status(503)(handler, request)

    scripted.script.append(later)
    track(client)
    delivered(client)
    first, second = scripted.requests
    assert second.batch["sent_at"] - first.batch["sent_at"] == 5_000
    assert first.events == second.events


@pytest.mark.parametrize(
    "reply",
    [
        *(status(code) for code in (401, 403, 404, 408, 415, 425, 429, 500, 502, 503, 504, 599)),
        reset,
        cut,
        status(200, b"<html>please log in</html>"),
        status(200, b"{}"),
        status(200, b'{"accepted":3,"duplicates":0,"rejected":0,"verdicts":[]}'),
        status(200, b'{"accepted":0,"duplicates":1,"rejected":0,"verdicts":[]}'),
        status(200, b""),
        status(204),
        status(302, Location="/elsewhere"),
        status(301, b'{"accepted":1,"duplicates":0,"rejected":0,"verdicts":[]}', Location="http://127.0.0.1:9/"),
    ],
    ids=lambda reply: getattr(reply, "__name__", None),
)
def test_what_is_no_verdict_settles_nothing(client: Client, scripted: Collector, reply: Reply) -> None:
    scripted.script.extend([reply, reply])
    track(client)
    assert delivered(client) == Stats(tracked=1, delivered=1)
    assert len(scripted.requests) == 3
    assert len({request.events[0]["id"] for request in scripted.requests}) == 1
    assert scripted.gets == 0


def test_a_refused_connection_is_tried_again(make_client: MakeClient, clock: SkippingClock) -> None:
    client = make_client(endpoint="http://127.0.0.1:1")
    track(client)
    assert not client.flush(0.1)
    assert client.stats().balanced
    assert client.stats().delivered == 0
    assert len(clock.waits) > 1


def test_duplicates_are_delivered_and_rejections_dropped(client: Client, scripted: Collector) -> None:
    scripted.script.append(
        verdicts((0, "duplicate", "order"), (1, "rejected", "bad_currency"), (3, "duplicate", "conflict"))
    )
    track(client, 4)
    assert delivered(client) == Stats(tracked=4, delivered=3, dropped={"rejected": 1})
    assert len(scripted.requests) == 1


def test_only_what_was_put_off_is_sent_again_and_before_what_came_later(
    make_client: MakeClient, scripted: Collector
) -> None:
    client = make_client(batch_size=3)
    tracked = threading.Event()

    def put_off(handler: Handler, request: Request) -> None:
        tracked.wait(10)
        verdicts((1, "retry", "busy"))(handler, request)

    scripted.script.append(put_off)
    for name in ("mv_a", "mv_b", "mv_c", "mv_d"):
        client.track(name, actor="v-1")
    tracked.set()
    assert delivered(client).delivered == 4
    assert [[event["name"] for event in request.events] for request in scripted.requests[1:]] == [["mv_b", "mv_d"]]


@pytest.mark.parametrize(
    "body",
    [
        {"accepted": 1, "duplicates": 1, "verdicts": [{"index": 7, "id": None, "verdict": "duplicate"}]},
        {"accepted": 1, "duplicates": 1, "verdicts": [{"index": 0, "id": "somebody-elses", "verdict": "duplicate"}]},
        {"accepted": 0, "duplicates": 2, "verdicts": 2 * [{"index": 0, "id": None, "verdict": "duplicate"}]},
        {"accepted": 1, "duplicates": 0, "verdicts": [{"index": 0, "id": None, "verdict": "eaten"}]},
    ],
)
def test_verdicts_that_do_not_fit_the_batch_settle_nothing(
    client: Client, scripted: Collector, body: dict[str, object]
) -> None:
    scripted.script.append(status(200, json.dumps({"rejected": 0} | body).encode()))
    track(client, 2)
    assert delivered(client).delivered == 2
    assert len(scripted.events) == 2


@pytest.mark.parametrize(("code", "reason"), [(400, "invalid"), (413, "too_large"), (422, "invalid")])
@pytest.mark.parametrize("poisoned", [0, 57, 99])
def test_a_refused_batch_is_bisected_until_the_poison_is_alone(
    make_client: MakeClient, scripted: Collector, code: int, reason: str, poisoned: int
) -> None:
    def refuse_poison(handler: Handler, request: Request) -> None:
        if any(event["actor"] == f"v-{poisoned}" for event in request.events):
            refuse(code)(handler, request)
        else:
            accept(handler, request)

    scripted.always = refuse_poison
    client = make_client(batch_size=100)
    track(client, 100)
    assert delivered(client) == Stats(tracked=100, delivered=99, dropped={reason: 1})
    assert len(scripted.events) == 99
    assert len(scripted.requests) < 25


def test_a_collector_that_takes_less_is_met_at_its_size(make_client: MakeClient, scripted: Collector) -> None:
    def at_most_ten(handler: Handler, request: Request) -> None:
        (accept if len(request.events) <= 10 else status(413))(handler, request)

    scripted.always = at_most_ten
    client = make_client(batch_size=200)
    track(client, 200)
    assert delivered(client) == Stats(tracked=200, delivered=200)


def test_a_way_that_refuses_everything_is_not_hammered(
    make_client: MakeClient, scripted: Collector, clock: SkippingClock
) -> None:
    scripted.always = refuse(400)
    client = make_client(batch_size=1, flush_interval=0.0)
    track(client, 40)
    assert delivered(client).dropped == {"invalid": 40}
    assert sum(wait > 0 for wait in clock.waits) >= 20


@pytest.mark.parametrize("code", [429, 503, 200])
def test_retry_after_in_seconds_is_honoured(
    client: Client, scripted: Collector, clock: SkippingClock, code: int
) -> None:
    scripted.script.append(status(code, Retry_After="7"))
    track(client)
    delivered(client)
    assert 7.0 <= max(clock.waits) < 7.0 + BASE_SECONDS


def test_retry_after_as_a_date_is_honoured(client: Client, scripted: Collector, clock: SkippingClock) -> None:
    date = datetime.fromtimestamp(clock.wall_ns // 10**9 + 20, tz=UTC)
    scripted.script.append(status(429, Retry_After=format_datetime(date, usegmt=True)))
    track(client)
    delivered(client)
    assert 20.0 <= max(clock.waits) < 20.0 + BASE_SECONDS


def test_backoff_grows_to_its_cap_and_starts_again_after_a_delivery(
    make_client: MakeClient, scripted: Collector, clock: SkippingClock
) -> None:
    client = make_client(flush_interval=0.0, _entropy=lambda size: b"\xff" * size)
    scripted.script.extend([status(503)] * 10)
    track(client)
    scripted.wait_for_requests(11)  # a flush would cut a backoff short
    delivered(client)
    spans = [round(wait, 1) for wait in clock.waits if wait > 0]
    assert spans == [0.5, 1, 2, 4, 8, 16, CAP_SECONDS, CAP_SECONDS, CAP_SECONDS, CAP_SECONDS]
    clock.waits.clear()
    scripted.script.append(status(503))
    track(client)
    scripted.wait_for_requests(13)
    delivered(client)
    assert [round(wait, 1) for wait in clock.waits if wait > 0] == [0.5]


def test_a_batch_leaves_when_it_is_full_without_waiting(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client(_clock=None, flush_interval=3_600.0, batch_size=5)
    track(client, 5)
    scripted.wait_for_requests(1)
    assert len(scripted.requests[0].events) == 5


def test_a_batch_leaves_when_its_interval_is_over(
    make_client: MakeClient, scripted: Collector, clock: SkippingClock
) -> None:
    client = make_client(flush_interval=12.0)
    track(client, 2)
    scripted.wait_for_requests(1)
    assert clock.waits[0] == pytest.approx(12.0)


def test_bodies_stay_below_the_collectors_limit(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client(batch_size=2_500, gzip=False)
    track(client, 200, properties={"note": "x" * 20_000})
    assert delivered(client).delivered == 200
    assert max(len(request.wire) for request in scripted.requests) < 1024 * 1024
    assert len(scripted.requests) == 5


def test_only_bodies_that_gain_by_it_are_compressed(make_client: MakeClient, scripted: Collector) -> None:
    client = make_client(gzip=True)
    track(client)
    delivered(client)
    track(client, 50)
    delivered(client)
    small, large = scripted.requests
    assert "content-encoding" not in small.headers
    assert large.headers["content-encoding"] == "gzip"
    assert len(large.wire) < len(large.body) / 5


def test_an_event_beyond_32_kib_is_dropped_alone(client: Client, scripted: Collector) -> None:
    client.track("mv_large", actor="v-1", properties={"note": "x" * 33_000})
    track(client)
    assert delivered(client) == Stats(tracked=2, delivered=1, dropped={"too_large": 1})


class Broken:
    """A transport that raises what no transport should, once."""

    def __init__(self) -> None:
        self.calls = 0

    def send(self, body: bytes, *, seconds: float) -> object:
        self.calls += 1
        if self.calls == 1:
            raise LookupError("a defect")
        count = len(json.loads(body)["events"])
        from kizashi._transport import Answer

        return Answer(200, b'{"accepted":%d,"duplicates":0,"rejected":0,"verdicts":[]}' % count)

    def abort(self) -> None: ...
    def close(self) -> None: ...
    def after_fork(self) -> None: ...


def test_the_worker_survives_a_defect(make_client: MakeClient) -> None:
    client = make_client(transport=Broken())
    track(client, 3)
    assert delivered(client) == Stats(tracked=3, delivered=3)


class Hostile(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no")

    __len__ = __hash__ = __eq__ = __repr__ = __format__ = __str__  # type: ignore[assignment]  # all of them raise


def test_the_worker_survives_what_it_is_given(client: Client, scripted: Collector) -> None:
    client.track(Hostile("mv_x"), actor=Hostile("a"), value=Hostile("1"))
    track(client)
    stats = delivered(client)
    assert stats.tracked == 2
    assert stats.delivered >= 1


def test_warnings_name_reasons_and_counts_but_never_payloads_or_keys(
    client: Client, scripted: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scripted.script.extend([status(503), status(503), verdicts((0, "rejected", "bad_currency"))])
    track(client, 1, actor="secret-actor", properties={"card": "secret-card"})
    delivered(client)
    client.track("Secret Name", actor="secret-actor", value="secret-value")
    delivered(client)
    client.close()
    assert "503 Service Unavailable" in caplog.text
    assert "1 rejected (last: bad_currency)" in caplog.text
    assert "1 invalid (last: name)" in caplog.text
    assert "secret" not in caplog.text.lower()
    assert len(caplog.records) == 3


def test_a_long_outage_is_told_once_a_minute(
    make_client: MakeClient, scripted: Collector, clock: SkippingClock, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(_entropy=lambda size: b"\xff" * size, flush_interval=0.0)
    scripted.script.extend([status(503)] * 20)
    track(client)
    scripted.wait_for_requests(21)
    delivered(client)
    assert sum(clock.waits) > 400
    assert 5 <= len(caplog.records) <= 9
