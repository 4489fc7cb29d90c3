"""What stands between a machine and its collector, told in a sentence."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from shutil import which

import msgspec
import pytest

from collector_process import CollectorProcess
from kizashi._commands._cli import main
from kizashi._commands._diagnosis import Check, Diagnosis
from kizashi._commands._probe import Probe
from kizashi._config import Endpoint
from kizashi_schemas.plan import load_plan
from sdk.commands.web_server import HEALTHY, Certificate, Page, make_certificate, problem, serving, verdicts

KEY = "kz_write_0123456789"
PLAN = """
currency = "JPY"
unplanned = "reject"
[events.purchase]
final = true
"""
OTHER_PLAN = """
currency = "JPY"
[events.mv_view]
[events.purchase]
final = true
"""
DELIVERED = (verdicts(), verdicts(accepted=1), verdicts(duplicates=1, verdict="duplicate"))


def diagnose(url: str | None, *, key: str | None = KEY, **options: object) -> dict[str, Check]:
    """The checks by name. No variable of the environment has a say unless it is given."""
    given: dict[str, object] = {"environ": {}, "seconds": 10.0} | options
    checks = list(Diagnosis(endpoint=url, key=key, **given).run())  # type: ignore[arg-type]
    for check in checks:
        assert KEY not in check.message
        assert check.message.isprintable()
    assert len({check.check for check in checks}) == len(checks)
    return {check.check: check for check in checks}


def statuses(checks: dict[str, Check]) -> dict[str, str]:
    return {name: check.status for name, check in checks.items()}


def failure(checks: dict[str, Check], name: str) -> str:
    """What the check says that failed, which must be the last that was made and the only one that failed."""
    assert {name: status for name, status in statuses(checks).items() if status == "FAIL"} == {name: "FAIL"}
    assert list(checks)[-1] == name
    return checks[name].message


# -- the real collector ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor")
    (folder / "plan.toml").write_text(PLAN, encoding="utf-8")
    (folder / "other.toml").write_text(OTHER_PLAN, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with CollectorProcess(folder / "data") as process:
        yield process.url


@pytest.fixture(scope="module")
def strict_url(folder: Path) -> Iterator[str]:
    """A collector whose plan refuses names that it does not have."""
    with CollectorProcess(folder / "strict", "--plan", str(folder / "plan.toml")) as process:
        yield process.url


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "KEY", "READ_KEY", "PLAN"):
        monkeypatch.delenv(f"KIZASHI_{name}", raising=False)


def test_a_collector_in_order_passes_every_check(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--endpoint", url, "--key", "w-secret"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert [line.split()[1] for line in lines] == [
        *("configuration", "proxies", "host", "connection", "collector", "ready", "clock", "key", "event", "again"),
    ]
    assert {line.split()[0] for line in lines if line.split()[1] != "proxies"} == {"OK"}
    assert "duplicate" in lines[-1]
    assert "w-secret" not in out + err
    assert err == ""


def test_the_environment_configures_it_as_it_does_the_sdk(
    url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KIZASHI_ENDPOINT", url)
    monkeypatch.setenv("KIZASHI_KEY", "w-secret")
    monkeypatch.setenv("KIZASHI_READ_KEY", "r-secret")
    monkeypatch.setenv("KIZASHI_PLAN", str(folder / "plan.toml"))
    assert main(["doctor", "--json"]) == 1  # that collector runs no plan
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    failed = [check for check in told["checks"] if check["status"] == "FAIL"]
    assert [check["check"] for check in failed] == ["plan"]
    assert "runs no plan" in failed[0]["message"]


def test_a_read_key_used_for_writing_and_an_unknown_one_are_told_apart(url: str) -> None:
    read = failure(diagnose(url, key="r-secret"), "key")
    assert "403" in read
    assert "scope is read" in read
    unknown = failure(diagnose(url, key="nobodys"), "key")
    assert "401" in unknown
    assert "does not know this key" in unknown
    missing = diagnose(url, key=None)
    assert missing["configuration"].status == "WARN"
    assert "none is given" in failure(missing, "key")


def test_the_plan_is_compared_where_a_key_may_read_it(strict_url: str, folder: Path) -> None:
    same, other = load_plan(PLAN), load_plan(OTHER_PLAN)
    assert diagnose(strict_url, key="w-secret", read_key="r-secret", plan=same)["plan"].status == "OK"
    assert (
        diagnose(strict_url, key="w-secret", environ={"KIZASHI_READ_KEY": "r-secret"}, plan=same)["plan"].message
        == f"the collector runs this plan, {same.id}"
    )
    told = diagnose(strict_url, key="w-secret", read_key="r-secret", plan=other)["plan"]
    assert told.status == "FAIL"
    assert "keys: 1 added, 1 removed, 0 changed" in told.message
    unknown = diagnose(strict_url, key="w-secret", plan=same)["plan"]
    assert (unknown.status, unknown.message[:8]) == ("SKIP", "unknown:")
    assert diagnose(strict_url, key="w-secret", read_key="nobodys", plan=same)["plan"].status == "WARN"


def test_a_plan_that_refuses_the_test_event_shows_that_delivery_works(strict_url: str) -> None:
    checks = diagnose(strict_url, key="w-secret")
    assert (checks["event"].status, checks["again"].status) == ("OK", "SKIP")
    assert "unplanned" in checks["event"].message


def test_no_event_leaves_no_trace(folder: Path) -> None:
    with CollectorProcess(folder / "traceless") as process:
        assert list(diagnose(process.url, key="w-secret", send=False))[-1] == "key"
        port = int(process.url.rpartition(":")[2])
        probe = Probe(Endpoint(secure=False, host="127.0.0.1", port=port, path=""))
        (address,) = probe.resolve(5)
        assert probe.get("/v1/events", address, 5, key="r-secret").body == b'{"events":[]}'
        assert diagnose(process.url, key="w-secret")["again"].status == "OK"
        (event,) = json.loads(probe.get("/v1/events", address, 5, key="r-secret").body)["events"]
    assert (event["name"], event["actor"]) == ("kizashi_doctor", "kizashi-doctor")


def test_a_collector_without_keys_says_so(folder: Path) -> None:
    with CollectorProcess(folder / "dev", "--dev", environment={}) as process:
        checks = diagnose(process.url, key=None)
    assert checks["configuration"].status == "WARN"
    assert "without one" in checks["key"].message
    assert checks["again"].status == "OK"


# -- on the way there -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (None, "endpoint is missing"),
        ("ftp://collector", "scheme 'ftp'"),
        ("http://user:kz_write_0123456789@collector", "carries a user"),
        ("http://", "host None"),
    ],
)
def test_a_configuration_that_cannot_be_is_the_end(endpoint: str | None, words: str) -> None:
    assert words in failure(diagnose(endpoint), "configuration")


def test_a_key_that_cannot_be_is_not_repeated() -> None:
    assert "key is not one line" in failure(diagnose("http://127.0.0.1:1", key=f"{KEY}\n"), "configuration")


def test_a_name_that_does_not_exist_is_told() -> None:
    assert "collector.invalid has no address" in failure(diagnose("http://collector.invalid"), "host")


def test_a_closed_port_is_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        message = failure(diagnose(f"http://127.0.0.1:{unused.getsockname()[1]}"), "connection")
    assert "nothing listens on port" in message


def test_a_port_that_does_not_answer_costs_the_deadline_and_no_more() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        # Linux lets one more in than was asked for; then packets are dropped as a firewall would.
        waiting = [socket.socket() for _ in range(3)]
        for connection in waiting:
            connection.setblocking(False)
            connection.connect_ex(address)
        start = time.monotonic()
        message = failure(diagnose(f"http://127.0.0.1:{address[1]}", seconds=0.3), "connection")
        assert time.monotonic() - start < 2
        for connection in waiting:
            connection.close()
    assert "does not answer, as when a firewall drops packets" in message


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_that_will_not_be_used_is_named_but_not_shown(name: str) -> None:
    with serving(HEALTHY, *DELIVERED) as (url, _):
        checks = diagnose(url, environ={name: "http://user:secret@127.0.0.1:1"})
    assert checks["proxies"].status == "WARN"
    assert f"{name} is set, but kizashi uses no proxy" in checks["proxies"].message
    assert "secret" not in checks["proxies"].message
    assert checks["again"].status == "OK"


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (Page(b"<!DOCTYPE html><form>Password", headers={"Content-Type": "text/html"}), "answers with a web page"),
        (Page(b"  <html>", headers={"Server": "nginx/1.27"}), "(nginx/1.27, status 200)"),
        (Page(b"", 302, {"Location": "https://login.example/?next=secret"}), "redirects to https://login.example ("),
        (Page(b"", 301, {"Location": "/elsewhere"}), "redirects to another path"),
        (Page(b"", 301, {"Location": "http://[broken"}), "redirects to another path"),
        (Page(b"who?", 401), "asks who you are"),
        (Page(b"no", 403), "asks who you are"),
        (Page(b"<html>", 404), "has no /healthz"),
        (Page(b"<html>Bad Gateway", 502, {"Server": "nginx"}), "no collector behind it (nginx, status 502)"),
        (Page(b"", 503), "no collector behind it"),
        (Page(b"{}"), "does not answer as a collector does"),
        (Page(b"boom", 500), "does not answer as a collector does"),
        (Page(b"The plain HTTP request was sent to HTTPS port", 400), "write https://"),
        (Page(b"", 200, {"Server": f"\x1b[31m{KEY}"}), "does not answer as a collector does"),
    ],
)
def test_what_is_no_collector_is_told_for_what_it_is(page: Page, words: str) -> None:
    with serving({"/healthz": page}) as (url, _):
        message = failure(diagnose(url), "collector")
    assert words in message
    assert "secret" not in message


@pytest.mark.parametrize("page", [Page(hangs=True), Page(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 5_000, hangs=True)])
def test_a_server_that_hangs_costs_the_deadline_and_no_more(page: Page) -> None:
    start = time.monotonic()
    with serving({"/healthz": page}) as (url, _):
        assert "no answer came in time" in failure(diagnose(url, seconds=0.4), "collector")
    assert time.monotonic() - start < 3


def saying(greeting: bytes) -> tuple[str, threading.Thread, socket.socket]:
    """Something that speaks, but not HTTP, to everyone who comes."""
    server = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return  # the test is over
            with connection, suppress(OSError):
                connection.sendall(greeting)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1_000):
                    pass

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()
    return f"http://127.0.0.1:{server.getsockname()[1]}", thread, server


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "does not speak HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "write https://"),
        (b"", "broke before an answer"),
    ],
)
def test_what_speaks_no_http_is_told(greeting: bytes, words: str) -> None:
    url, thread, server = saying(greeting)
    try:
        assert words in failure(diagnose(url), "collector")
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(10)


def test_a_collector_that_is_not_ready_says_why() -> None:
    drift = problem(503, "not_ready", "the wall clock was set by 90 s since the start")
    busy = problem(503, "busy", "too many events wait")
    with serving(HEALTHY | {"/readyz": drift}, busy) as (url, _):
        checks = diagnose(url)
    assert "set by 90 s" in checks["ready"].message
    assert "too many events wait" in checks["key"].message
    assert (checks["ready"].status, checks["key"].status, "event" in checks) == ("FAIL", "FAIL", False)
    with serving(HEALTHY | {"/readyz": Page(b"<html>", 403)}, *DELIVERED) as (url, _):
        assert "not by a collector" in diagnose(url)["ready"].message


# -- clocks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "status", "words"),
    [
        (0, "OK", "agree within 1 s"),
        (4, "OK", "agree within 4 s"),
        (-4, "OK", "agree within 4 s"),
        (42, "WARN", "42 s ahead of the collector's; being over 5 s, the collector shifts"),
        (-42, "WARN", "42 s behind the collector's"),
        (-7_200, "WARN", "7200 s behind the collector's"),
        (660, "FAIL", "660 s ahead of the collector's; the collector shifts times"),
    ],
)
def test_clocks_are_compared(ahead: int, status: str, words: str) -> None:
    now = 1_790_000_000.5
    healthy = Page(b"ok\n", headers={"Date": formatdate(1_790_000_000, usegmt=True)})
    with serving(HEALTHY | {"/healthz": healthy}, *DELIVERED) as (url, site):
        checks = diagnose(url, clock=lambda: now + ahead)
    assert (checks["clock"].status, words in checks["clock"].message) == (status, True)
    assert site.sent[1]["sent_at"] == site.sent[1]["events"][0]["time"] == int((now + ahead) * 1000)


@pytest.mark.parametrize("date", ["yesterday", ""])
def test_a_clock_that_nobody_shows_is_unknown(date: str) -> None:
    with serving(HEALTHY | {"/healthz": Page(b"ok\n", headers={"Date": date})}, *DELIVERED) as (url, _):
        assert diagnose(url)["clock"].status == "SKIP"


# -- delivery -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (problem(401, "no_key", f"no valid key {KEY}"), "does not know this key"),
        (problem(403, "wrong_scope", f"the scope of {KEY} is read"), "(the scope of … is read)"),
        (problem(429, "slow_down", "wait"), "429: the collector takes no events now (wait)"),
        (problem(503, "draining", "the collector is stopping"), "503: the collector takes no events now"),
        (problem(422, "bad_body", "no events"), "422: the collector refused the batch: no events"),
        (Page(b"<html>", 401), "answered 401, and not by the collector"),
        (Page(b"<html>", 403), "answered 403, and not by the collector"),
        (Page(b"", 302, {"Location": "/login"}), "answered 302, and not by the collector"),
        (Page(b"<html>Welcome"), "answered 200 with something that is no verdict"),
    ],
)
def test_a_refused_key_is_explained(answer: Page, words: str) -> None:
    with serving(HEALTHY, answer) as (url, site):
        assert words in failure(diagnose(url), "key")
    assert site.keys == [None, None, f"Bearer {KEY}"]  # nobody is shown the key who does not need it
    assert site.sent[0]["events"] == []


def test_a_delivery_that_hangs_costs_the_deadline_and_no_more() -> None:
    start = time.monotonic()
    with serving(HEALTHY, Page(hangs=True)) as (url, _):
        assert "timed out" in failure(diagnose(url, seconds=0.5), "key")
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (
            verdicts(rejected=1, verdict="rejected", code="from_the_future", message="ahead"),
            "rejected (from_the_future)",
        ),
        (verdicts(verdict="retry", code="busy", message="later"), "cannot store it now"),
        (verdicts(duplicates=1, verdict="duplicate"), "something replays requests"),
        (verdicts(), "does not say what became of the test event"),
        (Page(b"<html>"), "no verdict"),
        (problem(503, "busy", "later"), "takes no events now"),
    ],
)
def test_a_test_event_that_does_not_arrive_is_explained(first: Page, words: str) -> None:
    with serving(HEALTHY, verdicts(), first) as (url, _):
        assert words in failure(diagnose(url), "event")


def test_an_event_that_counts_twice_is_found() -> None:
    with serving(HEALTHY, verdicts(), verdicts(accepted=1), verdicts(accepted=1)) as (url, site):
        assert "collectors that share no store" in failure(diagnose(url), "again")
    first, second = (batch["events"] for batch in site.sent[1:])
    assert first == second


def test_a_plan_that_a_proxy_answers_is_unknown() -> None:
    with serving(HEALTHY | {"/v1/plan": Page(b"<html>")}, *DELIVERED) as (url, site):
        checks = diagnose(url, plan=load_plan(PLAN), read_key="kz_read_1")
    assert (checks["plan"].status, checks["plan"].message[:8]) == ("WARN", "unknown:")
    assert site.keys[3] == "Bearer kz_read_1"


def test_what_broke_in_the_tracking_is_told_beside_the_plan() -> None:
    plan = load_plan(PLAN)
    letter: dict[str, object] = {"event": "mv_letter", "kind": "stopped", "seen": 0, "expected": 59.6}
    letter |= {"since": "2026-09-20T14:00:00.000Z", "sentence": "No mv_letter …", "blocks_bids": False}
    sale = letter | {"event": "purchase", "kind": "fell", "seen": 3, "blocks_bids": True}
    cases: list[tuple[object, str, str]] = [
        ([letter], "WARN", "bids go on: mv_letter stopped: 0 where about 59.6 were expected, since 2026-09-20T14"),
        ([letter, sale], "WARN", "no row is ready to be bid on until it is mended (purchase)"),
        ([], "OK", "every planned event"),
        (None, "SKIP", "unknown:"),
    ]
    for breaks, status, words in cases:
        health = {"never_seen": [], "unplanned": [], "breaks": breaks}
        body = msgspec.json.encode({"id": plan.id, "plan": plan.document(), "warnings": [], "health": health})
        with serving(HEALTHY | {"/v1/plan": Page(body)}, *DELIVERED) as (url, _):
            tracking = diagnose(url, plan=plan, read_key="kz_read_1")["tracking"]
        assert (tracking.status, words in tracking.message) == (status, True), tracking.message


# -- TLS ------------------------------------------------------------------------------------------------------------

needs_openssl = pytest.mark.skipif(which("openssl") is None, reason="needs the openssl program for certificates")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Certificate]:
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "good": make_certificate(folder / "good", end="20991231"),
        "expired": make_certificate(folder / "expired", end="20200201"),
        "early": make_certificate(folder / "early", start="20980101", end="20991231"),
        "elsewhere": make_certificate(folder / "elsewhere", name="DNS:collector.example", end="20991231"),
    }


@needs_openssl
def test_a_certificate_that_is_known_and_valid_passes(
    certificates: dict[str, Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["good"].chain))
    with serving(HEALTHY, *DELIVERED, certificate=certificates["good"]) as (url, _):
        checks = diagnose(url)
    assert set(statuses(checks).values()) == {"OK"}
    assert checks["tls"].message.startswith("TLSv1.")


@needs_openssl
@pytest.mark.parametrize(
    ("which_one", "words"),
    [
        ("expired", "the certificate has expired"),
        ("early", "not valid yet"),
        ("elsewhere", "is for another host than 127.0.0.1"),
    ],
)
def test_each_fault_of_a_certificate_is_told(
    certificates: dict[str, Certificate], monkeypatch: pytest.MonkeyPatch, which_one: str, words: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates[which_one].chain))
    with serving(HEALTHY, certificate=certificates[which_one]) as (url, _):
        assert words in failure(diagnose(url), "tls")


@needs_openssl
def test_an_issuer_that_nobody_knows_is_told(certificates: dict[str, Certificate]) -> None:
    with serving(HEALTHY, certificate=certificates["good"]) as (url, _):
        message = failure(diagnose(url), "tls")
    assert "does not know who issued the certificate (self-signed certificate)" in message.replace(
        "self signed", "self-signed"
    )
    assert "SSL_CERT_FILE" in message


@needs_openssl
def test_http_to_a_port_that_speaks_tls_is_no_collector(certificates: dict[str, Certificate]) -> None:
    with serving(HEALTHY, certificate=certificates["good"]) as (url, _):
        assert "https://" in failure(diagnose(url.replace("https", "http")), "collector")


def test_https_to_a_port_that_speaks_http_is_told() -> None:
    with serving(HEALTHY) as (url, _):
        assert "write http://" in failure(diagnose(url.replace("http", "https")), "tls")


# -- the command ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--timeout", "0"], ["--timeout", "soon"], ["--timeout", "nan"], ["extra"]])
def test_wrong_use_is_status_2(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--endpoint", "http://127.0.0.1:1", *options])
    assert caught.value.code == 2
    assert "usage: kizashi" in capsys.readouterr().err


def test_a_plan_that_cannot_be_read_is_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--endpoint", "http://127.0.0.1:1", "--plan", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_it_works_in_the_base_install_and_leaves_nothing_behind(url: str) -> None:
    code = (
        "import sys; from kizashi._commands import main; status = main(sys.argv[1:]); "
        "print(sorted({'aiohttp', 'kizashi_collector', 'urllib.request'} & set(sys.modules))); sys.exit(status)"
    )
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", code, "doctor", "--endpoint", url, "--key", "w-secret"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert result.stdout.splitlines()[-1] == "[]"
    assert result.stderr == ""


@pytest.mark.parametrize(
    "command", [[], ["doctor"], ["plan"], *(["plan", name] for name in ("check", "diff", "codegen", "lint"))]
)
def test_every_help_ends_with_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    assert "example" in capsys.readouterr().out.strip().split("\n\n")[-1]
