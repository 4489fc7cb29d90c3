"""What each failure on the way to a collector means, and what to do about it: a sentence each."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from kizashi._commands._plan_changes import compare
from kizashi._commands._probe import Reply
from kizashi._errors import TransportError
from kizashi_schemas import BatchAnswer, PlanAnswer, Problem, TrackingBreak
from kizashi_schemas.plan import Plan

__all__ = [
    "compared",
    "date_of",
    "first_verdict",
    "insecure",
    "no_answer",
    "one_line",
    "refused",
    "second_verdict",
    "skew",
    "stranger",
    "tracked",
    "undelivered",
    "unreachable",
    "unready",
    "unresolved",
]

_LONGEST = 400
_AGREE_SECONDS = 5
_FUTURE_SECONDS = 600
_GATEWAY_FAULTS = (502, 503, 504)
# X509_V_ERR_…: https://docs.openssl.org/master/man3/X509_STORE_CTX_get_error/
_NOT_YET_VALID, _EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 9, 10, 62, 64
_UNKNOWN_ISSUERS = (18, 19, 20, 21)


def one_line(text: str) -> str:
    """Text on one line, short, and without what a terminal would obey."""
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return "".join(letter if letter.isprintable() else " " for letter in text)


def unresolved(host: str, error: Exception) -> str:
    """The host's name leads nowhere."""
    if isinstance(error, TimeoutError):
        return f"looking up {host} took too long: the name server does not answer; mend the machine's DNS"
    return f"{host} has no address ({_reason(error)}); mend the host in the endpoint, or the machine's DNS"


def unreachable(host: str, port: int, error: OSError) -> str:
    """No connection."""
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens on port {port} of {host}; start the collector, or mend the endpoint's port"
    if isinstance(error, TimeoutError):
        return (
            f"port {port} of {host} does not answer, as when a firewall drops packets; open the way, or mend the host"
        )
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return f"there is no route to {host} ({_reason(error)}); mend the network, or the endpoint's host"
    return f"port {port} of {host} cannot be reached ({_reason(error)}); mend the network, or the endpoint"


