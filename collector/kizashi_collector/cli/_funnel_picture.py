"""A funnel drawn in a terminal: a bar for each step, what is lost between them, and where most is lost."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from kizashi_collector.cli._figures import amount, amount_text, length, share
from kizashi_collector.cli._funnel_steps import step_text
from kizashi_collector.cli._terminal import Screen, cells, clipped, padded, plain, table
from kizashi_schemas import Funnel, FunnelAnswer, FunnelStep

__all__ = ["Loss", "losses_of", "picture"]

_NAME_CELLS, _KEY_CELLS = 36, 32
_LEAST_BAR = 10
_HEAD = ("count", "of all", "of step", "median", "worth")


class Loss(Struct, frozen=True):
    """How many went no further than the step before that is not optional, and what share of those who were there.

    `bottleneck`: of all losses this is the greatest share, and the first where there are several.
    """

    count: int
    share: float
    bottleneck: bool


def losses_of(steps: Sequence[FunnelStep], optional: Sequence[int] = ()) -> list[Loss | None]:
    """The loss before each step; None before the first one, before optional ones, and where nobody was."""
    found: list[tuple[int, float] | None] = []
    before: int | None = None
    for number, step in enumerate(steps):
        if before and number not in optional:
            found.append((before - step.count, (before - step.count) / before))
        else:
            found.append(None)
        if number not in optional:
            before = step.count
    greatest = max((one[1] for one in found if one is not None), default=0.0)
    worst = next((at for at, one in enumerate(found) if one is not None and one[1] == greatest > 0), None)
    return [None if one is None else Loss(*one, bottleneck=at == worst) for at, one in enumerate(found)]


def picture(answer: FunnelAnswer, funnel: Funnel, screen: Screen) -> list[str]:
    """The lines of the picture: a heading, the funnel, the breakdown, and the entries by day. `funnel` is what was
    asked, for its labels.
    """
    lines = [screen.paint(_title(answer, funnel), "bold"), *_drawn(answer, funnel, screen)]
    if answer.groups is not None:
        lines += ["", *_breakdown(answer, funnel, screen)]
    if answer.trend is not None:
        lines += ["", *_trend(answer, screen)]
    if answer.recomputing is not None:
        lines += ["", f"The plan's funnels are being counted anew: {answer.recomputing:.0%} are done."]
    return lines


def _title(answer: FunnelAnswer, funnel: Funnel) -> str:
    money = f" · {answer.currency}" if answer.currency else ""
    name = f"{answer.name} · " if answer.name else ""
    rules = f"{funnel.count}, {answer.dialect.order}, within {funnel.conversion_window}"
    return plain(f"{name}{rules} · {answer.from_} to {answer.to}{money}")


def _drawn(answer: FunnelAnswer, funnel: Funnel, screen: Screen) -> list[str]:
    labels = _labels(funnel)
    figures = table(_HEAD, [_figures(step) for step in answer.steps], left=0)
    widest, name = cells(figures[0]), max(map(cells, labels))
    # The figures stand on the right; a screen too narrow for a bar beside them wraps.
    width = max(_LEAST_BAR, screen.width - name - widest - 4)
    lines = [screen.paint(f"{' ' * (name + width + 4)}{figures[0]}", "dim")]
    losses = losses_of(answer.steps, funnel.optional)
    for at, (label, step, loss, told) in enumerate(zip(labels, answer.steps, losses, figures[1:], strict=True)):
        if loss is not None:
            lines.append(_loss_line(loss, name, screen))
        part = step.rate if step.rate is not None else 0.0
        bar = screen.paint(screen.bar(min(part, 1.0), width), "dim" if at in funnel.optional else "bar")
        lines.append(f"{padded(label, name)}  {bar}  {told}")
    return lines


def _labels(funnel: Funnel) -> list[str]:
    texts = [plain(step_text(step)) for step in funnel.steps]
    if funnel.order == "unordered":
        # Step k counts whoever took any k of them.
        every = f"any of {', '.join(texts)}"
        texts = [clipped(every, _NAME_CELLS), *(f"any {at} of them" for at in range(2, len(texts) + 1))]
    marks = [f" {'(optional)'}" if at in funnel.optional else "" for at in range(len(texts))]
    room = len(str(len(texts)))
    return [
        f"{at:>{room}} {clipped(text, _NAME_CELLS - len(mark))}{mark}"
        for at, (text, mark) in enumerate(zip(texts, marks, strict=True), start=1)
    ]


def _figures(step: FunnelStep) -> list[str]:
    return [
        f"{step.count:,}",
        share(step.rate),
        share(step.step_rate),
        length(step.seconds.median),
        amount_text(amount(step.value.declared)),
    ]


def _loss_line(loss: Loss, name: int, screen: Screen) -> str:
    arrow, mark = ("↓", "◀") if screen.blocks else ("v", "<")
    text = f"{arrow} {loss.count:,} lost ({loss.share:.1%})"
    if loss.bottleneck:
        return f"{' ' * name}  {screen.paint(f'{text}  {mark} bottleneck', 'alarm')}"
    return f"{' ' * name}  {screen.paint(text, 'loss')}"


def _breakdown(answer: FunnelAnswer, funnel: Funnel, screen: Screen) -> list[str]:
    """A row for each group, those with the most entries first, and where each loses most."""
    groups = sorted(answer.groups or [], key=lambda group: -group.steps[0].count)
    if not groups:
        return ["nobody is in any group"]
    keys = list(groups[0].key)
    head = [*keys, *map(str, range(1, len(funnel.steps) + 1)), "of all", "bottleneck"]
    rows = []
    for group in groups:
        first, *others = group.steps
        rows.append(
            [
                *(clipped(plain(group.key[key]), _KEY_CELLS) or "(none)" for key in keys),
                f"{first.count:,}",
                *(f"{step.count:,} {_of_step(step)}" for step in others),
                share(group.steps[-1].rate),
                _worst(losses_of(group.steps, funnel.optional)),
            ]
        )
    lines = table(head, rows, left=len(keys))
    return [screen.paint(lines[0], "dim"), *lines[1:]]


def _of_step(step: FunnelStep) -> str:
    return f"({'-' if step.step_rate is None else f'{step.step_rate:.0%}':>4})"


def _worst(losses: list[Loss | None]) -> str:
    found = [f"before {at}, {loss.share:.0%}" for at, loss in enumerate(losses, 1) if loss and loss.bottleneck]
    return found[0] if found else "-"


def _trend(answer: FunnelAnswer, screen: Screen) -> list[str]:
    days = answer.trend or []
    rows = [[day.day, f"{day.entered:,}", f"{day.completed:,}", share(day.rate)] for day in days]
    lines = table(["day", "entered", "completed", "rate"], rows)
    most = max((day.entered for day in days), default=0)
    width = min(40, screen.width - max(map(len, lines)) - 2)
    if most and width >= _LEAST_BAR:
        bars = [screen.paint(screen.bar(day.entered / most, width).rstrip(), "bar") for day in days]
        lines[1:] = [f"{padded(line, max(map(len, lines)))}  {bar}" for line, bar in zip(lines[1:], bars, strict=True)]
    return [screen.paint(lines[0], "dim"), *lines[1:]]
