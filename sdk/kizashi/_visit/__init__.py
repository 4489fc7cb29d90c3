"""Where a visitor came from: read from requests, kept in a signed cookie, without any framework."""

from __future__ import annotations

from kizashi._visit._options import Options, Settings, read_options
from kizashi._visit._stream import AsyncCarried, Carried
from kizashi._visit._trouble import Trouble
from kizashi._visit._visit import Seen, Visits, Welcome

__all__ = [
    "AsyncCarried",
    "Carried",
    "Options",
    "Seen",
    "Settings",
    "Trouble",
    "Visits",
    "Welcome",
    "read_options",
]
