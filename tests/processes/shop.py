"""A site for servers that fork. TRACK_EARLY, FLUSH_EARLY and SITE_HOOK say what it does where it is loaded."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable
from importlib import import_module

import kizashi

if "SITE_HOOK" in os.environ:
    sys.modules["uwsgi"].__dict__["post_fork_hook"] = lambda: print("hook of the site", flush=True)
kizashi.configure(
    endpoint=os.environ["SINK"],
    exit_timeout=float(os.environ.get("EXIT_TIMEOUT", "2")),
    # An end is tested by what it flushes: nothing leaves earlier than it must.
    flush_interval=float(os.environ.get("FLUSH_INTERVAL", "3600")),
)
if "TRACK_EARLY" in os.environ:
    kizashi.track("mv_early", actor="v-0")
if "FLUSH_EARLY" in os.environ:
    kizashi.flush(5)

if "SITE_HOOK" in os.environ:
    import_module("uwsgidecorators").postfork(lambda: print("decorated by the site", flush=True))
if "uwsgi" in sys.modules:
    # It was given port 0, and says nowhere in which form it would like to be called.
    with socket.socket(fileno=os.dup(sys.modules["uwsgi"].sockets[0])) as listening:
        print("http://{}:{}".format(*listening.getsockname()[:2]), flush=True)


def app(environ: dict[str, str], start_response: Callable[[str, list[tuple[str, str]]], object]) -> Iterable[bytes]:
    """/track/<name> tracks, /flush flushes, /handle takes over SIGTERM; each answers with pid and books."""
    match environ["PATH_INFO"].split("/"):
        case ["", "track", name]:
            kizashi.track(name, actor=os.getpid())
        case ["", "flush"]:
            kizashi.flush(5)
        case ["", "handle"]:
            kizashi.handle_sigterm()
    stats = kizashi.stats()
    body = f"{os.getpid()} {stats.balanced} {stats.tracked} {stats.delivered}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
