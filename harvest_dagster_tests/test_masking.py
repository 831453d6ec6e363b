"""Secrets out of texts: whoever echoes one spells it their own way."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harvest_dagster.http.echoes import Echoes, stands_out
from harvest_dagster.http.redaction import Redactor
from harvest_dagster.masking import masker


@given(st.text(min_size=1).filter(lambda text: text.strip() and not set(text) & set("«»*")))
def test_a_secret_is_masked_in_every_form(secret: str) -> None:
    """Lesson 32: the query string of an error message is quoted, a logged structure is JSON or a repr."""
    redact = masker([secret])
    marked = f"«{secret}»"
    forms = (secret, quote(secret), quote_plus(secret), quote(secret, safe=""), json.dumps(secret)[1:-1])
    for form in (*forms, repr(marked)[2:-2]):
        assert redact(f"«{form}»") == "«***»", marked


def test_lower_case_quoting_is_masked_too() -> None:
    """Some servers echo %2f for the %2F they were sent."""
    assert masker(["a/b c"])("x?k=a%2fb%20c") == "x?k=***"
    assert masker(["a/b c"])("x?" + urlencode({"k": "a/b c"})) == "x?k=***"


def test_a_secret_within_another_leaves_no_rest() -> None:
    """Masked in the wrong order, `abcdef` would show as `***def`."""
    assert masker(["abc", "abcdef"])("key=abcdef, key=abc") == "key=***, key=***"


def test_a_secret_is_masked_without_the_line_end_of_its_file() -> None:
    """HTTP strips a header's value, so that the log has it without."""
    assert masker(["s3cr3t\n"])("Bearer s3cr3t") == "Bearer ***"


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_secrets_nothing_changes(secrets: list[str]) -> None:
    """An empty secret must not put a mask between all letters."""
    assert masker(secrets)("a text") == "a text"


@pytest.mark.parametrize("secret", ["pa55+w=rd&1", "öpen sesame", "12345678"])
@pytest.mark.parametrize("before", ["", "u:", "us:", "use:"])
def test_a_secret_in_base64_is_masked_whatever_stands_before_it(secret, before):
    """A page that echoes the header Authorization: Basic holds user and password in base64."""
    for encode in (b64encode, urlsafe_b64encode):
        encoded = encode(f"{before}{secret}; more".encode()).decode()
        left, _, right = masker([secret])(encoded).partition("***")
        assert len(left) <= 8 * len(before) / 6 + 1
        assert len(right) <= 8 * len("; more") / 6 + 4


def test_a_secret_in_html_is_masked():
    """A page that echoes the URL writes & as &amp;."""
    assert masker(["a&b<c"])("no such key: a&amp;b&lt;c") == "no such key: ***"


# What is escaped somewhere, what is markup, what base64 is made of, and what is in no single byte.
NASTY = "abcXYZ019 +/=%&<>\"'\\;#?@:{}[]()!$.,~*-_|^`\tö€😀"
ESCAPES = {
    "plain": str,
    "url": quote,
    "url, all of it": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "url twice": lambda text: quote(quote(text, safe=""), safe=""),
    "html": html.escape,
    "html twice": lambda text: html.escape(html.escape(text)),
    "decimal": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "hexadecimal": lambda text: "".join(f"&#x{ord(sign):X};" for sign in text),
    "json": lambda text: json.dumps(text)[1:-1],
    "json as it is": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json twice": lambda text: json.dumps(json.dumps(text))[1:-1],
    "php": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "repr": lambda text: repr(text)[1:-1],
    "blanks for plus": unquote_plus,
    "hex": lambda text: text.encode().hex(),
    "base64": lambda text: b64encode(text.encode()).decode(),
    "basic": lambda text: b64encode(f"user:{text}".encode()).decode(),
}
BODIES = (
    "{}",
    "<html><body><p>No such key: <b>{}</b></p></body></html>",
    '{{"error": "bad key {}", "next": "https://source.example/?key={}&page=2"}}',
    "https://source.example/{}?key={}#top",
)


def told(text: str, secret: str, least: int = 6) -> list[str]:
    """The runs of a secret's signs that a text shows, as it is or when a reader decodes it once.

    Runs of `least` signs: fewer are in other texts by chance. White space does not count, for what shows a text
    makes one blank of it; nor does a run with less than three different signs, such as `******`.
    """
    runs = {secret[start : start + least] for start in range(len(secret) - least + 1)}
    readings = (text, html.unescape(text), unquote(text), unquote_plus(text))
    return [
        run
        for run in runs
        if len(set(run)) > 2 and " " not in run and any(run in reading for reading in readings)
    ]


secrets = st.text(alphabet=NASTY, min_size=6, max_size=40).filter(lambda text: len(text.strip()) >= 6)


@given(secrets, st.sampled_from(sorted(ESCAPES)), st.sampled_from(BODIES))
@example("q83vASNFZ4mr+ze8/SNFZQ==", "plain", BODIES[0])
@example("Hunter<2>!", "plain", BODIES[1])
@example("Hunter<b>2!pass", "plain", BODIES[1])
def test_no_part_of_a_secret_stands_in_what_people_read(secret: str, escape: str, body: str) -> None:
    """An excerpt is decoded and stripped of tags: a secret that changes by that was masked in part only."""
    echoed = body.format(*[ESCAPES[escape](secret)] * 2)
    redactor = Redactor(masker([secret]))
    for shown in (redactor.excerpt(echoed.encode()), redactor.replace(echoed), redactor.url(echoed)):
        assert told(shown, secret) == [], shown
        assert b64encode(secret.encode())[2:-4].decode() not in shown or len(secret) < 8


@given(secrets.filter(stands_out), st.sampled_from(sorted(ESCAPES)), st.sampled_from(BODIES))
def test_no_part_of_a_secret_stands_in_what_is_stored(secret: str, escape: str, body: str) -> None:
    """Spool, raw data and quarantine hold what a source sends; the session masks it before anybody sees it."""
    echoed = body.format(*[ESCAPES[escape](secret)] * 2)
    masked = Echoes([secret]).masked("source.example", echoed.encode()).decode()
    assert told(masked, secret) == [], masked


def test_a_hostile_text_is_searched_in_time() -> None:
    """Spellings may be encoded again and again; each repetition is bounded, so that no text makes it slow."""
    mask = masker(["%&&amp;%25+ +\\\\%%%"])
    for text in ("%25" * 20_000, "&amp;" * 20_000, "\\" * 50_000, "+ " * 50_000):
        assert mask(text)
