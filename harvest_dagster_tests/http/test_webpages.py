"""Lessons 1 and 33: HTML where XML or JSON should be is named as what it is."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import BotWall, LoginPage, MaintenancePage, WebPage
from harvest_dagster.http.webpages import recognise, web_page_error
from harvest_dagster_tests.recorded import recorded, recordings, requires_recorded

URL = "https://source.example/oai"


def page(title: str = "", body: str = "", head: str = "") -> bytes:
    return (
        f"<!DOCTYPE html>\n<html><head>{head}<title>{title}</title></head><body>{body}</body></html>".encode()
    )


WALLS = {
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
NOTICES = {
    "maintenance": page("Site under maintenance"),
    "simulator": page("Maintenance", "<h1>Back soon</h1>"),
    "unavailable": page("", "<p>The repository is temporarily unavailable.</p>"),
    "gateway": b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body></body>\r\n</html>",
    "behind cloudflare": page(
        "Down for maintenance", '<script src="/cdn-cgi/challenge-platform/x.js"></script>'
    ),
}
OTHERS = {
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
            BotWall: WALLS,
            LoginPage: LOGINS,
            MaintenancePage: NOTICES,
            WebPage: OTHERS,
        }.items()
        for body in bodies.values()
    ],
    ids=[*WALLS, *LOGINS, *NOTICES, *OTHERS],
)
def test_a_page_is_named_as_what_it_is(kind, body):
    """Lesson 33: who waits for a bot wall to pass waits for ever; who writes to the operator of a maintenance page
    is a nuisance."""
    assert recognise(body) is kind
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
def test_what_is_not_html_is_no_page_whatever_it_speaks_of(body, content_type):
    """Repositories send XML and JSON as text/html, and records that tell of captchas."""
    assert recognise(body, content_type) is None


@pytest.mark.parametrize("body", [b"<br />\n<b>Warning</b>: mysql_connect()", b"<h1>Access denied</h1>"])
def test_a_part_of_a_page_is_one_where_it_says_that_it_is_html(body):
    """PHP's warnings, and walls that somebody wrote by hand."""
    assert recognise(body, "text/html") is not None
    assert recognise(body, "text/xml") is None


@requires_recorded
def test_nothing_recorded_that_is_a_list_is_taken_for_a_page():
    """Some of these 900 were sent as text/html."""
    folders = ("scrapi_oai_and_rest", "scythe_zenodo_oai", "mit_oai", "natlibfi_client", "crossref_rcrossref")
    lists = [one for one in recordings(*folders) if one.records]
    assert len(lists) > 400
    assert not [str(one) for one in lists if recognise(one.body[:65536], one.content_type)]


@pytest.mark.parametrize(
    ("folder", "name", "kind", "seen"),
    [
        (
            "share_sample_harvester_data",
            "sample_harvester_data__commons.mla.org.html",
            MaintenancePage,
            "a maintenance page where XML should be, titled '502 Bad Gateway', saying '502 Bad Gateway nginx/1.0.11'.",
        ),
        (
            "share_sample_harvester_data",
            "sample_harvester_data__academicworks.cuny.edu.html",
            WebPage,
            """titled '| Client Error', saying "Logout My Account We're sorry, the page""",
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
def test_recorded_pages(folder, name, kind, seen):
    """As repositories sent them in place of a list."""
    body = recorded(folder, name)
    error = web_page_error(body, url=URL)
    assert recognise(body) is type(error) is kind
    assert seen in str(error)
    assert len(str(error)) < 500


def test_the_message_says_what_was_seen_and_what_to_do():
    """Lesson 31: without it, somebody has to ask the source by hand to find out."""
    error = web_page_error(WALLS["anubis"], url=URL, expected="JSON")
    assert str(error) == (
        f'{URL} answered with a bot wall where JSON should be, titled "Making sure you\'re not a bot!", '
        "saying 'Loading...'. Ask the operator of the source to let the User-Agent harvest_dagster in; "
        "set `contact`, so that they know who asks."
    )
    assert not error.transient
    assert web_page_error(NOTICES["maintenance"], url=URL).transient


def test_a_page_without_text_is_named_all_the_same():
    """What a script writes into it, nobody sees here."""
    assert "HTML where XML should be, without any text." in str(web_page_error(b"<html></html>", url=URL))


def test_what_is_seen_is_cut_between_words():
    """Lesson 32: half of a secret that a page repeats would not be recognised and masked."""
    secret = "s3cr3t" * 10
    for length in range(60, 130):
        text = str(web_page_error(page("", f"{'x' * length} key={secret} no such key"), url=URL))
        assert secret in text or "s3cr3t" not in text
