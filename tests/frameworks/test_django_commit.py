"""Events that wait for Django's transactions, under both servers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from frameworks.sites import Site, running


@pytest.fixture(scope="module", params=["django under gunicorn", "django under uvicorn"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with running(request.param) as site:
        yield site


def test_an_event_comes_after_the_commit_with_what_it_was_given_before(site: Site) -> None:
    name, begun = site.fresh(), time.time_ns() // 1_000_000
    assert site.browser("v-3").get(f"/commit?name={name}&utm_campaign=brand").body == "committed"
    (before,) = site.events("mv_before_commit")
    event = site.event(name)
    (after,) = site.events("mv_after_commit")
    names = site.collector.names()
    # Told later than what was tracked after it, and dated earlier.
    assert names.index("mv_before_commit") < names.index(name) < names.index("mv_after_commit")
    assert begun <= event["time"] <= before["time"] <= after["time"]
    assert event["properties"] == {"step": "noted"}
    assert (event["actor"], event["session"], event["source"]["campaign"]) == ("v-3", "inside", "brand")
    assert "session" not in after


def test_an_event_of_what_is_rolled_back_never_comes(site: Site) -> None:
    name = site.fresh()
    assert site.browser().get(f"/rollback?name={name}").body == "rolled back"
    # Of a savepoint that was rolled back, only that part is lost.
    site.event(name)
    site.events("mv_after_rollback")
    # What the same process tracked later is there: nothing is on its way any more.
    assert "mv_rolled_back" not in site.collector.names()


def test_outside_a_transaction_an_event_comes_at_once_and_an_unknown_fate_is_told(site: Site) -> None:
    browser, name, last = site.browser(), site.fresh(), site.fresh()
    assert browser.get(f"/outside?name={name}").body == "tracked"
    site.event(name)
    browser.get(f"/event?name={last}")
    site.event(last)
    assert not {"mv_unknown_fate", "mv_nowhere"} & set(site.collector.names())
    assert "an event could not wait for its transaction and is lost: TransactionManagementError" in site.server.output
