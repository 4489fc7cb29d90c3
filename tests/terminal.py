"""The program `kizashi` as people run it: in a terminal, with its output in a pipe, or quickly, in this process."""

from __future__ import annotations

import argparse
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from typing import NamedTuple

__all__ = ["Ended", "called", "in_a_pipe", "in_a_terminal", "without_colour"]


class Ended(NamedTuple):
    """How the program ended, and what it wrote; in a terminal, both streams are `out`."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of `out`."""
        return self.out.splitlines()


def without_colour(text: str) -> str:
    """The text as it is seen."""
    return re.sub(r"\x1b\[[0-9;]*[mK]", "", text)


def _environment(more: dict[str, str]) -> dict[str, str]:
    left_out = ("KIZASHI_", "NO_COLOR", "COLUMNS", "LINES", "TERM")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**clean, "PYTHONIOENCODING": "utf-8", "TERM": "xterm-256color", **more}


def called(add: Callable[[argparse._SubParsersAction[argparse.ArgumentParser]], None], *arguments: str) -> Ended:
    """Run a command in this process, nobody watching; `add` is what adds it to the program."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    parser = argparse.ArgumentParser(prog="kizashi")
    add(parser.add_subparsers())
    with redirect_stdout(out), redirect_stderr(err):
        try:
            args = parser.parse_args(arguments)
            status = args.run(args)
        except SystemExit as end:
            status = end.code
    return Ended(int(status or 0), *(stream.buffer.getvalue().decode() for stream in (out, err)))


def in_a_pipe(*arguments: str, **environment: str) -> Ended:
    """Run `kizashi`, nobody watching."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "kizashi", *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=_environment(environment),
        timeout=60,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def in_a_terminal(*arguments: str, columns: int = 100, **environment: str) -> Ended:
    """Run `kizashi` in a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with closing(os.fdopen(ours, "rb", buffering=0)) as screen:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "kizashi", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=_environment(environment),
            start_new_session=True,
        )
        os.close(theirs)
        shown = b""
        try:
            while piece := screen.read(65_536):
                shown += piece
        except OSError:
            pass  # Linux says so when the last one who had the terminal has gone.
        return Ended(process.wait(60), shown.decode().replace("\r\n", "\n"), "")
