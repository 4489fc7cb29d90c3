"""What the index of ids costs, beside a dict of ids and one sorted array in the same run: `python -m bench.seen`.

Each kind of id fills an index in a process of its own, in batches of 500, each found to be new and then added; at each
size, medians over the last batches are taken. Opening is measured in another process, on the files that are left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from kizashi_collector.store._ids._seen import SeenIds

BATCH = 500
MEASURED = 400
"""Batches whose times count, at each size."""
KEPT = 100
"""Batches, spread over all, that are looked up again as duplicates."""


def v4(_: int) -> list[str]:
    text = os.urandom(16 * BATCH).hex()
    return [
        f"{text[at : at + 8]}-{text[at + 8 : at + 12]}-4{text[at + 13 : at + 16]}-a{text[at + 17 : at + 20]}-"
        f"{text[at + 20 : at + 32]}"
        for at in range(0, 32 * BATCH, 32)
    ]


def v7(first: int) -> list[str]:
    """Ten ids a millisecond, in order."""
    times = [f"{1_790_000_000_000 + number // 10:012x}" for number in range(first, first + BATCH)]
    return [f"{at[:8]}-{at[8:]}-7{each[15:18]}-{each[19:]}" for at, each in zip(times, v4(first), strict=True)]


def text(first: int) -> list[str]:
    return [f"order-{number * 7919:x}-{'x' * (number % 40)}" for number in range(first, first + BATCH)]


KINDS: dict[str, Callable[[int], list[str]]] = {"v7": v7, "v4": v4, "text": text}


def resident() -> dict[str, float]:
    """MB of this process that are resident: its own, and those of files."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1e3 for line in lines if line.startswith("Rss")}
    return {"anon": sizes["RssAnon"], "file": sizes["RssFile"]}


