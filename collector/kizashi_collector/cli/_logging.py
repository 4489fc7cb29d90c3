"""The server's log lines: text for people or JSON for machines, never a payload, and never a flood."""

from __future__ import annotations

import contextlib
import logging
import queue
import re
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO

import msgspec

from kizashi_collector.http import current_request_id

__all__ = ["FloodGate", "JsonLines", "LogFormat", "TextLines", "form_for", "set_up_logging"]

LogFormat = Literal["text", "json"]

_log = logging.getLogger("kizashi.serve")
_MOST_WAITING = 5_000
_LAST_S = 1.0
_BURST = 20
_SPAN_S = 10.0
# So many kinds of lines are watched for floods at a time; there are some dozens of them in the code.
_MOST_KINDS = 1_000
_PLAIN = re.compile(r"[\w.:/+@-]+", re.ASCII)


def set_up_logging(form: LogFormat | None, level: str, stream: TextIO = sys.stderr) -> None:
    """Write the log of this process to `stream`; without a form, as text where that is a terminal, else as JSON."""
    handler = _Beside(stream)
    handler.setFormatter(TextLines() if (form or form_for(stream)) == "text" else JsonLines())
    handler.addFilter(FloodGate())
    # At debug, other libraries might write of what they read: they stay at info.
    logging.basicConfig(level=max(logging.INFO, _level(level)), handlers=[handler], force=True)
    logging.getLogger("kizashi").setLevel(_level(level))
    # What fails must not print the values that it failed on: neither a handler, nor a thread, nor what is collected.
    logging.raiseExceptions = False
    threading.excepthook = lambda args: _last_words(args.exc_value)
    sys.unraisablehook = lambda args: _last_words(args.exc_value)


def form_for(stream: TextIO) -> LogFormat:
    """Text for people, who sit at a terminal; JSON for whatever else reads the stream."""
    return "text" if stream.isatty() else "json"


def _level(name: str) -> int:
    return logging.getLevelNamesMapping()[name.upper()]


def _last_words(error: BaseException | None) -> None:
    if error is not None:
        _log.error("something failed outside of any request; report it with this line", exc_info=error)


class _Beside(logging.Handler):
    """Writes lines in a thread of its own: whoever reads the stream may be slow, and nobody waits for that.

    Lines beyond some thousands that wait are dropped, and counted in the next one. At the end of the process, what
    waits gets a second.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write_forever, name="kizashi-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the line over."""
        if self._lines.qsize() >= _MOST_WAITING:
            self._dropped += 1
            return
        if self._dropped:
            record.held_back = getattr(record, "held_back", 0) + self._dropped
            self._dropped = 0
        self._lines.put(self.format(record))

    def _write_forever(self) -> None:
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError, ValueError):  # nobody reads: there is nowhere left to say it
                self._stream.write(line + "\n")
                self._stream.flush()

    def close(self) -> None:
        """Write what waits; `logging` itself calls it at the end."""
        self._lines.put(None)
        self._thread.join(_LAST_S)
        super().close()


class FloodGate(logging.Filter):
    """Lets 20 lines of one kind through in 10 s, and says with the next span's first how many were held back.

    A line's kind is its logger, level and message before its arguments are put in, or what `extra={"alike": …}` says.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, int, str], _Span] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record may be written."""
        if record.levelno < logging.INFO:
            return True  # who asks for debug wants all of it
        kind = (record.name, record.levelno, getattr(record, "alike", None) or str(record.msg))
        now = self._clock()
        span = self._kinds.get(kind)
        if span is None or now - span.began >= _SPAN_S:
            held = 0 if span is None else max(0, span.lines - _BURST)
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            self._kinds[kind] = _Span(now, 1)
            record.held_back = held
            return True
        span.lines += 1
        return span.lines <= _BURST


class _Span(msgspec.Struct):
    began: float
    lines: int


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, then the line's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        for name, value in _fields(record):
            line.setdefault(name, value)
        return msgspec.json.encode(line, enc_hook=repr).decode()


class TextLines(logging.Formatter):
    """Time, level, logger, message, and then each field as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        fields = "".join(f" {name}={_shown(value)}" for name, value in _fields(record))
        # Whatever is in a message, it begins no line of its own.
        message = _message(record).replace("\r", "\\r").replace("\n", "\\n")
        return f"{_time(record)} {record.levelname} {record.name}: {message}{fields}"


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    # asyncio adds what an object looks like, and a task may hold anything; its first line says what is the matter.
    return record.getMessage().partition("\n")[0] if record.name == "asyncio" else record.getMessage()


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    request_id = current_request_id()
    if request_id is not None:
        yield "request_id", request_id
    fields: Mapping[str, object] = getattr(record, "fields", {})
    yield from fields.items()
    if held := getattr(record, "held_back", 0):
        yield "held_back", held
    if record.exc_info and record.exc_info[1] is not None:
        yield "error", " from ".join(_errors(record.exc_info[1]))
        yield "trace", _trace(record.exc_info[1])


def _errors(error: BaseException) -> Iterator[str]:
    """The error's kind and its causes'. Only the system's and SQLite's own texts are known to quote nobody's data."""
    cause: BaseException | None = error
    for _ in range(5):
        if cause is None:
            return
        kind = type(cause).__qualname__
        yield f"{kind}: {cause}" if isinstance(cause, OSError | sqlite3.Error) else kind
        cause = cause.__cause__ or cause.__context__


def _trace(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__, limit=-20)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _shown(value: object) -> str:
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if _PLAIN.fullmatch(text) else msgspec.json.encode(text).decode()
