"""An event that stopped is told to whoever looks."""

from __future__ import annotations

from browser.conftest import OpenTab
from browser.shop import until_learned
from faults.serving import Serving


async def test_a_tag_that_broke_is_told_where_it_matters(crowded: Serving, open_tab: OpenTab) -> None:
    until_learned(crowded)
    tab = await open_tab(at=crowded, lang="ja")
    await tab.open("live")
    assert "mv_search" in await tab.text("main [role=alert]")
    await tab.open("overview", "?window=7d")
    assert "mv_search" in await tab.text("main details[open]")
    assert await tab.violations() == []