def filled(kind: str, folder: Path, sizes: list[int]) -> Iterator[dict[str, Any]]:
    """Fill an index, and say at each size what it cost."""
    ids_from, before, kept = KINDS[kind], resident(), []
    index = SeenIds(folder)
    stored, finds, adds, strangers = 0, [], [], 0
    for size in sizes:
        while stored < size:
            ids = ids_from(stored)
            began = time.perf_counter()
            strangers += sum(map(bool, index.find(ids)))
            found = time.perf_counter()
            index.add(stored + 1, ids)
            adds.append(time.perf_counter() - found)
            finds.append(found - began)
            if stored % (size // KEPT) < BATCH:
                kept.append((stored + 1, ids))
            stored += BATCH
        while index.waiting:
            time.sleep(0.01)
        after = resident()
        again = []
        for first, ids in random.sample(kept, KEPT):
            began = time.perf_counter()
            candidates = index.find(ids)
            again.append(time.perf_counter() - began)
            assert all(seq in found for seq, found in enumerate(candidates, first))
        yield {
            "stored": stored,
            "find": median(finds[-MEASURED:]),
            "add": median(adds[-MEASURED:]),
            "mean": (sum(finds) + sum(adds)) / len(finds),
            "slowest": max(adds),
            "again": median(again),
            "runs": index.runs,
            "strangers": strangers,
            **{name: after[name] - before[name] for name in after},
            "all": resident()["anon"] + resident()["file"] - sum(before.values()),
        }
        finds, adds = [], []
    index.close()


def opened(folder: Path) -> dict[str, Any]:
    before, began = resident(), time.perf_counter()
    index = SeenIds(folder)
    seconds = time.perf_counter() - began
    after, covered = resident(), index.covered
    index.close()
    disk = sum(path.stat().st_size for path in folder.iterdir())
    return {"open": seconds, "disk": disk / covered, "opened": sum(after.values()) - sum(before.values())}


def pauses(folder: Path) -> dict[str, int]:
    """How often a thread that only counts stands still: while a million ids are written and merged, and beside another
    process that is as busy, where it waits for a processor but never for the interpreter.
    """
    index = SeenIds(folder)
    for first in range(1, 4 * 262_144 + BATCH, BATCH):
        index.add(first, v4(first))
    working = gaps(lambda: index.covered == 4 * 262_144 and index.runs == 1)
    index.close()
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    end = time.perf_counter() + sum(working)
    beside = gaps(lambda: time.perf_counter() > end)
    busy.kill()
    busy.wait()
    return {
        f"{name}, {least} ms": sum(gap * 1e3 > least for gap in found)
        for name, found in (("merging", working), ("busy neighbour", beside))
        for least in (1, 2, 5)
    } | {"in ms": round(sum(working) * 1e3)}


def gaps(over: Callable[[], bool]) -> list[float]:
    """The seconds between looks at the clock."""
    found, last = [], time.perf_counter()
    while not over():
        now = time.perf_counter()
        found.append(now - last)
        last = now
    return found


def limits(size: int) -> dict[str, float]:
    """Seconds for 500 look-ups in a dict of a million ids, and in one sorted array."""
    ids = [each for first in range(0, 1_000_000, BATCH) for each in v4(first)]
    numbers = {each: number for number, each in enumerate(ids)}
    random.shuffle(ids)
    generator = np.random.default_rng()
    ordered = np.sort(generator.integers(0, 2**64, size, np.uint64))
    in_dict, in_array = [], []
    for at in range(0, MEASURED * BATCH, BATCH):
        asked = [str.lower(each) for each in ids[at : at + BATCH]]  # decoded anew: the hash is not known yet
        began = time.perf_counter()
        for each in asked:
            numbers.get(each)
        in_dict.append(time.perf_counter() - began)
        wanted = generator.integers(0, 2**64, BATCH, np.uint64)
        began = time.perf_counter()
        ordered.searchsorted(wanted)
        in_array.append(time.perf_counter() - began)
    return {"dict": median(in_dict), "array": median(in_array)}


def child(*words: object) -> list[Any]:
    command = [sys.executable, "-m", "bench.seen", *map(str, words)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def table(sizes: list[int]) -> None:
    each = 1e6 / BATCH
    heads = ("ids", "stored", "find new", "find stored", "add", "new, mean", "slowest add", "runs", "RSS own+file")
    print(" | ".join(heads), "| RSS after duplicates")
    for kind in KINDS:
        with TemporaryDirectory() as folder:
            for line in child("fill", kind, folder, *sizes):
                print(
                    f"{kind} | {line['stored']:,} | {line['find'] * each:.2f} µs | {line['again'] * each:.2f} µs | "
                    f"{line['add'] * each:.2f} µs | {line['mean'] * each:.2f} µs | {line['slowest'] * 1e3:.1f} ms | "
                    f"{line['runs']} | {line['anon']:.0f}+{line['file']:.0f} MB | {line['all']:.0f} MB",
                    flush=True,
                )
            (line,) = child("open", folder)
            print(f"  opened in {line['open']:.2f} s with {line['opened']:.0f} MB, {line['disk']:.2f} bytes an id")
    for size in sizes:
        (line,) = child("limits", size)
        print(
            f"limits: dict of 1,000,000 ids {line['dict'] * each:.2f} µs, "
            f"one sorted array of {size:,} {line['array'] * each:.2f} µs"
        )
    with TemporaryDirectory() as folder:
        (counts,) = child("pauses", folder)
        print(f"pauses of another thread, as many as were longer than: {counts}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="none, for the whole table")
    words = parser.parse_args().words
    match words:
        case ["fill", kind, folder, *sizes]:
            for line in filled(kind, Path(folder), [int(size) for size in sizes]):
                print(json.dumps(line), flush=True)
        case ["open", folder]:
            print(json.dumps(opened(Path(folder))))
        case ["limits", size]:
            print(json.dumps(limits(int(size))))
        case ["pauses", folder]:
            print(json.dumps(pauses(Path(folder))))
        case _:
            table([int(size) for size in words] or [1_000_000, 10_000_000])


if __name__ == "__main__":
    main()
