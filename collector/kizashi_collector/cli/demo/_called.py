"""How the demo was called, so that the commands that it names can be called in the same way."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["called"]


def called(program: str | None = None, *, path: str | None = None, folder: Path | None = None) -> str:
    """What to write in place of `kizashi`, for a shell in the working folder.

    `kizashi` itself where the shell finds that program, or nobody can tell; else the way to it, as .venv/bin/kizashi.
    `program` is sys.argv[0], `path` the PATH, `folder` the working folder.
    """
    own = Path(sys.argv[0] if program is None else program)
    if own.name != "kizashi" or not own.is_file():
        return "kizashi"  # as after python -m kizashi
    found = shutil.which("kizashi", path=path)
    if found is not None and own.samefile(found):
        return "kizashi"
    # Links stay as they are: what a virtual environment is called is what people know.
    own, folder = own.absolute(), (folder or Path.cwd()).absolute()
    if not own.is_relative_to(folder):
        return shlex.quote(str(own))
    way = str(own.relative_to(folder))
    return shlex.quote(way if "/" in way else f"./{way}")
