"""The answer of GET /v1/values: what micro-conversions turned out to be worth, and which to keep."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, Struct, field

from kizashi_schemas._funnels import Money

__all__ = [
    "ConversionLag",
    "DoubleCounted",
    "FitBackTest",
    "FitReport",
    "LearnedValue",
    "OverdueReviews",
    "SuggestedChange",
    "TrendPeriod",
    "ValueLift",
    "ValueStep",
    "ValuesAnswer",
]

_DECLARED: dict[str, Any] = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}
Declared = Annotated[
    Raw,
    Meta(
        description='Exact decimal as elsewhere; "event" where the plan takes what the event carries; or null',
        extra_json_schema=_DECLARED,
    ),
]


class LearnedValue(Struct, kw_only=True, frozen=True):
    """What an event is worth, and the chance of a final conversion behind it, with 90 % credible intervals."""

    value: Money
    low: Money
    high: Money
    chance: float
    chance_low: float
    chance_high: float
    method: Annotated[
        Literal["fit", "simple"],
        Meta(description="simple: share of journeys with it that converted, times what conversions brought on average"),
    ]


class ValueLift(Struct, kw_only=True, frozen=True):
    """P(final | event) / P(final | no event) with its 90 % interval. Observed: it says nothing of what causes what."""

    ratio: float
    low: float
    high: float
    kind: Literal["observational"] = "observational"


class ConversionLag(Struct, kw_only=True, frozen=True):
    """Seconds from the first such event of a journey to its final, by nearest rank."""

    p50: float
    p90: float


class TrendPeriod(Struct, kw_only=True, frozen=True):
    """Journeys that began in (from, to] and had the event, and how many converted; chance is null without any."""

    from_: str = field(name="from")
    to: str
    journeys: int
    converted: int
    chance: float | None


class ValueStep(Struct, kw_only=True, frozen=True):
    """One micro-conversion, on the ladder or off it. Money is in the plan's currency."""

    event: str
    step: Annotated[int | None, Meta(description="Place in the ladder, from 1; null off it")]
    action: Literal["primary", "secondary"]
    declared: Declared
    learned: LearnedValue | None
    journeys: Annotated[int, Meta(description="Journeys with the event, their outcome known")]
    converted: int
    share: Annotated[float | None, Meta(description="Which part of all journeys had it")]
    waiting: Annotated[int, Meta(description="Journeys with the event that are open or too young to be counted")]
    lift: ValueLift | None
    marginal_gain: Annotated[
        float | None, Meta(description="1 - chance here / chance at the next step; at 0 the two tell the same")
    ]
    lag_seconds: ConversionLag | None
    trend: Annotated[list[TrendPeriod], Meta(description="The last periods of one horizon each, the oldest first")]
    direction: Literal["rising", "falling", "steady"] | None
    count_28d: int
    owner: str | None
    review_by: str | None
    overdue: bool
    verdict: Literal["keep", "prune", "unknown"]
    reason: str
    sentence: str


class FitBackTest(Struct, kw_only=True, frozen=True):
    """How many finals the model of so many days before the boundary foretold, and how many came."""

    days: int
    foretold: float
    happened: int


class FitReport(Struct, kw_only=True, frozen=True):
    """The fit in force. Half-lives are null where nothing is forgotten."""

    number: int
    boundary: Annotated[str, Meta(description="It knows what happened up to then")]
    half_life_days: Annotated[float | None, Meta(description="Of what is a key's own")]
    common_half_life_days: Annotated[float | None, Meta(description="Of what moves the whole site")]
    inflation: float
    common_inflation: float
    back_tests: list[FitBackTest]
    seconds: Annotated[float, Meta(description="How long it took")]


class DoubleCounted(Struct, kw_only=True, frozen=True):
    """A primary event that another primary one follows in nearly every journey."""

    event: str
    followed_by: str
    journeys: int
    followed: int
    sentence: str


class OverdueReviews(Struct, kw_only=True, frozen=True):
    """Events whose review is overdue, by owner; null where the plan names none."""

    owner: str | None
    events: list[str]


class SuggestedChange(Struct, kw_only=True, frozen=True):
    """A key of an event in the plan, what it says and what it is suggested to say; null: nothing."""

    event: str
    key: Literal["action", "value"]
    before: str | None
    after: str | None
    reason: str


class ValuesAnswer(Struct, kw_only=True, frozen=True):
    """The answer of GET /v1/values, over the journeys that began in (from, to]."""

    as_of: str
    from_: str = field(name="from")
    to: str
    plan: Annotated[str | None, Meta(description="The plan's id; null while there is none")]
    currency: str | None
    fit: FitReport | None
    journeys: int
    converted: int
    steps: Annotated[list[ValueStep], Meta(description="All micro-conversions, in the plan's order")]
    double_counted: list[DoubleCounted]
    overdue: list[OverdueReviews]
    suggestions: list[SuggestedChange]
    sentence: str
