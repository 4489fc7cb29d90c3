"""Signals that reach `kizashi serve` before it serves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path


def test_sighup_before_it_serves_does_not_end_it(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    os.mkfifo(plan)
    command = [sys.executable, "-m", "kizashi", "serve", "--dev", "--port", "0", "--data", str(tmp_path / "data")]
    with subprocess.Popen([*command, "--plan", str(plan)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            # Opening waits until the other end is opened too: it is reading its plan then, and listens to nobody yet.
            with plan.open("w", encoding="utf-8") as other_end:
                process.send_signal(signal.SIGHUP)
                other_end.write('currency = "JPY"\n')
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"listening on ")
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=20)
            assert (process.returncode, b"Traceback" in errors) == (0, False)
        finally:
            process.kill()
