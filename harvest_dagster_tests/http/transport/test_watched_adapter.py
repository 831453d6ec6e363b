"""Connections: slow or silent servers, TLS, proxies, and connections that the server closes."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harvest_dagster.errors import DeadlineExceeded, LeaseLost, MalformedResponse, SourceUnreachable
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.http.session import Timeouts
from harvest_dagster.rate_limits import Limit
from harvest_dagster_tests.http.clock import Clock
from harvest_dagster_tests.http.server import Reply, response, then_close, then_silence

ONCE = RetryPolicy(attempts=1)


class SlowServer:
    """Sends one byte for each call of `keep_going`. Each call takes ten seconds on the clock of the test.

    The time does not advance before the first bytes are sent, and a call lasts until its byte is sent. Otherwise the
    client would see a minute without a byte on a busy machine.
    """

    def __init__(self, clock: Clock, first_bytes: bytes) -> None:
        self.clock = clock
        self.first_bytes = first_bytes
        self.has_begun = threading.Event()
        self.calls = threading.Semaphore(0)
        self.bytes = threading.Semaphore(0)

    def keep_going(self) -> None:
        if self.has_begun.is_set():
            self.clock.now += 10
            self.calls.release()
            assert self.bytes.acquire(timeout=30)

    def reply(self, connection) -> None:
        with suppress(OSError):
            connection.sendall(self.first_bytes)
            self.has_begun.set()
            while self.calls.acquire(timeout=30):
                connection.sendall(b"x")
                self.bytes.release()


@pytest.mark.parametrize(
    "head",
    [
        response(Content_Length="1000000"),
        response(b"FFFF\r\n", Transfer_Encoding="chunked", Content_Length=""),
        b"HTTP/1.1 200 OK\r\nX: ",
    ],
    ids=["body", "chunk", "headers"],
)
def test_a_response_that_arrives_byte_by_byte_exceeds_the_response_timeout(serve, open_session, clock, head):
    """It never exceeds the read timeout, in the headers as in the body (docs/failures.md#no-timeout)."""
    slow = SlowServer(clock, head)
    server = serve(slow.reply)
    with pytest.raises(
        SourceUnreachable, match=r"not complete after 300 s, \d+ bytes have arrived"
    ) as caught:
        open_session(deadline={"keep_going": slow.keep_going}, retry=ONCE).get(server.url)
    assert caught.value.transient
    assert 1300 <= clock.now <= 1350


def test_the_deadline_of_the_harvest_ends_a_response(serve, open_session, clock):
    """`timeout: {harvest: …}` also ends a request in progress."""
    slow = SlowServer(clock, response(Content_Length="1000000"))
    server = serve(slow.reply)
    with pytest.raises(DeadlineExceeded) as caught:
        open_session(deadline={"keep_going": slow.keep_going, "ends_at": 1200, "length": 200}).get(server.url)
    assert 1200 <= clock.now <= 1220
    pattern = r": \d+ bytes of the response have arrived in 2\d\d s, and the time limit of 200 s .* Raise `timeout: {h"
    assert re.search(re.escape(server.url) + pattern, str(caught.value))


def test_a_silent_server_exceeds_the_read_timeout(serve, open_session, clock):
    """A request without a timeout blocks the run forever (docs/failures.md#no-timeout)."""

    def keep_going() -> None:
        clock.now += 59.999  # so that the socket itself waits only a millisecond

    server = serve(then_silence(response(Content_Length="1000000")))
    with pytest.raises(SourceUnreachable, match="no byte arrived for 60 s"):
        open_session(deadline={"keep_going": keep_going}, retry=ONCE).get(server.url)


def test_a_lost_lease_ends_a_request_in_progress(serve, open_session):
    """A run without its lease must stop at once, not after a page that takes minutes
    (docs/failures.md#lost-lock-keeps-writing)."""
    lost = threading.Event()

    def stay_silent(connection) -> None:
        lost.set()
        then_silence(response(Content_Length="1000000"))(connection)

    def keep_going() -> None:
        if lost.is_set():
            raise LeaseLost

    with pytest.raises(LeaseLost):
        open_session(deadline={"keep_going": keep_going}).get(serve(stay_silent).url)


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"H" * 70_000 + b"\r\n\r\n",
    ],
)
def test_the_error_says_that_a_reply_is_not_http(serve, open_session, reply):
    """A wrong port must not look like a source that is overloaded."""
    with pytest.raises(MalformedResponse, match="not HTTP"):
        open_session().get(serve(then_close(reply)).url)


