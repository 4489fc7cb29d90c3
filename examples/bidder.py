"""A bidding script: asks kizashi what each campaign is worth, and says what it would bid. Standard library alone.

    KIZASHI_ENDPOINT=http://127.0.0.1:8700 KIZASHI_READ_KEY=… python examples/bidder.py --state bids.json

What a visitor of a campaign is worth is `bid_value` / `actors`; at a target of 4 for return on ad spend, a quarter of
that may be bid for a click. A bid moves by at most a fifth at each poll, so that no single answer can run away with
the budget, and it moves on `bid_value` alone: while that is null the bid stays where it is, and `reason` says why.

Exit codes with --once: 0 answered, 1 not answered (every bid stays), 2 nothing that a later poll would mend.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

TIMEOUT_S = 10.0
REMEDIES = {
    401: "the key is not known there; set KIZASHI_READ_KEY to one from `kizashi keys create --scope read`",
    403: "this key may not read; make one with `kizashi keys create --scope read`",
    404: "no collector at this address; KIZASHI_ENDPOINT is its root, such as http://collector:8700",
}


class NoAnswerError(Exception):
    """The collector could not answer now. `wait_s` is how long it asks to be left alone."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class RefusedError(Exception):
    """The collector will never answer this; a person must look."""


@dataclass
class State:
    """What is kept between polls: the bids, and the tag of the last answer that left nothing to do."""

    bids: dict[str, Decimal] = field(default_factory=dict)
    etag: str | None = None

    @classmethod
    def load(cls, path: Path | None, query: str) -> State:
        if path is None or not path.exists():
            return cls()
        kept = json.loads(path.read_text())
        # A tag belongs to the question that it answered: with another target, the same numbers are news.
        etag = kept["etag"] if kept["query"] == query else None
        return cls({name: Decimal(bid) for name, bid in kept["bids"].items()}, etag)

    def save(self, path: Path | None, query: str) -> None:
        if path is None:
            return
        kept = {"query": query, "etag": self.etag, "bids": {name: str(bid) for name, bid in self.bids.items()}}
        draft = path.with_name(path.name + ".new")
        draft.write_text(json.dumps(kept, indent=1))
        draft.replace(path)  # In one move: a crash leaves the old bids or the new ones, never half a file.


@dataclass(frozen=True)
class Answer:
    """The rows of all pages; the tag only where it covers them all."""

    rows: list[dict[str, Any]]
    currency: str
    etag: str | None


