"""The transport: deadlines, connections, TLS."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

import pytest

from kizashi._config import Endpoint
from kizashi._errors import TransportError
from kizashi._http import HttpTransport
from sdk.scripted_collector import Collector, Handler, Request, accept, collecting, hang, reset, status

BODY = b'{"events":[]}'


def transport_to(url: str, *, gzip: bool = True) -> HttpTransport:
    scheme, _, place = url.partition("://")
    host, _, port = place.partition(":")
    return HttpTransport(Endpoint(scheme == "https", host, int(port), ""), key="w-secret", gzip=gzip)


@pytest.fixture
def transport(scripted: Collector) -> Iterator[HttpTransport]:
    transport = transport_to(scripted.url)
    yield transport
    transport.close()


def test_one_connection_serves_many_requests(transport: HttpTransport, scripted: Collector) -> None:
    ports = set()

    def note(handler: Handler, request: Request) -> None:
        ports.add(handler.client_address[1])
        accept(handler, request)

    scripted.always = note
    for _ in range(3):
        assert transport.send(BODY, seconds=5).status == 200
    assert len(ports) == 1


def test_a_connection_that_the_server_closed_meanwhile_is_replaced_at_once(
    transport: HttpTransport, scripted: Collector
) -> None:
    def hang_up(handler: Handler, request: Request) -> None:
        accept(handler, request)
        handler.close_connection = True  # without saying so in a header

    scripted.script.append(hang_up)
    assert transport.send(BODY, seconds=5).status == 200
    assert transport.send(BODY, seconds=5).status == 200
    scripted.script.append(reset)
    assert transport.send(BODY, seconds=5).status == 200


def test_a_fresh_connection_that_breaks_is_not_tried_twice(transport: HttpTransport, scripted: Collector) -> None:
    scripted.script.extend([reset, reset])
    with pytest.raises(TransportError):
        transport.send(BODY, seconds=5)
    assert len(scripted.requests) == 1


def test_a_hung_server_costs_the_deadline(transport: HttpTransport, scripted: Collector) -> None:
    scripted.always = hang
    start = time.monotonic()
    with pytest.raises(TransportError, match="timed out"):
        transport.send(BODY, seconds=0.2)
    assert 0.15 < time.monotonic() - start < 1.5


def test_a_server_that_sends_a_byte_now_and_then_costs_no_more(transport: HttpTransport, scripted: Collector) -> None:
    def trickle(handler: Handler, _request: Request) -> None:
        try:
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 1_000:
                handler.wfile.write(bytes([byte]))
                if handler.server.collector.release.wait(0.02):
                    return
        except OSError:
            return

    scripted.always = trickle
    start = time.monotonic()
    with pytest.raises(TransportError, match="timed out"):
        transport.send(BODY, seconds=0.3)
    assert time.monotonic() - start < 1.5


def test_a_server_that_never_reads_costs_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        transport = transport_to(f"http://127.0.0.1:{server.getsockname()[1]}", gzip=False)
        start = time.monotonic()
        with pytest.raises(TransportError, match="timed out"):
            transport.send(b"x" * 50_000_000, seconds=0.3)
        assert time.monotonic() - start < 1.5


def test_an_answer_without_end_is_cut_off(transport: HttpTransport, scripted: Collector) -> None:
    scripted.always = status(200, b"x" * 9_000_000)
    with pytest.raises(TransportError):
        transport.send(BODY, seconds=5)


def test_an_answer_given_before_the_body_was_read_is_seen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1_000_000):
                    pass

        thread = threading.Thread(target=refuse)
        thread.start()
        transport = transport_to(f"http://127.0.0.1:{server.getsockname()[1]}", gzip=False)
        assert transport.send(b"x" * 3_000_000, seconds=5).status == 413
        transport.close()
        thread.join()


def test_abort_ends_a_request_from_another_thread(transport: HttpTransport, scripted: Collector) -> None:
    scripted.always = hang

    def abort() -> None:
        scripted.hanging.wait(10)
        transport.abort()

    thread = threading.Thread(target=abort)
    thread.start()
    start = time.monotonic()
    with pytest.raises(TransportError):
        transport.send(BODY, seconds=10)
    assert time.monotonic() - start < 5
    thread.join()
    with pytest.raises(TransportError, match="aborted"):
        transport.send(BODY, seconds=10)


def test_errors_say_what_happened_in_words() -> None:
    with pytest.raises(TransportError, match="Connection refused"):
        transport_to("http://127.0.0.1:1").send(BODY, seconds=1)


@contextmanager
def speaking_tls(certificate: Path, key: Path) -> Iterator[int]:
    """A server that speaks TLS on one connection, and answers one request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            try:
                with context.wrap_socket(server.accept()[0], server_side=True) as connection:
                    request = b""
                    while not request.endswith(BODY):
                        request += connection.recv(65_536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            except OSError:
                return  # the client did not like the certificate

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join(10)


@pytest.mark.skipif(which("openssl") is None, reason="needs the openssl program for a certificate")
def test_https_checks_the_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    unknown = pytest.raises(TransportError, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED")
    with speaking_tls(certificate, key) as port, unknown:
        transport_to(f"https://127.0.0.1:{port}").send(BODY, seconds=5)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with speaking_tls(certificate, key) as port:
        transport = transport_to(f"https://127.0.0.1:{port}")
        assert transport.send(BODY, seconds=5).status == 200
        transport.close()


def test_https_to_a_server_without_tls_fails_in_time(scripted: Collector) -> None:
    with pytest.raises(TransportError):
        transport_to(scripted.url.replace("http", "https")).send(BODY, seconds=2)


def test_a_collector_may_come_back_on_the_same_port(clock: object) -> None:
    with collecting() as first:
        transport = transport_to(first.url)
        assert transport.send(BODY, seconds=5).status == 200
        port = int(first.url.rpartition(":")[2])
        transport.close()
    with pytest.raises(TransportError):
        transport.send(BODY, seconds=1)
    with collecting(port) as second:
        assert transport.send(BODY, seconds=5).status == 200
        assert len(second.requests) == 1
        transport.close()


def test_what_an_idle_connection_says_is_no_answer_to_the_next_request() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = threading.Event()

        def serve() -> None:
            first, _ = server.accept()
            with first:
                first.recv(100_000)
                first.sendall(answer + b"first")
                first.sendall(answer + b"stale")
                said.set()
                second, _ = server.accept()
                with second:
                    second.recv(100_000)
                    second.sendall(answer + b"fresh")

        thread = threading.Thread(target=serve)
        thread.start()
        transport = transport_to(f"http://127.0.0.1:{server.getsockname()[1]}", gzip=False)
        assert transport.send(BODY, seconds=5).body == b"first"
        assert said.wait(5)
        assert transport.send(BODY, seconds=5).body == b"fresh"
        transport.close()
        thread.join()


def test_an_address_that_does_not_answer_leaves_time_for_the_next(
    scripted: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(scripted.url.rpartition(":")[2])
    with socket.socket() as full:
        # A server that never accepts, its queue full: connecting to it hangs.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        missing = (97_000, socket.SOCK_STREAM, 6, "", ("::1", port))
        found = [missing, (*stream, full.getsockname()), (*stream, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)
        transport = transport_to(scripted.url)
        assert transport.send(BODY, seconds=3).status == 200
        transport.close()
        for one in waiting:
            one.close()


def test_an_aborted_request_is_not_sent_again(transport: HttpTransport, scripted: Collector) -> None:
    assert transport.send(BODY, seconds=5).status == 200
    scripted.always = hang

    def abort() -> None:
        scripted.hanging.wait(10)
        transport.abort()

    thread = threading.Thread(target=abort)
    thread.start()
    with pytest.raises(TransportError):
        transport.send(BODY, seconds=5)
    thread.join()
    assert len(scripted.requests) == 2
