"""Lesson 32: secrets in the query string reach the log through `raise_for_status()`."""

from __future__ import annotations

import logging
import socket
import traceback
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import HarvestError
from harvest_dagster.http.redaction import Redactor, is_secret_name
from harvest_dagster.http.retry import RetryPolicy
from harvest_dagster.http.session import Sizes
from harvest_dagster_tests.http.server import response, then_close, then_reset

# What `${NAME}` stood for, with all that a URL has to encode.
KNOWN = "öpen s3same&/=+"
# What somebody wrote into the YAML itself.
WRITTEN = "plainly-written"
PASSWORD = "pass-word-1"

KNOWING = Redactor(lambda text: text.replace(KNOWN, "***"))


def leaks(text: str) -> list[str]:
    forms = (KNOWN, quote(KNOWN), quote(KNOWN, safe=""), quote_plus(KNOWN), WRITTEN, PASSWORD)
    return [form for form in forms if form.lower() in text.lower()]


def ask(session, url: str) -> HarvestError:
    """Everything secret in everywhere it can stand, and the error that comes of it."""
    url = url.replace("//", f"//user:{PASSWORD}@") + f"/{quote(KNOWN, safe='')}"
    with pytest.raises(HarvestError) as caught:
        session.get(url, {"q": KNOWN, "api_key": WRITTEN, "token": WRITTEN}, {"X-Key": WRITTEN})
    return caught.value


ECHO = f"<p>No such key: {KNOWN}, in /{quote(KNOWN, safe='')}?q={quote_plus(KNOWN)}</p>".encode()
BROKEN = {
    "status": response(ECHO, 403),
    "passing status": response(ECHO, 503),
    "hung up": then_close(b""),
    "reset": then_reset(b""),
    "short": then_close(response(b"x", Content_Length="9")),
    "no chunk": then_close(response(b"zz", Transfer_Encoding="chunked", Content_Length="")),
    "not http": then_close(b"nonsense\r\n\r\n"),
    "half a head": then_close(b"HTTP/1.1 200 OK\r\nContent-"),
    "too large": response(b"x" * 100_000),
    "not gzip": response(KNOWN.encode(), Content_Encoding="gzip"),
    "redirect": response(
        status=302, Location=f"ftp://user:{PASSWORD}@x/?q={quote_plus(KNOWN)}&key={WRITTEN}"
    ),
    "bad redirect": response(status=302, Location=f"http://user:{PASSWORD}@[x/?q={quote_plus(KNOWN)}"),
    "loop": response(status=302, Location=f"/?q={quote_plus(KNOWN)}&key={WRITTEN}"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_no_failure_tells_a_secret(serve, open_session, waits, caplog, broken):
    """The traceback goes into the database and the UI, the log to wherever logs go."""
    caplog.set_level(logging.DEBUG)
    session = open_session(
        redact=KNOWING.replace, sizes=Sizes(received=50_000), retry=RetryPolicy(attempts=2)
    )
    error = ask(session, serve(BROKEN[broken]).url)
    told = [*traceback.format_exception(error), str(getattr(error, "url", "")), str(waits), caplog.text]
    assert leaks("\n".join(told)) == []
    assert "***" in str(error)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}", "http://127.0.0.1:{port}x", "ftp://127.0.0.1:{port}"]
)
def test_a_request_that_never_leaves_tells_none_either(open_session, caplog, url):
    """urllib3's "Max retries exceeded with url" is the best known of all leaks."""
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = ask(open_session(redact=KNOWING.replace), url.format(port=port))
    assert leaks("".join(traceback.format_exception(error)) + caplog.text) == []


def test_a_header_that_cannot_be_sent_does_not_tell_its_value(open_session, serve):
    """requests puts the whole header into its message."""
    with pytest.raises(HarvestError, match="'X-Key' holds a line break") as caught:
        open_session().get(serve(response()).url, headers={"X-Key": f"{WRITTEN}\n"})
    assert leaks("".join(traceback.format_exception(caught.value))) == []


def test_the_address_of_a_good_answer_tells_none(serve, open_session):
    """It goes into the manifest, and from there into the spool."""
    server = serve(response())
    answer = open_session(redact=KNOWING.replace).get(server.url, {"q": KNOWN, "api_key": WRITTEN})
    assert answer.url == f"{server.url}?q=***&api_key=***"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@source.example:8080/oai?a=1#f", "https://source.example:8080/oai?a=1"),
        ("https://source.example/a%20b%2Fc/", "https://source.example/a%20b/c/"),
        ("/path?verb=x&access_token=y", "/path?verb=x&access_token=***"),
        (
            "https://source.example/?resumptionToken=a!b:2020-01-01/1",
            "https://source.example/?resumptionToken=a!b:2020-01-01/1",
        ),
        ("https://source.example/?q=&empty", "https://source.example/?q=&empty="),
        ("http://[x/?key=1", "(a URL that cannot be read)"),
    ],
)
def test_an_address_stays_readable(url, shown):
    """Whoever reads an error wants to ask the same thing again."""
    assert Redactor(str).url(url) == shown


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "api_key",
        "apikey",
        "API-Key",
        "token",
        "access_token",
        "client_secret",
        "password",
        "pwd",
        "auth",
        "sig",
        "X-Amz-Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "sessionId",
    ],
)
def test_these_names_hold_secrets(name):
    """By habit of those who make APIs."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "verb",
        "resumptionToken",
        "resumption_token",
        "pageToken",
        "nextPageToken",
        "continuation-token",
        "set",
        "from",
        "cursor",
        "author",
        "keyword",
        "q",
        "",
    ],
)
def test_these_do_not(name):
    """Without its cursor nobody could tell which page failed."""
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("body", "excerpt"),
    [
        (
            b"<html><head><style>p {}</style><script>x = 1</script></head><p>Down\n for &amp; maintenance",
            "Down for & maintenance",
        ),
        (b'{"error": "no\tsuch\x1b[31m set"}', '{"error": "no such [31m set"}'),
        (b"\xff\xfe", "��"),
        (b"", ""),
        (b"x" * 500, "x" * 200 + "…"),
    ],
)
def test_an_excerpt_is_one_short_line_without_markup(body, excerpt):
    """It stands in an error message: no markup, no terminal's control characters, no second line."""
    assert Redactor(str).excerpt(body) == excerpt


@given(st.integers(0, 400))
def test_a_secret_at_the_cut_of_an_excerpt_does_not_show_its_beginning(before):
    """Half a key is half a secret."""
    excerpt = KNOWING.excerpt(b"x" * before + KNOWN.encode())
    assert "öp" not in excerpt
