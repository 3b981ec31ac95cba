"""`sseor doctor`: what a server, and the way to it, do to a stream; a verdict for each check."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sseor.cli.exit_codes import COMPLETE, UNWELL
from sseor.cli.record import add_question, load_tape, question, take
from sseor.cli.terminal import StatusLine, write_out
from sseor.errors import SseorError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from sseor.cli.examining import Finding
    from sseor.client.endpoint import Endpoint

__all__ = ["add_doctor", "doctor"]

DESCRIPTION = """\
Asks a server one question and tells how it, and what lies between, treat the answer: name, connection, TLS, headers,
events, first token, silences, whether pieces come one by one or are held back, finish reason, usage, [DONE], end."""

EPILOG = """\
begin here:
  sseor doctor -m openai/gpt-5-mini                              openrouter.ai, with the key in OPENROUTER_API_KEY
  sseor doctor http://127.0.0.1:11434/v1 -m llama3.2
  sseor doctor --tape answer.tape                                what sseor record wrote

exit codes: 0 nothing is bad (doubts may remain), 12 something is, 2 the command cannot be understood"""

PROMPT = "Count from one to forty in words."
"""Long enough for pieces to come apart, and cheap."""

CONNECT = 10.0
DAYS = 14
"""Days that a certificate should still be valid."""


def add_doctor(commands: Any, style: dict[str, Any], base_url: str) -> None:
    """Add the command; `base_url` is the server that is examined by default."""
    parser = commands.add_parser(
        "doctor", help="examine a server", description=DESCRIPTION, epilog=EPILOG, **style
    )
    parser.add_argument(
        "base_url", nargs="?", default=base_url, metavar="URL", help=f"the base URL (default: {base_url})"
    )
    add_question(parser)
    parser.add_argument("--tape", metavar="FILE", help="examine a recorded answer instead; nothing is sent")
    parser.add_argument("--json", action="store_true", help="the findings as JSON")


def doctor(options: argparse.Namespace) -> int:
    """Examine, and print the findings; return the exit code."""
    from sseor.cli.examining import Grade

    findings = []
    for finding in _recorded(options.tape) if options.tape is not None else _live(options):
        findings.append(finding)
        if not options.json:
            write_out(f"{finding.grade.value:<7}{finding.check:<13}{finding.told}\n")
    if options.json:
        rows = [{"check": each.check, "grade": each.grade.value, "told": each.told} for each in findings]
        write_out(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    grades = [finding.grade for finding in findings]
    told = (
        f"sseor: {len(findings)} checks, {grades.count(Grade.BAD)} bad, {grades.count(Grade.DOUBT)} in doubt"
    )
    StatusLine(sys.stderr).end(told)
    return UNWELL if Grade.BAD in grades else COMPLETE


def _recorded(path: str) -> Iterator[Finding]:
    from sseor.cli.examining import examine

    return examine(load_tape(path))


def _live(options: argparse.Namespace) -> Iterator[Finding]:
    """Yield what the way to the server shows, then what its answer does."""
    from sseor.cli.examining import Finding, Grade, examine
    from sseor.client.http import proxy_for, without_credentials

    where, body = question(options, PROMPT)
    if proxy := proxy_for(where):
        yield Finding(
            "proxy", Grade.DOUBT, f"{without_credentials(proxy)}: it may hold answers back, or cut them"
        )
    else:
        reached = True
        for finding in _way(where):
            yield finding
            reached = reached and finding.grade is not Grade.BAD
        if not reached:
            return
    status = StatusLine(sys.stderr)

    def progress(reads: int, size: int) -> None:
        status.show(f"asking · {reads} reads · {size} bytes")

    try:
        tape = take(where, body, options.patience, progress)
    except SseorError as error:
        yield Finding("head", Grade.BAD, error.detail)
        return
    finally:
        status.clear()
    yield from examine(tape)


def _way(where: Endpoint) -> Iterator[Finding]:
    """Yield whether the name is known, a connection is made, and its certificate is good, up to the first bad one."""
    from sseor.cli.examining import Finding, Grade

    url = urlsplit(where.base_url)
    host, port = url.hostname or "", url.port or (443 if where.is_tls else 80)
    began = time.monotonic()
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        yield Finding("name", Grade.BAD, f"{host} is not known: {error.strerror}")
        return
    yield Finding("name", Grade.GOOD, f"{', '.join(sorted(addresses))} after {_since(began)}")
    began = time.monotonic()
    try:
        connection = socket.create_connection((host, port), timeout=CONNECT)
    except OSError as error:
        yield Finding("connection", Grade.BAD, f"none to port {port}: {error.strerror or error}")
        return
    with connection:
        yield Finding("connection", Grade.GOOD, f"after {_since(began)}")
        if where.is_tls:
            yield _tls(connection, host)


def _tls(connection: socket.socket, host: str) -> Finding:
    from sseor.cli.examining import Finding, Grade
    from sseor.client.http import tls_context

    began = time.monotonic()
    try:
        with tls_context().wrap_socket(connection, server_hostname=host) as secure:
            certificate: dict[str, Any] = secure.getpeercert() or {}
            told = f"{secure.version()} after {_since(began)}"
    except ssl.SSLCertVerificationError as error:
        return Finding("TLS", Grade.BAD, f"the certificate is not good: {error.verify_message}")
    except OSError as error:
        return Finding("TLS", Grade.BAD, f"no handshake: {error.strerror or error}")
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // 86_400)
    grade = Grade.GOOD if days >= DAYS else Grade.DOUBT
    return Finding("TLS", grade, f"{told}, the certificate ends in {days} days")


def _since(began: float) -> str:
    return f"{1000 * (time.monotonic() - began):.1f} ms"
