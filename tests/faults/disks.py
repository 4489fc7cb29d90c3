"""Disks with faults: small ones, full ones, slow ones, and those that refuse. Where none can be had, the test skips."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from faults.serving import until

__all__ = ["SmallDisk", "disturbed", "no_growth", "small_disk"]


class SmallDisk:
    """A real filesystem of its own, in a mount namespace that ends with the test. `inside` enters the namespace."""

    def __init__(self, holder: int, inside: Sequence[str], folder: Path) -> None:
        self.folder = folder
        self.inside = tuple(inside)
        self._seen = Path(f"/proc/{holder}/root{folder}")

    def fill(self) -> None:
        """Write a foreign file until nothing more fits."""
        with (self._seen / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while ballast.write(bytes(4096)):
                pass

    def relieve(self) -> None:
        """Remove the foreign file."""
        (self._seen / "ballast").unlink()

    def run(self, *command: str) -> None:
        """Run a command there."""
        subprocess.run([*self.inside, *command], check=True, timeout=30)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a tmpfs of `size` on `folder`, for the test alone: as root or in a user namespace. Skips without."""
    folder.mkdir(parents=True, exist_ok=True)
    script = f'mount -t tmpfs -o size={size} none "$1" && echo mounted && read -r _'
    tries = [
        (["unshare", "--mount"], ["nsenter", "--mount"]),
        (
            ["unshare", "--user", "--map-root-user", "--mount"],
            ["nsenter", "--preserve-credentials", "--user", "--mount"],
        ),
    ]
    reasons = []
    for unshare, nsenter in tries:
        if shutil.which(unshare[0]) is None or shutil.which(nsenter[0]) is None:
            pytest.skip("unshare and nsenter of util-linux are not here")
        command = [*unshare, "sh", "-c", script, "sh", str(folder)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdin is not None
            assert holder.stdout is not None
            assert holder.stderr is not None
            try:
                if holder.stdout.readline() == "mounted\n":
                    yield SmallDisk(holder.pid, [*nsenter, "--target", str(holder.pid), "--"], folder)
                    return
            finally:
                holder.stdin.close()
            reasons.append(holder.stderr.read().strip())
    pytest.skip(f"no filesystem can be mounted here: {'; '.join(reasons)}")


@contextmanager
def no_growth(process: int, size: int) -> Iterator[None]:
    """Let no file of the process grow beyond `size` bytes for the time: a full disk, for whoever may mount none."""
    _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    soft = resource.prlimit(process, resource.RLIMIT_FSIZE)[0]
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def disturbed(process: int, calls: str, fault: str, note: Path) -> Iterator[None]:
    """Let system calls of all threads fail or wait, as `strace --inject` says: `error=EIO`, `delay_enter=200000`."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    command = [
        strace,
        "-f",
        "-p",
        str(process),
        "-o",
        str(note),
        "-e",
        f"trace={calls}",
        "-e",
        f"inject={calls}:{fault}",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            assert tracer.stderr is not None
            line = tracer.stderr.readline()
            if "attached" not in line:
                pytest.skip(f"no process may be traced here: {line.strip()}")
            until(lambda: _all_traced(process), "strace holds every thread")
            yield
        finally:
            tracer.terminate()
            tracer.communicate()
    until(lambda: not any(_tracers(process)), "strace let go")


def _tracers(process: int) -> list[int]:
    tracers = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):
            (line,) = [line for line in (task / "status").read_text().splitlines() if line.startswith("TracerPid:")]
            tracers.append(int(line.split()[1]))
    return tracers


def _all_traced(process: int) -> bool:
    return os.path.exists(f"/proc/{process}") and all(_tracers(process))
