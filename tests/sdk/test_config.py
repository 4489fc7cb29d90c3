"""Options: where they come from, what they may be, and what is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from kizashi import ConfigurationError
from kizashi._config import Options, read_options

GOOD: dict[str, Any] = {
    "endpoint": "http://collector:8700",
    "key": "w-secret",
    "max_queue_events": 1_000,
    "max_queue_bytes": 1_000_000,
    "batch_size": 500,
    "flush_interval": 1.0,
    "timeout": 10.0,
    "exit_timeout": 2.0,
    "gzip": True,
    "strict": False,
    "source": None,
}


def options(environ: dict[str, str] | None = None, **fields: Any) -> Options:
    return read_options(**(GOOD | fields), environ=environ or {})


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("http://collector:8700", "http://collector:8700"),
        ("http://collector", "http://collector:80"),
        ("https://collector/", "https://collector:443"),
        ("https://shop.example/kizashi/", "https://shop.example:443/kizashi"),
        ("http://[::1]:8700", "http://[::1]:8700"),
    ],
)
def test_endpoints_are_urls(url: str, read: str) -> None:
    assert str(options(endpoint=url).endpoint) == read


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *[("endpoint", url) for url in ("", "collector:8700", "ftp://x", "http://", "http://x:port", 5)],
        *[
            ("endpoint", url)
            for url in ("http://u:pw@x", "http://x#f", "http://x?a=b", "http://x/ y", "http://é", "http://[::1")
        ],
        *[("endpoint", f"{way}://{host}") for way in ("http", "https") for host in ("collector..example", "a" * 64)],
        *[("endpoint", url) for url in ("http://u:pw/x@host", "http://u:pw@[::1")],
        *[("key", key) for key in ("", "a b", "a\nb", "é", 5)],
        *[("max_queue_events", n) for n in (0, -1, 1.5, True, "9")],
        *[("max_queue_bytes", n) for n in (0, 65_535)],
        *[("batch_size", n) for n in (0, 2_501)],
        *[("flush_interval", s) for s in (-1, 3_601, float("nan"), True, "1", None)],
        *[("timeout", s) for s in (0, 601, float("inf"), float("nan"), 10**400)],
        *[("exit_timeout", s) for s in (-0.1, 601)],
        *[("gzip", value) for value in (1, None, "yes")],
        ("strict", 1),
        *[("source", value) for value in ("app", {"Bad": "x"}, {"channel": ["app"]})],
    ],
)
def test_what_cannot_be_is_named(option: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=option) as caught:
        options({}, **{option: value})
    assert "pw" not in str(caught.value)


def test_the_environment_fills_in_for_endpoint_and_key() -> None:
    environ = {"KIZASHI_ENDPOINT": "https://env", "KIZASHI_KEY": "env-key"}
    from_environ = options(environ, endpoint=None, key=None)
    assert (str(from_environ.endpoint), from_environ.key) == ("https://env:443", "env-key")
    assert options(environ).key == "w-secret"
    with pytest.raises(ConfigurationError, match="KIZASHI_ENDPOINT"):
        options(endpoint=None)


def test_neither_repr_nor_errors_show_the_key() -> None:
    assert "secret" not in repr(options())
    assert "key='…'" in repr(options())
    with pytest.raises(ConfigurationError) as caught:
        options(key="secret\n")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["timeout", "max_queue_events", "gzip"])
def test_numbers_too_long_to_write_out_are_refused_like_others(option: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{option} is a number of \d+ bits"):
        options({}, **{option: 10**5_000})
