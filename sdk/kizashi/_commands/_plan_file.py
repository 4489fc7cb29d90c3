"""A plan in a file, as the commands read it, and how they tell of one that is not in order."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from kizashi_schemas import PlanError
from kizashi_schemas.plan import Plan, load_plan

__all__ = ["complain", "read_plan"]


def read_plan(path: Path) -> Plan:
    """Read and check the plan in a file. Raises PlanError, also where the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlanError([f"{path}: cannot be read: {error.strerror}; name a plan file"]) from None
    except UnicodeDecodeError as error:
        raise PlanError([f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8"]) from None
    return load_plan(text, filename=str(path))


def complain(error: PlanError, *, as_json: bool = False, status: int = 1) -> int:
    """Tell of each problem in a line of its own, and return the exit status."""
    if as_json:
        print(json.dumps({"ok": False, "problems": error.problems}, ensure_ascii=False))
    else:
        for problem in error.problems:
            print(problem, file=sys.stderr)
    return status
