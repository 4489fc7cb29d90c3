"""sqlite-utils without pandas, which it loads wherever it is installed, and which nothing here uses.

Beside pandas a start took a third more processor time for it, and each process 65 MB more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

__all__ = ["Database", "Migrations"]


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let an import of the module fail for now, unless somebody has loaded it already."""
    if name in sys.modules:
        yield
        return
    # The documented way to have an import fail; typeshed knows modules alone.
    sys.modules[name] = cast("ModuleType", None)
    try:
        yield
    finally:
        del sys.modules[name]


with _without("pandas"):
    from sqlite_utils import Database, Migrations