@pytest.mark.parametrize("headers", [b"X: y\r\n" * 200, b"X: " + b"y" * 70_000 + b"\r\n"])
def test_the_error_says_that_headers_are_too_large(serve, open_session, headers):
    """The reply is HTTP, so the port is right."""
    with pytest.raises(MalformedResponse, match="its headers are too large"):
        open_session().get(serve(then_close(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n")).url)


def test_the_error_says_that_a_chunked_response_ended_too_early(serve, open_session):
    """Neither the connection nor the URL is wrong."""
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\naaaaa\r\n"
    with pytest.raises(SourceUnreachable, match="the response ended too early"):
        open_session(retry=ONCE).get(serve(then_close(reply)).url)


def test_proxies_come_from_the_environment_but_credentials_do_not(serve, open_session, monkeypatch, tmp_path):
    """Some networks require a proxy. ~/.netrc would send a personal password to a source."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine source.invalid login user password word\n")
    monkeypatch.setenv("NETRC", str(netrc))
    session = open_session()
    proxy = serve(response(b"<ok/>"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    assert session.get("http://source.invalid/oai").body == b"<ok/>"
    assert proxy.paths == ["http://source.invalid/oai"]
    assert "authorization" not in proxy.requests[0].headers


def test_requests_through_a_proxy_count_for_the_source(serve, open_session, clock, monkeypatch):
    """Otherwise all sources would share the budget of the proxy."""
    session = open_session(Limit(1, 10), budget=ProcessBudget(clock))
    proxy = f"http://127.0.0.1:{serve(response()).port}"
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("http_proxy", proxy)
    session.get("http://one.invalid/")
    session.get("http://two.invalid/")
    assert clock.now == 1000
    session.get("http://one.invalid/")
    assert clock.now == pytest.approx(1010.25)


def test_the_error_names_a_proxy_that_is_down(open_session, monkeypatch):
    """Otherwise the source would seem to be down."""
    session = open_session(retry=ONCE)
    monkeypatch.setenv("HTTP_PROXY", "http://user:word@127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://user:word@127.0.0.1:1")
    with pytest.raises(SourceUnreachable, match="the proxy failed") as caught:
        session.get("http://source.invalid/")
    assert "word" not in str(caught.value)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> Path:
    """Return a file with a key and a self-signed certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def serve_tls(serve, certificate) -> Callable:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def start(*replies: Reply):
        return serve(*replies, tls=context)

    return start


def test_an_untrusted_certificate_is_a_permanent_error(serve_tls, open_session, monkeypatch):
    """An attacker in between could insert records. No retry makes the certificate valid."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    server = serve_tls(response())
    with pytest.raises(
        SourceUnreachable, match=r"certificate is not valid .self.signed certificate."
    ) as caught:
        open_session().get(server.url)
    assert not caught.value.transient
    assert server.requests == []
    assert server.connections == 1


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificate_authorities_come_from_the_environment(
    serve_tls, open_session, certificate, monkeypatch, name
):
    """Institutions sign their own certificates. They need an alternative to no verification."""
    for other in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(certificate))
    assert open_session().get(serve_tls(response()).url).body == b"<ok/>"


def test_a_slow_response_over_tls_exceeds_the_response_timeout(
    serve_tls, open_session, clock, certificate, monkeypatch
):
    """Almost every source uses TLS, and an encrypted socket is read differently."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    slow = SlowServer(clock, response(Content_Length="1000000"))
    server = serve_tls(slow.reply)
    with pytest.raises(SourceUnreachable, match="not complete after 300 s"):
        open_session(deadline={"keep_going": slow.keep_going}, retry=ONCE).get(server.url)


def test_an_endless_handshake_exceeds_the_connect_timeout(open_session):
    """A firewall may accept a connection and send nothing."""
    session = open_session(timeouts=Timeouts(connect=0.05), retry=ONCE)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,  # the kernel accepts, nobody answers
        pytest.raises(SourceUnreachable, match="no connection in time"),
    ):
        session.get(f"https://127.0.0.1:{listener.getsockname()[1]}/oai")
    assert session.statistics.requests == 1


def test_the_response_timeout_is_longer_than_the_read_timeout_by_default():
    """With a response timeout of five minutes, `read: 10m` would have no effect."""
    assert [Timeouts(read=read).response for read in (10, 60, 600)] == [60, 300, 3000]
    assert Timeouts(read=600, response=20).response == 20


class ContendedBudget(ProcessBudget):
    """A budget that has room until a reservation, because another process was faster.

    Attributes:
        losses: The number of reservations that still fail.
        meanwhile: Called during each failed reservation.
    """

    def __init__(self, clock: Clock, losses: int = 0, meanwhile: Callable[[], object] = int) -> None:
        super().__init__(clock)
        self.losses = losses
        self.meanwhile = meanwhile

    def reserve(self, host: str, limit: Limit) -> float:
        if not self.losses:
            return super().reserve(host, limit)
        self.losses -= 1
        self.meanwhile()
        return 1.0


@pytest.fixture(params=["http", "https"])
def serve_either(serve, serve_tls, certificate, monkeypatch, request) -> Callable:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    return serve_tls if request.param == "https" else serve


def test_a_connection_that_the_server_closed_during_the_wait_is_opened_again(
    serve_either, open_session, clock
):
    """Otherwise a single-use token is lost, and any other request counts twice against the budget."""
    may_close, closed = threading.Event(), threading.Event()

    def respond_and_close(connection) -> None:
        connection.sendall(response())
        assert may_close.wait(30)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    server = serve_either(respond_and_close, response())
    budget = ContendedBudget(clock, meanwhile=lambda: may_close.set() or closed.wait(30))
    session = open_session(budget=budget)
    session.get(server.url)
    budget.losses = 2
    assert session.get(server.url, repeatable=False).body == b"<ok/>"
    spent = session.statistics
    assert (spent.requests, spent.retries, spent.seconds_waited) == (2, 0, 2.0)
    assert [request.connection for request in server.requests] == [1, 2]


def test_an_open_connection_is_kept_during_the_wait(serve_either, open_session, clock):
    """Ten processes would otherwise connect ten times for each request. A TLS session ticket is not an end."""
    server = serve_either(response())
    session = open_session(budget=ContendedBudget(clock, losses=3))
    for _ in range(2):
        session.get(server.url)
    assert server.connections == 1


def test_redirects_from_https_to_http_are_not_followed(
    serve_tls, serve, open_session, certificate, monkeypatch
):
    """A request must not lose its encryption."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    plain = serve(response())
    server = serve_tls(response(status=302, Location=plain.url))
    with pytest.raises(Exception, match="never from https to http"):
        open_session().get(server.url)
    assert plain.requests == []
