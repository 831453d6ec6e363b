"""A session authenticates its requests. Nothing of the credentials reaches a page, a text or another host."""

from __future__ import annotations

import base64
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from harvest_dagster.errors import HttpStatusError, MalformedResponse, SourceError, SourceUnreachable
from harvest_dagster.http.auth import ApiKeyAuth, Auth, BasicAuth, BearerAuth, OAuth2ClientCredentials
from harvest_dagster.rate_limits import Limit
from harvest_dagster_tests.http.server import Server, response

SECRET = "s3cret-of-the-source"
HEADER_KINDS = (BearerAuth(SECRET), BasicAuth("anna", SECRET), ApiKeyAuth("X-Api-Key", SECRET))
QUERY_KEY = ApiKeyAuth("api_key", SECRET, in_query=True)


def issued(token: str, **values: object) -> bytes:
    """Return the response of a server that issues a token."""
    body = json.dumps({"access_token": token, "token_type": "Bearer", **values}).encode()
    return response(body, Content_Type="application/json")


def client_of(server: Server, **values: str) -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials(server.url, "our client", SECRET, **values)


def authorizations(server: Server) -> list[str | None]:
    return [request.headers.get("authorization") for request in server.requests]


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        (BearerAuth("abc"), "authorization", "Bearer abc"),
        (
            BasicAuth("änna", "a:b"),
            "authorization",
            f"Basic {base64.b64encode('änna:a:b'.encode()).decode()}",
        ),
        (ApiKeyAuth("X-Api-Key", "abc"), "x-api-key", "abc"),
    ],
)
def test_the_credentials_are_sent_in_a_header(serve, open_session, auth: Auth, name: str, value: str) -> None:
    """They replace a header of the harvester and a user in its URL: a request has one identity."""
    server = serve(response())
    url = server.url.replace("//", "//other:user@")
    open_session(auth=auth).get(url, headers={name.title(): "of the harvester"})
    assert server.requests[0].headers[name] == value


def test_a_key_in_the_query_is_sent_once_and_shown_nowhere(serve, open_session) -> None:
    """A link of the source repeats the key. The page is stored, and its link is the token of the next page."""
    link = f"/oai?page=2&api_key={SECRET}"
    server = serve(response(link.encode(), Link=f'<{link}>; rel="next"'), response())
    session = open_session(auth=QUERY_KEY)
    page = session.get(server.url, {"api_key": "of the harvester", "q": "a b"})
    assert SECRET not in f"{page.url} {page.body!r} {page.next_link}"
    again = session.get(server.url.replace("/oai", str(page.next_link)))
    assert SECRET not in again.url
    assert [parse_qs(urlsplit(path).query) for path in server.paths] == [
        {"q": ["a b"], "api_key": [SECRET]},
        {"page": ["2"], "api_key": [SECRET]},
    ]


def test_a_short_key_in_a_link_is_masked_with_its_name(serve, open_session) -> None:
    """A short key alone is not masked in a page, because data contains it by chance. In a link it is no chance."""
    server = serve(response(b"/oai?api_key=abc123&amp;page=2"), response())
    session = open_session(auth=ApiKeyAuth("api_key", "abc123", in_query=True))
    link = session.get(server.url).body.decode()
    assert "abc123" not in link
    session.get(server.url.replace("/oai", link.replace("&amp;", "&")))
    assert parse_qs(urlsplit(server.paths[1]).query) == {"page": ["2"], "api_key": ["abc123"]}


@pytest.mark.parametrize("auth", [*HEADER_KINDS, QUERY_KEY])
def test_another_host_receives_no_credentials(serve, open_session, auth: Auth) -> None:
    """A source redirects to a host of its choice, with our credentials in the link, and from there back to itself."""
    source, other = serve(response()), serve(response())
    encoded = base64.b64encode(f"anna:{SECRET}".encode()).decode()
    source.replies = [
        response(status=302, Location=f"{other.url}/{encoded}/{SECRET}?api_key={SECRET}"),
        response(),
    ]
    other.replies = [response(status=302, Location=f"{source.url}?api_key=***")]
    open_session(auth=auth, auth_hosts=frozenset({f"127.0.0.1:{source.port}"})).get(source.url)
    assert SECRET in str(source.requests[0]) or encoded in str(source.requests[0])
    for request in (*other.requests, *source.requests[1:]):
        assert SECRET not in str(request)
        assert encoded not in str(request)
    assert len(source.requests) == 2


def test_only_the_hosts_of_the_config_receive_credentials(serve, open_session) -> None:
    """A feed or a list of files leads to pages on other hosts."""
    source, other = serve(response()), serve(response())
    session = open_session(auth=BearerAuth(SECRET))
    session.get(source.url)
    session.get(other.url)
    assert (authorizations(source), authorizations(other)) == ([f"Bearer {SECRET}"], [None])


@pytest.mark.parametrize("auth", [*HEADER_KINDS, QUERY_KEY])
def test_an_error_shows_no_credentials(serve, open_session, auth: Auth) -> None:
    """A refusal often repeats what was sent, and its text is stored."""
    encoded = base64.b64encode(f"anna:{SECRET}".encode()).decode()
    server = serve(response(f"refused {SECRET} Basic {encoded}".encode(), 403, Content_Type="text/plain"))
    with pytest.raises(HttpStatusError, match="Check `auth`") as caught:
        open_session(auth=auth).get(server.url)
    assert SECRET not in str(caught.value)
    assert isinstance(auth, (BearerAuth, ApiKeyAuth)) or encoded not in str(caught.value)
    assert SECRET not in repr(auth)


