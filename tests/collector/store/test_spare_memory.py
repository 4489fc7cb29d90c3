"""What is let go of goes back to the system, even where something small was made after it."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, sys
import numpy as np
from kizashi_collector.store._spare_memory import give_back, give_back_large

def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

def used(size, count):
    arrays, small = [], []
    for _ in range(count):
        arrays.append(np.ones(size, np.uint8))
        small.append(bytes(20_000))
    del arrays
    return small

if "large" in sys.argv:
    give_back_large()
before = anonymous()
kept = [used(6 << 20, 8), used(6 << 20, 8)] if "large" in sys.argv else used(100_000, 500)
if "small" in sys.argv:
    give_back()
print(anonymous() - before)
"""


def left(*arguments: str) -> int:
    """How many kilobytes more a process holds than before it had fifty megabytes, and let go of them."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told so")
@pytest.mark.parametrize("size", ["large", "small"])
def test_memory_between_what_is_still_needed_goes_back(size: str) -> None:
    assert left(size) < 25_000
