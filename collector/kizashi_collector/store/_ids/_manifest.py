"""The one file that says which runs of the index of ids are live, and what they cover."""

from __future__ import annotations

import os
import secrets
import zlib
from pathlib import Path

import msgspec

from kizashi_collector.store._ids._runs import RunInfo
from kizashi_collector.store._sync import sync_folder

__all__ = ["Manifest", "forget_manifest", "read_manifest", "remove_strays", "write_manifest"]

_NAME = "manifest"
_FORMAT = 1


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`runs` from the oldest to the newest: all ids stored in `history` with numbers from `floor` to `covered`.

    `secret` is the key of their hashes, in hexadecimal digits; `made` counts runs, so that no name is used twice.
    """

    format: int = _FORMAT
    history: str = ""
    secret: str = msgspec.field(default_factory=lambda: secrets.token_hex(32))
    covered: int = 0
    floor: int = 0
    made: int = 0
    runs: tuple[RunInfo, ...] = ()


def read_manifest(folder: Path) -> Manifest | None:
    """Return what was written last, or None in a new folder. Raises ValueError for a damaged one, and OSError."""
    try:
        checksum, _, body = (folder / _NAME).read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if checksum != _checksum(body):
        raise ValueError("its checksum differs")
    if (found := msgspec.json.decode(body, type=_Versioned).format) != _FORMAT:
        raise ValueError(f"it has format {found}, and this version reads {_FORMAT}")
    return msgspec.json.decode(body, type=Manifest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Put a manifest in the place of the last one, durably; its runs' names become durable before. Raises OSError."""
    body = msgspec.json.encode(manifest)
    fresh = folder / f"{_NAME}.tmp"
    with fresh.open("wb") as file:
        file.write(_checksum(body) + b"\n" + body)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)
    fresh.rename(folder / _NAME)
    sync_folder(folder)


def forget_manifest(folder: Path) -> None:
    """Remove the manifest, durably. Raises OSError."""
    (folder / _NAME).unlink(missing_ok=True)
    sync_folder(folder)


def remove_strays(folder: Path, manifest: Manifest) -> None:
    """Remove the files of which the manifest does not know: what a crash left, or damage has made useless."""
    live = {info.name for info in manifest.runs}
    for path in folder.iterdir():
        if path.suffix in {".run", ".tmp"} and path.name not in live:
            path.unlink()


class _Versioned(msgspec.Struct):
    format: int


def _checksum(body: bytes) -> bytes:
    return b"%08x" % zlib.crc32(body)
