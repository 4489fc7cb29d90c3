"""A file that is replaced as a whole: whoever reads it meanwhile finds the old text or the new one, never a half."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, before: bytes, after: bytes) -> None:
    """Put other bytes in the place of a file that has these, with the same mode and, where that is allowed, owner.

    A link stays one, and what it leads to is replaced. Raises OSError, and then the file is as it was; of that
    FileExistsError where the file says something else by now than `before`.
    """
    place = Path(os.path.realpath(path))
    if not os.access(place, os.W_OK):
        raise PermissionError(None, "Permission denied", str(path))
    was = place.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(after)
            file.flush()
            now = os.fstat(descriptor)
            if (now.st_uid, now.st_gid) != (was.st_uid, was.st_gid):
                with contextlib.suppress(PermissionError):
                    os.chown(name, was.st_uid, was.st_gid)
            # After the owner: to change that takes bits of the mode away.
            os.chmod(name, was.st_mode & 0o7777)
            os.fsync(descriptor)
        if place.read_bytes() != before:
            raise FileExistsError(None, "it was changed meanwhile", str(path))
        os.replace(name, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    with contextlib.suppress(OSError):  # not every file system takes that
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
