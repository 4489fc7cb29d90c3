"""Each SDK behind the same few lines: make it for an endpoint, track, flush, close.

The settings are an SDK's own defaults, but for those that `options` names: how much its queue holds, how many events go
into a request, how long they wait for one another, and a callback for errors, where it has such things.
"""

# The peers live in an environment of their own: see the Makefile.
# mypy: disable-error-code="import-not-found"

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["ADAPTERS", "NAMES", "Options", "Sdk"]


class Options(NamedTuple):
    """What a case changes; None leaves the SDK's default."""

    queue: int | None = None
    batch: int | None = None
    interval: float | None = None
    """Seconds that an event may wait for others."""
    on_error: Callable[..., None] | None = None
    more: Mapping[str, Any] = {}
    """Further options of kizashi."""

    def given(self, **names: object) -> dict[str, Any]:
        """Only what is not None, under the SDK's own names."""
        return {name: value for name, value in names.items() if value is not None}


class Sdk(NamedTuple):
    """One client."""

    client: Any
    track: Callable[[Mapping[str, Any]], object]
    """Track one event with these properties, of which `n` is its number. The very mapping goes to the SDK."""
    flush: Callable[[], object]
    close: Callable[[], object]


def kizashi(endpoint: str, options: Options) -> Sdk:
    import kizashi

    given = options.given(max_queue_events=options.queue, batch_size=options.batch, flush_interval=options.interval)
    given |= options.given(on_drop=options.on_error) | {**options.more}
    client = kizashi.configure(endpoint=endpoint, key="key", **given)

    def track(properties: Mapping[str, Any]) -> None:
        kizashi.track("mv_event", actor=f"v-{properties['n']}", properties=properties)

    return Sdk(client, track, lambda: kizashi.flush(10), lambda: kizashi.close(10))


def snowplow(endpoint: str, options: Options) -> Sdk:
    from snowplow_tracker import AsyncEmitter, SelfDescribing, SelfDescribingJson, Tracker

    given = options.given(buffer_capacity=options.queue, batch_size=options.batch, on_failure=options.on_error)
    emitter = AsyncEmitter(endpoint, **given)
    if options.interval is not None:
        emitter.set_flush_timer(options.interval)
    client = Tracker("conformance", emitter, encode_base64=False)

    def track(properties: Mapping[str, Any]) -> object:
        return client.track(SelfDescribing(SelfDescribingJson("iglu:com.acme/event/jsonschema/1-0-0", properties)))

    return Sdk(client, track, client.flush, client.flush)


def segment(endpoint: str, options: Options) -> Sdk:
    from segment.analytics.client import Client

    given = options.given(max_queue_size=options.queue, upload_size=options.batch, upload_interval=options.interval)
    client = Client("key", host=endpoint, on_error=options.on_error, **given)

    def track(properties: Mapping[str, Any]) -> object:
        return client.track("v-1", "mv_event", properties)

    return Sdk(client, track, client.flush, client.shutdown)


def posthog(endpoint: str, options: Options) -> Sdk:
    from posthog import Posthog

    given = options.given(max_queue_size=options.queue, flush_at=options.batch, flush_interval=options.interval)
    client = Posthog("key", host=endpoint, on_error=options.on_error, **given)

    def track(properties: Mapping[str, Any]) -> object:
        return client.capture("mv_event", distinct_id="v-1", properties=properties)

    return Sdk(client, track, client.flush, client.shutdown)


def amplitude(endpoint: str, options: Options) -> Sdk:
    from amplitude import Amplitude, BaseEvent, Config

    millis = None if options.interval is None else int(options.interval * 1000)
    given = options.given(flush_queue_size=options.batch, flush_interval_millis=millis, callback=options.on_error)
    client = Amplitude("key", Config(server_url=f"{endpoint}/2/httpapi", **given))

    def track(properties: Mapping[str, Any]) -> object:
        return client.track(BaseEvent("mv_event", user_id="visitor-1", event_properties=properties))

    def flush() -> None:
        for future in filter(None, client.flush()):
            future.result(10)

    return Sdk(client, track, flush, client.shutdown)


def opentelemetry(endpoint: str, options: Options) -> Sdk:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    millis = None if options.interval is None else options.interval * 1000
    given = options.given(max_queue_size=options.queue, max_export_batch_size=options.batch)
    given |= options.given(schedule_delay_millis=millis)
    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{endpoint}/v1/logs"), **given))
    client = provider.get_logger("conformance")

    def track(properties: Mapping[str, Any]) -> None:
        client.emit(event_name="mv_event", attributes=properties)

    return Sdk(client, track, provider.force_flush, provider.shutdown)


ADAPTERS = {
    "kizashi": kizashi,
    "snowplow-tracker": snowplow,
    "segment-analytics-python": segment,
    "posthog": posthog,
    "amplitude-analytics": amplitude,
    "opentelemetry-sdk": opentelemetry,
}
NAMES = tuple(ADAPTERS)
