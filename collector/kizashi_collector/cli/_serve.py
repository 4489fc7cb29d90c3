"""The command line of `kizashi serve`."""

from __future__ import annotations

import argparse
import signal
import sys

from kizashi_collector.cli._settings import add_options

__all__ = ["add_serve"]

_OPTIONS = (
    *("data", "plan", "host", "port", "store", "refresh", "retention"),
    *("max_events", "max_body", "max_compressed", "max_pending", "query_timeout"),
    *("max_wait", "rate_limit", "read_rate_limit", "max_connections", "idle_timeout"),
    *("header_timeout", "body_timeout", "min_body_rate", "answer_timeout"),
    *("min_free", "log_format", "log_level", "slow_request"),
)


def add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi serve` to the command line."""
    parser = commands.add_parser(
        "serve",
        help="run the collector",
        description="Run the collector: take events, and answer what they come to. It prints `listening on URL` once "
        "it serves. SIGTERM has it finish what is in flight; SIGHUP has it read the plan again. "
        "Exit status: 0 stopped in good order, 1 it could not serve, and says why, 2 used wrongly.",
        epilog="example: kizashi serve --data ./data --plan plan.toml",
    )
    add_options(parser, _OPTIONS)
    parser.add_argument("--dev", action="store_true", help="on a loopback address, serve without keys")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    # Until the event loop's own handlers are there; as process 1 of a container, SIGTERM would be ignored without one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # The plan that SIGHUP asks for is about to be read anyway; its default would end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from kizashi_collector.cli._serving import serve  # all of the server: half a second, of use to this command alone

    return serve(args)
