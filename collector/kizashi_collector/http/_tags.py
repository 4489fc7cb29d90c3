"""Which version of an answer each ETag stands for, so that an unchanged answer need not be written to be known."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Tags"]

_MOST = 4_096


class Tags:
    """Versions by the tags that were given to clients, the newest few thousand."""

    def __init__(self) -> None:
        self._versions: OrderedDict[str, str] = OrderedDict()

    def note(self, tag: str, version: str | None) -> None:
        """A client was given this tag for an answer of this version."""
        if version is None:
            return
        self._versions[tag] = version
        self._versions.move_to_end(tag)
        if len(self._versions) > _MOST:
            self._versions.popitem(last=False)

    def version(self, tag: str) -> str | None:
        """The version that the tag stands for, if it is remembered."""
        return self._versions.get(tag)
