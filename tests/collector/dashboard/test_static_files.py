"""Static files: named by what they hold, kept for ever, packed once."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from multidict import CIMultiDict

from dashboard_forms import opened
from kizashi_collector.dashboard import _static_files
from kizashi_collector.dashboard._static_files import StaticFiles
from live_collector import LiveCollector

FOLDER = Path(_static_files.__file__).parent / "static"


async def get(collector: LiveCollector, path: str, accepted: str = "") -> tuple[int, CIMultiDict[str], bytes]:
    """Status, headers and the body as it travelled."""
    headers = {"Accept-Encoding": accepted}
    async with collector.session.get(collector.url + path, headers=headers, auto_decompress=False) as response:
        return response.status, CIMultiDict(response.headers), await response.read()


async def folder(collector: LiveCollector) -> str:
    """The folder that a page names."""
    async with opened(collector, "/") as response:
        found = re.search(r'"(/static/[0-9a-f]{16}/)app\.css"', await response.text())
    assert found is not None
    return found[1]


async def test_a_file_is_kept_for_a_year_and_packed_where_the_browser_unpacks(collector: LiveCollector) -> None:
    path = f"{await folder(collector)}core/core.js"
    text = (FOLDER / "core" / "core.js").read_bytes()
    for accepted, packed in (
        *(("gzip, deflate, br", True), ("br;q=1, GZIP;q=0.5", True), ("", False), ("identity", False)),
        *(("gzip;q=0", False), ("gzip; q=0.0, br", False), ("x-gzip", False)),
    ):
        status, headers, body = await get(collector, path, accepted)
        assert (status, headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert headers["Vary"] == "Accept-Encoding"
        assert headers.get("Content-Encoding") == ("gzip" if packed else None), accepted
        assert (gzip.decompress(body) if packed else body) == text


async def test_a_style_sheet_is_sent_as_one_with_its_parts(collector: LiveCollector) -> None:
    _, _, body = await get(collector, f"{await folder(collector)}app.css")
    parts = re.findall(r'@import "./([a-z/]+\.css)";', (FOLDER / "app.css").read_text(encoding="utf-8"))
    assert len(parts) > 5
    assert b"@import" not in body
    places = [body.find((FOLDER / part).read_bytes()) for part in parts]
    assert places[0] >= 0
    assert places == sorted(set(places))


async def test_each_kind_has_its_type(collector: LiveCollector) -> None:
    files = await folder(collector)
    for name, kind in (("app.css", "text/css"), ("core/core.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        _, headers, _ = await get(collector, files + name)
        assert headers["Content-Type"] == f"{kind}; charset=utf-8"


async def test_another_version_or_name_is_404_and_not_kept(collector: LiveCollector) -> None:
    files = await folder(collector)
    for path in (
        *("/static/0000000000000000/app.css", files + "nothing.css", files + "%2e%2e%2f__init__.py", files + "core"),
        *(files + "..%2f_frame.py", files + "__init__.py", files + "app.css%00"),
    ):
        async with opened(collector, path) as response:
            assert response.status == 404, path
            assert "Cache-Control" not in response.headers


def test_the_version_changes_with_any_byte_or_name_and_with_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("one", encoding="utf-8")
    (tmp_path / "b.css").write_text("two", encoding="utf-8")
    first = StaticFiles(tmp_path).version
    (tmp_path / "notes.txt").write_text("not served", encoding="utf-8")
    assert StaticFiles(tmp_path).version == first
    (tmp_path / "b.css").write_text("twO", encoding="utf-8")
    second = StaticFiles(tmp_path).version
    (tmp_path / "a.js").rename(tmp_path / "c.js")
    third = StaticFiles(tmp_path).version
    assert len({first, second, third}) == 3


def test_what_a_module_imports_is_found_with_what_that_imports(tmp_path: Path) -> None:
    for name, text in {
        "page/page.js": "import { t } from '../core/core.js';\nimport \"./alone.js\";\n",
        "core/core.js": 'export { h } from "./dom.js";\nimport("./lazily.js");\nimport "../../gone.js";',
        "core/dom.js": 'import { core } from "./core.js";',
        "page/alone.js": "",
        "core/lazily.js": "",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert sorted(StaticFiles(tmp_path).imported("page/page.js")) == ["core/core.js", "core/dom.js", "page/alone.js"]
    assert StaticFiles(tmp_path).imported("none.js") == []
