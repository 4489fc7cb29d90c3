"""Who acts, from the context."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import kizashi
from kizashi._context import Ambient, ambient


def test_inner_contexts_add_to_outer_ones_and_end() -> None:
    assert ambient() == Ambient()
    with kizashi.context(actor="v-1", source={"campaign": "brand", "device": "mobile"}, consent={"ads": False}):
        with kizashi.context(session="s-1", source={"campaign": "sale", "device": None}, consent={"ads": True}):
            assert ambient() == Ambient("v-1", "s-1", {"campaign": "sale", "device": "mobile"}, {"ads": True})
        assert ambient() == Ambient("v-1", None, {"campaign": "brand", "device": "mobile"}, {"ads": False})
        with kizashi.context(actor="v-2"):
            assert ambient().actor == "v-2"
    assert ambient() == Ambient()


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
    assert seen == [Ambient()]


def test_junk_raises_nothing_here() -> None:
    junk: Any = ["no mapping"]
    with kizashi.context(source=junk), kizashi.context(source={"campaign": "brand"}):
        assert ambient().source == {"campaign": "brand"}
    with kizashi.context(source={"campaign": "brand"}), kizashi.context(source=junk):
        assert ambient().source == junk
