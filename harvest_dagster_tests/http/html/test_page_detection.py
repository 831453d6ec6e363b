"""Web pages in place of XML or JSON are recognized.

Harvesters took them for empty lists (docs/failures.md#truncated-page, docs/failures.md#bot-protection).
"""

from __future__ import annotations

import pytest

from harvest_dagster.errors import BotChallenge, LoginPage, MaintenancePage, WebPage
from harvest_dagster.http.html.page_detection import detect_page, web_page_error
from harvest_dagster_tests.recorded import recorded, recordings, requires_recorded

URL = "https://source.example/oai"


def page(title: str = "", body: str = "", head: str = "") -> bytes:
    return (
        f"<!DOCTYPE html>\n<html><head>{head}<title>{title}</title></head><body>{body}</body></html>".encode()
    )


CHALLENGES = {
    "cloudflare": page("Just a moment...", "<noscript>Enable JavaScript and cookies to continue</noscript>"),
    "cloudflare, blocked": page("Attention Required! | Cloudflare", "<h1>Sorry, you have been blocked</h1>"),
    "cloudflare, untitled": page(head="<script>window._cf_chl_opt={cvId:'3'}</script>"),
    "anubis": page("Making sure you&#39;re not a bot!", "<p>Loading...</p>"),
    "anubis, translated": page("…", head='<script id="anubis_challenge">{}</script>'),
    "incapsula": b'<html><head><META NAME="robots" CONTENT="noindex,nofollow"><script src="/_Incapsula_Resource?SW'
    b'JIYLWA=1"></script></head><body></body></html>',
    "incapsula, blocked": b'<html style="height:100%"><body><iframe id="main-iframe" src="/_Incapsula_Resource">'
    b"Request unsuccessful. Incapsula incident ID: 1-2</iframe></body></html>",
    "imperva": page("Pardon Our Interruption"),
    "akamai": b"<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\nReference #18",
    "f5": b"<html><head><title>Request Rejected</title></head><body>The requested URL was rejected.</body></html>",
    "aws": page("", '<script src="https://x.token.awswaf.com/challenge.js"></script>'),
    "words": page("example.org", "<p>Please verify that you are human to go on.</p>"),
    "recaptcha": page("", '<form><div class="g-recaptcha"></div></form>'),
}
LOGINS = {
    "title": page("Log in | Repository"),
    "form": page(
        "Repository", '<form><input type="password" name="p"><div class="g-recaptcha"></div></form>'
    ),
    "german": page("", "<h1>Anmelden</h1>"),
    "saml": page("", '<form method="post"><input type="hidden" name="SAMLRequest" value="x"></form>'),
}
MAINTENANCE = {
    "maintenance": page("Site under maintenance"),
    "simulator": page("Maintenance", "<h1>Back soon</h1>"),
    "unavailable": page("", "<p>The repository is temporarily unavailable.</p>"),
    "gateway": b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>",
    "behind cloudflare": page(
        "Down for maintenance", '<script src="/cdn-cgi/challenge-platform/x.js"></script>'
    ),
}
OTHER_PAGES = {
    "home": page("A repository", '<a href="/login">Log in</a><h1>Welcome</h1>'),
    "long": page("A repository", "<p>maintenance captcha</p>" + "<p>many words</p>" * 500),
    "xhtml": b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">\n<html></html>',
    "comment": b"\xef\xbb\xbf \n<!-- served by web1 -->\n<HTML><BODY>x",
    "cut": b"<!doctype html><html><head><title>A repos",
}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (kind, body)
        for kind, bodies in {
            BotChallenge: CHALLENGES,
            LoginPage: LOGINS,
            MaintenancePage: MAINTENANCE,
            WebPage: OTHER_PAGES,
        }.items()
        for body in bodies.values()
    ],
    ids=[*CHALLENGES, *LOGINS, *MAINTENANCE, *OTHER_PAGES],
)
def test_each_kind_of_page_is_recognized(kind, body):
    """Waiting does not end a bot challenge, and a maintenance page is no reason to write to the operator."""
    assert detect_page(body) is kind
    assert type(web_page_error(body, url=URL)) is kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b'{"message": "<html>captcha</html>"}',
        b"[]",
        b'<?xml version="1.0"?><OAI-PMH><ListRecords><html/>Access denied</ListRecords></OAI-PMH>',
        b"<headline>Just a moment</headline>",
        b"<html:html xmlns:html='x'/>",
        b"<body-of-work/>",
        b"<!-- <html> --><rss/>",
        b"Access denied",
    ],
)
@pytest.mark.parametrize("content_type", ["", "text/html; charset=UTF-8"])
def test_a_body_that_is_not_html_is_not_a_web_page_whatever_words_it_contains(body, content_type):
    """Repositories send XML and JSON as text/html, and records about captchas."""
    assert detect_page(body, content_type) is None