def test_a_secret_that_no_header_can_carry_is_an_error_without_its_value(serve, open_session) -> None:
    """A secret that is read from a file ends with a line break."""
    server = serve(response())
    with pytest.raises(SourceUnreachable, match="line break") as caught:
        open_session(auth=BearerAuth(f"{SECRET}\n")).get(server.url)
    assert SECRET not in str(caught.value)
    assert server.requests == []


def test_a_token_is_requested_once_within_the_budget_of_its_host(serve, open_session, clock) -> None:
    """A token server that is asked for each page bans us."""
    login, source = serve(issued("token-1-of-the-server", expires_in=3600)), serve(response())
    session = open_session(Limit(1, 10.0), auth=client_of(login, scope="read write"))
    session.get(source.url)
    session.get(source.url)
    request = login.requests[0]
    assert (request.method, parse_qs(request.body.decode())) == (
        "POST",
        {"grant_type": ["client_credentials"], "scope": ["read write"]},
    )
    assert (
        request.headers["authorization"]
        == f"Basic {base64.b64encode(f'our+client:{SECRET}'.encode()).decode()}"
    )
    assert authorizations(source) == ["Bearer token-1-of-the-server"] * 2
    assert (len(login.requests), session.statistics.requests) == (1, 3)


def test_a_server_may_accept_the_client_in_the_body_only(serve, open_session) -> None:
    """RFC 6749 requires the header, and servers exist that do not know it."""
    login = serve(response(status=401), issued("token-1-of-the-server"), issued("token-2-of-the-server"))
    source = serve(response(), response(status=401), response())
    session = open_session(auth=client_of(login))
    session.get(source.url)
    session.get(source.url)
    assert ["authorization" in request.headers for request in login.requests] == [True, False, False]
    assert parse_qs(login.requests[1].body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["our client"],
        "client_secret": [SECRET],
    }


def test_a_refused_token_is_replaced_once_in_the_middle_of_a_list(serve, open_session) -> None:
    """A list takes longer than a token is valid. A request with a token for one use was not processed, either."""
    login = serve(
        issued("token-1-of-the-server"), issued("token-2-of-the-server"), issued("token-3-of-the-server")
    )
    source = serve(response(), response(status=401), response(), response(status=401))
    session = open_session(auth=client_of(login))
    session.get(source.url)
    assert session.get(source.url, repeatable=False).status == 200
    with pytest.raises(HttpStatusError, match="401"):
        session.get(source.url)
    tokens = [str(each).removeprefix("Bearer token-")[:1] for each in authorizations(source)]
    assert tokens == ["1", "1", "2", "2", "3"]
    assert len(login.requests) == 3


def test_an_expired_token_is_not_sent(serve, open_session, clock) -> None:
    """Some sources answer an expired token with an empty list."""
    login = serve(
        issued("token-1-of-the-server", expires_in=60), issued("token-2-of-the-server", expires_in=60)
    )
    source = serve(response())
    session = open_session(auth=client_of(login))
    session.get(source.url)
    clock.sleep(61)
    session.get(source.url)
    assert authorizations(source) == ["Bearer token-1-of-the-server", "Bearer token-2-of-the-server"]


def test_an_issued_token_is_masked_and_restored_with_the_newest_one(serve, open_session) -> None:
    """A source builds its links from the token. The mark in the spool must be the same in each run."""
    login = serve(issued("token-1-of-the-server"), issued("token-2-of-the-server"))
    page = b'{"next": "/oai?at=token-1-of-the-server"}'
    source = serve(response(page), response(b"token-1-of-the-server", 401), response())
    session = open_session(auth=client_of(login))
    body = session.get(source.url).body
    assert body == b'{"next": "/oai?at=***0***"}'
    page_2 = session.get(source.url.replace("/oai", json.loads(body)["next"]))
    assert "token-" not in page_2.url
    assert source.paths[1:] == ["/oai?at=token-1-of-the-server", "/oai?at=token-2-of-the-server"]


def test_a_token_that_contains_the_name_of_the_client_is_used_as_it_is(serve, open_session) -> None:
    """A JWT contains the client. The mask of that secret made the token invalid."""
    login, source = serve(issued(f"for-{SECRET}-only")), serve(response())
    open_session(auth=client_of(login), secrets=[SECRET]).get(source.url)
    assert authorizations(source) == [f"Bearer for-{SECRET}-only"]


@pytest.mark.parametrize(
    "reply",
    [
        response(b'{"token": "token-of-the-server"}', Content_Type="application/json"),
        response(b'{"access_token": "token-of-the-server", "token_type": "mac"}'),
        response(b'["token-of-the-server"]'),
        response(b"<html>token-of-the-server</html>"),
        response(b'{"error": "token-of-the-server"}'),
        response(status=302, Location="/token-of-the-server"),
        response(b'{"error": "invalid_client", "seen": "s3cret-of-the-source"}', 401),
    ],
)
def test_a_failed_request_for_a_token_shows_nothing_of_the_response(
    serve, open_session, reply: bytes
) -> None:
    """The response may contain a token in an unexpected place. The source is not asked without a token."""
    login, source = serve(reply), serve(response())
    with pytest.raises(SourceError) as caught:
        open_session(auth=client_of(login)).get(source.url)
    assert isinstance(caught.value, (MalformedResponse, HttpStatusError))
    assert "token-of-the-server" not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert source.requests == []
