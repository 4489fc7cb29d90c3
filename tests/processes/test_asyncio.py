"""Event loops: track() never holds one up, whatever the collector does, and aflush() belongs to whoever awaits it."""

from __future__ import annotations

from pathlib import Path

from processes.programs import arrived, run
from sdk.scripted_collector import Collector, hang


def test_a_loop_under_load_never_waits_for_a_collector_that_hangs(scripted: Collector, tmp_path: Path) -> None:
    scripted.script.append(hang)
    program = """
configure(flush_interval=0.01, timeout=1.5)
gaps = []
async def tick():
    while True:
        start = time.monotonic()
        await asyncio.sleep(0.002)
        gaps.append(time.monotonic() - start)
async def visitor(number):
    for at in range(100):
        kizashi.track("mv_a", actor=number, properties={"at": at})
        await asyncio.sleep(0.005)
async def main():
    ticking = asyncio.create_task(tick())
    await asyncio.gather(*map(visitor, range(50)))
    assert not await kizashi.aflush(0.1)
    ticking.cancel()
    assert await kizashi.aflush(20)
asyncio.run(main())
assert kizashi.stats() == kizashi.Stats(tracked=5000, delivered=5000), kizashi.stats()
# Other processes take the cores as well; held up by the collector, it would be a second and a half.
assert max(gaps) < 0.4, max(gaps)
"""
    run(program, scripted, tmp_path)
    assert len(scripted.events) == 5000


def test_loops_in_several_threads_each_flush(scripted: Collector, tmp_path: Path) -> None:
    program = """
configure()
results = []
async def main(number):
    for at in range(20):
        kizashi.track("mv_a", actor=number)
        if at % 5 == 4: results.append(await kizashi.aflush(20))
threads = [threading.Thread(target=lambda number=number: asyncio.run(main(number))) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
asyncio.run(main(9))
assert results == [True] * 20, results
assert kizashi.stats() == kizashi.Stats(tracked=100, delivered=100), kizashi.stats()
"""
    run(program, scripted, tmp_path)
    assert arrived(scripted) == {"mv_a": 100}


def test_who_stops_waiting_leaves_nothing_behind(scripted: Collector, tmp_path: Path) -> None:
    scripted.script.append(hang)
    program = """
configure(timeout=1.0)
async def cancelled():
    kizashi.track("mv_a", actor="v-1")
    waiting = asyncio.create_task(kizashi.aflush(60))
    await asyncio.sleep(0.1)
    waiting.cancel()
    try:
        await waiting
    except asyncio.CancelledError:
        return
    raise AssertionError("not cancelled")
async def forsaken():
    asyncio.get_running_loop().create_task(kizashi.aflush(60))
    await asyncio.sleep(0.1)
asyncio.run(cancelled())
asyncio.run(forsaken())  # its loop is closed before the worker has anything to tell
loop = asyncio.new_event_loop()
pending = loop.create_task(kizashi.aflush(60))
loop.run_until_complete(asyncio.sleep(0.05))
assert kizashi.flush(20)
pending.cancel()
loop.run_until_complete(asyncio.wait([pending]))
assert pending.cancelled() or pending.result()
loop.close()
kizashi.track("mv_b", actor="v-1")
assert kizashi.flush(20)
assert kizashi.stats() == kizashi.Stats(tracked=2, delivered=2), kizashi.stats()
"""
    run(program, scripted, tmp_path)
    assert scripted.names() == ["mv_a", "mv_b"]


def test_a_coroutine_that_outlives_main_is_flushed_at_exit(scripted: Collector, tmp_path: Path) -> None:
    program = """
configure()
async def main():
    kizashi.track("mv_a", actor="v-1")
    async def late():
        try:
            await asyncio.sleep(60)
        finally:
            kizashi.track("mv_late", actor="v-1")
    asyncio.get_running_loop().create_task(late())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
asyncio.run(main())
"""
    run(program, scripted, tmp_path)
    assert arrived(scripted) == {"mv_a": 1, "mv_late": 1}
