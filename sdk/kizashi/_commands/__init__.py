"""The program `kizashi`, as far as the base install goes."""

from kizashi._commands._cli import main

__all__ = ["main"]
