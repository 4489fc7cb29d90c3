"""Funnels: their definition, which the plan and POST /v1/funnels share, and the answer."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct, field

from kizashi_schemas._errors import FunnelError, TimeError
from kizashi_schemas._events import NAME_PATTERN, Instant, is_name
from kizashi_schemas._time import parse_duration

__all__ = [
    "Attribution",
    "Exclusion",
    "Funnel",
    "FunnelAnswer",
    "FunnelDialect",
    "FunnelGroup",
    "FunnelHistogram",
    "FunnelRequest",
    "FunnelStep",
    "FunnelTrendDay",
    "Histogram",
    "Step",
    "StepSeconds",
    "StepValue",
    "check_funnel",
    "check_keys",
]

MAX_STEPS = 64
_MAX_EXCLUSIONS = 64
_MAX_CONDITIONS = 32
_MAX_CHOICES = 1_000
_MAX_KEYS = 8
_ATTRIBUTION = re.compile(r"first|last|all|step:[0-9]{1,3}")

JsonScalar = str | int | float | bool | None
Where = dict[str, JsonScalar | list[JsonScalar]]
Attribution = Annotated[str, Meta(description="first, last, all, or step:k (from 0)", examples=["first", "step:1"])]


class Step(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One step: an event name or `"*"`, and conditions on `properties.x` and `source.x` that must all hold."""

    event: str
    where: Where = field(default_factory=dict)


