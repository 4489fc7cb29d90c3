"""`kizashi demo`: what all of it is about, seen in half a minute, or to look around in."""

from kizashi_collector.cli.demo._command import add_demo

__all__ = ["add_demo"]
