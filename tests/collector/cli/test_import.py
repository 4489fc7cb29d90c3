"""`kizashi import` as users run it: real files, a real collector, and whatever comes in between."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from collector_process import CollectorProcess
from kizashi._commands import main
from kizashi_collector.cli.importing import load_mapping

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "ecom.csv.gz"
PAGE = (Path(__file__).parents[3] / "docs" / "import.md").read_text(encoding="utf-8")
MAPPING = """
format = "csv"
name_prefix = "mv_"
[fields]
name = "event"
time = { from = "timestamp", timezone = "UTC" }
actor = "user_id"
session = "session_id"
source.channel = "acquisition_channel"
source.device = "platform"
[names]
purchase = "purchase"
"""
SMALL = 'format = "csv"\n[fields]\nid = "id"\nname = "event"\ntime = "at"\nactor = "user"\nvalue = "amount"\n'


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KIZASHI_")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "kizashi", "import", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, "KIZASHI_KEY": "w-secret"},
    )


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """The command in this process, which is quicker."""
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        patch.delenv("KIZASHI_ENDPOINT", raising=False)
        patch.setenv("KIZASHI_KEY", "w-secret")
        code = main(["import", *map(str, arguments)])
    return code, out.getvalue(), errors.getvalue()


def counts(out: str) -> tuple[int, int, int, int]:
    total = json.loads(out)["total"]
    return total["accepted"], total["duplicates"], total["rejected"], total["skipped"]


def ask(url: str, path: str, **query: str) -> Any:
    request = urllib.request.Request(f"{url}{path}?{urlencode(query)}", headers={"Authorization": "Bearer r-secret"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path_factory.mktemp("import") / "data") as running:
        yield running


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Five rows, of which the third has a bad time and the fourth an amount without a currency; and a mapping."""
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    name = tmp_path.name
    lines = ["id,event,at,user,amount"]
    lines += [f"{name}-{n},mv_x,1704110400{n}00,u{n}," for n in range(5)]
    lines[3] = f"{name}-2,mv_x,yesterday,u2,"
    lines[4] += "12.5"
    path = tmp_path / "small.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.skipif(not DATA.exists(), reason="the shared data folder is not beside the project")
def test_half_a_year_of_a_shop_killed_on_the_way_arrives_once(tmp_path: Path) -> None:
    path = tmp_path / "ecom.csv.gz"
    shutil.copyfile(DATA, path)
    mapping = tmp_path / "ecom.toml"
    mapping.write_text(MAPPING, encoding="utf-8")
    state = tmp_path / "ecom.csv.gz.import.json"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with CollectorProcess(tmp_path / "data") as running:
        command = (path, "--mapping", mapping, "--endpoint", running.url, "--json", "--batch", "500")
        for least in (500, 9_000):
            with start(*command) as process:
                deadline = time.monotonic() + 60
                while not state.exists() or json.loads(state.read_bytes())["files"][str(path)]["line"] < least:
                    assert process.poll() is None, process.communicate()
                    assert time.monotonic() < deadline
                    time.sleep(0.005)
                process.send_signal(signal.SIGKILL)
        line = json.loads(state.read_bytes())["files"][str(path)]["line"]
        assert 9_000 <= line < len(rows)
        code, out, _ = run(*command)
        assert code == 0
        accepted, duplicates, rejected, skipped = counts(out)
        # What was stored when it was killed, and not yet noted, is met again.
        assert (accepted + duplicates, rejected, skipped) == (len(rows), 0, 0)
        assert duplicates <= 4 * 500
        answer = ask(running.url, "/v1/summary", window="3650d", by="channel,device")
        expected = Counter((row["acquisition_channel"], row["platform"], row["event"]) for row in rows)
        found = {
            (row["key"]["channel"], row["key"]["device"], name.removeprefix("mv_")): figures["count"]
            for row in answer["rows"]
            for name, figures in row["events"].items()
            if figures["count"]
        }
        assert found == dict(expected)
        assert answer["total"]["actors"] == len({row["user_id"] for row in rows})
        assert answer["complete_until"] is None  # imported events are no measure of lateness


