"""The socket: slow, silent, encrypted, behind a proxy."""

from __future__ import annotations

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
from harvest_dagster.http.budget import ProcessBudget
from harvest_dagster.http.retry import RetryPolicy
from harvest_dagster.http.session import Timeouts
from harvest_dagster.limits import Limit
from harvest_dagster_tests.http.clock import Clock
from harvest_dagster_tests.http.server import Reply, response, then_close, then_silence

ONCE = RetryPolicy(attempts=1)


class Drip:
    """One byte for each look that the client takes; each look costs ten seconds of the test's time.

    Time stands still until the head is out, and a look lasts until its byte is: on a busy machine the client
    would otherwise see a minute's silence.
    """

    def __init__(self, clock: Clock, head: bytes) -> None:
        self.clock = clock
        self.head = head
        self.begun = threading.Event()
        self.looks = threading.Semaphore(0)
        self.bytes = threading.Semaphore(0)

    def look(self) -> None:
        if self.begun.is_set():
            self.clock.now += 10
            self.looks.release()
            assert self.bytes.acquire(timeout=30)

    def reply(self, connection) -> None:
        with suppress(OSError):
            connection.sendall(self.head)
            self.begun.set()
            while self.looks.acquire(timeout=30):
                connection.sendall(b"x")
                self.bytes.release()


@pytest.mark.parametrize(
    "head",
    [
        response(Content_Length="1000000"),
        response(b"FFFF\r\n", Transfer_Encoding="chunked", Content_Length=""),
        b"HTTP/1.1 200 OK\r\nX: ",
    ],
    ids=["body", "chunk", "head"],
)
def test_a_drip_that_never_breaks_the_read_timeout_breaks_the_deadline_of_the_response(
    serve, open_session, clock, head
):
    """Lesson 21: a slow drip outlives a read timeout, in the headers as in the body."""
    drip = Drip(clock, head)
    server = serve(drip.reply)
    with pytest.raises(SourceUnreachable, match="not whole after 300 s") as caught:
        open_session(watch={"check": drip.look}, retry=ONCE).get(server.url)
    assert caught.value.transient
    assert 1300 <= clock.now <= 1350


def test_the_deadline_of_the_harvest_ends_a_response_too(serve, open_session, clock):
    """`timeout: {harvest: …}` is an end, whatever is under way."""
    drip = Drip(clock, response(Content_Length="1000000"))
    server = serve(drip.reply)
    with pytest.raises(DeadlineExceeded):
        open_session(watch={"check": drip.look, "deadline": 1200}).get(server.url)
    assert 1200 <= clock.now <= 1220


def test_a_silence_ends_with_the_read_timeout(serve, open_session, clock):
    """Lesson 21: requests without a timeout hang for ever, and with them the run."""

    def look() -> None:
        clock.now += 59.999  # so that the socket itself waits for a millisecond

    server = serve(then_silence(response(Content_Length="1000000")))
    with pytest.raises(SourceUnreachable, match="nothing came for 60 s"):
        open_session(watch={"check": look}, retry=ONCE).get(server.url)


def test_a_lost_lease_ends_a_request_that_is_under_way(serve, open_session):
    """Lesson 11: who lost the lease must stop, and not at the end of a page that takes five minutes."""
    lost = threading.Event()

    def quiet(connection) -> None:
        lost.set()
        then_silence(response(Content_Length="1000000"))(connection)

    def check() -> None:
        if lost.is_set():
            raise LeaseLost

    with pytest.raises(LeaseLost):
        open_session(watch={"check": check}).get(serve(quiet).url)


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"H" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_named_so(serve, open_session, said):
    """A wrong port must not look like a source that is overloaded."""
    with pytest.raises(MalformedResponse, match="not HTTP"):
        open_session().get(serve(then_close(said)).url)


