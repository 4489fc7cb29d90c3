"""The fault table of docs/faults.md, from which the tests take what they expect: so it stays true."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

__all__ = ["PAGE", "Fault", "fault", "faults"]

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


class Fault(Struct, frozen=True):
    """One row: what is quoted in its cells, `…` standing for anything."""

    name: str
    clients: list[str]
    readiness: list[str]
    log: list[str]

    def clients_see(self, text: str) -> None:
        """Fail unless clients were told all that the table says."""
        _holds(self.name, self.clients, text)

    def readiness_says(self, text: str | None) -> None:
        """Fail unless /readyz gives the reason that the table says, or is ready where it says none."""
        if self.readiness:
            _holds(self.name, self.readiness, text or "ready")
        else:
            assert text is None

    def is_logged(self, log: str) -> bool:
        """Whether the log holds a line of what the table says."""
        return all(_pattern(quote).search(log) for quote in self.log)

    def log_says(self, log: str) -> None:
        """Fail unless the log says what the table says."""
        _holds(self.name, self.log, log)


def _pattern(quote: str) -> re.Pattern[str]:
    return re.compile("[^\\n]*".join(re.escape(part) for part in quote.split("…")))


def _holds(name: str, quotes: list[str], text: str) -> None:
    assert quotes, f"the row {name!r} of docs/faults.md quotes nothing here"
    for quote in quotes:
        assert _pattern(quote).search(text), f"docs/faults.md, {name}: {quote!r} is not in {text!r}"


def faults() -> dict[str, Fault]:
    """All rows by name."""
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 5 and cells[0] != "fault":
            rows[cells[0]] = Fault(cells[0], *(re.findall(r"`([^`]+)`", cell) for cell in cells[1:4]))
    return rows


def fault(name: str) -> Fault:
    """The row of this name."""
    return faults()[name]
