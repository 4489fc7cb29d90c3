"""Memory that nobody needs any more goes back to the system, as far as the C library lets that be said."""

from __future__ import annotations

import ctypes

__all__ = ["give_back", "give_back_large"]

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1
"""From glibc's malloc.h."""

_LARGE = 4 << 20
"""From this size on numpy asks for large pages, so that new memory costs little."""

_LIBRARY = ctypes.CDLL(None)


def give_back_large() -> None:
    """Have every array of 4 MiB and more go back as it is let go of, in this process and those that it forks.

    By itself glibc takes ever larger ones from its heap, up to 32 MiB, where what is left of others keeps them.
    """
    if hasattr(_LIBRARY, "mallopt"):
        _LIBRARY.mallopt(_MMAP_THRESHOLD, _LARGE)
        _LIBRARY.mallopt(_TRIM_THRESHOLD, _LARGE)


def give_back() -> None:
    """Give back what lies unused between smaller ones. A gigabyte takes some 50 ms, in which others may wait."""
    if hasattr(_LIBRARY, "malloc_trim"):
        _LIBRARY.malloc_trim(0)