@pytest.mark.parametrize("headers", [b"X: y\r\n" * 200, b"X: " + b"y" * 70_000 + b"\r\n"])
def test_headers_that_are_too_large_are_named_so(serve, open_session, headers):
    """It is HTTP, and the port is right."""
    with pytest.raises(MalformedResponse, match="its headers are too large"):
        open_session().get(serve(then_close(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n")).url)


def test_a_chunked_answer_without_its_end_broke_off(serve, open_session):
    """Nothing is wrong with the connection, nor with the URL."""
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\naaaaa\r\n"
    with pytest.raises(SourceUnreachable, match="the answer broke off"):
        open_session(retry=ONCE).get(serve(then_close(said)).url)


def test_the_environment_gives_proxies_and_no_credentials(serve, open_session, monkeypatch, tmp_path):
    """A company's network has no other way out; ~/.netrc would send one's own password to whatever host."""
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


def test_behind_a_proxy_the_budget_is_the_sources(serve, open_session, clock, monkeypatch):
    """All sources behind one proxy would share the budget of the proxy's name."""
    session = open_session(Limit(1, 10), budget=ProcessBudget(clock))
    proxy = f"http://127.0.0.1:{serve(response()).port}"
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("http_proxy", proxy)
    session.get("http://one.invalid/")
    session.get("http://two.invalid/")
    assert clock.now == 1000
    session.get("http://one.invalid/")
    assert clock.now == pytest.approx(1010.25)


def test_a_proxy_that_is_down_is_named_as_such(open_session, monkeypatch):
    """The source would be blamed for it."""
    session = open_session(retry=ONCE)
    monkeypatch.setenv("HTTP_PROXY", "http://user:word@127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://user:word@127.0.0.1:1")
    with pytest.raises(SourceUnreachable, match="the proxy does not answer") as caught:
        session.get("http://source.invalid/")
    assert "word" not in str(caught.value)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> Path:
    """Key and self-signed certificate of 127.0.0.1."""
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


def test_a_certificate_nobody_vouches_for_is_refused(serve_tls, open_session, monkeypatch):
    """Whoever sits in between could feed the database; and no retry makes it valid."""
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
def test_authorities_of_ones_own_are_taken_from_the_environment(
    serve_tls, open_session, certificate, monkeypatch, name
):
    """Institutions sign their own; the choice is a whole one, not "verify: false"."""
    for other in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, str(certificate))
    assert open_session().get(serve_tls(response()).url).body == b"<ok/>"


def test_a_drip_over_tls_ends_as_well(serve_tls, open_session, clock, certificate, monkeypatch):
    """Almost every source is encrypted, and reading an encrypted socket in slices is another thing."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    drip = Drip(clock, response(Content_Length="1000000"))
    server = serve_tls(drip.reply)
    with pytest.raises(SourceUnreachable, match="not whole after 300 s"):
        open_session(watch={"check": drip.look}, retry=ONCE).get(server.url)


def test_a_handshake_that_never_ends_is_no_connection(serve, open_session):
    """A firewall that accepts and says nothing: what bounds it is the time for connecting."""
    server = serve(then_silence(b""))
    session = open_session(timeouts=Timeouts(connect=0.05), retry=ONCE)
    with pytest.raises(SourceUnreachable, match="no connection in time"):
        session.get(server.url.replace("http:", "https:"))
    assert session.statistics.requests == 1


def test_a_response_may_always_be_silent_for_as_long_as_it_is_allowed_to():
    """With `read: 10m` and five minutes for the whole answer, the first could never be used."""
    assert [Timeouts(read=read).response for read in (10, 60, 600)] == [60, 300, 3000]
    assert Timeouts(read=600, response=20).response == 20


class Contended(ProcessBudget):
    """A host with room, until one takes it: another process was faster, so many times.

    Attributes:
        losses: turns that are still to be lost.
        meanwhile: what happens then.
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


def test_a_connection_that_fell_while_another_process_took_the_turn_is_opened_anew(
    serve_either, open_session, clock
):
    """A list of single-use tokens broke, though its request was never answered; any other cost a slot more."""
    impatient, gone = threading.Event(), threading.Event()

    def answer_and_hang_up(connection) -> None:
        connection.sendall(response())
        assert impatient.wait(30)
        connection.shutdown(socket.SHUT_RDWR)
        gone.set()

    server = serve_either(answer_and_hang_up, response())
    budget = Contended(clock, meanwhile=lambda: impatient.set() or gone.wait(30))
    session = open_session(budget=budget)
    session.get(server.url)
    budget.losses = 2
    assert session.get(server.url, repeatable=False).body == b"<ok/>"
    spent = session.statistics
    assert (spent.requests, spent.retries, spent.seconds_waited) == (2, 0, 2.0)
    assert [request.connection for request in server.requests] == [1, 2]


def test_a_connection_that_stands_waits_for_its_turn(serve_either, open_session, clock):
    """Ten processes that take turns would connect ten times for each request; TLS's tickets are no sign of an end."""
    server = serve_either(response())
    session = open_session(budget=Contended(clock, losses=3))
    for _ in range(2):
        session.get(server.url)
    assert server.connections == 1


def test_redirects_from_https_to_http_are_not_followed(
    serve_tls, serve, open_session, certificate, monkeypatch
):
    """What was asked for over https must not be sent in the clear."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    plain = serve(response())
    server = serve_tls(response(status=302, Location=plain.url))
    with pytest.raises(Exception, match="never from https to http"):
        open_session().get(server.url)
    assert plain.requests == []
