"""What `make demo` shows, as `kizashi demo` does: a collector, this shop, its visitors and a bidding script."""

from __future__ import annotations

import runpy
import sys

if __name__ == "__main__":
    sys.argv[:] = ["kizashi", "demo", *sys.argv[1:]]
    runpy.run_module("kizashi", run_name="__main__")