def test_bad_rows_stop_no_others_and_are_kept_with_their_reasons(collector: CollectorProcess, small: Path) -> None:
    command = (small, "--mapping", small.with_suffix(".toml"), "--endpoint", collector.url)
    code, out, errors = run(*command)
    assert code == 1
    assert "5 rows: 3 accepted, 0 duplicates, 2 rejected" in out
    assert "line 4: at 'yesterday' is not an ISO 8601 time" in errors
    kept = small.with_name("small.csv.rejected.ndjson")
    first, second = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert (first["line"], first["code"], first["column"], first["row"]["user"]) == (4, "bad_time", "at", "u2")
    assert (second["line"], second["code"], second["row"]["amount"]) == (5, "bad_currency", "12.5")
    assert kept.stat().st_mode & 0o077 == 0
    # Again there is nothing to do, and it is still said that not all is in.
    code, out, errors = run(*command)
    assert (code, "imported already" in errors, "2 rejected" in out) == (1, True, True)
    # Mended in place, the file is read again: what is stored counts as duplicate.
    small.write_text(small.read_text(encoding="utf-8").replace("yesterday", "1704110400200"), encoding="utf-8")
    code, out, errors = run(*command, "--json")
    assert (code, counts(out)) == (1, (1, 3, 1, 0))
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 1


def test_strict_stops_before_the_first_bad_row_and_goes_on_once_it_is_mended(
    collector: CollectorProcess, small: Path
) -> None:
    command = (small, "--mapping", small.with_suffix(".toml"), "--endpoint", collector.url, "--strict", "--json")
    code, out, errors = run(*command)
    assert (code, counts(out)) == (1, (2, 0, 0, 0))
    assert "line 4" in errors
    assert not small.with_name("small.csv.rejected.ndjson").exists()
    small.write_text(small.read_text(encoding="utf-8").replace("yesterday", "1704110400200"), encoding="utf-8")
    code, out, errors = run(*command)
    assert (code, "line 5" in errors) == (1, True)


def test_a_dry_run_shows_events_and_leaves_nothing_behind(small: Path) -> None:
    before = sorted(small.parent.iterdir())
    code, out, errors = run(small, "--mapping", small.with_suffix(".toml"), "--dry-run")
    assert (code, "line 4" in errors) == (1, True)
    assert json.loads(out.splitlines()[0])["actor"] == "u0"
    assert sorted(small.parent.iterdir()) == before


def test_a_conflict_is_a_row_that_was_not_taken(collector: CollectorProcess, small: Path) -> None:
    command = (small, "--mapping", small.with_suffix(".toml"), "--endpoint", collector.url, "--json")
    run(*command)
    small.write_text(small.read_text(encoding="utf-8").replace(",u1,", ",another,"), encoding="utf-8")
    code, out, _ = run(*command)
    assert (code, counts(out)) == (1, (0, 2, 3, 0))
    assert json.loads(out)["total"]["codes"]["conflict"] == 1


def test_a_file_goes_on_only_as_it_was_begun(collector: CollectorProcess, small: Path) -> None:
    mapping = small.with_suffix(".toml")
    run(small, "--mapping", mapping, "--endpoint", collector.url)
    code, _, errors = run(small, "--mapping", mapping, "--endpoint", "http://127.0.0.1:9")
    assert (code, "another endpoint" in errors, "--restart" in errors) == (2, True, True)
    mapping.write_text(SMALL + 'currency = { constant = "USD" }\n', encoding="utf-8")
    code, _, errors = run(small, "--mapping", mapping, "--endpoint", collector.url)
    assert (code, "another mapping" in errors) == (2, True)
    code, out, _ = run(small, "--mapping", mapping, "--endpoint", collector.url, "--restart", "--json")
    assert (code, counts(out)) == (1, (1, 3, 1, 0))