@pytest.mark.parametrize("body", [b"<br />\n<b>Warning</b>: mysql_connect()", b"<h1>Access denied</h1>"])
def test_a_fragment_of_html_is_a_web_page_if_its_content_type_is_html(body):
    """Examples are warnings of PHP and handwritten blocks."""
    assert detect_page(body, "text/html") is not None
    assert detect_page(body, "text/xml") is None


@requires_recorded
def test_no_recorded_list_is_recognized_as_a_web_page():
    """Some of these 900 responses were sent as text/html."""
    folders = ("scrapi_oai_and_rest", "scythe_zenodo_oai", "mit_oai", "natlibfi_client", "crossref_rcrossref")
    lists = [recording for recording in recordings(*folders) if recording.records]
    assert len(lists) > 400
    assert not [str(each) for each in lists if detect_page(each.body[:65536], each.content_type)]


@pytest.mark.parametrize(
    ("folder", "name", "kind", "description"),
    [
        (
            "share_sample_harvester_data",
            "sample_harvester_data__commons.mla.org.html",
            MaintenancePage,
            (
                "a maintenance page in place of XML, titled '502 Bad Gateway',"
                " with the text '502 Bad Gateway nginx/1.0.11'."
            ),
        ),
        (
            "share_sample_harvester_data",
            "sample_harvester_data__academicworks.cuny.edu.html",
            WebPage,
            """titled '| Client Error', with the text "Logout My Account We're sorry, the page""",
        ),
        (
            "share_sample_harvester_data",
            "sample_harvester_data__www.biomedcentral.com.html",
            WebPage,
            "'Search'",
        ),
        ("scrapi_oai_and_rest", "0494_nih.html", WebPage, "titled 'ExPORTER >> ExPORTER Data Catalog Page'"),
        ("crossref_rcrossref", "0060_cr_members_fails_well.html", MaintenancePage, "504 Gateway Time-out"),
        ("scythe_zenodo_oai", "0022_identify.html", WebPage, "DuckDuckGo"),
    ],
)
def test_recorded_pages_are_recognized(folder, name, kind, description):
    """Repositories sent these pages in place of a list."""
    body = recorded(folder, name)
    error = web_page_error(body, url=URL)
    assert detect_page(body) is type(error) is kind
    assert description in str(error)
    assert len(str(error)) < 500


def test_the_message_contains_the_text_of_the_page_and_the_remedy():
    """Otherwise a person has to open the URL by hand to find out what failed."""
    error = web_page_error(CHALLENGES["anubis"], url=URL, expected="JSON")
    assert str(error) == (
        f'{URL} answered with a bot challenge in place of JSON, titled "Making sure you\'re not a bot!", '
        "with the text 'Loading...'. Ask the operator of the source to allow the User-Agent harvest_dagster; "
        "set `contact`, so that they know who asks."
    )
    assert not error.transient
    assert web_page_error(MAINTENANCE["maintenance"], url=URL).transient


def test_a_page_without_text_is_recognized():
    """A script may write its text, and no script runs here."""
    assert "HTML in place of XML, without any text." in str(web_page_error(b"<html></html>", url=URL))


def test_the_text_in_the_message_is_cut_between_words():
    """A part of a secret that a page repeats would not be recognized and masked (docs/failures.md#secret-in-log)."""
    secret = "s3cr3t" * 10
    for length in range(60, 130):
        text = str(web_page_error(page("", f"{'x' * length} key={secret} no such key"), url=URL))
        assert secret in text or "s3cr3t" not in text
