"""The table of promises kept, for kizashi and its peers: `make conformance`, or `python -m conformance`."""

from __future__ import annotations

import argparse
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version

from conformance.adapters import NAMES
from conformance.cases import CASES, Case
from conformance.trial import Trial


def cell(case: Case, sdk: str) -> str:
    """What came of one case for one SDK."""
    try:
        with Trial(sdk) as trial:
            outcome = case.run(trial)
    except Exception as error:  # noqa: BLE001 - a peer's fault of any kind is a cell, not the end of the table
        return f"✗ {type(error).__name__}: {error}".replace("|", " ").replace("\n", " ")[:100]
    return "—" if outcome is None else str(outcome)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sdk", action="append", choices=NAMES, help="only these")
    parser.add_argument("--case", action="append", choices=CASES, help="only these")
    options = parser.parse_args()
    sdks = options.sdk or NAMES
    cases = [CASES[name] for name in options.case or CASES]
    print(f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}; ", end="")
    print(", ".join(f"{sdk} {version(sdk)}" for sdk in sdks) + "\n")
    print("| | " + " | ".join(sdks) + " |\n" + "| --- " * (len(sdks) + 1) + "|", flush=True)
    for case in cases:
        # Two at a time: most of it is waiting.
        with ThreadPoolExecutor(2) as pool:
            cells = list(pool.map(lambda sdk, case=case: cell(case, sdk), sdks))
        print(f"| {case.name} | " + " | ".join(cells) + " |", flush=True)
        print(f"{case.name}: {case.promise}", file=sys.stderr)
    print("\nThe promises:\n")
    for case in cases:
        print(f"- *{case.name}*: {case.promise}")


if __name__ == "__main__":
    main()
