"""Recognize web pages in place of protocol responses: their kind, their text, and what to do about them.

This module only names a page, it never rejects one. The parsers of XML and JSON call it after they failed, or for a
body that begins as HTML and therefore is no XML of a protocol. The Content-Type alone is no evidence: repositories
send XML and JSON as text/html.

A wrong guess only gives wrong advice, so a few signs are enough. Title and headings are checked first, because
Cloudflare, Imperva and others also insert their scripts into ordinary pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harvest_dagster.errors import BotChallenge, LoginPage, MaintenancePage, WebPage
from harvest_dagster.http.html.tags import COMMENT, content_start, headings, tokens, visible_text
from harvest_dagster.texts import one_line, shorten, start_of_body

# Bytes of a body. A bot challenge, a login page or a maintenance page is recognized from its beginning.
_MAX_READ = 64 * 1024
_MAX_SHOWN = 120  # characters of a page in a message
_MAX_SHORT = 1500  # characters: a page with more text is an ordinary page


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_SECTIONS_BEFORE_ROOT = {b"<?": b">", **COMMENT}
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body)(?=[\s>/])", re.IGNORECASE)
# Parts of a page, such as PHP warnings and handwritten blocks. They count only if the Content-Type is HTML.
_FRAGMENT = re.compile(
    rb"<(?:title|meta|link|script|noscript|style|center|h[1-6]|p|div|br|b|font|table|form|iframe|frameset)"
    rb"(?=[\s>/])",
    re.IGNORECASE,
)

_CHALLENGE_HEADING = _pattern(
    r"just a moment",  # Cloudflare, since 2020
    r"attention required",  # Cloudflare, blocked
    r"not a (bot|robot)\b",  # Anubis: "Making sure you're not a bot!"
    r"pardon our interruption",  # Imperva
    r"request (unsuccessful|rejected|blocked)",  # Incapsula, F5
    r"access (to this \w+ )?(is |has been |was )?(temporarily )?(denied|blocked|restricted)",  # Akamai and others
    r"you have been blocked",
    r"(are you|you are|you're) (a )?(human|robot)",
    r"\bcaptcha\b",
    r"checking your browser",
    r"(robot|human|bot|browser|security) (check|verification|protection|detection)",
    r"ddos protection",
)
# These count only on a page with little text: ordinary pages contain them as well.
_CHALLENGE_MARK = _pattern(
    r"_cf_chl_|cf-browser-verification|cf-captcha|challenges\.cloudflare\.com|cdn-cgi/challenge-platform",
    r"_incapsula_resource|incapsula incident",
    r"anubis_challenge|\.within\.website/x/cmd/anubis",
    r"g-recaptcha|h-captcha|px-captcha|captcha-delivery\.com|token\.awswaf|ddos-guard|sucuri",
    r"(verify|confirm|prove)( that)? you( are|'re) (a |not a )?(human|robot|bot)",
    r"enable javascript and cookies",
    r"unusual (traffic|activity)|automated (requests|queries|access|traffic)",
    r"the requested url was rejected",  # F5, without a heading
)
_LOGIN_HEADING = _pattern(
    r"\b(log|sign)[ -]?(in|on)\b", r"\blogin\b", r"authentication required", r"\banmeld(en|ung)\b"
)
_LOGIN_FIELD = _pattern(r"\btype=[\"']?password", r"\bname=[\"']?SAMLRequest")
_MAINTENANCE = _pattern(
    r"\bmaint[ea]n[ae]nce\b|\bwartung",
    r"(temporarily|currently|momentarily) (unavailable|down|offline|out of (service|order))",
    r"service (temporarily )?unavailable|bad gateway|gateway time-?out",
    r"back (soon|shortly|online)|scheduled downtime|down for ",
)


@dataclass(frozen=True)
class _Page:
    """The beginning of a web page.

    Attributes:
        markup: The HTML as received.
        headings: The texts of its title and first headings.
        text: The text that a person reads, on one line.
        inputs: Its `input` tags.
    """

    markup: str
    headings: tuple[str, ...]
    text: str
    inputs: tuple[str, ...]


PAGE_NAMES: dict[type[WebPage], str] = {
    BotChallenge: "a bot challenge",
    LoginPage: "a login page",
    MaintenancePage: "a maintenance page",
    WebPage: "HTML",
}
"""The name of each kind of page in a message."""

PAGE_REMEDIES: dict[type[WebPage], str] = {
    BotChallenge: "Ask the operator of the source to allow the User-Agent harvest_dagster; set `contact`, so that they"
    " know who asks.",
    LoginPage: "Check whether the URL is right, and whether `harvester_kwargs` lack credentials.",
    MaintenancePage: "Try later.",
    WebPage: "It may not be an endpoint: open the URL in a browser.",
}
"""What to do about each kind of page: the last sentence of a message."""


def detect_page(body: bytes, content_type: str = "") -> type[WebPage] | None:
    """Return the exception class for a body that is HTML, None if it is not.

    Args:
        body: The decoded body. Its beginning is enough.
        content_type: The value of the header Content-Type.
    """
    return _kind(_parse(body)) if is_html(body, content_type) else None


def is_html(body: bytes, content_type: str = "") -> bool:
    """Return whether a body begins as an HTML page, or as a part of one if its Content-Type is HTML."""
    beginning = body[:_MAX_READ]
    start = content_start(beginning, _SECTIONS_BEFORE_ROOT)
    if _PAGE.match(beginning, start):
        return True
    return "html" in content_type.lower() and _FRAGMENT.match(beginning, start) is not None


def web_page_error(body: bytes, *, url: str, expected: str = "XML") -> WebPage:
    """Return the exception for a body that is HTML. Its message names the kind, the text and the remedy.

    Args:
        body: The decoded body.
        url: The requested URL, secrets masked.
        expected: The expected format.
    """
    page = _parse(body)
    kind = _kind(page)
    return kind(
        f"{url} answered with {PAGE_NAMES[kind]} in place of {expected}, {_description(page)}. {PAGE_REMEDIES[kind]}"
    )


def _parse(body: bytes) -> _Page:
    markup = start_of_body(body, _MAX_READ)
    parts = list(tokens(markup))
    return _Page(
        markup,
        headings=tuple(filter(None, headings(parts))),
        text=one_line(visible_text(parts)),
        inputs=tuple(raw for name, raw in parts if name == "input"),
    )


def _kind(page: _Page) -> type[WebPage]:
    headings = "\n".join(page.headings)
    is_short = len(page.text) <= _MAX_SHORT
    if _CHALLENGE_HEADING.search(headings):
        return BotChallenge
    if _LOGIN_HEADING.search(headings) or any(map(_LOGIN_FIELD.search, page.inputs)):
        return LoginPage
    if _MAINTENANCE.search(headings):
        return MaintenancePage
    if is_short and _CHALLENGE_MARK.search(page.markup):
        return BotChallenge
    if is_short and _MAINTENANCE.search(page.text):
        return MaintenancePage
    return WebPage


def _description(page: _Page) -> str:
    """Return the title or first heading, and the beginning of the text."""
    title = shorten(page.headings[0], _MAX_SHOWN) if page.headings else ""
    text = page.text.removeprefix(page.headings[0]).lstrip() if page.headings else page.text
    parts = (
        f"titled {title!r}" if title else "",
        f"with the text {shorten(text, _MAX_SHOWN)!r}" if text else "",
    )
    return ", ".join(filter(None, parts)) or "without any text"
