"""A funnel drawn in a terminal: a bar for each step, what is lost between them, and the bottleneck."""

from __future__ import annotations

from kizashi_collector.cli._figures import amount, amount_text, length, share
from kizashi_collector.cli._funnel_losses import Loss, far_below, losses_of
from kizashi_collector.cli._funnel_steps import step_text
from kizashi_collector.cli._terminal import Screen, cells, clipped, padded, plain, table
from kizashi_schemas import Funnel, FunnelAnswer, FunnelStep

__all__ = ["picture"]

_NAME_CELLS, _KEY_CELLS = 36, 32
_LEAST_BAR = 10
_HEAD = ("count", "of all", "of step", "median", "worth")


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
        lines += ["", f"The plan's funnels are being counted anew: {share(answer.recomputing, 0)} are done."]
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
    text = f"{arrow} {loss.count:,} lost ({share(loss.share)})"
    if loss.bottleneck:
        return f"{' ' * name}  {screen.paint(f'{text}  {mark} bottleneck', 'alarm')}"
    return f"{' ' * name}  {screen.paint(text, 'loss')}"


def _breakdown(answer: FunnelAnswer, funnel: Funnel, screen: Screen) -> list[str]:
    """A row for each group, those with the most entries first, where each loses most, and who falls behind where."""
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
    told = [screen.paint(lines[0], "dim"), *lines[1:]]
    below = far_below([group.steps for group in groups], funnel.optional)
    if below is not None:
        who = ", ".join(clipped(plain(text), _KEY_CELLS) or "(none)" for text in groups[below.row].key.values())
        way = f"from {below.before + 1} to {below.step + 1}"
        shares = f"{share(below.rate, 0)} go on {way}, {share(below.others, 0)} in the other rows"
        told += ["", screen.paint(f"{who}: {shares}", "alarm")]
    return told


def _of_step(step: FunnelStep) -> str:
    return f"({share(step.step_rate, 0):>4})"


def _worst(losses: list[Loss | None]) -> str:
    found = [f"before {at}, {share(loss.share, 0)}" for at, loss in enumerate(losses, 1) if loss and loss.bottleneck]
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