def insecure(host: str, error: OSError) -> str:
    """No TLS, or none that can be trusted."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        if code == _EXPIRED:
            return "the certificate has expired; renew it (or, if it has not, set this machine's clock right)"
        if code == _NOT_YET_VALID:
            return "the certificate is not valid yet; set this machine's clock right, or have a certificate issued anew"
        if code in (_WRONG_HOST, _WRONG_ADDRESS):
            return (
                f"the certificate is for another host than {host}; name the host that it is for, or renew it for both"
            )
        if code in _UNKNOWN_ISSUERS:
            return (
                f"this machine does not know who issued the certificate ({error.verify_message}); install the issuer's "
                "certificate, or name its file in SSL_CERT_FILE"
            )
        return f"the certificate cannot be trusted: {error.verify_message}; have it issued anew"
    if isinstance(error, TimeoutError):
        return "the port is open, but nobody speaks TLS there; write http://, or mend the port"
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return f"what listens there speaks no TLS that Python takes ({error.reason}); write http://, or mend the port"
    if isinstance(error, FileNotFoundError):
        return "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names are not there; mend the variable"
    return f"the connection broke while TLS was agreed on ({_reason(error)}); write http://, or mend the port"


def no_answer(error: OSError | http.client.HTTPException) -> str:
    """Connected, but no whole HTTP answer."""
    if isinstance(error, TimeoutError):
        return "connected, but no answer came in time; the collector hangs, or something else listens there: restart it"
    if isinstance(error, http.client.BadStatusLine) and str(error).startswith("\x15"):
        return "what listens there speaks TLS; write https:// in the endpoint"
    if isinstance(error, OSError):
        return (
            f"the connection broke before an answer ({_reason(error)}); mend the port, or write https:// if it is TLS"
        )
    return f"what listens there does not speak HTTP ({type(error).__name__}); mend the endpoint's port"


def stranger(reply: Reply) -> str | None:
    """Why an answer to /healthz is no collector's, or None if it is one's."""
    server = reply.headers.get("server", "")[:60]
    who = f"{server or 'a server'}, status {reply.status}"
    status = reply.status
    if 300 <= status < 400:
        return (
            f"redirects to {_place(reply.headers.get('location', ''))} ({who}), as login pages and proxies do; the SDK "
            "follows no redirect: name the collector's own address"
        )
    if status == 400 and b"HTTPS port" in reply.body:
        return "what listens there speaks TLS; write https:// in the endpoint"
    if status in (401, 403, 407):
        return f"something before the collector asks who you are ({who}); let the SDK's requests through there"
    if status in _GATEWAY_FAULTS:
        return f"a proxy answers, but no collector behind it ({who}); start the collector, or mend the proxy's target"
    if status == 404:
        return (
            f"has no /healthz ({who}), so it is another service, or the collector is mounted below a path; "
            "add that path to the endpoint, or mend the host"
        )
    if reply.is_page:
        return f"answers with a web page ({who}): a site, a login page or a proxy; name the collector's own address"
    if status == 200 and reply.body.strip() == b"ok":
        return None
    return f"does not answer as a collector does ({who}), so another service listens there; mend the endpoint"


def unready(status: int, body: bytes) -> str:
    """Alive, and takes no events."""
    problem = _problem(body)
    if problem is not None and status == 503:
        return f"the collector takes no events now: {problem.detail or problem.title}; events wait in the SDK meanwhile"
    return f"/readyz was answered {status}, and not by a collector; let all of its paths through the proxy"


def undelivered(error: TransportError) -> str:
    """POST /v1/events got no whole answer."""
    return f"POST /v1/events got no answer ({error}), though GET did; look at what is between here and the collector"


def refused(status: int, body: bytes, *, has_key: bool) -> str:
    """POST /v1/events was answered with something else than verdicts."""
    problem = _problem(body)
    if problem is None:
        if status == 200:
            return "POST /v1/events was answered 200 with something that is no verdict; a proxy answers: let it through"
        return f"POST /v1/events was answered {status}, and not by the collector; let it through the proxy or firewall"
    if status == 401 and not has_key:
        return "401: the collector needs a key and none is given; set KIZASHI_KEY to a key with scope write"
    if status == 401:
        return (
            "401: the collector does not know this key, so it is mistyped, revoked or another collector's; make one "
            "with `kizashi keys create --scope write`"
        )
    if status == 403:
        return (
            f"403: the collector knows this key, but it may not write ({problem.detail or problem.code}); read and "
            "admin keys cannot send events: use one with scope write"
        )
    if status == 429 or status >= 500:
        return f"{status}: the collector takes no events now ({problem.detail or problem.code}); the SDK tries again"
    return f"{status}: the collector refused the batch: {problem.detail or problem.code}"


def compared(plan: Plan, told: PlanAnswer) -> tuple[Literal["OK", "FAIL"], str]:
    """What it means that a collector runs the plan that it tells of, and that this one is at hand."""
    if told.id == plan.id:
        return "OK", f"the collector runs this plan, {plan.id}"
    if told.id is None or told.plan is None:
        return "FAIL", "the collector runs no plan; start it with --plan, or POST /v1/plan"
    added, removed, changed = compare(told.plan, plan.document())
    return "FAIL", (
        f"the collector runs plan {told.id}, and this file is {plan.id} (keys: {len(added)} added, "
        f"{len(removed)} removed, {len(changed)} changed); apply the file (SIGHUP or POST /v1/plan), or take theirs"
    )


def tracked(breaks: Sequence[TrackingBreak] | None) -> tuple[Literal["OK", "WARN", "SKIP"], str]:
    """What it means that these events do not come as they did; None where the collector does not tell."""
    if breaks is None:
        return "SKIP", "unknown: the collector cannot tell yet whether events come as they did; ask again in a minute"
    if not breaks:
        return "OK", "every planned event comes as often as its own history lets expect"
    told = "; ".join(
        f"{one.event} {one.kind}: {one.seen} where about {one.expected:g} were expected, since {one.since}"
        for one in breaks
    )
    blocking = ", ".join(one.event for one in breaks if one.blocks_bids)
    then = f"no row is ready to be bid on until it is mended ({blocking})" if blocking else "bids go on"
    return "WARN", f"tracking is broken, look at what sends it; {then}: {told}"


def first_verdict(answer: BatchAnswer) -> tuple[Literal["OK", "FAIL"], str]:
    """What became of the test event."""
    verdict = answer.verdicts[0] if answer.verdicts else None
    if verdict is None:
        if answer.accepted == 1:
            return "OK", "the test event was accepted, and is stored"
        return "FAIL", "the answer does not say what became of the test event; a proxy answers: let it through"
    if verdict.verdict == "rejected" and verdict.code == "unplanned":
        return "OK", "delivered; the verdict is rejected (unplanned), as the plan wants of names that it does not have"
    said = f"{verdict.verdict} ({verdict.code}): {verdict.message}"
    if verdict.verdict == "rejected":
        return "FAIL", f"delivered, but {said}"
    if verdict.verdict == "retry":
        return "FAIL", f"the collector cannot store it now, {said}; look at its log"
    return "FAIL", f"a new event was answered {said}; something replays requests, or ids: look at the proxy"


def second_verdict(answer: BatchAnswer) -> tuple[Literal["OK", "FAIL"], str]:
    """What became of the test event when it was sent again."""
    if answer.duplicates == 1 and answer.accepted == 0:
        return "OK", "sent again with the same id, it was answered duplicate: it counts once"
    return "FAIL", (
        "sent again with the same id, it was not answered duplicate: requests reach collectors that share no store; "
        "let one address lead to one store"
    )


def skew(ahead: int) -> tuple[Literal["OK", "WARN", "FAIL"], str]:
    """What it means that this clock is `ahead` seconds ahead of the collector's."""
    if abs(ahead) <= _AGREE_SECONDS:
        return "OK", f"this clock and the collector's agree within {max(abs(ahead), 1)} s"
    size = f"this clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} the collector's"
    if ahead <= _FUTURE_SECONDS:
        return "WARN", (
            f"{size}; being over {_AGREE_SECONDS} s, the collector shifts the events' times by the difference, so "
            "nothing is lost, but set the clock right (NTP)"
        )
    return "FAIL", (
        f"{size}; the collector shifts times by what it sees of that, and rejects what is still more than 10 minutes "
        "ahead as from_the_future, so set the clock right (NTP)"
    )


def date_of(header: str | None) -> float | None:
    """The Date of an answer in seconds since 1970, or None."""
    try:
        return None if header is None else parsedate_to_datetime(header).timestamp()
    except (ValueError, OverflowError):
        return None


def _problem(body: bytes) -> Problem | None:
    try:
        return msgspec.json.decode(body, type=Problem)
    except msgspec.DecodeError:
        return None


def _place(location: str) -> str:
    """Where a redirect leads, without path and query, which may hold anything."""
    try:
        parts = urlsplit(location)
        host = parts.hostname
    except ValueError:
        host = None
    return f"{parts.scheme}://{host}" if host else "another path"


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return str(error.strerror or error.args[-1])
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return type(error).__name__
