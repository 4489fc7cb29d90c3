"""A suggested plan: which lines change, that nothing else does, and that `patch` can apply the diff."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kizashi_collector.analysis._review import (
    EventReview,
    Learned,
    PlanChange,
    Proportion,
    Review,
    changed_plan_text,
    plan_text_diff,
    suggest,
)
from kizashi_collector.analysis._review._suggestion import rounded
from kizashi_schemas import MINOR_UNITS, PlanError, format_micros
from kizashi_schemas.plan import load_plan

TEXT = """\
# What our events are worth.
currency = "USD"

[events.mv_cart]        # the cart
action = "primary"      # counts
value = 3.50    # a guess of 2024
owner = "growth team"

[ events . "mv_view" ]
  value    =    1
  counting = "once"

[events.mv_bare]
[events.mv_carries]
value = "event"

[events.purchase]
final = true

[values]
ladder = ["mv_view", "mv_cart"]
"""
PLAN = load_plan(TEXT)
Verdict = Literal["keep", "prune", "unknown"]


@pytest.fixture
def review(reviewed: Callable[..., Review]) -> Callable[..., Review]:
    """A review of the plan in which some events have another verdict, and a learned value in micros with bounds."""
    empty = reviewed([], TEXT, 1_790_000_000_000)

    def of(**events: tuple[Verdict, tuple[int, int, int] | None]) -> Review:
        def changed(event: EventReview) -> EventReview:
            if event.event not in events:
                return event
            verdict, bounds = events[event.event]
            worth = None if bounds is None else Learned(*bounds, chance=Proportion(0.5, 0.4, 0.6), method="fit")
            return replace(event, verdict=verdict, reason="lifts" if verdict == "keep" else "no_lift", learned=worth)

        return replace(empty, events=tuple(changed(event) for event in empty.events))

    return of


def test_a_kept_value_outside_its_interval_becomes_what_was_learned(review: Callable[..., Review]) -> None:
    found = suggest(PLAN, review(mv_cart=("keep", (5_137_000, 4_000_000, 6_000_000))), TEXT)
    assert found.changes == (PlanChange("mv_cart", "value", "3.5", "5.1", "lifts"),)
    assert found.text == TEXT.replace("value = 3.50    # a guess", "value = 5.1    # a guess")
    assert found.unplaced == ()


def test_a_value_inside_its_interval_stays(review: Callable[..., Review]) -> None:
    found = suggest(PLAN, review(mv_cart=("keep", (5_137_000, 3_500_000, 6_000_000))), TEXT)
    assert (found.changes, found.text, found.diff) == ((), TEXT, "")


def test_a_value_is_added_to_a_step_of_the_ladder_that_declares_none(reviewed: Callable[..., Review]) -> None:
    text = TEXT.replace('ladder = ["mv_view", "mv_cart"]', 'ladder = ["mv_view", "mv_cart", "mv_bare"]')
    worth = Learned(120_000_000, 1, 2, chance=Proportion(0.5, 0.4, 0.6), method="fit")
    empty = reviewed([], text, 1_790_000_000_000)
    events = (replace(one, verdict="keep", reason="lifts", learned=worth) for one in empty.events)
    kept = tuple(one for one in events if one.event == "mv_bare")
    found = suggest(load_plan(text), replace(empty, events=kept), text)
    assert found.text == text.replace("[events.mv_bare]\n", "[events.mv_bare]\nvalue = 120\n")


def test_no_value_is_added_off_the_ladder_since_what_happens_late_may_be_a_sign_of_trouble(
    review: Callable[..., Review],
) -> None:
    assert suggest(PLAN, review(mv_bare=("keep", (120_000_000, 1, 2)))).changes == ()


def test_a_value_that_is_declared_off_the_ladder_is_corrected(reviewed: Callable[..., Review]) -> None:
    text = TEXT.replace('ladder = ["mv_view", "mv_cart"]', 'ladder = ["mv_view"]')
    worth = Learned(5_137_000, 4_000_000, 6_000_000, chance=Proportion(0.5, 0.4, 0.6), method="simple")
    empty = reviewed([], text, 1_790_000_000_000)
    (cart,) = (one for one in empty.events if one.event == "mv_cart")
    assert cart.step is None
    kept = replace(empty, events=(replace(cart, verdict="keep", reason="lifts", learned=worth),))
    assert suggest(load_plan(text), kept).changes == (PlanChange("mv_cart", "value", "3.5", "5.1", "lifts"),)


def test_what_is_pruned_becomes_secondary_and_its_value_a_comment(review: Callable[..., Review]) -> None:
    found = suggest(PLAN, review(mv_cart=("prune", None), mv_view=("prune", None), mv_bare=("prune", None)), TEXT)
    assert found.changes == (
        PlanChange("mv_cart", "action", "primary", "secondary", "no_lift"),
        PlanChange("mv_cart", "value", "3.5", None, "no_lift"),
        PlanChange("mv_view", "value", "1", None, "no_lift"),
    )
    assert found.text == (
        TEXT.replace('action = "primary"      #', 'action = "secondary"      #')
        .replace("value = 3.50", "# value = 3.50")
        .replace("  value    =    1", "  # value    =    1")
    )
    edited = load_plan(found.text)
    assert (edited.events["mv_cart"].value, edited.events["mv_cart"].action) == (None, "secondary")


def test_what_an_event_carries_stays_and_what_is_unknown_too(review: Callable[..., Review]) -> None:
    found = suggest(PLAN, review(mv_carries=("keep", (5, 4, 6)), mv_cart=("unknown", (9_000_000, 8, 9))), TEXT)
    assert found.changes == ()
    assert suggest(PLAN, review(mv_carries=("prune", None))).changes == (
        PlanChange("mv_carries", "value", "event", None, "no_lift"),
    )


def test_changes_are_listed_without_a_text(review: Callable[..., Review]) -> None:
    found = suggest(PLAN, review(mv_view=("prune", None)))
    assert len(found.changes) == 1
    assert (found.text, found.diff) == (None, None)


VIEW = PlanChange("mv_view", "value", "1", "20", "lifts")


@pytest.mark.parametrize(
    "events",
    [
        "[events]\nmv_view = { value = 1 }",
        "events.mv_view.value = 1",
        "[events]\nmv_view.value = 1",
        # Another table may look like the event's, inside a text.
        '[events.mv_other]\ndescription = """\n[events.mv_view]\nvalue = 1\n"""\n[events]\nmv_view = { value = 1 }',
    ],
)
def test_what_no_line_says_alone_is_left_to_the_reader(events: str) -> None:
    text = f'currency = "JPY"\n{events}\n'
    assert changed_plan_text(text, [VIEW]) == (text, (VIEW,))


def test_what_the_file_says_otherwise_is_left() -> None:
    text = 'currency = "JPY"\n[events.mv_view]\nvalue = 2\n'
    unknown = replace(VIEW, event="mv_gone")
    assert changed_plan_text(text, [VIEW, unknown]) == (text, (VIEW, unknown))


def test_line_ends_and_a_missing_last_one_are_kept() -> None:
    text = '# ünï\r\ncurrency = "JPY"\r\n[events.mv_view]\r\nvalue = 1\r\n[events.mv_cart]'
    add = PlanChange("mv_cart", "value", None, "30", "lifts")
    changed, unplaced = changed_plan_text(text, [VIEW, add])
    assert unplaced == ()
    assert changed == text.replace("value = 1\r", "value = 20\r") + "\nvalue = 30\n"


def test_a_text_that_is_no_plan_is_refused() -> None:
    with pytest.raises(PlanError, match="currency: missing"):
        changed_plan_text("[events.mv_view]\nvalue = 1\n", [VIEW])


@pytest.mark.skipif(shutil.which("patch") is None, reason="needs the program `patch`")
@pytest.mark.parametrize("end", ["", "\n"])
def test_patch_applies_the_diff(tmp_path: Path, end: str) -> None:
    text = f'currency = "JPY"\n[events.mv_cart]\nvalue = 5\n[events.mv_view]\nvalue = 1{end}'
    changed, _ = changed_plan_text(text, [VIEW])
    file = tmp_path / "plan.toml"
    file.write_text(text, encoding="utf-8")
    diff = plan_text_diff(text, changed, "plan.toml")
    subprocess.run(["patch", "-s", "plan.toml"], cwd=tmp_path, input=diff, text=True, check=True, timeout=10)
    assert file.read_text(encoding="utf-8") == changed != text


@pytest.mark.parametrize(
    ("micros", "currency", "text"),
    [
        (1_234_000_000, "JPY", "1200"),
        (1_250_000_000, "JPY", "1300"),
        (99_600_000, "JPY", "100"),
        (7_600_000, "JPY", "8"),
        (400_000, "JPY", "0"),
        (3_456_000, "USD", "3.5"),
        (34_560, "USD", "0.03"),
        (0, "USD", "0"),
        (34_567, "KWD", "0.035"),
    ],
)
def test_suggested_values_have_two_digits_and_no_part_of_a_coin(micros: int, currency: str, text: str) -> None:
    assert format_micros(rounded(micros, currency)) == text


@given(st.integers(0, 10**16), st.sampled_from(["JPY", "USD", "KWD", "CLF"]))
def test_rounding_moves_a_value_by_a_twentieth_or_half_a_coin_at_most(micros: int, currency: str) -> None:
    coin = 10 ** (6 - MINOR_UNITS[currency])
    found = rounded(micros, currency)
    assert found % coin == 0
    assert abs(found - micros) <= max(micros / 20, coin / 2)


event_lines = st.lists(
    st.sampled_from(
        ['owner = "a"', "# value = 7", 'description = "value = 1"', 'action = "primary"', "", 'counting = "once" # x']
    ),
    max_size=5,
    unique=True,
)


@given(event_lines, st.sampled_from([None, "1", "2.50"]), event_lines, st.sampled_from([None, "0", "3", "9.25"]))
def test_an_edit_changes_one_key_and_nothing_else(
    above: list[str], before: str | None, below: list[str], after: str | None
) -> None:
    own = [*above, *([] if before is None else [f"value = {before}  # was set"])]
    lines = ['currency = "USD"', "[events.mv_view]", *dict.fromkeys(own), "[events.mv_cart]", *below, "value = 1"]
    text = "\n".join(lines) + "\n"
    plan = load_plan(text)
    said = None if before is None else before.rstrip("0").rstrip(".")
    changed, unplaced = changed_plan_text(text, [PlanChange("mv_view", "value", said, after, "lifts")])
    edited: Any = load_plan(changed).document()
    document: Any = plan.document()
    # Nothing that becomes nothing is no change, and has no line.
    assert bool(unplaced) == (before is None and after is None)
    assert edited["events"]["mv_view"].pop("value", None) == (None if after is None else float(after))
    document["events"]["mv_view"].pop("value", None)
    assert edited == document
    assert len(changed.splitlines()) - len(lines) == (before is None and after is not None)
