"""Web pages where a protocol's answer should be: of which kind, what they say, and what to do about it.

A page is only named here, never refused: whoever reads XML or JSON asks once that has failed, or of what cannot
be XML of a protocol, since it begins as HTML does. The Content-Type alone says nothing: repositories send XML
and JSON as text/html. That a wrong guess costs no more than the wrong advice, the kinds are guessed freely, from
the title and the headings first: Cloudflare, Imperva and others put their scripts into ordinary pages, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harvest_dagster.errors import BotWall, LoginPage, MaintenancePage, WebPage
from harvest_dagster.http.markup import COMMENT, after, headings, pieces, without_tags
from harvest_dagster.texts import brief, one_line, start_of

_READ = 64 * 1024  # bytes; a wall, a login or a notice says so at once
_SEEN = 120  # characters of a page that go into a message
_LITTLE = 1500  # characters: a page that says more than that is not there to turn us away


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


_BEFORE = {b"<?": b">", **COMMENT}
_PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body)(?=[\s>/])", re.IGNORECASE)
# Pages without a frame, as PHP's warnings and the shortest of walls are: only where they say that they are HTML.
_FRAGMENT = re.compile(
    rb"<(?:title|meta|link|script|noscript|style|center|h[1-6]|p|div|br|b|font|table|form|iframe|frameset)"
    rb"(?=[\s>/])",
    re.IGNORECASE,
)

_WALL_HEADING = _pattern(
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
# Only on a page that says little: these are in ordinary ones as well.
_WALL_MARK = _pattern(
    r"_cf_chl_|cf-browser-verification|cf-captcha|challenges\.cloudflare\.com|cdn-cgi/challenge-platform",
    r"_incapsula_resource|incapsula incident",
    r"anubis_challenge|\.within\.website/x/cmd/anubis",
    r"g-recaptcha|h-captcha|px-captcha|captcha-delivery\.com|token\.awswaf|ddos-guard|sucuri",
    r"(verify|confirm|prove)( that)? you( are|'re) (a |not a )?(human|robot|bot)",
    r"enable javascript and cookies",
    r"unusual (traffic|activity)|automated (requests|queries|access|traffic)",
    r"the requested url was rejected",  # F5, with no heading
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
        markup: as it came.
        headings: the texts of its title and first headings.
        text: what a person reads, on one line.
        fields: the tags of what can be filled in.
    """

    markup: str
    headings: tuple[str, ...]
    text: str
    fields: tuple[str, ...]


def recognise(body: bytes, content_type: str = "") -> type[WebPage] | None:
    """The class of error that fits a body that is HTML; None for what is not.

    Args:
        body: content-encoding undone; the beginning suffices.
        content_type: the header's value.
    """
    if not is_html(body, content_type):
        return None
    return _kind(_read(body))


def is_html(body: bytes, content_type: str = "") -> bool:
    """Whether a body begins as HTML does; as a part of a page only where its Content-Type says so as well."""
    start = body[:_READ]
    place = after(start, _BEFORE)
    if _PAGE.match(start, place):
        return True
    return "html" in content_type.lower() and _FRAGMENT.match(start, place) is not None


def web_page_error(body: bytes, *, url: str, expected: str = "XML") -> WebPage:
    """The error for a body that is HTML: its kind, what is seen in it, what to do.

    Args:
        body: content-encoding undone.
        url: where it came from, redacted.
        expected: what should have come.
    """
    page = _read(body)
    kind = _kind(page)
    return kind(
        f"{url} answered with {NAMES[kind]} where {expected} should be, {_seen(page)}. {REMEDIES[kind]}"
    )


NAMES: dict[type[WebPage], str] = {
    BotWall: "a bot wall",
    LoginPage: "a login page",
    MaintenancePage: "a maintenance page",
    WebPage: "HTML",
}
"""What the kinds are called in a message."""

REMEDIES: dict[type[WebPage], str] = {
    BotWall: "Ask the operator of the source to let the User-Agent harvest_dagster in; set `contact`, so that they"
    " know who asks.",
    LoginPage: "See whether the URL is right, and whether `harvester_kwargs` lack credentials.",
    MaintenancePage: "Try later.",
    WebPage: "It may be no endpoint at all: open the URL in a browser.",
}
"""What to do about them: the last sentence of a message."""


def _read(body: bytes) -> _Page:
    markup = start_of(body, _READ)
    found = list(pieces(markup))
    return _Page(
        markup,
        headings=tuple(filter(None, headings(found))),
        text=one_line(without_tags(found)),
        fields=tuple(raw for name, raw in found if name == "input"),
    )


def _kind(page: _Page) -> type[WebPage]:
    headings = "\n".join(page.headings)
    says_little = len(page.text) <= _LITTLE
    if _WALL_HEADING.search(headings):
        return BotWall
    if _LOGIN_HEADING.search(headings) or any(map(_LOGIN_FIELD.search, page.fields)):
        return LoginPage
    if _MAINTENANCE.search(headings):
        return MaintenancePage
    if says_little and _WALL_MARK.search(page.markup):
        return BotWall
    if says_little and _MAINTENANCE.search(page.text):
        return MaintenancePage
    return WebPage


def _seen(page: _Page) -> str:
    """Its title or first heading, and how its text begins."""
    title = brief(page.headings[0], _SEEN) if page.headings else ""
    text = page.text.removeprefix(page.headings[0]).lstrip() if page.headings else page.text
    parts = (f"titled {title!r}" if title else "", f"saying {brief(text, _SEEN)!r}" if text else "")
    return ", ".join(filter(None, parts)) or "without any text"
