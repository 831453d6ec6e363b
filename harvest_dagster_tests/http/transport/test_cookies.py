"""Cookies are bounded, and belong to the port that set them."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import HttpStatusError
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster_tests.http.server import response


def test_another_port_of_the_host_receives_no_cookie(serve, open_session):
    """Another service on the host could use the session of the harvester."""
    other = serve(response())
    server = serve(response(status=302, Location=other.url, Set_Cookie="session=s3cret; Path=/"), response())
    session = open_session()
    session.get(server.url)
    session.get(server.url)
    assert "cookie" not in other.requests[0].headers
    assert server.requests[1].headers["cookie"] == "session=s3cret"


def test_a_new_cookie_with_each_page_does_not_fill_the_memory(serve, open_session):
    """A list may have 100,000 pages. The newest cookies are kept."""
    replies = [response(Set_Cookie=f"c{number}=1") for number in range(15)]
    server = serve(*replies, response())
    session = open_session(response_limits=ResponseLimits(cookies=5))
    for _ in range(len(replies) + 1):
        session.get(server.url)
    sent = server.requests[-1].headers["cookie"].split("; ")
    assert len(sent) == 5
    assert f"c{len(replies) - 1}=1" in sent


def test_a_large_cookie_is_not_kept(serve, open_session):
    """Otherwise the cookie is sent with each request."""
    server = serve(response(Set_Cookie="large=" + "x" * 5000), response(Set_Cookie="small=1"), response())
    session = open_session()
    for _ in range(3):
        session.get(server.url)
    assert server.requests[2].headers["cookie"] == "small=1"


def test_many_cookies_do_not_make_a_header_that_the_server_refuses(serve, open_session):
    """50 cookies of 3,000 bytes are within the other limits. The server answered 431 to each request after them."""
    replies = [response(Set_Cookie=f"c{number}=" + "x" * 3000) for number in range(50)]
    server = serve(*replies, response())
    session = open_session()
    for _ in range(len(replies) + 1):
        session.get(server.url)
    assert max(len(request.headers.get("cookie", "")) for request in server.requests) <= 7 * 1024
    assert "c49=" in server.requests[-1].headers["cookie"]


def test_a_refusal_after_dropped_cookies_names_the_limits(serve, open_session):
    """The source may refuse a request because it lacks its cookie. Nothing else would tell the reason."""
    server = serve(response(Set_Cookie="session=" + "x" * 100), response(status=403))
    session = open_session(response_limits=ResponseLimits(cookie_bytes=50))
    session.get(server.url)
    named = (
        "1 cookies of the source were dropped: limits.cookies is 50, limits.cookie_bytes is 50, "
        "limits.cookie_header_bytes is 7168. .* raise `limits"
    )
    with pytest.raises(HttpStatusError, match=named):
        session.get(server.url)
