"""A web server that answers each path as a test says, over TLS or not, and certificates for it."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field

__all__ = ["HEALTHY", "Certificate", "Page", "Site", "make_certificate", "problem", "serving", "verdicts"]


class Page(Struct, frozen=True):
    """What a path is answered. `hangs` sends nothing, or with a body one byte of it now and then."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False


def problem(status: int, code: str, detail: str) -> Page:
    """As a collector refuses."""
    body = {"title": "No", "status": status, "code": code, "detail": detail}
    return Page(msgspec.json.encode(body), status, {"Content-Type": "application/problem+json"})


def verdicts(accepted: int = 0, duplicates: int = 0, rejected: int = 0, **verdict: Any) -> Page:
    """As a collector answers a batch; the verdict, if any, is that of its first event."""
    told = [{"index": 0, "id": "doctor", **verdict}] if verdict else []
    body = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected, "verdicts": told}
    return Page(msgspec.json.encode(body))


HEALTHY = {"/healthz": Page(b"ok\n"), "/readyz": Page(b"ready\n")}
"""What a collector answers to GET."""


class Site(ThreadingHTTPServer):
    """Answers GET by path, POSTs one after the other by `posts`. `keys` are the Authorization headers that came."""

    daemon_threads = True

    def __init__(self, pages: Mapping[str, Page], posts: list[Page]) -> None:
        self.pages = dict(pages)
        self.posts = posts
        self.keys: list[str | None] = []
        self.sent: list[Any] = []
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self._answer(self.server.pages.get(self.path, Page(b"nothing here", 404)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.sent.append(msgspec.json.decode(body))
        self._answer(self.server.posts.pop(0))

    def _answer(self, page: Page) -> None:
        self.server.keys.append(self.headers["Authorization"])
        if page.hangs:
            for byte in page.body or b" ":
                if page.body:
                    self.wfile.write(bytes([byte]))
                if self.server.over.wait(0.02 if page.body else 30):
                    break
            self.close_connection = True
            return
        self.send_response_only(page.status)
        for name, text in (
            {"Date": self.date_time_string(), "Content-Length": str(len(page.body))} | page.headers
        ).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has in the standard library
        pass


@contextmanager
def serving(
    pages: Mapping[str, Page], *posts: Page, certificate: Certificate | None = None
) -> Iterator[tuple[str, Site]]:
    """A running site and its URL."""
    site = Site(pages, list(posts))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        site.socket = context.wrap_socket(site.socket, server_side=True)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{site.server_port}", site
    finally:
        site.over.set()
        site.shutdown()
        thread.join()
        site.server_close()


class Certificate(Struct, frozen=True):
    """The files of a certificate that signs itself."""

    chain: Path
    key: Path


_AUTHORITY = """
[ca]
default_ca = all
[all]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
x509_extensions = extensions
[any]
commonName = supplied
[extensions]
subjectAltName = {name}
basicConstraints = critical,CA:TRUE
"""


def make_certificate(folder: Path, *, name: str = "IP:127.0.0.1", start: str = "20200101", end: str) -> Certificate:
    """Make a certificate for a name that is valid between two days, with the openssl program."""
    folder.mkdir()
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n", encoding="ascii")
    (folder / "authority").write_text(_AUTHORITY.format(folder=folder, name=name), encoding="ascii")
    key, request, chain = folder / "key.pem", folder / "request.pem", folder / "chain.pem"
    for command in (
        ["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key],
        ["req", "-new", "-key", key, "-subj", "/CN=test", "-out", request],
        [
            *("ca", "-batch", "-notext", "-config", folder / "authority", "-selfsign", "-keyfile", key),
            *("-in", request, "-out", chain, "-startdate", f"{start}000000Z", "-enddate", f"{end}000000Z"),
        ],
    ):
        subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True)
    return Certificate(chain, key)
