"""What is on disk, and who owns it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kizashi import ConfigurationError
from kizashi._spool._lane import Lane, claim_orphans, new_lane
from kizashi._spool._spool import MOST_LANES, Found, Spool
from sdk.scripted_collector import SkippingClock

MAX_AGE = 3_600.0


def make(folder: Path, *, max_bytes: int = 1_000_000, segment_bytes: int = 400) -> Spool:
    return Spool(
        folder,
        clock=SkippingClock(),
        entropy=os.urandom,
        max_bytes=max_bytes,
        max_age=MAX_AGE,
        fsync=True,
        segment_bytes=segment_bytes,
    )


def write(spool: Spool, *seqs: int, size: int = 84) -> None:
    for seq in seqs:
        spool.append([(seq, b"%d" % seq + b"x" * (size - len(str(seq))))])
        spool.publish()


def numbers(found: Found) -> list[int]:
    return [int(frame.body.rstrip(b"x")) for frame in found.frames]


def take(spool: Spool, most: int = 100) -> list[int]:
    """Take what there is of one segment, without settling it."""
    while (found := spool.read(most, 1_000_000)) is not None:
        if found.skipped is not None:
            spool.skip()
        elif found.frames:
            spool.taken(found.frames)
            return numbers(found)
    return []


def drain(spool: Spool) -> list[int]:
    """Take and settle everything."""
    drained = []
    while taken := take(spool):
        drained += taken
        spool.settle(None)
    return drained


def files(folder: Path, suffix: str = "") -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.endswith(suffix))


def test_what_is_appended_is_read_in_order_and_then_gone(tmp_path: Path) -> None:
    spool = make(tmp_path)
    write(spool, *range(1, 11))
    assert len(files(tmp_path, ".seg")) == 3
    assert spool.oldest() == 1
    assert drain(spool) == list(range(1, 11))
    assert spool.oldest() > 10
    assert len(files(tmp_path, ".seg")) == 1
    spool.close(1.0)
    assert files(tmp_path) == []


def test_only_what_is_published_is_read(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.append([(1, b"1")])
    assert spool.read(9, 999) is None
    spool.publish()
    assert take(spool) == [1]


def test_the_next_process_adopts_what_is_not_settled(tmp_path: Path) -> None:
    spool = make(tmp_path)
    write(spool, *range(1, 11))
    assert take(spool, most=3) == [1, 2, 3]
    found = spool.read(2, 999)
    assert found is not None
    spool.settle(found.frames[0].offset)  # three are settled
    assert spool.oldest() == 4
    spool.close(1.0)

    heir = make(tmp_path)
    assert heir.look_for_orphans()
    assert heir.oldest() == 0
    first = heir.read(100, 1_000_000)
    assert first is not None
    assert first.adopted == 1  # the first segment held four
    assert drain(heir) == list(range(4, 11))
    assert heir.oldest() > 10
    heir.close(1.0)
    assert files(tmp_path) == []


def test_what_is_taken_but_not_settled_is_sent_again(tmp_path: Path) -> None:
    spool = make(tmp_path)
    write(spool, 1, 2)
    assert take(spool) == [1, 2]
    spool.close(1.0)
    heir = make(tmp_path)
    heir.look_for_orphans()
    assert drain(heir) == [1, 2]


def test_a_lane_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    spool = make(tmp_path)
    write(spool, 1)
    other = make(tmp_path)
    assert not other.look_for_orphans()
    spool.close(1.0)
    assert other.look_for_orphans()
    assert not make(tmp_path).look_for_orphans()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    program = (
        "import sys, os, pathlib\n"
        "from kizashi._spool._lane import new_lane\n"
        "lane = new_lane(pathlib.Path(sys.argv[1]), os.urandom)\n"
        "lane.path(1).write_bytes(b'')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "locked\n"
    assert claim_orphans(tmp_path, 9) == ([], False, None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [lane], _, _ = claim_orphans(tmp_path, 9)
    assert len(lane.segments()) == 1
    process.stdin.close()
    process.stdout.close()
    lane.release(empty=False)


def test_a_lock_on_a_file_that_was_replaced_is_worth_nothing(tmp_path: Path) -> None:
    lane = new_lane(tmp_path, os.urandom)
    lane.path(1).write_bytes(b"")
    [path] = tmp_path.glob("*.lock")
    lane.release(empty=False)
    held = os.open(path, os.O_RDWR)
    path.unlink()
    path.write_bytes(b"")
    assert os.fstat(held).st_ino != path.stat().st_ino
    os.close(held)
    assert len(claim_orphans(tmp_path, 9)[0]) == 1


def test_orphans_are_never_uncounted_while_they_are_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seq in range(MOST_LANES + 1):
        ended = make(tmp_path)
        write(ended, seq)
        ended.close(1.0)
    heir = make(tmp_path)
    heir.look_for_orphans()
    assert len(drain(heir)) == MOST_LANES
    # A flush asks without the lock, at any moment: here, while the last of them is being claimed.
    seen, segments = [], Lane.segments

    def asked_meanwhile(lane: Lane) -> list[Path]:
        seen.append(heir.oldest())
        return segments(lane)

    monkeypatch.setattr(Lane, "segments", asked_meanwhile)
    assert heir.look_for_orphans()
    assert seen == [0]


def test_adopted_events_have_their_turn_between_ones_own(tmp_path: Path) -> None:
    ended = make(tmp_path)
    write(ended, 91, 92)
    ended.close(1.0)
    spool = make(tmp_path)
    write(spool, 1)
    spool.look_for_orphans()
    write(spool, 2)
    assert drain(spool) == [1, 91, 92, 2]


def test_a_torn_tail_is_left_out_and_told(tmp_path: Path) -> None:
    spool = make(tmp_path, segment_bytes=10_000)
    write(spool, 1, 2, 3)
    spool.close(1.0)
    [segment] = tmp_path.glob("*.seg")
    with segment.open("ab") as file:
        file.write(b"\x01\x02\x03\x04 half an event")
    heir = make(tmp_path)
    heir.look_for_orphans()
    found = heir.read(9, 9_999)
    assert found is not None
    assert (found.adopted, found.damaged) == (3, (segment.name, 18))
    assert drain(heir) == [1, 2, 3]
    heir.close(1.0)
    assert files(tmp_path) == []


def test_a_segment_damaged_in_its_middle_is_put_aside(tmp_path: Path) -> None:
    spool = make(tmp_path, segment_bytes=1_000_000)
    write(spool, *range(1, 10), size=20_000)
    spool.close(1.0)
    [segment] = tmp_path.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[50_000] ^= 1
    segment.write_bytes(data)
    heir = make(tmp_path)
    heir.look_for_orphans()
    assert drain(heir) == [1, 2]
    heir.close(1.0)
    assert files(tmp_path) == [segment.with_suffix(".damaged").name]


def test_a_segment_of_another_format_is_not_deleted(tmp_path: Path) -> None:
    lane = new_lane(tmp_path, os.urandom)
    lane.path(1).write_bytes(b"kizashi\x02" + bytes(50_000))
    lane.release(empty=False)
    heir = make(tmp_path)
    heir.look_for_orphans()
    assert drain(heir) == []
    assert heir.oldest() > 0
    heir.close(1.0)
    assert len(files(tmp_path, ".damaged")) == 1


def test_what_is_too_old_is_passed_over(tmp_path: Path) -> None:
    spool = make(tmp_path)
    write(spool, 1, 2, 3, 4, 5)
    spool.close(1.0)
    first, second = sorted(tmp_path.glob("*.seg"))
    now_ns = SkippingClock().time_ns()
    os.utime(first, ns=(now_ns, now_ns - int((MAX_AGE + 1) * 1e9)))
    os.utime(second, ns=(now_ns, now_ns - int((MAX_AGE - 1) * 1e9)))
    heir = make(tmp_path)
    heir.look_for_orphans()
    found = heir.read(9, 9_999)
    assert found is not None
    assert (found.adopted, found.skipped) == (4, "expired")
    assert heir.skip() == 4
    assert drain(heir) == [5]


def test_the_oldest_segment_gives_way_but_not_the_one_that_is_read(tmp_path: Path) -> None:
    spool = make(tmp_path)
    write(spool, *range(1, 11))
    assert take(spool, most=1) == [1]
    assert spool.evict() == 4
    assert spool.evict() == 0
    assert [take(spool) for _ in range(3)] == [[2, 3, 4], [9, 10], []]
    assert spool.oldest() > 10


def test_the_bound_counts_what_is_on_disk(tmp_path: Path) -> None:
    spool = make(tmp_path, max_bytes=1_000)
    assert not spool.full(900)
    write(spool, *range(1, 9))
    assert spool.full(200)
    drain(spool)
    assert not spool.full(400)


@pytest.mark.skipif(os.geteuid() == 0, reason="a read-only folder means nothing to root")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="may not write"):
        make(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        make(tmp_path / "file" / "spool")


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    spool = make(tmp_path / "spool")
    write(spool, 1)
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "spool").iterdir()} == {0o600}


def test_a_write_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    program = (
        "import os, resource, signal, sys, pathlib\n"
        "from kizashi._clock import Clock\n"
        "from kizashi._spool import Spool\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "spool = Spool(pathlib.Path(sys.argv[1]), clock=Clock(), entropy=os.urandom, max_bytes=10**6, max_age=1e6,"
        " fsync=False)\n"
        "for seq in range(1, 9):\n"
        "    try:\n"
        "        spool.append([(seq, b'%d' % seq + b'x' * 83)])\n"
        "    except OSError as error:\n"
        "        print(seq, error.strerror)\n"
        "    spool.publish()\n"
        "os._exit(0)\n"
    )
    told = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[0] == "3 File too large"
    heir = make(tmp_path)
    heir.look_for_orphans()
    found = heir.read(9, 9_999)
    assert found is not None
    assert found.damaged is None
    assert drain(heir) == [1, 2]