def test_several_files_share_one_state_where_it_is_named(collector: CollectorProcess, tmp_path: Path) -> None:
    paths = []
    for number in range(2):
        path = tmp_path / f"{number}.ndjson"
        row = {"id": f"{tmp_path.name}-{number}", "name": "mv_x", "time": 1704110400000, "actor": "u"}
        path.write_text(json.dumps(row), encoding="utf-8")
        paths.append(path)
    state = tmp_path / "state" / "all.json"
    state.parent.mkdir()
    code, out, _ = run(*paths, "--endpoint", collector.url, "--state", state, "--json")
    assert (code, counts(out)) == (0, (2, 0, 0, 0))
    assert len(json.loads(state.read_bytes())["files"]) == 2
    assert sorted(tmp_path.iterdir()) == sorted([*paths, state.parent])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["absent.csv", "--endpoint", "http://x"], "absent.csv"),
        (["small.csv"], "--endpoint"),
        (["small.csv", "--endpoint", "x:1"], "--endpoint"),
        (["small.csv", "--endpoint", "http://x", "--mapping", "absent.toml"], "absent.toml"),
        (["small.csv", "--endpoint", "http://x", "--format", "csv"], "fields.name"),
        (["small.toml", "--endpoint", "http://x"], "--format"),
        (["small.csv", "--endpoint", "http://x", "--patience", "soon"], "--patience"),
        (["small.csv", "--endpoint", "http://x", "--batch", "0"], "--batch"),
    ],
)
def test_wrong_use_says_what_to_give(small: Path, arguments: list[str], named: str) -> None:
    given = [str(small.parent / text) if text.endswith((".csv", ".toml")) else text for text in arguments]
    code, _, errors = run(*given)
    assert (code, named in errors, errors.startswith("kizashi import: ")) == (2, True, True)


def test_a_collector_that_does_not_come_back_is_3_and_a_wrong_key_is_2(
    collector: CollectorProcess, small: Path
) -> None:
    mapping = small.with_suffix(".toml")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    command = (small, "--mapping", mapping, "--endpoint", f"http://127.0.0.1:{port}", "--patience", "1s")
    code, _, errors = run(*command)
    assert (code, "run the same command again" in errors) == (3, True)
    code, _, errors = run(small, "--mapping", mapping, "--endpoint", collector.url, "--key", "no-key-of-it")
    assert (code, "write key" in errors, "no-key-of-it" in errors) == (2, True, False)


def test_a_collector_that_is_away_for_a_while_is_waited_for(tmp_path: Path, small: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    mapping = small.with_suffix(".toml")
    with start(small, "--mapping", mapping, "--endpoint", f"http://127.0.0.1:{port}") as process:
        assert process.stderr is not None
        while "waiting" not in process.stderr.readline():
            assert process.poll() is None
        with CollectorProcess(tmp_path / "data", port=port):
            out, _ = process.communicate(timeout=60)
    assert (process.returncode, "3 accepted" in out) == (1, True)


def test_an_interrupted_import_says_how_to_go_on(small: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    mapping = small.with_suffix(".toml")
    with start(small, "--mapping", mapping, "--endpoint", f"http://127.0.0.1:{port}", "--patience", "40s") as process:
        assert process.stderr is not None
        while "waiting" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, "run the same command again" in errors, "Traceback" in errors) == (130, True, False)


def test_the_worked_example_does_what_its_page_says(
    collector: CollectorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    example = PAGE.partition("## A worked example")[2].partition("\n## ")[0]
    for name, language in (("shop.csv", "csv"), ("shop.toml", "toml")):
        (content,) = re.findall(rf"```{language}\n(.*?)```", example, re.DOTALL)
        Path(name).write_text(content, encoding="utf-8")
    (session,) = re.findall(r"```console\n(.*?)```", example, re.DOTALL)
    given: list[str] = []
    for line in session.splitlines():
        if line.startswith("$ kizashi import "):
            assert given == []
            arguments = line.removeprefix("$ kizashi import ").replace("http://127.0.0.1:8700", collector.url).split()
            _, out, errors = run(*arguments)
            given = (errors + out).splitlines()
        elif line.startswith("$ sed"):
            mended = Path("shop.csv").read_text(encoding="utf-8").replace("twelve", "12")
            Path("shop.csv").write_text(mended, encoding="utf-8")
        else:
            assert given.pop(0) == line
    assert given == []


def test_every_option_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["import", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert [option for option in sorted(options) if f"| `{option}` |" not in PAGE] == []


def test_every_mapping_of_the_page_can_be_used() -> None:
    for example in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL):
        assert load_mapping(None, example).fields
