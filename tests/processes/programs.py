"""Whole programs in processes of their own, against a collector."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sdk.scripted_collector import Collector

__all__ = ["BEGIN", "arrived", "run"]

BEGIN = """
import asyncio, atexit, gc, os, signal, sys, threading, time
import kizashi
def configure(**options):
    return kizashi.configure(**{"endpoint": sys.argv[1], "flush_interval": 3600.0, "exit_timeout": 2.0} | options)
"""


def run(
    program: str, collector: Collector, folder: Path, *arguments: str, begin: str = BEGIN, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a program from a file, as spawning needs it; `arguments` follow the collector's URL."""
    path = folder / "program.py"
    path.write_text(begin + program)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
    result = subprocess.run(
        [sys.executable, "-W", "error", str(path), collector.url, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result


def arrived(collector: Collector) -> dict[str, int]:
    """How often each name was sent, whether the collector had it or not."""
    counts: dict[str, int] = {}
    for request in collector.requests:
        for event in request.events:
            counts[event["name"]] = counts.get(event["name"], 0) + 1
    return counts
