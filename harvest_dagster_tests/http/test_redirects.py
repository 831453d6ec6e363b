"""Redirects: followed by hand, a few, and not everywhere."""

from __future__ import annotations

from itertools import repeat

import pytest

from harvest_dagster.errors import HttpStatusError, ResponseTooLarge, SourceUnreachable
from harvest_dagster.http.budget import ProcessBudget
from harvest_dagster.http.hop import Hop
from harvest_dagster.http.session import Sizes
from harvest_dagster.limits import Limit, host_of
from harvest_dagster_tests.http.server import response, then_close


def to(location: str, status: int = 302) -> bytes:
    return response(b"moved", status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(serve, open_session, status):
    """Repositories move; relative and absolute locations are both in use."""
    server = serve(to("elsewhere?verb=Identify", status), response(b"<there/>"))
    answer = open_session().get(server.url)
    assert answer.body == b"<there/>"
    assert answer.url == server.url
    assert server.paths == ["/oai", "/elsewhere?verb=Identify"]


def test_a_redirect_loop_ends(serve, open_session):
    """The harvest would hammer the source for as long as it may."""
    server = serve(to("/oai"))
    with pytest.raises(HttpStatusError, match="redirected more than 5 times") as caught:
        open_session().get(server.url)
    assert caught.value.status == 302
    assert not caught.value.transient
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    ["ftp://source.example/", "file:///etc/passwd", "javascript:alert(1)", "http://[x/"],
)
def test_a_redirect_never_leaves_the_web(serve, open_session, location):
    """A source must not make the worker read its own disk."""
    server = serve(to(location))
    with pytest.raises(HttpStatusError, match="only http and https are followed"):
        open_session().get(server.url)


def test_a_redirect_never_gives_up_encryption():
    """What was asked for over https must not be sent in the clear."""
    with pytest.raises(ValueError, match="from https to http"):
        Hop("https://source.example/oai").follow("http://source.example/oai")


def test_a_redirect_without_a_location_is_an_error(serve, open_session):
    """There is nothing to follow, and no page."""
    with pytest.raises(HttpStatusError, match="HTTP 302"):
        open_session().get(serve(response(status=302)).url)


def test_another_host_gets_no_credentials(serve, open_session):
    """Lesson 32: a key in a header of one's own is as secret as an Authorization."""
    other = serve(response())
    server = serve(to(other.url.replace("//", "//eve:word@")))
    url = server.url.replace("//", "//user:password@")
    headers = {"X-Api-Key": "sesame", "Accept": "text/xml", "Cookie": "a=b"}
    open_session().get(url, headers=headers)
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert server.requests[0].headers["x-api-key"] == "sesame"
    got = other.requests[0].headers
    assert not {"authorization", "x-api-key", "cookie"} & set(got)
    assert got["accept"] == "text/xml"


def test_the_same_host_keeps_them(serve, open_session):
    """A repository that moved to another path would answer 401."""
    server = serve(to("/new"), response())
    open_session().get(server.url.replace("//", "//user:password@"), headers={"X-Api-Key": "sesame"})
    first, second = (request.headers for request in server.requests)
    assert first["authorization"] == second["authorization"]
    assert second["x-api-key"] == "sesame"


def test_a_redirect_does_not_say_as_whom_we_ask(serve, open_session):
    """A source that could choose our credentials could have us ask as somebody else."""
    server = serve(response())
    server.replies[:] = [to(server.url.replace("//", "//eve:word@")), response()]
    open_session().get(server.url.replace("//", "//user:password@"))
    first, second = (request.headers for request in server.requests)
    assert first["authorization"] == second["authorization"]


@pytest.mark.parametrize("broken", [then_close(b""), response(status=503, Retry_After="0")])
def test_a_request_that_must_not_be_repeated_is_not_repeated_behind_a_redirect(serve, open_session, broken):
    """Lesson 23: a single-use token is used up wherever the redirect leads."""
    other = serve(broken, response())
    server = serve(to(other.url))
    with pytest.raises((SourceUnreachable, HttpStatusError)):
        open_session().get(server.url, {"resumptionToken": "once"}, repeatable=False)
    assert len(server.requests) == len(other.requests) == 1


def test_each_hop_counts_for_its_own_host(serve, open_session, clock):
    """The source that is redirected to has a budget, too."""
    other = serve(response())
    server = serve(to(other.url))
    budget = ProcessBudget(clock)
    open_session(Limit(1, 10), budget=budget).get(server.url)
    assert clock.now == 1000
    assert budget.wait(host_of(server.url), Limit(1, 10)) > 10
    assert budget.wait(host_of(other.url), Limit(1, 10)) > 10


def test_the_body_of_a_redirect_is_not_read_to_its_end(serve, open_session):
    """requests reads it whole before it follows; one without an end would never be left."""

    def endlessly(connection) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n")
        for piece in repeat(b"x" * 10_000):
            connection.sendall(piece)

    server = serve(endlessly, response(b"<there/>"))
    assert open_session(sizes=Sizes(received=1_000_000)).get(server.url).body == b"<there/>"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://source.example/",
        "source.example/oai",
        "",
        "http://",
        "http://[x/",
        "http:///oai",
        "http://a:b/",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_asked(open_session, url):
    """A slip in the config must not look like a source that is down."""
    session = open_session()
    with pytest.raises(SourceUnreachable, match="not an address of http or https") as caught:
        session.get(url)
    assert not caught.value.transient
    assert session.statistics.requests == 0


def test_a_limit_on_size_holds_for_the_last_hop(serve, open_session):
    """The limit is that of a page, wherever it comes from."""
    server = serve(to("/big"), response(b"x" * 5000))
    with pytest.raises(ResponseTooLarge):
        open_session(sizes=Sizes(received=2000)).get(server.url)
