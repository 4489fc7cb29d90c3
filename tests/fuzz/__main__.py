"""The long run: `python -m fuzz BODIES [SECONDS] [SEED]`, with `tests` on the path.

Ends with 1 if an answer was untrue; the requests that it was said to are written to the folder `fuzz-found`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from fuzz.campaign import Campaign
from fuzz.taking import PLANS

EACH = 20_000
"""Bodies to one collector, before its log is compared and the next begins."""


def main(bodies: int, seconds: float, seed: int) -> int:
    """Run until so many bodies were sent, or so much time has passed; print what was told, and return the exit code."""
    campaign = Campaign(seed)
    told = 0
    began = time.monotonic()
    while campaign.bodies < bodies and time.monotonic() - began < seconds:
        plan = list(PLANS)[campaign.bodies // EACH % len(PLANS)]
        with tempfile.TemporaryDirectory(prefix="kizashi-fuzz-") as folder:
            campaign.fuzz_bodies(Path(folder), plan, min(EACH, bodies - campaign.bodies))
        with tempfile.TemporaryDirectory(prefix="kizashi-fuzz-") as folder:
            campaign.fuzz_questions(Path(folder), EACH // 20)
        took = time.monotonic() - began
        print(
            f"{campaign.bodies:,} bodies and {campaign.questions:,} questions in {took:,.0f} s "
            f"({campaign.bodies / took:,.0f} bodies/s), {campaign.stored:,} events stored, "
            f"{len(campaign.untrue)} untrue",
            flush=True,
        )
        told = _keep(campaign, told)
    print(f"seed {seed}; events: {dict(campaign.events)}")
    for answer, times in campaign.told.most_common():
        print(f"{times:>9,}  {answer}")
    return 1 if campaign.untrue else 0


def _keep(campaign: Campaign, told: int) -> int:
    """Write down what was found since so many were told; return how many there are now."""
    found = Path("fuzz-found")
    for number, (why, wire) in enumerate(campaign.untrue[told:], told):
        found.mkdir(exist_ok=True)
        (found / f"{number:04}.http").write_bytes(wire)
        print(f"UNTRUE {number:04}: {why[:1_000]}", flush=True)
    return len(campaign.untrue)


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:4]]
    sys.exit(main(*[*given, *(1_000_000, 86_400, 1)[len(given) :]]))
