"""`kizashi summary`: what each campaign did and is worth, as a running collector has it now."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from kizashi_collector.cli._figures import amount, amount_text
from kizashi_collector.cli._remote import add_interval_options, add_remote_options, ask_page, interval_of
from kizashi_collector.cli._targets import line_of_targets, plan_in_force
from kizashi_collector.cli._terminal import Screen, cells, clipped, padded, plain, table
from kizashi_schemas import KizashiError, SummaryAnswer, SummaryTotal

__all__ = ["add_summary", "lines_of"]

_DRAWN = 18
_NAME_CELLS = 40
_PATH = "/v1/summary"
_WINDOW = "7d"


def add_summary(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `kizashi summary` to the command line."""
    parser = commands.add_parser(
        "summary",
        help="what each campaign did and is worth, as a running collector counts it",
        description="Ask a running collector for its summary: a row for each key, those that are expected to bring "
        "most first, and the total. Bid on what is ready; for the rest, it says why not. "
        "Exit status: 0 answered, 1 not answered, 2 used wrongly.",
        epilog="example: kizashi summary --endpoint http://127.0.0.1:8700 --by campaign,device --window 28d",
    )
    add_remote_options(parser, "read")
    parser.add_argument("--csv", action="store_true", help="print the answer as CSV, all columns")
    parser.add_argument("--by", default="campaign", metavar="KEYS", help="source fields, with commas; default campaign")
    add_interval_options(parser)
    parser.add_argument("--events", action="store_true", help="a column with the count of each event, too")
    parser.add_argument("--top", type=_rows, metavar="N", help="only the N rows that are expected to bring most")
    parser.set_defaults(run=_run)


def _rows(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) == int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows; give 1 or more")
    return int(text)


def _run(args: argparse.Namespace) -> int:
    if args.json and args.csv:
        print("kizashi summary: --json and --csv: it is one or the other; leave one out", file=sys.stderr)
        return 2
    query = interval_of(args) | ({"by": args.by} if args.by else {})
    try:
        if args.csv:
            for part in _csv(args, query):
                sys.stdout.write(part)
            return 0
        answer = _all(args, query if args.json else {**query, "money": "string"})
        targets = None if args.json or "from" in query or "to" in query else _targets(args, answer)
    except KizashiError as error:
        print(f"kizashi summary: {error}", file=sys.stderr)
        return 1
    except (msgspec.DecodeError, UnicodeDecodeError):
        print("kizashi summary: the answer is not a collector's; check the endpoint", file=sys.stderr)
        return 1
    if args.json:
        print(msgspec.json.encode(answer).decode())
        return 0
    for line in lines_of(answer, Screen.of(sys.stdout), events=args.events, top=args.top):
        print(line)
    if targets is not None:
        print(targets)
    return 0


def _targets(args: argparse.Namespace, answer: SummaryAnswer) -> str | None:
    return line_of_targets(answer.total, args.window or _WINDOW, plan_in_force(args))


def _csv(args: argparse.Namespace, query: dict[str, str]) -> Iterator[str]:
    """The pages of the answer, the heading once."""
    head, asked = "", {**query, "format": "csv"}
    while True:
        page = ask_page(args, "GET", _PATH, query=asked)
        text = page.body.decode()
        yield text.removeprefix(head)
        if page.next_cursor is None:
            return
        # Names of events and keys hold no line ends.
        head = head or text.partition("\n")[0] + "\n"
        asked = {**query, "format": "csv", "cursor": page.next_cursor}


def _all(args: argparse.Namespace, query: dict[str, str]) -> SummaryAnswer:
    """The answer, with the rows of all its pages."""
    answer = msgspec.json.decode(ask_page(args, "GET", _PATH, query=query).body, type=SummaryAnswer)
    rows, cursor = list(answer.rows), answer.next_cursor
    while cursor is not None:
        page = ask_page(args, "GET", _PATH, query={**query, "cursor": cursor})
        more = msgspec.json.decode(page.body, type=SummaryAnswer)
        rows += more.rows
        cursor = more.next_cursor
    return msgspec.structs.replace(answer, rows=rows, next_cursor=None)


