"""What a process did to a folder, call by call, as strace saw it; and when it began to answer its clients."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

__all__ = ["Call", "Reply", "UnmodelledError", "cannot_trace", "read_trace", "tracer"]

_CHANGES = (
    "openat,open,creat,lseek,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,mmap,"
    "rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat,symlink,symlinkat,"
    "fsync,fdatasync,sendto,sendmsg,sendmmsg,sendfile,copy_file_range,io_uring_enter"
)
_STRING = r'"((?:\\x[0-9a-f]{2})*)"'
_HTTP = "".join(f"\\x{byte:02x}" for byte in b"HTTP/1.1 ")
_LINE = re.compile(r"^(\d+) +(.*)$")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
_RESULT = re.compile(r" = (-?\d+)(?:<[^>]*>)?(?: .*)?$")
_DESCRIPTOR = re.compile(r"\w+\((\d+)<((?:\\x[0-9a-f]{2})*)>(\(deleted\))?")
_OPENED = re.compile(r" = (\d+)<")
_REPLY = re.compile(r"\w+\(\d+<TCP(?:v6)?:\[.*?:(\d+)->.*?:(\d+)\]>.*?" + '"' + re.escape(_HTTP))


class UnmodelledError(Exception):
    """The process changed the folder in a way that the model of the disk does not know."""


class Call(Struct, frozen=True):
    """One call that changes a folder, between two instants of the trace; `paths` are relative to the folder.

    `kind` is create, write, truncate, rename, unlink, mkdir or sync. A write has an offset and data, a truncation the
    size in `offset`.
    """

    begin: int
    end: int
    kind: str
    paths: tuple[str, ...]
    offset: int = 0
    data: bytes = b""


class Reply(Struct, frozen=True):
    """The instant at which a process began to answer: the client's port, and which of its answers there."""

    begin: int
    port: int
    number: int


def tracer(output: Path) -> list[str]:
    """The command that runs another and writes its trace."""
    return [
        "strace",
        "-f",
        "-yy",
        "-xx",
        "-s",
        "10000000",
        "--seccomp-bpf",
        "-o",
        str(output),
        "-e",
        f"trace={_CHANGES}",
    ]


