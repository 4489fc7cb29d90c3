"""Which events fit which steps: names, and conditions on source and properties with JSON's equality."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kizashi_collector.analysis._events import LoggedEvent, PropertyValue
from kizashi_schemas import Funnel, parse_duration

__all__ = ["Check", "Matcher", "Rules", "json_equal", "matcher"]

Matcher = Callable[[LoggedEvent], bool]
_MISSING = object()


def json_equal(left: object, right: object) -> bool:
    """JSON equality: 2 equals 2.0, but true is not 1, "1" is not 1, and a missing property equals nothing."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def matcher(event: str, where: Mapping[str, PropertyValue | list[PropertyValue]]) -> Matcher:
    """Return the test of one condition: the name (`"*"` is any), and every `where` entry; a list means one of these.

    A source field that is missing counts as the empty string, as in a breakdown; a missing property matches nothing.
    """
    conditions = [(*_place(key), value if isinstance(value, list) else [value]) for key, value in where.items()]

    def fits(candidate: LoggedEvent) -> bool:
        if event not in ("*", candidate.name):
            return False
        for in_source, name, wanted in conditions:
            found = candidate.source.get(name, "") if in_source else candidate.properties.get(name, _MISSING)
            if not any(json_equal(found, value) for value in wanted):
                return False
        return True

    return fits


def _place(key: str) -> tuple[bool, str]:
    kind, _, name = key.partition(".")
    return kind == "source", name


Check = Callable[[], None]
"""Called now and then during long work; raises when the work is to be given up."""


class Rules:
    """A funnel made ready to run: its steps and exclusions as tests, its window in milliseconds."""

    def __init__(self, funnel: Funnel, check: Check = lambda: None) -> None:
        self.funnel = funnel
        self.check = check
        self.steps = [matcher(step.event, step.where) for step in funnel.normal_steps]
        self.last = funnel.last
        self.optional = frozenset(funnel.optional)
        self.window = int(parse_duration(funnel.conversion_window))
        self.ordered = funnel.order != "unordered"
        self.strict = funnel.order == "strict"
        self._fits: dict[str, tuple[int, ...]] = {}
        self.exclusions = [
            (matcher(rule.event, rule.where), rule.from_, funnel.end_of(rule)) for rule in funnel.exclude
        ]

    def restricted(self, step: int, extra: Matcher) -> Rules:
        """The same rules, with one more condition on one step."""
        copy = Rules(self.funnel, self.check)
        plain = copy.steps[step]
        copy.steps[step] = lambda event: plain(event) and extra(event)
        return copy

    def fits(self, event: LoggedEvent) -> tuple[int, ...]:
        """The steps that the event fits, from the first to the last."""
        known = self._fits.get(event.id)
        if known is None:
            known = self._fits[event.id] = tuple(step for step, test in enumerate(self.steps) if test(event))
        return known

    def begins(self, event: LoggedEvent) -> bool:
        """Tell whether an attempt may begin with this event: at the first step, or at any step when unordered."""
        return (0 in self.fits(event)) if self.ordered else bool(self.fits(event))

    def previous_required(self, step: int) -> int | None:
        """The last step before this one that is not optional; None for the first."""
        return next((earlier for earlier in range(step - 1, -1, -1) if earlier not in self.optional), None)
