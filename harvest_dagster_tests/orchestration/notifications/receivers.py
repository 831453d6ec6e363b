"""A webhook and a mail server on this machine, which keep what they receive."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Webhook:
    """A web server that accepts JSON documents.

    Attributes:
        port: its port on 127.0.0.1.
        status: the status of its answers.
        received: the accepted documents.
        requests: the number of requests, accepted or not.
    """

    port: int
    status: int = 200
    received: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0

    def url(self, path: str = "secret") -> str:
        return f"json://127.0.0.1:{self.port}/hooks/{path}"

    @property
    def titles(self) -> list[str]:
        return [document["title"] for document in self.received]


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Run a webhook in a thread."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.requests += 1
            if hook.status == 200:
                hook.received.append(json.loads(body))
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(server.server_address[1])
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()


@dataclass
class MailServer:
    """A mail server that requires a password.

    Attributes:
        port: its port on 127.0.0.1.
        mails: subject, recipients and text of each mail.
    """

    port: int
    mails: list[tuple[str, list[str], str]] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        del server
        assert isinstance(envelope.content, bytes)
        if not session.authenticated:
            return "530 Authentication required"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        body = mail.get_body(("plain",))
        text = body.get_content() if body else ""
        self.mails.append((str(mail["Subject"]), list(envelope.rcpt_tos), text))
        return "250 OK"


@contextmanager
def mail_server(user: str, password: str) -> Iterator[MailServer]:
    """Run a mail server in a thread."""

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        expected = LoginPassword(user.encode(), password.encode())
        return AuthResult(success=data == expected)

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    server = MailServer(port)
    controller = Controller(
        server,
        hostname="127.0.0.1",
        port=port,
        authenticator=authenticate,
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
