"""What a funnel asks for, in numbers: which steps are open after which, and what ends, spoils and counts an attempt."""

from __future__ import annotations

from msgspec import Struct

from kizashi_schemas import Funnel, parse_duration

__all__ = ["Kind"]


class Kind(Struct, frozen=True):
    """A funnel in numbers. The window is in milliseconds; masks have bit k for step k.

    `open_after[k]` has the steps that may be taken next where step k was the last one taken: those up to the first that
    is not optional. `exclusions` are from which step and to which, in the order of the funnel's.
    """

    steps: int
    window: int
    ordered: bool
    strict: bool
    optional: bool
    one_at_a_time: bool
    attempts: bool
    """Whether attempts count, not actors."""
    actor_leaves: bool
    """Whether an actor leaves the funnel where the deepest attempts are tainted all."""
    open_after: tuple[int, ...]
    exclusions: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, funnel: Funnel) -> Kind:
        """The kind of a checked funnel."""
        steps = len(funnel.steps)
        open_after = []
        for taken in range(steps - 1):
            required = next((step for step in range(taken + 1, steps) if step not in funnel.optional), steps - 1)
            open_after.append(sum(1 << step for step in range(taken + 1, required + 1)))
        return cls(
            steps=steps,
            window=int(parse_duration(funnel.conversion_window)),
            ordered=funnel.order != "unordered",
            strict=funnel.order == "strict",
            optional=bool(funnel.optional),
            one_at_a_time=funnel.one_at_a_time,
            attempts=funnel.count == "attempts",
            actor_leaves=funnel.normal_exclusion == "actor",
            open_after=tuple(open_after),
            exclusions=tuple((rule.from_, funnel.end_of(rule)) for rule in funnel.exclude),
        )

    def begins(self) -> int:
        """The steps with which an attempt may begin."""
        return 1 if self.ordered else (1 << self.steps) - 1