@dataclass(frozen=True)
class Collector:
    """Where to ask, and as whom."""

    endpoint: str
    key: str

    def summary(self, window: str, etag: str | None) -> Answer | None:
        """All rows by campaign; None when no number changed since `etag`."""
        query = {"window": window, "by": "campaign", "money": "string"}
        page, tag = self._get(query, etag)
        if page is None:
            return None
        rows = list(page["rows"])
        paged = "next_cursor" in page
        # Every page before any bid: half of an answer is not an answer.
        while cursor := page.get("next_cursor"):
            page, _ = self._get({**query, "cursor": cursor}, None)
            if page is None:
                raise NoAnswerError("a page answered 304 although no tag was sent")
            rows += page["rows"]
        # A tag covers its own page. Where there are more, the next poll asks for all of them again.
        return Answer(rows, page["currency"], None if paged else tag)

    def _get(self, query: dict[str, str], etag: str | None) -> tuple[dict[str, Any] | None, str | None]:
        request = urllib.request.Request(
            f"{self.endpoint}/v1/summary?{urllib.parse.urlencode(query)}",
            headers={"Authorization": f"Bearer {self.key}", **({"If-None-Match": etag} if etag else {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                return json.load(response), response.headers["ETag"]
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 304:
                    return None, etag
                raise _explained(error) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswerError(f"no answer from {self.endpoint} ({error})") from None


def _explained(error: urllib.error.HTTPError) -> NoAnswerError | RefusedError:
    if error.code == 429 or error.code >= 500:
        wait = error.headers.get("Retry-After", "")
        return NoAnswerError(f"the collector answered {error.code}", float(wait) if wait.isdigit() else 0.0)
    try:
        detail = json.load(error)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = "no detail given"
    return RefusedError(f"the collector answered {error.code}: {REMEDIES.get(error.code, detail)}")


def bounded(bid: Decimal, target: Decimal, step: Decimal, most: Decimal) -> tuple[Decimal, bool]:
    """The next bid on the way to `target`, a multiple of `step`, and whether the bound held it back."""
    room = max(bid * most, step)
    held = not bid - room <= target <= bid + room
    wanted = min(max(target, bid - room), bid + room)
    # Rounded towards the bid as it is, so that the bound holds after rounding, too.
    steps = (wanted / step).to_integral_value(ROUND_FLOOR if wanted > bid else ROUND_CEILING)
    return max(steps * step, step).quantize(step), held


def poll(collector: Collector, state: State, args: argparse.Namespace) -> Iterator[str]:
    """Ask once, move the bids, and yield a line for each campaign."""
    answer = collector.summary(args.window, state.etag)
    if answer is None:
        yield "304: no number changed, every bid stays"
        return
    settled = True
    for row in answer.rows:
        campaign = row["key"]["campaign"]
        if not campaign:
            continue  # Nobody pays for visitors without a campaign.
        bid = state.bids.setdefault(campaign, args.start_bid)
        if row["bid_value"] is None or not row["ready"]:
            seen = f"actors {row['actors']}, final {row['final_value']}, declared {row['declared_value']}"
            yield f"{campaign}: bid stays {bid} (not ready: {row['reason']}); {seen}"
            continue
        if not row["actors"]:
            yield f"{campaign}: bid stays {bid} (nobody came)"
            continue
        worth = Decimal(row["bid_value"]) / row["actors"]
        target = worth / args.roas
        state.bids[campaign], held = bounded(bid, target, args.step, args.most)
        settled = settled and not held
        verb = "stays" if state.bids[campaign] == bid else f"{bid} ->"
        why = f"{worth:.2f} {answer.currency} an actor, target {target:.2f}"
        yield f"{campaign}: bid {verb} {state.bids[campaign]} ({why}{', held back' if held else ''})"
    # While a bid is still on its way, a 304 would keep it there.
    state.etag = answer.etag if settled else None


def _positive(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except ArithmeticError:
        number = Decimal(0)
    if not number.is_finite() or number <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Prints the bids that kizashi's values call for.")
    parser.add_argument("--endpoint", default=os.environ.get("KIZASHI_ENDPOINT"), help="default: $KIZASHI_ENDPOINT")
    parser.add_argument("--key", default=os.environ.get("KIZASHI_READ_KEY"), help="default: $KIZASHI_READ_KEY")
    parser.add_argument("--window", default="7d", help="the traffic that is judged")
    parser.add_argument("--roas", type=_positive, default="4", help="what one unit of money bid must bring")
    parser.add_argument("--start-bid", type=_positive, default="100", help="for a campaign that has no bid yet")
    parser.add_argument("--step", type=_positive, default="1", help="the platform's smallest change; 0.01 for dollars")
    parser.add_argument("--most", type=_positive, default="0.2", help="the most that a bid moves at a poll")
    parser.add_argument("--state", type=Path, help="file that keeps bids and tag between runs")
    parser.add_argument("--interval", type=float, default=300.0, help="seconds between polls")
    parser.add_argument("--once", action="store_true", help="poll once and end, for cron")
    args = parser.parse_args()
    for option in ("endpoint", "key"):
        if not getattr(args, option):
            parser.error(f"--{option} is missing; see --help for the environment variable that gives it")
    if not args.endpoint.startswith(("http://", "https://")):
        parser.error(f"--endpoint {args.endpoint!r} is no URL; write http://127.0.0.1:8700")
    return args


def main() -> int:
    args = _arguments()
    collector = Collector(args.endpoint.rstrip("/"), args.key)
    query = f"{collector.endpoint} {args.window} {args.roas} {args.step} {args.most}"
    state = State.load(args.state, query)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    while True:
        wait_s, code = args.interval, 0
        try:
            for line in poll(collector, state, args):
                print(line, flush=True)
            state.save(args.state, query)
        except NoAnswerError as error:
            print(f"every bid stays: {error}", file=sys.stderr, flush=True)
            wait_s, code = max(wait_s, error.wait_s), 1
        except RefusedError as error:
            print(f"bidder: {error}", file=sys.stderr)
            return 2
        if args.once:
            return code
        if stop.wait(wait_s):
            return 0


if __name__ == "__main__":
    sys.exit(main())
