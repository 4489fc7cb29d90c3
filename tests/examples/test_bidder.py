"""The bidding script, run as cron would run it, against a real collector and against one that is made to misbehave."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from examples.conftest import Run, Server

BIDDER = Path(__file__).resolve().parents[2] / "examples" / "bidder.py"
READ_KEY = "key-of-the-bidder"


# -- against the real collector ---------------------------------------------------------------------------------------


def test_the_first_poll_explains_and_the_second_is_a_304(quiet_collector: Server, run: Run, tmp_path: Path) -> None:
    options = ("--once", "--endpoint", quiet_collector.url, "--key", READ_KEY, "--state", str(tmp_path / "bids"))

    first, second = run("bidder.py", *options), run("bidder.py", *options)

    assert first.stdout.splitlines() == [
        "brand: bid stays 100 (not ready: thin); actors 2, final 9800, declared 9800",
        "gift_season: bid stays 100 (not ready: thin); actors 1, final 0, declared 0",
    ]
    assert second.stdout.splitlines() == ["304: no number changed, every bid stays"]
    assert (first.returncode, second.returncode) == (0, 0)


def test_another_target_asks_anew(quiet_collector: Server, run: Run, tmp_path: Path) -> None:
    options = ("--once", "--endpoint", quiet_collector.url, "--key", READ_KEY, "--state", str(tmp_path / "bids"))
    run("bidder.py", *options)

    assert "304" not in run("bidder.py", *options, "--roas", "3").stdout


def test_an_unknown_key_ends_it_with_a_remedy(quiet_collector: Server, run: Run) -> None:
    answer = run("bidder.py", "--endpoint", quiet_collector.url, KIZASHI_READ_KEY="nobodys-key")

    assert answer.returncode == 2
    assert "401" in answer.stderr
    assert "kizashi keys create --scope read" in answer.stderr
    assert "nobodys-key" not in answer.stderr


def test_an_endpoint_that_is_no_url_is_nothing_that_a_later_poll_would_mend(run: Run) -> None:
    answer = run("bidder.py", "--once", "--endpoint", "127.0.0.1:8700", "--key", READ_KEY)

    assert answer.returncode == 2
    assert "write http://127.0.0.1:8700" in answer.stderr


def test_a_key_that_only_writes_ends_it_with_a_remedy(quiet_collector: Server, run: Run) -> None:
    answer = run("bidder.py", KIZASHI_ENDPOINT=quiet_collector.url, KIZASHI_READ_KEY="key-of-the-shop")

    assert answer.returncode == 2
    assert "403" in answer.stderr


def test_without_a_key_it_says_how_to_give_one(run: Run) -> None:
    answer = run("bidder.py", "--endpoint", "http://127.0.0.1:9")

    assert answer.returncode == 2
    assert "--key is missing" in answer.stderr


def test_nobody_there_leaves_every_bid(run: Run, tmp_path: Path) -> None:
    answer = run(
        "bidder.py", "--once", "--endpoint", "http://127.0.0.1:9", "--key", "k", "--state", str(tmp_path / "b")
    )

    assert answer.returncode == 1
    assert answer.stderr.startswith("every bid stays: no answer from http://127.0.0.1:9")
    assert not (tmp_path / "b").exists()


# -- against a collector that says what the test wants ----------------------------------------------------------------


def row(campaign: str, bid_value: str | None, actors: int = 100, reason: str | None = None) -> dict[str, Any]:
    return {
        "key": {"campaign": campaign},
        "actors": actors,
        "final_value": "0",
        "declared_value": "0",
        "ready": reason is None,
        "reason": reason,
        "bid_value": bid_value,
    }


def page(*rows: dict[str, Any], **more: str) -> web.Response:
    return web.json_response({"currency": "JPY", "rows": rows, **more}, headers={"ETag": 'W/"1"'})


class Scripted:
    """Answers in turn; the last one again and again."""

    def __init__(self, *answers: web.Response) -> None:
        self.answers = list(answers)
        self.tags: list[str | None] = []
        self.queries: list[dict[str, str]] = []
        self.asked_enough = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.tags.append(request.headers.get("If-None-Match"))
        self.queries.append(dict(request.query))
        planned = self.answers[0]
        if len(self.answers) > 1:
            del self.answers[0]
        else:
            self.asked_enough.set()
        return web.Response(status=planned.status, body=planned.body, headers=planned.headers)


@asynccontextmanager
async def scripted(*answers: web.Response) -> AsyncIterator[Scripted]:
    play = Scripted(*answers)
    app = web.Application()
    app.router.add_get("/v1/summary", play.answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        play.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield play
    finally:
        await runner.cleanup()


async def poll(play: Scripted, state: Path, run: Run, *options: str) -> tuple[int, list[str]]:
    command = ("bidder.py", "--once", "--endpoint", play.url, "--key", "k", "--state", str(state), *options)
    answer = await asyncio.to_thread(run, *command)
    return answer.returncode, (answer.stdout + answer.stderr).splitlines()


async def test_bids_follow_bid_value_within_their_bounds(run: Run, tmp_path: Path) -> None:
    rows = (
        row("near", "44000"),
        row("edge", "48000"),
        row("high", "400000"),
        row("low", "0"),
        row("odd", "42222"),
        row("thin", None, reason="thin"),
        row("unready", "400000", reason="tracking_break"),
        row("silent", None),
        row("nobody", "400000", actors=0),
        row("", "400000"),
    )
    async with scripted(page(*rows)) as play:
        code, lines = await poll(play, tmp_path / "bids", run)

    assert code == 0
    assert lines == [
        "near: bid 100 -> 110 (440.00 JPY an actor, target 110.00)",
        "edge: bid 100 -> 120 (480.00 JPY an actor, target 120.00)",
        "high: bid 100 -> 120 (4000.00 JPY an actor, target 1000.00, held back)",
        "low: bid 100 -> 80 (0.00 JPY an actor, target 0.00, held back)",
        "odd: bid 100 -> 105 (422.22 JPY an actor, target 105.56)",
        "thin: bid stays 100 (not ready: thin); actors 100, final 0, declared 0",
        "unready: bid stays 100 (not ready: tracking_break); actors 100, final 0, declared 0",
        "silent: bid stays 100 (not ready: None); actors 100, final 0, declared 0",
        "nobody: bid stays 100 (nobody came)",
    ]
    assert play.queries == [{"window": "7d", "by": "campaign", "money": "string"}]


async def test_a_bid_that_was_held_back_goes_on_although_no_number_changed(run: Run, tmp_path: Path) -> None:
    async with scripted(page(row("brand", "56000"))) as play:
        polls = [await poll(play, tmp_path / "bids", run) for _ in range(3)]

    moves = [lines[0].partition(" (")[0] for _, lines in polls]
    assert moves == ["brand: bid 100 -> 120", "brand: bid 120 -> 140", "brand: bid stays 140"]
    assert play.tags == [None, None, 'W/"1"'], "a tag is sent only once there is nothing left to do"


async def test_money_is_exact_and_steps_are_the_platforms(run: Run, tmp_path: Path) -> None:
    # As a binary fraction, 0.57 / 0.19 would be 2.9999999999999996, and the bid one step too low.
    async with scripted(page(row("brand", "0.57", actors=1))) as play:
        _, lines = await poll(play, tmp_path / "b", run, "--step", "0.01", "--start-bid", "2.50", "--roas", "0.19")

    assert lines == ["brand: bid 2.50 -> 3.00 (0.57 JPY an actor, target 3.00)"]


async def test_a_collector_in_trouble_leaves_every_bid(run: Run, tmp_path: Path) -> None:
    async with scripted(
        page(row("brand", "44000")),
        web.Response(status=503, headers={"Retry-After": "1"}),
        web.Response(status=429),
        web.Response(status=200, text="{ not an answer"),
    ) as play:
        await poll(play, tmp_path / "bids", run)
        before = json.loads((tmp_path / "bids").read_text())
        troubles = [await poll(play, tmp_path / "bids", run) for _ in range(3)]

    assert [code for code, _ in troubles] == [1, 1, 1]
    assert all(lines[0].startswith("every bid stays: ") and len(lines) == 1 for _, lines in troubles)
    assert json.loads((tmp_path / "bids").read_text()) == before


async def test_half_of_an_answer_moves_no_bid(run: Run, tmp_path: Path) -> None:
    async with scripted(page(row("a", "44000"), next_cursor="c"), web.Response(status=500)) as play:
        code, lines = await poll(play, tmp_path / "bids", run)

    assert (code, len(lines)) == (1, 1)
    assert play.queries[1]["cursor"] == "c"


async def test_all_pages_are_read_and_then_asked_for_again(run: Run, tmp_path: Path) -> None:
    pages = (
        page(row("a", "44000"), next_cursor="c/1"),
        page(row("b", "36000"), next_cursor="c/2"),
        page(row("c", None)),
    )
    async with scripted(*pages, *pages) as play:
        _, lines = await poll(play, tmp_path / "bids", run)
        await poll(play, tmp_path / "bids", run)

    assert [line.partition(" (")[0] for line in lines] == ["a: bid 100 -> 110", "b: bid 100 -> 90", "c: bid stays 100"]
    assert [query.get("cursor") for query in play.queries[:3]] == [None, "c/1", "c/2"]
    assert play.tags == [None] * 6


async def test_it_polls_on_through_trouble_until_it_is_stopped() -> None:
    async with scripted(
        web.Response(status=503), page(row("brand", "44000")), web.Response(status=304), web.Response(status=500)
    ) as play:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(BIDDER), "--endpoint", play.url, "--key", "k", "--interval", "0.01"),
            env={"no_proxy": "127.0.0.1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(20):
            await play.asked_enough.wait()
            process.send_signal(signal.SIGTERM)
            out, err = await process.communicate()

    assert process.returncode == 0
    assert out.decode().splitlines()[:2] == [
        "brand: bid 100 -> 110 (440.00 JPY an actor, target 110.00)",
        "304: no number changed, every bid stays",
    ]
    assert "Traceback" not in err.decode()
    assert play.tags[:4] == [None, None, 'W/"1"', 'W/"1"']
