"""The context as plain data: what of it travels with a job, and what comes out of it on the other side."""

from __future__ import annotations

import json
import logging
from contextvars import Context
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kizashi
from kizashi import _swallow
from kizashi._baggage import carried, carry
from kizashi.testing import Event, recorded

SAID: dict[str, Any] = {
    "actor": "v-1",
    "session": "s-1",
    "source": {"campaign": "brand", "device": "mobile"},
    "consent": {"ads": False, "analytics": True},
}


@pytest.fixture(autouse=True)
def every_mishap_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_swallow, "_next_words", {})


def event_within(data: object, **arguments: Any) -> Event:
    """What becomes of an event that says nothing itself, in a process where nothing else is said."""

    def track() -> Event:
        with recorded() as events:
            with carried(data):
                kizashi.track("mv_step", **arguments)
            return events.one("mv_step")

    return Context().run(track)


def test_what_is_said_here_is_said_there() -> None:
    with kizashi.context(**SAID):
        data = carry()
    assert data == SAID
    event = event_within(json.loads(json.dumps(data)))
    assert {name: getattr(event, name) for name in SAID} == SAID


def test_where_nothing_is_said_nothing_travels() -> None:
    assert Context().run(carry) is None
    with kizashi.context(source={}):
        assert Context().run(carry) is None


def test_whole_numbers_travel_as_they_are() -> None:
    with kizashi.context(actor=7, session=8, source={"campaign_id": 9}):  # type: ignore[dict-item]  # it is allowed
        data = carry()
    event = event_within(data)
    assert (event.actor, event.session, event.source) == ("7", "8", {"campaign_id": "9"})


def test_the_data_is_a_copy() -> None:
    with kizashi.context(**SAID):
        data = carry()
        assert data is not None
        data["source"]["campaign"] = "changed"
        assert carry() == SAID


def test_the_block_ends_where_it_began() -> None:
    with kizashi.context(actor="v-0"):
        with pytest.raises(KeyError, match="the site's own"), carried(SAID):
            raise KeyError("the site's own")
        assert carry() == {"actor": "v-0"}


def test_too_much_leaves_the_source_behind_and_keeps_the_consent() -> None:
    # 20 texts of 500 characters are an allowed source, of more than 8 KiB.
    source = {f"key_{number}": "x" * 500 for number in range(20)}
    with kizashi.context(actor="v-1", consent={"ads": False}, source=source):
        assert carry() == {"actor": "v-1", "consent": {"ads": False}}


def test_a_context_that_no_event_can_hold_does_not_travel() -> None:
    # Without its consent, the rest would track somebody who may have said no.
    consent: Any = {"ads": "no"}
    with kizashi.context(actor="v-1", consent=consent):
        assert carry() is None
    with kizashi.context(actor="v" * 201):
        assert carry() is None
    with kizashi.context(actor="\ud800"):
        assert carry() is None


@pytest.mark.parametrize(
    "data",
    [
        None,
        7,
        "text",
        [],
        {"actor": ["v-1"]},
        {"actor": True},
        {"actor": "v" * 201},
        {"actor": "v-1", "consent": {"ads": "yes"}},
        {"actor": "v-1", "source": {"campaign": {}}},
        {"actor": "v-1", "source": {f"key_{number}": "" for number in range(33)}},
    ],
    ids=lambda data: repr(data)[:40],
)
def test_what_is_malformed_says_nothing(data: object) -> None:
    event = event_within(data, actor="v-own")
    assert (event.actor, event.source, event.consent) == ("v-own", {}, {})


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert event_within({"actor": "v-1", "colour": "red"}).actor == "v-1"


def test_a_mishap_is_logged_once_and_without_what_was_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "kizashi"):
        for _ in range(3):
            with carried({"actor": ["v-secret"]}):
                pass
    (record,) = caplog.records
    assert "read the context of a job" in record.getMessage()
    assert "v-secret" not in record.getMessage()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300)
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
fields = st.dictionaries(st.sampled_from([*SAID, "other"]), anything | st.dictionaries(st.text(), scalars))


@given(fields | anything)
def test_nothing_raises_whatever_lies_there(data: Any) -> None:
    with carried(data):
        pass


@given(fields)
def test_whatever_travels_is_small_and_plain_and_arrives_the_same(said: dict[str, Any]) -> None:
    said.pop("other", None)

    def there_and_back() -> None:
        with kizashi.context(**said):
            data = carry()
        if data is not None:
            text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
            assert len(text.encode()) <= 8 * 1024
            with carried(json.loads(text)):
                again = carry()
            assert again is not None
            # A source's numbers come back as the text that an event makes of them.
            source = {key: str(value) if type(value) is int else value for key, value in data.get("source", {}).items()}
            assert again == data | ({"source": source} if source else {})

    Context().run(there_and_back)
