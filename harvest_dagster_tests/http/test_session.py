"""A request's way: budget, attempts, verdicts."""

from __future__ import annotations

import socket
from datetime import datetime, timezone

import pytest

from harvest_dagster.errors import HttpStatusError, SourceUnreachable
from harvest_dagster.harvesters.interface import Session
from harvest_dagster.http.retry import RetryPolicy
from harvest_dagster.http.session import HttpSession, Statistics
from harvest_dagster.limits import Limit
from harvest_dagster_tests.http.server import response, then_close, then_reset

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)


def test_it_is_the_session_that_harvesters_know(open_session):
    """The floor below cannot import the protocol that it has to satisfy."""
    session: Session = open_session()
    assert isinstance(session, HttpSession)


def test_a_body_comes_whole_with_status_type_address_and_time(serve, open_session):
    """What the page's manifest says of it."""
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


def test_pages_come_over_one_connection(serve, open_session):
    """A new TLS handshake for each of 10,000 pages costs the source more than the page."""
    server = serve(response(), response(status=404), response(status=302, Location="/b"), response())
    session = open_session()
    session.get(server.url)
    with pytest.raises(HttpStatusError):
        session.get(server.url)
    session.get(server.url)
    assert server.connections == 1
    assert len(server.requests) == 4


def test_it_says_who_asks_and_where_to_complain(serve, open_session):
    """An operator who cannot reach the harvester bans it."""
    server = serve(response())
    open_session(contact="mailto:harvest@example.org").get(server.url, headers={"Accept": "text/xml"})
    headers = server.requests[0].headers
    assert headers["user-agent"].startswith("harvest_dagster/")
    assert headers["user-agent"].endswith(" (+mailto:harvest@example.org)")
    assert headers["accept"] == "text/xml"
    assert headers["accept-encoding"] == "gzip, deflate"


def test_cookies_live_as_long_as_the_session(serve, open_session):
    """Some repositories keep their tokens in a servlet session; another harvest must not share it."""
    server = serve(response(Set_Cookie="JSESSIONID=1"), response())
    session = open_session()
    session.get(server.url)
    session.get(server.url)
    open_session().get(server.url)
    assert [request.headers.get("cookie") for request in server.requests] == [None, "JSESSIONID=1", None]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
def test_a_passing_failure_is_tried_again(serve, open_session, status):
    """Lesson 20: 429 was a failure."""
    server = serve(response(b"busy", status), response())
    session = open_session()
    assert session.get(server.url).status == 200
    assert session.statistics.retries == 1


@pytest.mark.parametrize("status", [204, 200, 203])
def test_other_successes_are_successes(serve, open_session, status):
    """204 has no body, whatever its Content-Length says."""
    server = serve(response(b"", status))
    assert open_session().get(server.url).status == status


@pytest.mark.parametrize("status", [206, 304, 400, 401, 403, 404, 410, 422, 451])
def test_a_lasting_failure_is_reported_at_once(serve, open_session, status):
    """Lesson 21: harvesters that never checked the status stored error pages. 206 is a part of one."""
    server = serve(response(b"" if status == 304 else b"no", status))
    with pytest.raises(HttpStatusError) as caught:
        open_session().get(server.url)
    assert (caught.value.status, caught.value.transient, caught.value.url) == (status, False, server.url)
    assert f"HTTP {status}" in str(caught.value)
    assert len(server.requests) == 1


def test_an_error_status_that_the_protocol_can_read_is_an_answer(serve, open_session):
    """Zenodo sends OAI errors with HTTP 422 and a valid OAI body."""
    server = serve(response(b"<OAI-PMH/>", 422))
    answer = open_session().get(server.url, allow_status=frozenset({422}))
    assert (answer.status, answer.body) == (422, b"<OAI-PMH/>")


def test_attempts_end_and_the_error_says_how_many_there_were(serve, open_session, clock):
    """Lesson 20: the 503 loop had no end."""
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
        "no answer",
        "reset",
        "half a head",
        "short",
        "reset in the body",
        "no last chunk",
        "half a chunk",
        "no size",
    ],
)
def test_an_answer_that_breaks_off_is_fetched_again(serve, open_session, broken):
    """Lesson 1: a page cut in half was parsed in recovery mode, 50 of 100 records kept, success."""
    server = serve(broken, response(b"<whole/>"))
    assert open_session().get(server.url).body == b"<whole/>"


