"""Settings: where they come from, and that those which could never work are refused at the start."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import ClientSession

from collector_process import KEYS, CollectorProcess
from kizashi_collector.cli._settings import SETTINGS, SettingsError, add_options, given_keys, resolve

LONGEST = "".join(chr(33 + number % 94) for number in range(256))


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_options(parser, tuple(setting.name for setting in SETTINGS))
    return parser.parse_args(arguments)


def test_the_option_comes_before_the_variable_and_both_before_the_default() -> None:
    environment = {"KIZASHI_MAX_EVENTS": "20", "KIZASHI_MAX_BODY": "30", "KIZASHI_HOST": ""}
    values = resolve(parse("--max-events", "10"), environment)
    assert (values["max_events"], values["max_body"], values["host"]) == (10, 30, "127.0.0.1")


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--max-pending", "2499"], {}, ["--max-pending: 2499", "--max-events: 2500"]),
        (["--max-events", "100001"], {}, ["--max-pending: 100000", "--max-events: 100001"]),
        ([], {"KIZASHI_MAX_PENDING": "9"}, ["KIZASHI_MAX_PENDING: 9", "--max-events: 2500"]),
        (
            ["--max-pending", "5"],
            {"KIZASHI_MAX_PENDING": "9000", "KIZASHI_MAX_EVENTS": "6"},
            ["--max-pending: 5", "KIZASHI_MAX_EVENTS: 6"],
        ),
    ],
)
def test_a_batch_that_could_never_wait_is_refused(
    arguments: list[str], environment: dict[str, str], named: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(parse(*arguments), environment)
    assert [name for name in named if name not in str(caught.value)] == []
    assert "raise the first" in str(caught.value)


def test_one_full_batch_may_wait() -> None:
    assert resolve(parse("--max-pending", "7", "--max-events", "7"), {})["max_pending"] == 7


def test_keys_are_read_by_scope_and_empty_ones_are_none() -> None:
    assert given_keys({"KIZASHI_READ_KEY": "r", "KIZASHI_ADMIN_KEY": "", "KIZASHI_KEY": "x"}) == {"read": "r"}
    assert given_keys({}) == {}


@pytest.mark.parametrize(
    "secret", [LONGEST + "x", "hid den", "hidden\n", " hidden", "hid\tden", "隠す", "hid\udcffden", " "]
)
def test_a_key_that_no_request_could_bring_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(SettingsError) as caught:
        given_keys({"KIZASHI_WRITE_KEY": "w", "KIZASHI_READ_KEY": secret})
    assert str(caught.value).startswith("KIZASHI_READ_KEY: ")
    assert "visible ASCII" in str(caught.value)
    assert secret == " " or secret not in str(caught.value)
    assert "hid" not in str(caught.value)


def test_one_key_for_two_scopes_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError) as caught:
        given_keys({"KIZASHI_WRITE_KEY": "hidden", "KIZASHI_READ_KEY": "r", "KIZASHI_ADMIN_KEY": "hidden"})
    assert "KIZASHI_WRITE_KEY" in str(caught.value)
    assert "KIZASHI_ADMIN_KEY" in str(caught.value)
    assert "hidden" not in str(caught.value)


async def test_the_longest_key_that_is_taken_opens_the_door(tmp_path: Path) -> None:
    with CollectorProcess(tmp_path, environment={**KEYS, "KIZASHI_READ_KEY": LONGEST}) as collector:
        headers = {"Authorization": f"Bearer {LONGEST}"}
        async with ClientSession() as session, session.get(f"{collector.url}/v1/summary", headers=headers) as response:
            assert response.status == 200
        collector.stop()


@pytest.mark.parametrize(
    ("options", "environment", "named"),
    [
        (["--max-pending", "10"], {}, "--max-pending: 10 "),
        ([], {"KIZASHI_READ_KEY": "hidden secret"}, "KIZASHI_READ_KEY: "),
        ([], {"KIZASHI_READ_KEY": "hidden", "KIZASHI_WRITE_KEY": "hidden"}, "KIZASHI_READ_KEY: "),
    ],
)
def test_the_collector_does_not_start_with_what_could_never_work(
    tmp_path: Path, options: list[str], environment: dict[str, str], named: str
) -> None:
    command = [sys.executable, "-m", "kizashi", "serve", "--data", str(tmp_path), "--port", "0", *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=30)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"kizashi serve: {named}"), result.stderr
    assert "hidden" not in result.stderr
