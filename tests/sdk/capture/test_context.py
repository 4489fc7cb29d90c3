"""Who acts, from the context."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextvars import copy_context
from typing import Any

import kizashi
from kizashi import Client, Stats
from kizashi._capture._context import Ambient, ambient
from kizashi._capture._keep import stand_in


def said(around: Ambient) -> tuple[object, ...]:
    return around.actor, around.session, around.source, around.consent


def test_inner_contexts_add_to_outer_ones_and_end() -> None:
    assert said(ambient()) == said(Ambient())
    with kizashi.context(actor="v-1", source={"campaign": "brand", "device": "mobile"}, consent={"ads": False}):
        with kizashi.context(session="s-1", source={"campaign": "sale", "device": None}, consent={"ads": True}):
            assert said(ambient()) == ("v-1", "s-1", {"campaign": "sale", "device": "mobile"}, {"ads": True})
        assert said(ambient()) == ("v-1", None, {"campaign": "brand", "device": "mobile"}, {"ads": False})
        with kizashi.context(actor="v-2"):
            assert ambient().actor == "v-2"
    assert said(ambient()) == said(Ambient())


def test_a_context_may_be_entered_again() -> None:
    visitor = kizashi.context(actor="v-1")
    with visitor, kizashi.context(actor="v-2"), visitor:
        assert ambient().actor == "v-1"
    with visitor:
        assert ambient().actor == "v-1"
    assert ambient().actor is None


async def test_tasks_do_not_see_each_others_actors() -> None:
    seen: dict[str, Any] = {}
    entered = asyncio.Barrier(2)

    async def visit(actor: str) -> None:
        with kizashi.context(actor=actor):
            await entered.wait()
            seen[actor] = ambient().actor

    await asyncio.gather(visit("v-1"), visit("v-2"))
    assert seen == {"v-1": "v-1", "v-2": "v-2"}


def test_a_new_thread_begins_with_nothing() -> None:
    seen: list[Ambient] = []
    with kizashi.context(actor="v-1"):
        thread = threading.Thread(target=lambda: seen.append(ambient()))
        thread.start()
        thread.join()
    assert [said(one) for one in seen] == [said(Ambient())]


def test_junk_raises_nothing_here() -> None:
    junk: Any = ["no mapping"]
    kept = stand_in(junk)
    with kizashi.context(source=junk), kizashi.context(source={"campaign": "brand"}):
        assert ambient().source == {"campaign": "brand"}
    with kizashi.context(source={"campaign": "brand"}), kizashi.context(source=junk):
        assert ambient().source is kept


class Trap(Mapping[str, str]):
    """A mapping that cannot be read."""

    def __getitem__(self, _key: str) -> str:
        raise RuntimeError("gone")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("gone")

    def __len__(self) -> int:
        return 1


def test_a_mapping_that_raises_costs_the_event_and_not_the_site(client: Client) -> None:
    with kizashi.context(actor="v-1", source=Trap()):
        client.track("mv_view")
    assert client.flush(10)
    assert client.stats() == Stats(tracked=1, dropped={"invalid": 1})


def test_a_context_left_elsewhere_changes_nothing_there() -> None:
    here, there = copy_context(), copy_context()
    visitor, other = kizashi.context(actor="v-1"), kizashi.context(actor="v-2")
    here.run(visitor.__enter__)
    there.run(other.__enter__)
    there.run(visitor.__exit__)
    assert there.run(ambient).actor == "v-2"
    assert here.run(ambient).actor == "v-1"


async def test_tasks_that_overlap_may_share_one_context() -> None:
    shared = kizashi.context(actor="v-1")
    first_in, second_in, first_out = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def first() -> None:
        with shared:
            first_in.set()
            await second_in.wait()
        assert ambient().actor is None
        first_out.set()

    async def second() -> None:
        await first_in.wait()
        with shared:
            second_in.set()
            await first_out.wait()
            assert ambient().actor == "v-1"
        assert ambient().actor is None

    await asyncio.gather(first(), second())


def test_who_acts_is_not_shown() -> None:
    with kizashi.context(actor="v-secret"):
        assert "secret" not in repr(ambient())
