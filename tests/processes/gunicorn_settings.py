"""gunicorn's settings for the shop: says when a worker has its signal handlers, and may take SIGTERM over there."""

from __future__ import annotations

import os

import kizashi

bind = "127.0.0.1:0"
control_socket_disable = True


def post_worker_init(_worker: object) -> None:
    """The one place of a worker's own that is in its main thread, behind gunicorn's handlers."""
    if "HANDLE_SIGTERM" in os.environ:
        kizashi.handle_sigterm()
    print("a worker is ready", flush=True)
