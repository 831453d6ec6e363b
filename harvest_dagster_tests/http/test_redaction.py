"""Errors, logs and URLs contain no secrets.

`raise_for_status()` of `requests` put query strings with secrets into logs (docs/failures.md#secret-in-log).
"""

from __future__ import annotations

import logging
import socket
import traceback
from base64 import b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import HarvestError
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.http.redaction import Redactor, is_secret_name
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster_tests.http.server import response, then_close, then_reset

# The value of a `${NAME}`, with characters that a URL encodes.
KNOWN = "öpen s3same&/=+"
# A secret in the YAML itself.
WRITTEN = "plainly-written"
PASSWORD = "pass-word-1"

REDACTOR = Redactor(lambda text: text.replace(KNOWN, "***"))


def leaks(text: str) -> list[str]:
    """Return the secrets that a text contains."""
    forms = (KNOWN, quote(KNOWN), quote(KNOWN, safe=""), quote_plus(KNOWN), WRITTEN, PASSWORD)
    return [form for form in forms if form.lower() in text.lower()]


def request_with_secrets(session, url: str) -> HarvestError:
    """Send a request with secrets in each of its parts, and return the error."""
    url = url.replace("//", f"//user:{PASSWORD}@") + f"/{quote(KNOWN, safe='')}"
    with pytest.raises(HarvestError) as caught:
        session.get(url, {"q": KNOWN, "api_key": WRITTEN, "token": WRITTEN}, {"X-Key": WRITTEN})
    return caught.value


ECHO = f"<p>No such key: {KNOWN}, in /{quote(KNOWN, safe='')}?q={quote_plus(KNOWN)}</p>".encode()
BROKEN = {
    "status": response(ECHO, 403),
    "transient status": response(ECHO, 503),
    "no response": then_close(b""),
    "reset": then_reset(b""),
    "incomplete": then_close(response(b"x", Content_Length="9")),
    "invalid chunk": then_close(response(b"zz", Transfer_Encoding="chunked", Content_Length="")),
    "not http": then_close(b"nonsense\r\n\r\n"),
    "incomplete headers": then_close(b"HTTP/1.1 200 OK\r\nContent-"),
    "too large": response(b"x" * 100_000),
    "not gzip": response(KNOWN.encode(), Content_Encoding="gzip"),
    "redirect": response(
        status=302, Location=f"ftp://user:{PASSWORD}@x/?q={quote_plus(KNOWN)}&key={WRITTEN}"
    ),
    "invalid redirect": response(status=302, Location=f"http://user:{PASSWORD}@[x/?q={quote_plus(KNOWN)}"),
    "loop": response(status=302, Location=f"/?q={quote_plus(KNOWN)}&key={WRITTEN}"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_no_error_contains_a_secret(serve, open_session, waits, caplog, broken):
    """The traceback is shown in the UI and stored in the database; the log leaves the machine."""
    caplog.set_level(logging.DEBUG)
    session = open_session(
        redact=REDACTOR.replace,
        response_limits=ResponseLimits(received_bytes=50_000),
        retry=RetryPolicy(attempts=2),
    )
    error = request_with_secrets(session, serve(BROKEN[broken]).url)
    texts = [*traceback.format_exception(error), str(getattr(error, "url", "")), str(waits), caplog.text]
    assert leaks("\n".join(texts)) == []
    assert "***" in str(error)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}", "http://127.0.0.1:{port}x", "ftp://127.0.0.1:{port}"]
)
def test_the_error_of_a_request_that_was_not_sent_contains_no_secret(open_session, caplog, url):
    """urllib3 puts the URL into "Max retries exceeded with url"."""
    caplog.set_level(logging.DEBUG)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = request_with_secrets(open_session(redact=REDACTOR.replace), url.format(port=port))
    assert leaks("".join(traceback.format_exception(error)) + caplog.text) == []


def test_the_error_of_an_invalid_header_does_not_contain_its_value(open_session, serve):
    """`requests` puts the whole header into its message."""
    with pytest.raises(HarvestError, match="'X-Key' contains a line break") as caught:
        open_session().get(serve(response()).url, headers={"X-Key": f"{WRITTEN}\n"})
    assert leaks("".join(traceback.format_exception(caught.value))) == []


