"""`make crash` and `make powerloss`: many kills, or many power losses, and a table of what was found."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from crash.kills import STOPPED, Kill, Trial, plan_of_kills
from crash.power_loss import Loss, losses, record_lives
from crash.record import Damage
from crash.trace import cannot_trace

_START_LIMIT_S = 5.0
_PER_FOLDER = 25
_PER_RECORDING = 750
_LIVES = ("stop+", "kill", "stop", "kill+", "stop", "stop", "stop")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m crash", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="begin the same run again; else a random one")
    commands = parser.add_subparsers(dest="command", required=True)
    kills = commands.add_parser("kills", help="SIGKILL under load")
    kills.add_argument("--kills", type=int, default=1000)
    kills.add_argument("--minutes", type=float, default=1e9, help="stop after so many, whatever was asked for")
    power = commands.add_parser("powerloss", help="disks as a power loss leaves them")
    power.add_argument("--points", type=int, default=3000)
    power.add_argument(
        "--by-collector", type=int, default=10, help="of each 100 points, start the collector on so many"
    )
    power.add_argument("--minutes", type=float, default=1e9, help="stop after so many, whatever was asked for")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"seed {seed}", flush=True)
    deadline = time.monotonic() + 60 * options.minutes
    if options.command == "kills":
        return _kills(seed, options.kills, deadline)
    if (reason := cannot_trace()) is not None:
        print(reason, file=sys.stderr)
        return 2
    return _powerloss(seed, options.points, options.by_collector, deadline)


def _kills(seed: int, count: int, deadline: float) -> int:
    lives: list[Kill] = []
    done: list[Kill] = []
    acknowledged = trial_number = 0
    while len(done) < count and time.monotonic() < deadline:
        # Each folder has a seed of its own, so that one that went wrong can be had again alone.
        rng = random.Random(seed + trial_number)
        aims = plan_of_kills(min(_PER_FOLDER, count - len(done)), rng)
        with tempfile.TemporaryDirectory() as folder:
            trial = Trial(Path(folder), rng, _now())
            for kill in trial.run(aims):
                lives.append(kill)
                if kill.damage:
                    _tell(f"folder {trial_number} (--seed {seed + trial_number}), {kill.aim}", kill.damage)
                if time.monotonic() > deadline:
                    break
            acknowledged += trial.record.acknowledged
        done = [kill for kill in lives if kill.aim != STOPPED]
        trial_number += 1
        print(f"{len(done)} kills, {acknowledged} events acknowledged", file=sys.stderr, flush=True)
    starts = [kill.start for kill in lives if kill.start is not None]
    busiest = max(processor for _, processor in starts)
    damage = [kill.damage for kill in lives]
    print("\n| kills | folders | events acknowledged | lost | counted twice | other | longest start | its CPU time |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {len(done)} | {trial_number} | {acknowledged:,} | {_figures(damage)} | {max(starts)[0]:.2f} s "
        f"| {busiest:.2f} s |\n"
    )
    print("| aimed at | kills | of them at the instant aimed at |\n|---|---|---|")
    hits = Counter(kill.aim for kill in done if kill.hit)
    for aim, number in Counter(kill.aim for kill in done).items():
        print(f"| {aim} | {number} | {hits[aim]} |")
    return int(any(damage) or busiest > _START_LIMIT_S)


def _powerloss(seed: int, count: int, by_collector: int, deadline: float) -> int:
    done: list[Loss] = []
    recorded = syncs = number = 0
    while len(done) < count and time.monotonic() < deadline:
        rng = random.Random(seed + number)
        points = min(_PER_RECORDING, count - len(done))
        with tempfile.TemporaryDirectory() as folder:
            recording = record_lives(Path(folder), rng, _now(), _LIVES, batches=8)
        recorded += len(recording.calls)
        syncs += sum(call.kind == "sync" for call in recording.calls)
        for loss in losses(recording, rng, points, by_collector=points * by_collector // 100):
            done.append(loss)
            if loss.damage:
                _tell(f"recording {number} (--seed {seed + number}), instant {loss.instant}", loss.damage)
            if time.monotonic() > deadline:
                break
        number += 1
        print(f"{len(done)} power losses", file=sys.stderr, flush=True)
    print("\n| power losses | calls recorded | syncs | events acknowledged, summed | lost | counted twice | other |")
    print("|---|---|---|---|---|---|---|")
    acknowledged = sum(loss.acknowledged for loss in done)
    print(
        f"| {len(done)} | {recorded:,} | {syncs:,} | {acknowledged:,} | {_figures([loss.damage for loss in done])} |\n"
    )
    started = [loss.seconds for loss in done if loss.by_collector]
    print(
        f"The real collector was started on {len(started)} of these disks; its longest start took "
        f"{max(started, default=0):.2f} s."
    )
    return int(any(loss.damage for loss in done))


def _figures(damage: Sequence[Damage]) -> str:
    kinds = [[one.lost for one in damage], [one.twice for one in damage], [one.other for one in damage]]
    return " | ".join(str(sum(map(len, kind))) for kind in kinds)


def _tell(where: str, damage: Damage) -> None:
    for kind in ("lost", "twice", "other"):
        for text in getattr(damage, kind)[:5]:
            print(f"{where}: {kind}: {text}", flush=True)


def _now() -> int:
    return int(time.time() * 1000)


if __name__ == "__main__":
    sys.exit(main())
