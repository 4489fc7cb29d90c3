"""docs/faults.md: every row is proved by a test, which takes what it expects from there."""

from __future__ import annotations

import re
from pathlib import Path

from faults.table import faults


def test_every_fault_in_the_table_is_one_that_a_test_makes() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("test_*.py")))
    assert set(re.findall(r'fault\("([^"]+)"\)', tests)) == set(faults())


def test_every_fault_says_what_the_log_says_and_what_mends_it() -> None:
    assert faults()
    for row in faults().values():
        assert row.log or row.clients, row.name
