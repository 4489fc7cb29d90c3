"""The style sheet, the modules and the icon: packed at the first request, and kept by browsers for a year."""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from pathlib import Path

from aiohttp import web
from msgspec import Struct

__all__ = ["STATIC_FILES", "StaticFiles"]

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_VERSION_CHARACTERS = 16
_PART = re.compile(rb"""^@import "\./([\w./-]+\.css)";\n""", re.MULTILINE)
_IMPORT = re.compile(rb"""\b(?:from|import)\s*["'](\.{1,2}/[\w./-]+)["']""")


class _File(Struct, frozen=True):
    content_type: str
    plain: bytes


class StaticFiles:
    """The files of a folder and those below it, named by their path in it. `version` is a digest of all of them
    together, since modules import each other.

    A style sheet is sent with those that it imports in place of its import lines: a browser asks once.
    """

    def __init__(self, folder: Path = _FOLDER) -> None:
        digest = hashlib.sha256()
        self._files: dict[str, _File] = {}
        self._packed: dict[str, bytes] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix in _TYPES:
                name, plain = path.relative_to(folder).as_posix(), _joined(path)
                digest.update(b"%b %d\n%b" % (name.encode(), len(plain), plain))
                self._files[name] = _File(_TYPES[path.suffix], plain)
        self.version = digest.hexdigest()[:_VERSION_CHARACTERS]

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._files

    def imported(self, name: str) -> list[str]:
        """The modules that a module imports, and those that these import."""
        found: list[str] = []
        waiting = [name]
        while waiting:
            importing = waiting.pop()
            file = self._files.get(importing)
            for match in _IMPORT.finditer(b"" if file is None else file.plain):
                module = posixpath.normpath(posixpath.join(posixpath.dirname(importing), match[1].decode()))
                if module not in (name, *found) and module in self._files:
                    found.append(module)
                    waiting.append(module)
        return found

    def path(self, name: str) -> str:
        """Where a browser finds a file."""
        return f"/static/{self.version}/{name}"

    def answer(self, request: web.Request) -> web.Response:
        """The file that the request's path names; 404 for another version, which would be kept for a year."""
        name = request.match_info["name"]
        file = self._files.get(name)
        if file is None or request.match_info["version"] != self.version:
            return web.Response(status=404, text="there is no such file; load the page again\n")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
        packed = _takes_gzip(request.headers.get("Accept-Encoding", ""))
        if packed:
            headers["Content-Encoding"] = "gzip"
        body = self._pack(name) if packed else file.plain
        return web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=headers)

    def _pack(self, name: str) -> bytes:
        if name not in self._packed:
            # Without a time in it, the same file packs to the same bytes everywhere.
            self._packed[name] = gzip.compress(self._files[name].plain, 9, mtime=0)
        return self._packed[name]


STATIC_FILES = web.AppKey("static_files", StaticFiles)


def _joined(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".css":
        return content
    return _PART.sub(lambda found: (path.parent / found[1].decode()).read_bytes(), content)


def _takes_gzip(accepted: str) -> bool:
    for coding in accepted.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
