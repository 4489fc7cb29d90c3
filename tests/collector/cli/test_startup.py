"""No command waits for what it does not use, and none ends in a traceback because somebody stopped looking at it."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from kizashi_collector.cli._import import _FORMATS
from kizashi_collector.cli._keys import _SCOPES
from kizashi_collector.cli.importing import FORMATS
from kizashi_collector.store import SCOPES
from terminal import Ended, in_a_pipe, in_a_terminal

# What takes long to load: a quarter of a second each, or tens of milliseconds.
HEAVY = {
    *("numpy", "aiohttp", "sqlite_utils", "prometheus_client", "clickhouse_connect", "backports.zstd"),
    *("kizashi_collector.analysis", "kizashi_collector.store", "kizashi_collector.ingest", "kizashi_collector.http"),
    *("kizashi_collector.dashboard", "kizashi_collector.cli.importing", "asyncio"),
}
ASKED = """
import sys
from kizashi._commands import main
try:
    main(sys.argv[2:])
except SystemExit:
    pass
print(sorted(set(sys.argv[1].split()) & sys.modules.keys()))
"""


def loaded_for(*arguments: str) -> str:
    """Which of what is heavy a fresh process has loaded once it has answered."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED, " ".join(HEAVY), *arguments],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        *("--help", "--version", "completion bash", "plan check --help", "serve --help"),
        *("summary --endpoint nowhere", "funnel --endpoint nowhere", "erase v-1 --endpoint nowhere"),
    ],
)
def test_who_asks_for_help_or_for_a_remote_answer_does_not_wait_for_the_server(arguments: str) -> None:
    assert loaded_for(*arguments.split()) == "[]"


def test_the_server_leaves_out_what_sqlite_utils_would_load_beside_it() -> None:
    """Where pandas is installed it is 65 MB and a quarter of a second for nothing."""
    asked = "import kizashi_collector.cli._serving, sys; print('sqlite_utils' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=60)
    assert importlib.util.find_spec("pandas") is not None
    assert done.stdout == "True False\n"


def test_what_is_written_out_for_that_is_what_the_parts_take() -> None:
    assert (_SCOPES, _FORMATS) == (SCOPES, FORMATS)


def ended(command: str, folder: Path) -> Ended:
    """How a line of a shell ends."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
    done = subprocess.run(
        ["bash", "-c", command.replace("kizashi", f"{sys.executable} -W error -m kizashi")],
        cwd=folder,
        env=clean,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_a_closed_output_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text('currency = "JPY"\n', encoding="utf-8")
    assert ended("kizashi plan check plan.toml >&-", tmp_path) == Ended(0, "", "")
    assert ended("kizashi completion bash | head -1; exit ${PIPESTATUS[1]}", tmp_path).err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_under_the_output_is_told(tmp_path: Path) -> None:
    full = ended("kizashi completion bash > /dev/full", tmp_path)
    assert full.status == 1
    assert full.err == "kizashi completion: the output cannot be written: No space left on device; make room\n"


@pytest.mark.parametrize("command", ["summary", "funnel checkout", "values review", "rejected list", "erase v-1"])
def test_ctrl_c_ends_a_question_in_one_line(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "kizashi", *command.split(), "--endpoint", endpoint],
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1) != b""  # it has asked, and waits
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, f"kizashi {command.split()[0]}: stopped\n")


@pytest.mark.parametrize("endpoint", ["127.0.0.1:8700", "http://", "http://[::1", "http://host:99999", "file:///etc"])
def test_an_endpoint_that_is_no_url_is_told_as_it_was_given(endpoint: str) -> None:
    told = in_a_pipe("summary", "--endpoint", endpoint)
    assert told.status == 1
    assert told.err == f"kizashi summary: endpoint {endpoint!r} is no URL; write for example http://127.0.0.1:8700\n"


def test_a_key_that_no_header_can_carry_is_not_shown() -> None:
    told = in_a_pipe("summary", "--endpoint", "http://127.0.0.1:1", "--key", "鍵")
    assert told.status == 1
    assert "the key has characters that no key has" in told.err
    assert "鍵" not in told.err


@pytest.mark.parametrize("command", ["plan diff plan.toml more.toml", "summary --endpoint http://127.0.0.1:1/→"])
def test_text_that_an_encoding_lacks_ends_no_command(command: str, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text('currency = "JPY"\n', encoding="utf-8")
    (tmp_path / "more.toml").write_text('currency = "JPY"\n[events.mv_view]\n', encoding="utf-8")
    told = ended(f"PYTHONIOENCODING=ascii kizashi {command}", tmp_path)
    assert "Traceback" not in told.err
    assert "\\u2192" in told.out + told.err


def test_a_terminal_that_lacks_a_letter_shows_a_question_mark(tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('currency = "JPY"\n', encoding="utf-8")
    told = in_a_terminal("plan", "diff", str(plan), str(plan), PYTHONIOENCODING="ascii")
    assert told.status == 0
    assert " ? " in told.out