def test_the_url_of_a_response_contains_no_secret(serve, open_session):
    """The manifest in the spool contains the URL."""
    server = serve(response())
    received = open_session(redact=REDACTOR.replace).get(server.url, {"q": KNOWN, "api_key": WRITTEN})
    assert received.url == f"{server.url}?q=***&api_key=***"


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
        ("http://[x/?key=1", "(an invalid URL)"),
    ],
)
def test_a_redacted_url_stays_readable(url, shown):
    """A person who reads an error repeats the request."""
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
def test_parameters_with_these_names_are_masked(name):
    """APIs use these names for secrets."""
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
        "datasetKey",
        "publishingOrg_key",
        "taxonKey",
        "keyword",
        "q",
        "",
    ],
)
def test_parameters_with_these_names_are_not_masked(name):
    """Without the cursor, an error would not name the page that failed."""
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
    """It is part of an error message, which must not control a terminal."""
    assert Redactor(str).excerpt(body) == excerpt


@given(st.integers(0, 400))
def test_an_excerpt_does_not_end_with_a_part_of_a_secret(before):
    """A part of a key would not be masked."""
    excerpt = REDACTOR.excerpt(b"x" * before + KNOWN.encode())
    assert "öp" not in excerpt


@pytest.mark.parametrize("status", [407, 403])
def test_a_proxy_password_in_an_answer_is_not_revealed(serve, open_session, caplog, monkeypatch, status):
    """A proxy repeats the credentials that it received: plain, or as it received them."""
    caplog.set_level(logging.DEBUG)
    sent = b64encode(f"anna:{PASSWORD}".encode())
    body = f"<p>No access for anna:{PASSWORD}, {quote(PASSWORD)}</p>".encode() + sent
    proxy = serve(response(body, status, Proxy_Authenticate=f'Basic realm="{PASSWORD}"'))
    monkeypatch.setenv("HTTP_PROXY", f"http://anna:{PASSWORD}@127.0.0.1:{proxy.port}")
    with pytest.raises(HarvestError) as caught:
        open_session().get("http://source.example/oai")
    assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {sent.decode()}"
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert leaks(shown) == []
    assert sent.decode()[:10] not in shown
    assert ("HTTPS_PROXY" in str(caught.value)) == (status == 407)


def test_a_proxy_password_in_a_refused_tunnel_is_not_revealed(serve, open_session, caplog, monkeypatch):
    """http.client puts the reason of the status line into its message."""
    caplog.set_level(logging.DEBUG)
    proxy = serve(then_close(f"HTTP/1.1 407 anna:{PASSWORD}\r\nContent-Length: 0\r\n\r\n".encode()))
    monkeypatch.setenv("HTTPS_PROXY", f"http://anna:{PASSWORD}@127.0.0.1:{proxy.port}")
    with pytest.raises(HarvestError, match="the proxy requires other credentials") as caught:
        open_session().get("https://source.example/oai")
    assert leaks("".join(traceback.format_exception(caught.value)) + caplog.text) == []
    assert not caught.value.transient


def test_a_long_token_is_cut_in_a_url():
    """Each message about a page repeats its URL: a token of 3 MB wrote 27 MB of log."""
    shown = Redactor(str).url("https://source.example/?verb=ListRecords&resumptionToken=" + "x" * 3_000_000)
    assert shown.startswith("https://source.example/?verb=ListRecords&resumptionToken=xxx")
    assert len(shown) < 1000
    assert "3000000 characters" in shown
    assert len(Redactor(str).url("https://source.example/" + "x/" * 1_000_000)) < 3000


@pytest.mark.parametrize(
    "control", ["\x1b[2J", "\x9b2J", "\r", "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{LINE SEPARATOR}"]
)
def test_a_url_does_not_control_a_terminal(control):
    """A source chooses the target of a redirect, and the token that the next URL contains."""
    assert Redactor(str).url(f"https://source{control}.example/{control}?a={control}").isprintable()
