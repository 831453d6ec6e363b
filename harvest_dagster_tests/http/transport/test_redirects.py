"""Redirects: how many are followed, where to, and with which headers."""

from __future__ import annotations

from itertools import repeat

import pytest

from harvest_dagster.errors import HttpStatusError, ResponseTooLarge, SourceUnreachable
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.transport.redirects import RedirectStep
from harvest_dagster.rate_limits import Limit, host_of
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster_tests.http.server import response, then_close


def redirect_to(location: str, status: int = 302) -> bytes:
    return response(b"moved", status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(serve, open_session, status):
    """Repositories move. They use relative and absolute locations."""
    server = serve(redirect_to("elsewhere?verb=Identify", status), response(b"<there/>"))
    answer = open_session().get(server.url)
    assert answer.body == b"<there/>"
    assert answer.url == server.url
    assert server.paths == ["/oai", "/elsewhere?verb=Identify"]


def test_a_redirect_loop_ends(serve, open_session):
    """The harvest would send requests until its deadline."""
    server = serve(redirect_to("/oai"))
    with pytest.raises(HttpStatusError, match="redirected more than 5 times") as caught:
        open_session().get(server.url)
    assert caught.value.status == 302
    assert not caught.value.transient
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    ["ftp://source.example/", "file:///etc/passwd", "javascript:alert(1)", "http://[x/"],
)
def test_a_redirect_to_another_scheme_is_an_error(serve, open_session, location):
    """A source must not make the worker read its own disk."""
    server = serve(redirect_to(location))
    with pytest.raises(HttpStatusError, match="only http and https are followed"):
        open_session().get(server.url)


@pytest.mark.parametrize(
    "location",
    [
        "/oai2",
        "/oai2?verb=ListRecords",
        "/oai2?verb=ListRecords&from=",
        "/oai2?verb=ListRecords&from=2024-05-02",
    ],
)
def test_a_redirect_that_drops_or_changes_a_parameter_is_an_error(serve, open_session, location):
    """Without `from`, the source sends another list, and the window would be green with the wrong records.

    See docs/failures.md#redirect-drops-query.
    """
    server = serve(redirect_to(location, 301), response(b"<another-list/>"))
    with pytest.raises(SourceUnreachable, match=r"without the parameters .*from of the request\.") as caught:
        open_session().get(server.url, {"verb": "ListRecords", "from": "2024-05-01"})
    assert not caught.value.transient
    assert "2024-05-01" not in str(caught.value).partition("redirects to")[2]
    assert len(server.requests) == 1


def test_a_redirect_may_write_the_same_query_in_another_way(serve, open_session):
    """Servers encode, sort and extend the query. The list is the same."""
    server = serve(redirect_to("/v2?b=1+2&lang=en&a=x:y"), response(b"<there/>"))
    assert open_session().get(server.url, {"a": "x:y", "b": "1 2"}).body == b"<there/>"


def test_a_location_in_raw_utf_8_keeps_the_query():
    """Read as Latin-1, it would be a search for another word."""
    step = RedirectStep("https://source.example/search?q=caf%C3%A9")
    location = "/v2?q=caf\u00e9".encode().decode("latin-1")
    assert step.follow(location, 302).url == "https://source.example/v2?q=caf\u00e9"


def test_a_redirect_that_drops_a_secret_parameter_names_only_the_parameter(serve, open_session):
    """The error is stored and shown."""
    server = serve(redirect_to("/oai2?other=s3cret-value"), response())
    session = open_session(redact=lambda text: text.replace("s3cret-value", "***"))
    with pytest.raises(SourceUnreachable, match="without the parameters key of") as caught:
        session.get(server.url, {"key": "s3cret-value"})
    assert "s3cret" not in str(caught.value)


def test_a_redirect_from_https_to_http_is_an_error():
    """A request must not lose its encryption."""
    with pytest.raises(ValueError, match="from https to http"):
        RedirectStep("https://source.example/oai").follow("http://source.example/oai", 302)