def test_a_body_that_stays_short_is_a_failure_with_both_numbers(serve, open_session):
    """Lesson 1: what is missing must be seen, not guessed."""
    server = serve(then_close(response(b"<a>", Content_Length="10")))
    with pytest.raises(SourceUnreachable, match="cut short, 3 of 10 bytes came"):
        open_session().get(server.url)


def test_a_chunked_body_comes_whole(serve, open_session):
    """The ordinary case of the broken ones above, with an extension and a trailer."""
    chunked = b"5;x=y\r\n<list\r\n2\r\n/>\r\n0\r\nDigest: x\r\n\r\n"
    server = serve(response(chunked, Transfer_Encoding="chunked", Content_Length=""))
    assert open_session().get(server.url).body == b"<list/>"


def test_a_body_without_a_length_ends_with_the_connection(serve, open_session):
    """HTTP/1.0 servers are still about; only the XML parser can tell whether such a body is whole."""
    server = serve(then_close(b"HTTP/1.0 200 OK\r\n\r\n<list/>"))
    assert open_session().get(server.url).body == b"<list/>"


def test_a_source_that_is_down_is_tried_again_within_its_budget(open_session, clock):
    """Lesson 19: failed calls were not counted, so a failing source was hammered."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    session = open_session(Limit(1, 100), retry=RetryPolicy(attempts=3))
    with pytest.raises(
        SourceUnreachable, match=r"after 3 attempts in 200 s: .*refuses connections"
    ) as caught:
        session.get(f"http://127.0.0.1:{port}/")
    assert caught.value.transient
    assert session.statistics == Statistics(
        requests=3, bytes=0, seconds_waited=pytest.approx(194.5), retries=2
    )


def test_a_request_that_must_not_be_repeated_is_sent_once(serve, open_session):
    """Lesson 23: a blind retry of a single-use token loses a page."""
    server = serve(then_close(b""), response())
    with pytest.raises(SourceUnreachable, match="hung up"):
        open_session().get(server.url, repeatable=False)
    assert len(server.requests) == 1


def test_a_request_that_never_left_may_be_sent_again(open_session):
    """Nothing reached the server, so nothing was used up."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(SourceUnreachable, match="after 5 attempts"):
        open_session().get(f"http://127.0.0.1:{port}/", repeatable=False)


def test_every_attempt_and_every_redirect_counts_against_the_budget(serve, open_session, clock):
    """Lesson 19: the promise is about requests that leave, not about calls that succeed."""
    server = serve(response(status=302, Location="/b"), response(status=500), response())
    session = open_session(Limit(1, 10), retry=RetryPolicy(base=1))
    session.get(server.url)
    assert clock.now == pytest.approx(1000 + 2 * 10.25)
    assert session.statistics.requests == 3
    assert session.statistics.seconds_waited == pytest.approx(2 * 10.25 - 1)


def test_sessions_of_one_host_share_its_budget(serve, open_session, clock):
    """Lesson 18: N sessions had N budgets."""
    server = serve(response())
    for _ in range(3):
        open_session(Limit(1, 10)).get(server.url)
    assert clock.now == pytest.approx(1000 + 2 * 10.25)


def test_a_request_leaves_when_its_connection_stands_not_when_it_was_asked_for(
    serve, open_session, clock, monkeypatch
):
    """A slow first handshake and a fast second request would arrive closer together than the limit allows."""
    server = serve(response())
    connect = socket.socket.connect

    def slowly(self, address):
        clock.now += 5
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", slowly)
    session = open_session(Limit(1, 10))
    session.get(server.url)
    assert clock.now == 1005
    session.get(server.url)
    assert clock.now == pytest.approx(1005 + 10.25)


def test_the_statistics_are_a_value(serve, open_session):
    """What was reported of one page must not change with the next."""
    server = serve(response())
    session = open_session()
    before = session.statistics
    session.get(server.url)
    assert before == Statistics()
    assert session.statistics == Statistics(requests=1, bytes=len(response()))
