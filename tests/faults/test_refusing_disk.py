"""A disk that refuses: read-only, or failing at a write or a sync. Nothing is acknowledged; then all goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from faults.disks import disturbed, small_disk
from faults.serving import Client, Serving, refused
from faults.table import fault

REFUSES = fault("the disk refuses")


@pytest.mark.parametrize(
    ("calls", "error"),
    [
        ("pwrite64,ftruncate,fallocate", "EROFS"),  # made read-only under the collector, as a kernel does after errors
        ("pwrite64", "EIO"),
        ("fdatasync,fsync", "EIO"),
    ],
    ids=["read-only", "writes fail", "syncs fail"],
)
def test_what_the_disk_refuses_is_not_acknowledged(calls: str, error: str, tmp_path: Path) -> None:
    client = Client()
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        assert client.send(collector, client.batch(30)).status == 200
        with disturbed(collector.process.pid, calls, f"error={error}", tmp_path / "trace"):
            for count in (80, 40, 1, 20, 1):
                answer = client.send(collector, client.batch(count))
                assert answer.status == 503
                REFUSES.clients_see(answer.detail)
                REFUSES.readiness_says(collector.unready)
            client.check(collector)
        collector.logs(REFUSES)
        collector.until_ready()
        # After a failed sync the system may take unwritten pages for written: all of them must be written again.
        again = client.unanswered.pop()
        assert client.send(collector, again).status == 200
        collector.kill()
    with Serving(tmp_path / "data", tmp_path / "log") as collector:
        client.check(collector)
        client.send_again(collector)
        client.check(collector)


def test_a_read_only_disk_refuses_the_start_and_says_so(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        client = Client()
        with Serving(disk.folder / "data", tmp_path / "log", under=disk.inside) as collector:
            client.send(collector, client.batch(5))
            collector.kill()
        disk.run("mount", "-o", "remount,ro", str(disk.folder))
        fault("start on a read-only disk").log_says(refused(disk.folder / "data", under=disk.inside))
        disk.run("mount", "-o", "remount,rw", str(disk.folder))
        with Serving(disk.folder / "data", tmp_path / "log", under=disk.inside) as collector:
            client.check(collector)


def test_a_folder_of_another_user_refuses_the_start_and_says_whose_it_must_be(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, with setpriv of util-linux")
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    if subprocess.run([*nobody, sys.executable, "-c", "import kizashi_collector"], check=False).returncode:
        pytest.skip("the interpreter is not for other users")
    with small_disk(tmp_path / "disk", "8m") as disk:
        disk.run("chmod", "755", str(disk.folder))
        with Serving(disk.folder / "data", tmp_path / "log", under=disk.inside):
            pass
        said = refused(disk.folder / "data", under=[*disk.inside, *nobody])
        fault("another user's data folder").log_says(said)
        assert "65534" in said
