"""Celery's broker in a folder, whose messages appear there whole.

kombu's own writes a message in the place where others look for it, and one that looks in between takes an empty file
for a message and ends.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils import json

__all__ = ["BROKER", "Channel", "Transport"]

BROKER = "wholemessages://"
TRANSPORT_ALIASES["wholemessages"] = f"{__name__}:Transport"


class Channel(filesystem.Channel):
    """A channel that writes beside and renames."""

    def _put(self, queue: Any, payload: Any, **_: Any) -> None:  # type: ignore[override]  # as kombu's own
        name = f"{round(time.monotonic() * 1000)}_{uuid.uuid4()}.{queue}"
        unfinished = Path(self.data_folder_out, f"{name}.unfinished")
        unfinished.write_text(json.dumps(payload), encoding="utf-8")  # type: ignore[no-untyped-call]
        unfinished.rename(unfinished.with_name(f"{name}.msg"))


class Transport(filesystem.Transport):
    """kombu's, with that channel."""

    Channel = Channel
