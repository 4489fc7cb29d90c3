"""`python -m processes.uwsgi_server` is uWSGI, from its wheel."""

from __future__ import annotations

import sys
from importlib import import_module

if __name__ == "__main__":
    import_module("pyuwsgi").run(sys.argv[1:])