class Exclusion(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An event that must not fall between two steps. Steps count from 0; `to` left out is the last step."""

    event: str
    where: Where = field(default_factory=dict)
    from_: int = field(default=0, name="from")
    to: int | None = None


class Histogram(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A histogram of the time between two steps. `to` left out is the last step; 1 ≤ bins ≤ 1,000."""

    from_: int = field(default=0, name="from")
    to: int | None = None
    bins: Annotated[int, Meta(ge=1, le=1000)] = 20


class Funnel(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a funnel is, apart from when and for whom it is asked. Section names follow docs/funnels.md."""

    steps: list[str | Step]
    order: Literal["ordered", "strict", "unordered"] = "ordered"
    conversion_window: str = "14d"
    entry: Literal["latest", "first"] = "latest"
    count: Literal["actors", "attempts"] = "actors"
    exclude: list[Exclusion] = field(default_factory=list)
    exclusion: Literal["actor", "attempt"] | None = None
    optional: list[int] = field(default_factory=list)
    trend: bool = False
    histogram: Histogram | None = None

    @property
    def normal_steps(self) -> tuple[Step, ...]:
        """The steps, each as a Step."""
        return tuple(Step(event=step) if isinstance(step, str) else step for step in self.steps)

    @property
    def last(self) -> int:
        """The number of the last step."""
        return len(self.steps) - 1

    @property
    def one_at_a_time(self) -> bool:
        """Whether an attempt begins only when the last one is over, which the whole log decides."""
        return self.entry == "first" or self.count == "attempts"

    def end_of(self, span: Exclusion | Histogram) -> int:
        """The step at which an exclusion or a histogram ends: the last one where it does not say."""
        return self.last if span.to is None else span.to

    @property
    def normal_exclusion(self) -> Literal["actor", "attempt"]:
        """The exclusion rule in force: by default `attempt` for unordered funnels and `actor` for the others."""
        return self.exclusion or ("attempt" if self.order == "unordered" else "actor")


class FunnelRequest(Funnel, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The body of POST /v1/funnels: a funnel, an interval and a breakdown."""

    by: list[str] = field(default_factory=list)
    attribution: Attribution = "first"
    window: str | None = None
    from_: Instant | None = field(default=None, name="from")
    to: Instant | None = None
    as_of: Instant | None = None


def check_funnel(funnel: Funnel) -> None:
    """Raise FunnelError, naming key and remedy, if the funnel is impossible."""
    steps = funnel.normal_steps
    last = funnel.last
    if not 1 <= len(steps) <= MAX_STEPS:
        raise FunnelError(f"steps: {len(steps)} given; name 1 to {MAX_STEPS} steps")
    for index, step in enumerate(steps):
        _check_condition(f"steps[{index}]", step.event, step.where)
    try:
        parse_duration(funnel.conversion_window)
    except TimeError as error:
        raise FunnelError(f"conversion_window: {error}") from None
    if len(funnel.exclude) > _MAX_EXCLUSIONS:
        raise FunnelError(f"exclude: {len(funnel.exclude)} given; name at most {_MAX_EXCLUSIONS}")
    for index, exclusion in enumerate(funnel.exclude):
        _check_condition(f"exclude[{index}]", exclusion.event, exclusion.where)
        to = funnel.end_of(exclusion)
        if not 0 <= exclusion.from_ < to <= last:
            raise FunnelError(
                f"exclude[{index}]: from {exclusion.from_} to {to} is no range of steps; "
                f"use 0 ≤ from < to ≤ {last} (steps count from 0)"
            )
    if funnel.optional and funnel.order == "unordered":
        raise FunnelError("optional: an unordered funnel has no optional steps; leave `optional` out")
    for index in funnel.optional:
        if not 0 < index < last:
            raise FunnelError(f"optional: step {index} is the first, the last or none; only steps between can be")
    if funnel.histogram is not None:
        to = funnel.end_of(funnel.histogram)
        if not 0 <= funnel.histogram.from_ < to <= last:
            raise FunnelError(
                f"histogram: from {funnel.histogram.from_} to {to} is no range of steps; use 0 ≤ from < to ≤ {last}"
            )


def _check_condition(place: str, event: str, where: Where) -> None:
    if event != "*" and not is_name(event):
        raise FunnelError(f'{place}.event: {event[:80]!r} is not an event name; write {NAME_PATTERN} or "*"')
    if len(where) > _MAX_CONDITIONS:
        raise FunnelError(f"{place}.where: {len(where)} conditions given; name at most {_MAX_CONDITIONS}")
    for key, wanted in where.items():
        if isinstance(wanted, list) and len(wanted) > _MAX_CHOICES:
            raise FunnelError(f"{place}.where: {key[:80]!r} lists {len(wanted)} values; list at most {_MAX_CHOICES}")
        kind, _, name = key.partition(".")
        if kind not in ("properties", "source") or not is_name(name):
            raise FunnelError(f"{place}.where: {key[:80]!r} is no condition; write properties.x or source.x")


def check_keys(
    by: list[str] | tuple[str, ...], *, properties: bool, attribution: str = "first", steps: int = 1
) -> None:
    """Raise FunnelError if a breakdown key or the attribution cannot be.

    Keys are source fields such as `campaign`, with `properties=True` also `properties.x`.
    """
    if len(by) > _MAX_KEYS:
        raise FunnelError(f"by: {len(by)} keys given; name at most {_MAX_KEYS}")
    for key in by:
        name = key.removeprefix("properties.") if properties else key
        if not is_name(name):
            hint = "a source field such as campaign" + (", or properties.x" if properties else "")
            raise FunnelError(f"by: {key[:80]!r} is no key; name {hint}")
    if len(set(by)) != len(by):
        raise FunnelError(f"by: {','.join(by)[:200]!r} names a key twice; name it once")
    if not _ATTRIBUTION.fullmatch(attribution):
        raise FunnelError(f"attribution: {attribution[:40]!r} is unknown; write first, last, all or step:k")
    if attribution.startswith("step:") and int(attribution[5:]) >= steps:
        raise FunnelError(f"attribution: {attribution} lies beyond the last step ({steps - 1}; steps count from 0)")


class StepSeconds(Struct, kw_only=True, frozen=True):
    """Time from the last step before that is not optional, in seconds; null where nobody took both."""

    mean: float | None = None
    median: float | None = None
    p90: Annotated[float | None, Meta(description="By nearest rank")] = None


_MONEY: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}
Money = Annotated[
    Raw,
    Meta(
        description="Exact decimal: a JSON number, or a string with money=string; null where it is not known",
        extra_json_schema=_MONEY,
    ),
]


class StepValue(Struct, kw_only=True, frozen=True):
    """What the events that took the step in winning attempts are worth, in the plan's currency."""

    declared: Money
    final: Money


class FunnelStep(Struct, kw_only=True, frozen=True):
    """One step of the answer."""

    event: str
    count: int
    rate: Annotated[float | None, Meta(description="Of the first step; null where that is 0")]
    step_rate: Annotated[float | None, Meta(description="Of the last step before that is not optional")]
    seconds: StepSeconds
    value: StepValue


class FunnelGroup(Struct, kw_only=True, frozen=True):
    """The funnel of one breakdown key."""

    key: dict[str, str]
    steps: list[FunnelStep]


class FunnelTrendDay(Struct, kw_only=True, frozen=True):
    """Entries of one day in the plan's zone, and how many of them completed."""

    day: str
    entered: int
    completed: int
    rate: float | None


class FunnelHistogram(Struct, kw_only=True, frozen=True):
    """Bins as [lower edge in seconds, count]; the last one begins at the greatest time seen."""

    from_: int = field(name="from")
    to: int
    bins: list[tuple[float, int]]


class FunnelDialect(Struct, kw_only=True, frozen=True):
    """The rules in force, spelled out."""

    order: str
    entry: str
    exclusion: str


class FunnelAnswer(Struct, kw_only=True, frozen=True, omit_defaults=True):
    """The answer of GET /v1/funnels/{name} and POST /v1/funnels."""

    steps: list[FunnelStep]
    from_: str = field(name="from")
    to: str
    as_of: str
    currency: str | None
    plan: str | None
    dialect: FunnelDialect
    name: str | None = None
    groups: list[FunnelGroup] | None = None
    trend: list[FunnelTrendDay] | None = None
    histogram: FunnelHistogram | None = None
    recomputing: Annotated[
        float | None,
        Meta(description="How much of the log is counted for the plan's funnels, from 0 to 1, while that is not done"),
    ] = None
