"""A session sends requests within the budget, retries them, and returns complete responses or errors."""

from __future__ import annotations

import socket
from datetime import datetime, timezone

import pytest

from harvest_dagster.errors import HttpStatusError, SourceUnreachable
from harvest_dagster.harvesters.interface import Session
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.http.session import HttpSession, Statistics
from harvest_dagster.rate_limits import Limit
from harvest_dagster_tests.http.server import response, then_close, then_reset

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


def test_a_session_satisfies_the_protocol_of_harvesters(open_session):
    """`http` is a lower layer, so it cannot import the protocol that it must satisfy."""
    session: Session = open_session()
    assert isinstance(session, HttpSession)


def test_a_response_has_status_body_type_url_and_time(serve, open_session):
    """The manifest of the page contains them."""
    server = serve(response(b"<a/>"))
    answer = open_session(now=lambda: NOW).get(server.url, {"verb": "Identify", "set": "a b"})
    assert (answer.status, answer.body, answer.content_type, answer.received) == (
        200,
        b"<a/>",
        "text/xml",
        NOW,
    )
    assert answer.url == f"{server.url}?verb=Identify&set=a%20b"
    assert server.paths == ["/oai?verb=Identify&set=a+b"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            '<https://a.test/?page=2>; rel="next", <https://a.test/?page=9>; rel="last"',
            "https://a.test/?page=2",
        ),
        ("</x?p=1>; rel=prev, </x?p=3>; title=more; rel=next", "/x?p=3"),
        ('<https://a.test/?page=9>; rel="last"', None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_a_response_has_the_next_link_of_its_header(serve, open_session, header, expected):
    """RFC 8288: the next page of a list may be a link in the header."""
    server = serve(response(Link=header))
    assert open_session().get(server.url).next_link == expected


def test_a_secret_in_the_next_link_is_masked(serve, open_session):
    """The link is the token of the next page, and tokens are written to the spool."""
    secret = "s3cret-of-the-source"
    server = serve(response(Link=f'</oai?key={secret}&page=2>; rel="next"'), response())
    session = open_session(secrets=[secret])
    link = session.get(server.url, {"key": secret}).next_link
    assert link is not None
    assert secret not in link
    session.get(f"{server.url}{link.removeprefix('/oai')}")
    assert server.paths[1] == f"/oai?key={secret}&page=2"


def test_requests_share_one_connection(serve, open_session):
    """A TLS handshake for each of 10,000 pages costs the source more than the pages."""
    server = serve(response(), response(status=404), response(status=302, Location="/b"), response())
    session = open_session()
    session.get(server.url)
    with pytest.raises(HttpStatusError):
        session.get(server.url)
    session.get(server.url)
    assert server.connections == 1
    assert len(server.requests) == 4


def test_the_user_agent_names_the_harvester_and_the_contact(serve, open_session):
    """An operator bans a harvester that has no contact."""
    server = serve(response())
    open_session(contact="mailto:harvest@example.org").get(server.url, headers={"Accept": "text/xml"})
    headers = server.requests[0].headers
    assert headers["user-agent"].startswith("harvest_dagster/")
    assert headers["user-agent"].endswith(" (+mailto:harvest@example.org)")
    assert headers["accept"] == "text/xml"
    assert headers["accept-encoding"] == "gzip, deflate"


def test_a_session_keeps_its_cookies_to_itself(serve, open_session):
    """Some repositories keep tokens in a servlet session, which another harvest must not share."""
    server = serve(response(Set_Cookie="JSESSIONID=1"), response())
    session = open_session()
    session.get(server.url)
    session.get(server.url)
    open_session().get(server.url)
    assert [request.headers.get("cookie") for request in server.requests] == [None, "JSESSIONID=1", None]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
def test_a_transient_status_is_retried(serve, open_session, status):
    """Harvesters failed at the first 429 (docs/failures.md#retry-after)."""
    server = serve(response(b"busy", status), response())
    session = open_session()
    assert session.get(server.url).status == 200
    assert session.statistics.retries == 1


@pytest.mark.parametrize("status", [204, 200, 203])
def test_success_statuses_are_responses(serve, open_session, status):
    """204 has no body, even if it has a Content-Length."""
    server = serve(response(b"", status))
    assert open_session().get(server.url).status == status


@pytest.mark.parametrize("status", [206, 304, 400, 401, 403, 404, 410, 422, 451])
def test_a_permanent_status_is_an_error_at_once(serve, open_session, status):
    """Harvesters that did not check the status stored error pages. 206 is only a part of a page."""
    server = serve(response(b"" if status == 304 else b"no", status))
    with pytest.raises(HttpStatusError) as caught:
        open_session().get(server.url)
    assert (caught.value.status, caught.value.transient, caught.value.url) == (status, False, server.url)
    assert f"HTTP {status}" in str(caught.value)
    assert len(server.requests) == 1


def test_an_allowed_error_status_is_a_response(serve, open_session):
    """Zenodo sends OAI-PMH errors with status 422 and a valid OAI-PMH body."""
    server = serve(response(b"<OAI-PMH/>", 422))
    answer = open_session().get(server.url, allow_status=frozenset({422}))
    assert (answer.status, answer.body) == (422, b"<OAI-PMH/>")


def test_the_attempts_end_and_the_error_contains_their_number(serve, open_session, clock):
    """A harvester retried 503 forever (docs/failures.md#retry-after)."""
    server = serve(response(b"<html><h1>Down for\nmaintenance</h1></html>", 503))
    with pytest.raises(HttpStatusError, match="after 5 attempts in 30 s") as caught:
        open_session().get(server.url)
    assert caught.value.transient
    assert "'Down for maintenance'. Try later." in str(caught.value)
    assert len(server.requests) == 5
    assert clock.now == pytest.approx(1000 + 2 + 4 + 8 + 16)


@pytest.mark.parametrize(
    "broken",
    [
        then_close(b""),
        then_reset(b""),
        then_close(b"HTTP/1.1 200 OK\r\nContent-"),
        then_close(response(b"<a>", Content_Length="10")),
        then_reset(response(b"<a>", Content_Length="10")),
        then_close(response(b"5\r\n<list\r\n", Transfer_Encoding="chunked", Content_Length="")),
        then_close(response(b"5\r\n<li", Transfer_Encoding="chunked", Content_Length="")),
        then_close(response(b"5\r\n<list\r\nzz\r\n", Transfer_Encoding="chunked", Content_Length="")),
    ],
    ids=[
        "no response",
        "reset",
        "incomplete headers",
        "incomplete body",
        "reset in the body",
        "last chunk missing",
        "incomplete chunk",
        "invalid chunk size",
    ],
)
def test_an_incomplete_response_is_retried(serve, open_session, broken):
    """A harvester kept 50 of the 100 records of a truncated page and succeeded (docs/failures.md#truncated-page)."""
    server = serve(broken, response(b"<whole/>"))
    assert open_session().get(server.url).body == b"<whole/>"


def test_a_body_that_stays_incomplete_is_an_error_with_both_numbers(serve, open_session):
    """The numbers show what is missing (docs/failures.md#truncated-page)."""
    server = serve(then_close(response(b"<a>", Content_Length="10")))
    with pytest.raises(SourceUnreachable, match="cut short, 3 of 10 bytes arrived"):
        open_session().get(server.url)


def test_a_chunked_body_is_complete(serve, open_session):
    """A valid chunked body, with an extension and a trailer."""
    chunked = b"5;x=y\r\n<list\r\n2\r\n/>\r\n0\r\nDigest: x\r\n\r\n"
    server = serve(response(chunked, Transfer_Encoding="chunked", Content_Length=""))
    assert open_session().get(server.url).body == b"<list/>"


def test_a_body_without_a_length_ends_with_the_connection(serve, open_session):
    """HTTP/1.0 servers still exist. Only the parser can tell whether such a body is complete."""
    server = serve(then_close(b"HTTP/1.0 200 OK\r\n\r\n<list/>"))
    assert open_session().get(server.url).body == b"<list/>"


def test_failed_connections_count_against_the_budget(open_session, clock):
    """Uncounted failures overloaded a source that was down (docs/failures.md#limiter-miscounts)."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    session = open_session(Limit(1, 100), retry=RetryPolicy(attempts=3))
    with pytest.raises(
        SourceUnreachable, match=r"after 3 attempts in 200 s: .*refuses connections"
    ) as caught:
        session.get(f"http://127.0.0.1:{port}/")
    assert caught.value.transient
    assert not caught.value.was_connected
    assert session.statistics == Statistics(
        requests=3, bytes=0, seconds_waited=pytest.approx(194.5), retries=2
    )


def test_a_request_that_must_not_be_repeated_is_sent_once(serve, open_session):
    """A retry with a single-use token loses a page (docs/failures.md#single-use-token)."""
    server = serve(then_close(b""), response())
    with pytest.raises(SourceUnreachable, match="closed the connection without a response"):
        open_session().get(server.url, repeatable=False)
    assert len(server.requests) == 1


def test_a_request_that_was_not_sent_is_retried_even_if_not_repeatable(open_session):
    """Nothing reached the server, so no token was used."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(SourceUnreachable, match="after 5 attempts"):
        open_session().get(f"http://127.0.0.1:{port}/", repeatable=False)


def test_every_attempt_and_redirect_counts_against_the_budget(serve, open_session, clock):
    """The limit is about requests sent, not about calls that succeed (docs/failures.md#limiter-miscounts)."""
    server = serve(response(status=302, Location="/b"), response(status=500), response())
    session = open_session(Limit(1, 10), retry=RetryPolicy(base=1))
    session.get(server.url)
    assert clock.now == pytest.approx(1000 + 2 * 10.25)
    assert session.statistics.requests == 3
    assert session.statistics.seconds_waited == pytest.approx(2 * 10.25 - 1)


def test_sessions_share_the_budget_of_a_host(serve, open_session, clock):
    """Otherwise N sessions send N times the allowed requests (docs/failures.md#budget-per-process)."""
    server = serve(response())
    for _ in range(3):
        open_session(Limit(1, 10)).get(server.url)
    assert clock.now == pytest.approx(1000 + 2 * 10.25)


def test_a_request_is_reserved_after_its_connection_is_open(serve, open_session, clock, monkeypatch):
    """Otherwise a slow first handshake brings two requests closer together than the limit allows."""
    server = serve(response())
    connect = socket.socket.connect

    def connect_slowly(self, address):
        clock.now += 5
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect_slowly)
    session = open_session(Limit(1, 10))
    session.get(server.url)
    assert clock.now == 1005
    session.get(server.url)
    assert clock.now == pytest.approx(1005 + 10.25)


def test_statistics_do_not_change_later(serve, open_session):
    """The report of one page must not change with the next page."""
    server = serve(response())
    session = open_session()
    before = session.statistics
    session.get(server.url)
    assert before == Statistics()
    assert session.statistics == Statistics(requests=1, bytes=len(response()))