def lines_of(answer: SummaryAnswer, screen: Screen, *, events: bool = False, top: int | None = None) -> list[str]:
    """The answer for people: a heading, the table, and a sentence for each reason. `answer` has all its rows."""
    rows = sorted(answer.rows, key=_promise, reverse=True)
    shown = rows[:top]
    keys = list(answer.total.key) or (list(rows[0].key) if rows else [])
    # Without a plan nothing is worth anything, but everything is counted.
    names = list(answer.total.events) if events or answer.plan is None else []
    head = [*(keys or [""]), "actors", *names, "journeys", "converted", "sold", "expected", "90 in 100", "bid on"]
    lines = table(head, [_cells(row, keys, names) for row in (*shown, answer.total)], left=max(1, len(keys)))
    first, *body, total = _with_pictures(lines, shown, screen)
    told = [screen.paint(_title(answer), "bold"), screen.paint(first, "dim"), *body]
    if len(rows) > len(shown):
        told.append(screen.paint(f"and {len(rows) - len(shown):,} more, which are expected to bring less", "dim"))
    told.append(screen.paint(total, "bold"))
    if answer.next_cursor is not None:
        told.append("not all rows: there are more pages")
    return told + [f"{reason}: {plain(sentence)}" for reason, sentence in answer.reasons.items()]


def _promise(row: SummaryTotal) -> tuple[Decimal, Decimal, int]:
    nothing = Decimal(0)
    return amount(row.expected_value) or nothing, amount(row.final_value) or nothing, row.actors


def _title(answer: SummaryAnswer) -> str:
    money = f" · {answer.currency}" if answer.currency else ""
    plan = "no plan is in force" if answer.plan is None else f"plan {answer.plan[:12]}"
    return plain(f"{answer.from_} to {answer.to}{money} · {plan}")


def _cells(row: SummaryTotal, keys: list[str], names: list[str]) -> list[str]:
    total = not row.key and bool(keys)
    named = [clipped(plain(row.key[key]), _NAME_CELLS) or "(none)" for key in keys] if not total else []
    low, high = amount(row.low), amount(row.high)
    return [
        *(named or ["total", *[""] * (len(keys) - 1)]),
        f"{row.actors:,}",
        *(f"{row.events[name].count:,}" if name in row.events else "0" for name in names),
        "-" if row.journeys is None else f"{row.journeys:,}",
        "-" if row.converted is None else f"{row.converted:,}",
        amount_text(amount(row.final_value)),
        amount_text(amount(row.expected_value)),
        "-" if low is None or high is None else f"{amount_text(low)} to {amount_text(high)}",
        amount_text(amount(row.bid_value)) if row.ready else f"not ready: {row.reason}",
    ]


def _with_pictures(lines: list[str], rows: Sequence[SummaryTotal], screen: Screen) -> list[str]:
    """The lines with each row's interval drawn behind it, where the screen has room for that."""
    most = max((amount(row.high) or Decimal(0) for row in rows), default=Decimal(0))
    width = max(map(cells, lines))
    if not (screen.blocks and most > 0 and width + 2 + _DRAWN <= screen.width):
        return lines
    pictures = ["", *(_interval(row, most) for row in rows), ""]
    return [
        f"{padded(line, width)}  {screen.paint(picture, 'bar')}" if picture else line
        for line, picture in zip(lines, pictures, strict=True)
    ]


def _interval(row: SummaryTotal, most: Decimal) -> str:
    """From low to high with a mark at what is expected, on a scale that all rows share."""
    low, middle, high = (
        None if value is None else min(_DRAWN - 1, max(0, int(value / most * (_DRAWN - 1))))
        for value in (amount(row.low), amount(row.expected_value), amount(row.high))
    )
    if low is None or middle is None or high is None:
        return ""
    drawn = [" "] * low + ["─"] * (high - low + 1)
    drawn[min(max(middle, low), high)] = "●"
    return "".join(drawn)
