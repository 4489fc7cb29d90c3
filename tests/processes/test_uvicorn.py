"""uvicorn ends by the very signal that stopped it, past every exit handler."""

from __future__ import annotations

import pytest

from processes.serving import serving

UVICORN = ("uvicorn", "--port", "0", "processes.asgi_shop:app")


@pytest.mark.parametrize("way", ["LIFESPAN", "HANDLE_SIGTERM"])
def test_a_stop_delivers_what_the_site_flushes(way: str) -> None:
    with serving(*UVICORN, **{way: "yes"}) as shop:
        shop.track("mv_a", 20)
        shop.end()
        assert shop.arrived() == {"mv_a": 20}, shop.server.output


def test_workers_deliver_as_well() -> None:
    with serving(*UVICORN, "--workers", "2", LIFESPAN="yes") as shop:
        shop.track("mv_a", 20)
        shop.end()
        assert shop.arrived() == {"mv_a": 20}, shop.server.output