def test_a_redirect_without_a_location_is_an_error(serve, open_session):
    """There is no URL to follow, and no page."""
    with pytest.raises(HttpStatusError, match="HTTP 302"):
        open_session().get(serve(response(status=302)).url)


def test_another_host_receives_no_credentials(serve, open_session):
    """A key in a custom header is as secret as Authorization (docs/failures.md#secret-in-log)."""
    other = serve(response())
    server = serve(redirect_to(other.url.replace("//", "//eve:word@")))
    url = server.url.replace("//", "//user:password@")
    headers = {"X-Api-Key": "sesame", "Accept": "text/xml", "Cookie": "a=b"}
    open_session().get(url, headers=headers)
    assert server.requests[0].headers["authorization"].startswith("Basic ")
    assert server.requests[0].headers["x-api-key"] == "sesame"
    received = other.requests[0].headers
    assert not {"authorization", "x-api-key", "cookie"} & set(received)
    assert received["accept"] == "text/xml"


def test_the_same_host_receives_the_credentials_again(serve, open_session):
    """Otherwise a repository that moved to another path would answer 401."""
    server = serve(redirect_to("/new"), response())
    open_session().get(server.url.replace("//", "//user:password@"), headers={"X-Api-Key": "sesame"})
    first, second = (request.headers for request in server.requests)
    assert first["authorization"] == second["authorization"]
    assert second["x-api-key"] == "sesame"


def test_a_redirect_cannot_choose_the_credentials(serve, open_session):
    """A source could make the harvester send requests as another user."""
    server = serve(response())
    server.replies[:] = [redirect_to(server.url.replace("//", "//eve:word@")), response()]
    open_session().get(server.url.replace("//", "//user:password@"))
    first, second = (request.headers for request in server.requests)
    assert first["authorization"] == second["authorization"]


@pytest.mark.parametrize("broken", [then_close(b""), response(status=503, Retry_After="0")])
def test_a_request_that_must_not_be_repeated_is_not_retried_after_a_redirect(serve, open_session, broken):
    """The redirect target uses up the single-use token (docs/failures.md#single-use-token)."""
    other = serve(broken, response())
    server = serve(redirect_to(f"{other.url}?resumptionToken=once"))
    with pytest.raises((SourceUnreachable, HttpStatusError)):
        open_session().get(server.url, {"resumptionToken": "once"}, repeatable=False)
    assert len(server.requests) == len(other.requests) == 1


def test_each_redirect_counts_for_its_own_host(serve, open_session, clock):
    """The target of a redirect has a budget, too."""
    other = serve(response())
    server = serve(redirect_to(other.url))
    budget = ProcessBudget(clock)
    open_session(Limit(1, 10), budget=budget).get(server.url)
    assert clock.now == 1000
    assert budget.seconds_to_wait(host_of(server.url), Limit(1, 10)) > 10
    assert budget.seconds_to_wait(host_of(other.url), Limit(1, 10)) > 10


def test_the_body_of_a_redirect_is_not_read_completely(serve, open_session):
    """`requests` reads it before it follows, so that an endless body would block the harvest."""

    def send_endlessly(connection) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n")
        for chunk in repeat(b"x" * 10_000):
            connection.sendall(chunk)

    server = serve(send_endlessly, response(b"<there/>"))
    assert (
        open_session(response_limits=ResponseLimits(received_bytes=1_000_000)).get(server.url).body
        == b"<there/>"
    )


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
def test_an_invalid_url_is_an_error_before_any_request(open_session, url):
    """A mistake in the config must not look like a source that is down."""
    session = open_session()
    with pytest.raises(SourceUnreachable, match="not a valid http or https URL") as caught:
        session.get(url)
    assert not caught.value.transient
    assert session.statistics.requests == 0


def test_the_size_limit_holds_after_a_redirect(serve, open_session):
    """The limit applies to the page, whatever URL it comes from."""
    server = serve(redirect_to("/big"), response(b"x" * 5000))
    with pytest.raises(ResponseTooLarge):
        open_session(response_limits=ResponseLimits(received_bytes=2000)).get(server.url)