def cannot_trace() -> str | None:
    """Why no process can be traced here, or None."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        [*tracer(Path("/dev/null")), sys.executable, "-c", ""], capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr.strip()[:200]}"


def read_trace(file: Path, folder: Path, start: int = 0) -> tuple[list[Call], list[Reply], int]:
    """The calls that changed the folder in the order of their ends, the replies, and where the trace ends.

    Instants are the trace's lines, counted from `start` on. Raises UnmodelledError.
    """
    reader = _Reader(folder)
    end = start
    for begin, end, text in _whole_lines(file, start):
        reader.take(begin, end, text)
    return reader.calls, sorted(reader.replies, key=lambda reply: reply.begin), end + 1


def _whole_lines(file: Path, start: int) -> Iterator[tuple[int, int, str]]:
    """Begin, end and text of each call, in the order of their ends."""
    open_calls: dict[str, tuple[int, str]] = {}
    with file.open(encoding="ascii") as lines:
        for number, line in enumerate(lines, start):
            found = _LINE.match(line.rstrip("\n"))
            if found is None:
                continue
            thread, text = found.groups()
            if text.endswith("<unfinished ...>"):
                open_calls[thread] = number, text.removesuffix("<unfinished ...>")
            elif (resumed := _RESUMED.match(text)) is not None and thread in open_calls:
                begin, head = open_calls.pop(thread)
                yield begin, number, head.rstrip(" ") + text[resumed.end() :]
            else:
                yield number, number, text


class _Reader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._encoded = "".join(f"\\x{byte:02x}" for byte in str(folder).encode())
        self._positions: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._sizes: dict[str, int] = {}
        self.calls: list[Call] = []
        self.replies: list[Reply] = []

    def take(self, begin: int, end: int, text: str) -> None:
        name = text.partition("(")[0]
        if (reply := _REPLY.match(text)) is not None:
            port = int(reply[2])
            number = self._counts.get(port, 0)
            self._counts[port] = number + 1
            self.replies.append(Reply(begin, port, number))
            return
        if self._encoded not in text:
            return
        result = _RESULT.search(text)
        if result is None or int(result[1]) < 0:
            return
        handler = getattr(self, f"_{name}", None)
        if handler is None:
            raise UnmodelledError(f"{name} on {self._folder} is not known to the model")
        self.calls += [Call(begin, end, *call) for call in handler(text, int(result[1]))]

    def _relative(self, encoded: str) -> str | None:
        path = Path(_decode(encoded).decode())
        return str(path.relative_to(self._folder)) if path.is_relative_to(self._folder) else None

    def _paths(self, text: str) -> list[str]:
        """The paths that are arguments; only absolute ones are known."""
        names = [self._relative(encoded) for encoded in re.findall(_STRING, text)]
        if None in names:
            raise UnmodelledError(f"a path outside {self._folder}, or a relative one: {text[:300]}")
        return [name for name in names if name is not None]

    def _file(self, text: str) -> tuple[int, str] | None:
        """The descriptor and file that a call is about; None where the file has no name any more."""
        found = _DESCRIPTOR.match(text)
        if found is None or found[3] or (path := self._relative(found[2])) is None:
            return None
        return int(found[1]), path

    # Each returns kind, paths, offset and data of the calls that it stands for.

    def _openat(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...]]]:
        found = re.match(r"openat\([^,]*, " + _STRING + r", ([A-Z_|]+)", text)
        if found is None or (path := self._relative(found[1])) is None:
            return
        self._positions[result] = 0
        if "O_APPEND" in found[2]:
            raise UnmodelledError(f"{path} is opened for appending")
        if "O_CREAT" in found[2]:
            yield "create", (path,)
        if "O_TRUNC" in found[2]:
            yield "truncate", (path,)

    def _lseek(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...]]]:
        if (file := self._file(text)) is not None:
            self._positions[file[0]] = result
        return ()

    def _write(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...], int, bytes]]:
        if (file := self._file(text)) is None:
            return
        number, path = file
        at = self._positions.get(number, 0)
        self._positions[number] = at + result
        yield "write", (path,), at, self._data(text)[:result]

    _writev = _write

    def _pwrite64(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...], int, bytes]]:
        if (file := self._file(text)) is None:
            return
        offset = re.search(r", (\d+)\) +=", text)
        if offset is None:
            raise UnmodelledError(f"no offset: {text[-100:]}")
        yield "write", (file[1],), int(offset[1]), self._data(text)[:result]

    _pwritev = _pwrite64

    def _data(self, text: str) -> bytes:
        return b"".join(_decode(encoded) for encoded in re.findall(_STRING, text))

    def _ftruncate(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...], int]]:
        found = re.search(r", (\d+)\) +=", text)
        if (file := self._file(text)) is not None and found is not None:
            yield "truncate", (file[1],), int(found[1])

    def _fsync(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...]]]:
        if (file := self._file(text)) is not None:
            yield "sync", (file[1],)

    _fdatasync = _fsync

    def _mmap(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...]]]:
        found = re.search(r"<((?:\\x[0-9a-f]{2})*)>", text)
        if "PROT_WRITE" in text and "MAP_SHARED" in text and found is not None:
            path = self._relative(found[1])
            if path is not None and not path.endswith("-shm"):
                raise UnmodelledError(f"{path} is written through memory, which no trace shows")
        return ()

    def _rename(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...]]]:
        yield "rename", tuple(self._paths(text))

    _renameat = _renameat2 = _rename

    def _unlink(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...]]]:
        yield "unlink", tuple(self._paths(text))

    _unlinkat = _rmdir = _unlink

    def _mkdir(self, text: str, result: int) -> Iterable[tuple[str, tuple[str, ...]]]:
        yield "mkdir", tuple(self._paths(text))

    _mkdirat = _mkdir


def _decode(encoded: str) -> bytes:
    return bytes.fromhex(encoded.replace("\\x", ""))
