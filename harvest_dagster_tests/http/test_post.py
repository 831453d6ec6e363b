"""POST requests of a session: sent, limited, retried and masked like GET requests."""

from __future__ import annotations

import json

import pytest

from harvest_dagster.errors import HttpStatusError, ResponseTooLarge, SourceUnreachable
from harvest_dagster.http.redaction import Redactor
from harvest_dagster.http.transport.redirects import RedirectStep
from harvest_dagster.http.transport.secret_echoes import SecretMasker
from harvest_dagster.rate_limits import Limit
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster_tests.http.server import response, then_close

BODY = b'{"from": "2024-01-01", "offset": 0}'
JSON = {"Content-Type": "application/json"}
SECRET = 'q83v"ASN/FZ4=mr&1'


def test_a_post_request_has_its_method_content_query_and_headers(serve, open_session) -> None:
    """Without the content, the source returns another list."""
    server = serve(response(b"[]"))
    answer = open_session().post(server.url, BODY, {"page": "1"}, JSON)
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/oai?page=1", BODY)
    assert request.headers["content-type"] == "application/json"
    assert (answer.body, answer.request_body) == (b"[]", BODY.decode())


def test_get_and_post_requests_share_one_budget(serve, open_session, clock) -> None:
    """The limit is the number of requests that the host receives."""
    server = serve(response())
    session = open_session(Limit(1, 10))
    session.get(server.url)
    session.post(server.url, BODY)
    session.get(server.url)
    assert clock.now == pytest.approx(1000 + 2 * 10.25)
    assert session.statistics.requests == 3


def test_a_post_request_is_retried_with_its_content(serve, open_session) -> None:
    """A search only reads. Status 503 must not end the harvest."""
    server = serve(response(status=503), then_close(b""), response(b"[]"))
    assert open_session().post(server.url, BODY).body == b"[]"
    assert [request.body for request in server.requests] == [BODY] * 3


def test_a_post_request_that_must_not_be_repeated_is_sent_once(serve, open_session) -> None:
    """A retry with a single-use cursor loses a page (docs/failures.md#single-use-token)."""
    server = serve(then_close(b""), response())
    with pytest.raises(SourceUnreachable):
        open_session().post(server.url, BODY, repeatable=False)
    assert len(server.requests) == 1


def test_the_limits_of_a_response_hold_for_a_post_request(serve, open_session) -> None:
    """A page that never ends fills the memory, whatever the method."""
    server = serve(response(b"x" * 200))
    with pytest.raises(ResponseTooLarge):
        open_session(response_limits=ResponseLimits(response_bytes=100)).post(server.url, BODY)


def test_an_error_status_of_a_post_request_may_be_allowed(serve, open_session) -> None:
    """Past the end of a list, some sources answer with 404."""
    server = serve(response(status=404))
    assert open_session().post(server.url, BODY, allow_status=frozenset({404})).status == 404
    with pytest.raises(HttpStatusError):
        open_session().post(server.url, BODY)


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_method_is_followed_with_the_content(serve, open_session, status) -> None:
    """A source that moved to another path asks for the same request there."""
    server = serve(response(status=status, Location="/new"), response(b"[]"))
    assert open_session().post(server.url, BODY, headers=JSON).body == b"[]"
    second = server.requests[1]
    assert (second.method, second.path, second.body) == ("POST", "/new", BODY)
    assert second.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_drop_the_content_is_an_error(serve, open_session, status) -> None:
    """Browsers send GET after these. Without its dates, the answer would be another list."""
    server = serve(response(status=status, Location="/new?key=s3cret-value"), response(b"[]"))
    session = open_session(redact=lambda text: text.replace("s3cret-value", "***"))
    with pytest.raises(SourceUnreachable, match="Only 307 and 308 repeat such a request") as caught:
        session.post(server.url, BODY)
    assert "s3cret" not in str(caught.value)
    assert not caught.value.transient
    assert len(server.requests) == 1


def test_another_host_does_not_receive_the_content(serve, open_session) -> None:
    """The content may hold a key."""
    other = serve(response())
    server = serve(response(status=307, Location=other.url))
    with pytest.raises(SourceUnreachable, match="no other host receives its content"):
        open_session().post(server.url, BODY)
    assert other.requests == []


def test_the_recorded_content_has_no_secrets() -> None:
    """The manifest and the log of a page contain it."""
    redactor = Redactor(lambda text: text.replace("s3cret", "***").replace("4711", "***"))
    content = {"api_key": "open", "q": ["by s3cret", 4711, 1.5, True, None], "token": {"a": 7, "b": None}}
    assert json.loads(redactor.content(json.dumps(content).encode())) == {
        "api_key": "***",
        "q": ["by ***", "***", 1.5, True, None],
        "token": {"a": 7, "b": None},
    }
    assert redactor.content(b"q=s3cret") == "q=***"
    assert len(redactor.content(json.dumps("x" * 100_000).encode())) < 10_100


def test_a_masked_secret_in_a_cursor_is_restored_in_the_content(serve, open_session) -> None:
    """A cursor that contains the key would be refused without it."""
    server = serve(response(json.dumps({"next": SECRET}).encode()), response())
    session = open_session(secrets=(SECRET,))
    cursor = json.loads(session.post(server.url, BODY).body)["next"]
    assert cursor == "***1***"
    second = session.post(server.url, json.dumps({"after": [cursor]}).encode())
    assert json.loads(server.requests[1].body) == {"after": [SECRET]}
    assert "***1***" in str(second.request_body)


def test_a_masked_secret_is_restored_in_content_that_contains_the_secret_anyway() -> None:
    """A later run resumes from a cursor in the spool, before it received anything from the source."""
    content = json.dumps({"key": SECRET, "after": "***1***"}).encode()
    step = RedirectStep("https://source.example/", method="POST", body=content)
    restored = SecretMasker([SECRET]).restore(step).body
    assert restored is not None
    assert json.loads(restored) == {"key": SECRET, "after": SECRET}
    elsewhere = RedirectStep("https://elsewhere.example/", method="POST", body=b'{"after": "***1***"}')
    assert SecretMasker([SECRET]).restore(elsewhere) == elsewhere
