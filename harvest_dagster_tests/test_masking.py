"""Secrets are masked in texts in every spelling that a source may use."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harvest_dagster import masking
from harvest_dagster.http.redaction import Redactor
from harvest_dagster.http.transport.secret_echoes import SecretMasker, is_distinctive
from harvest_dagster.masking import build_masker


@given(st.text(min_size=1).filter(lambda text: text.strip() and not set(text) & set("«»*")))
def test_a_secret_is_masked_in_every_escape(secret: str) -> None:
    """An error message quotes the query string; a log prints JSON or a repr (docs/failures.md#secret-in-log)."""
    redact = build_masker([secret])
    marked = f"«{secret}»"
    forms = (secret, quote(secret), quote_plus(secret), quote(secret, safe=""), json.dumps(secret)[1:-1])
    for form in (*forms, repr(marked)[2:-2]):
        assert redact(f"«{form}»") == "«***»", marked


def test_percent_escapes_in_lower_case_are_masked() -> None:
    """Some servers repeat %2F as %2f."""
    assert build_masker(["a/b c"])("x?k=a%2fb%20c") == "x?k=***"
    assert build_masker(["a/b c"])("x?" + urlencode({"k": "a/b c"})) == "x?k=***"


def test_a_secret_within_another_leaves_no_remainder() -> None:
    """In the wrong order, `abcdef` would become `***def`."""
    assert build_masker(["abc", "abcdef"])("key=abcdef, key=abc") == "key=***, key=***"


def test_a_secret_is_masked_without_the_line_end_of_its_file() -> None:
    """HTTP strips the value of a header, so that a log contains the secret without its line end."""
    assert build_masker(["s3cr3t\n"])("Bearer s3cr3t") == "Bearer ***"


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_secrets_nothing_changes(secrets: list[str]) -> None:
    """An empty secret would put a mask between all letters."""
    assert build_masker(secrets)("a text") == "a text"


@pytest.mark.parametrize("secret", ["pa55+w=rd&1", "öpen sesame", "12345678"])
@pytest.mark.parametrize("before", ["", "u:", "us:", "use:"])
def test_a_secret_in_base64_is_masked_after_any_prefix(secret, before):
    """A page that repeats the header Authorization: Basic contains user and password in base64."""
    for encode in (b64encode, urlsafe_b64encode):
        encoded = encode(f"{before}{secret}; more".encode()).decode()
        left, _, right = build_masker([secret])(encoded).partition("***")
        assert len(left) <= 8 * len(before) / 6 + 1
        assert len(right) <= 8 * len("; more") / 6 + 4


def test_a_secret_in_html_is_masked():
    """A page that repeats the URL writes & as &amp;."""
    assert build_masker(["a&b<c"])("no such key: a&amp;b&lt;c") == "no such key: ***"


# Characters that some format escapes, markup, the alphabet of base64, and characters of several bytes.
NASTY = "abcXYZ019 +/=%&<>\"'\\;#?@:{}[]()!$.,~*-_|^`\tö€😀"
ESCAPES = {
    "plain": str,
    "url": quote,
    "url, slash included": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "url twice": lambda text: quote(quote(text, safe=""), safe=""),
    "html": html.escape,
    "html twice": lambda text: html.escape(html.escape(text)),
    "decimal": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "hexadecimal": lambda text: "".join(f"&#x{ord(character):X};" for character in text),
    "json": lambda text: json.dumps(text)[1:-1],
    "json without ascii escapes": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
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


def visible_parts(text: str, secret: str, length: int = 6) -> list[str]:
    """Return the parts of a secret that a text shows, unchanged or after a reader decodes it once.

    A part has `length` characters: texts contain fewer by chance. Parts with blanks do not count, because white space
    is shown as one blank. Parts with less than three different characters, such as `******`, do not count either.
    """
    runs = {secret[start : start + length] for start in range(len(secret) - length + 1)}
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
def test_no_part_of_a_secret_is_in_a_text_for_people(secret: str, escape: str, body: str) -> None:
    """An excerpt is decoded and stripped of tags. A secret that this changes was once masked only in part."""
    repeated = body.format(*[ESCAPES[escape](secret)] * 2)
    redactor = Redactor(build_masker([secret]))
    for shown in (redactor.excerpt(repeated.encode()), redactor.replace(repeated), redactor.url(repeated)):
        assert visible_parts(shown, secret) == [], shown
        assert b64encode(secret.encode())[2:-4].decode() not in shown or len(secret) < 8


@given(secrets.filter(is_distinctive), st.sampled_from(sorted(ESCAPES)), st.sampled_from(BODIES))
def test_no_part_of_a_secret_is_stored(secret: str, escape: str, body: str) -> None:
    """Spool, raw data and quarantine store what a source sends, so the session masks it first."""
    repeated = body.format(*[ESCAPES[escape](secret)] * 2)
    masked = SecretMasker([secret]).mask("source.example", repeated.encode()).decode()
    assert visible_parts(masked, secret) == [], masked


HOSTILE_SECRETS = ("pass word", "pass+word", "a+b+c", "%&&amp;%25+ +\\\\%%%", " + +", "k" * 40, "<x><y>12")
PIECES = (
    *" +\t%&;\\\\#<>a",
    "%25",
    "%20",
    "&amp;",
    "&#32;",
    "\\\\u0020",
    "pass",
    "70%",
    "kkkk",
    "12",
    "\N{NO-BREAK SPACE}",
)


@given(
    st.sampled_from(HOSTILE_SECRETS), st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)
)
@example("pass word", "pass" + " " * 63)
@example("pass+word", "pass+%2520&#32;")
def test_the_work_of_a_search_grows_linearly_with_the_text(secret: str, repeated: str) -> None:
    """60 blanks in an error page once stopped a worker, its deadline and its lease.

    The work is counted in bytes that are searched for escapes, because the time of a busy machine proves nothing.
    """
    work = [_bytes_searched(secret, repeated * (length // len(repeated))) for length in (20_000, 80_000)]
    assert work[1] <= 5 * work[0] + 200_000


def _bytes_searched(secret: str, text: str) -> int:
    searched = []
    decoded = masking._Layer.decoded
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            masking._Layer,
            "decoded",
            lambda layer, *args: (searched.append(len(layer.data)), decoded(layer, *args))[1],
        )
        build_masker([secret])(text)
    assert sum(searched) <= 200 * (len(text) + 10_000)
    return sum(searched)


@pytest.mark.parametrize("text", ["no such setting: offset", "unset", "resets"])
def test_a_short_value_is_not_masked_inside_unrelated_words(text: str) -> None:
    """A value of three letters, such as a set or a stage, was replaced by *** in many words of a message."""
    assert build_masker(["set"])(text) == text


@pytest.mark.parametrize(
    "text", ["set", "?k=set&a", "a set.", "k%3Dset%26", "&quot;set&quot;", "\\tset\\n", "SET", "%73%65%74"]
)
def test_a_short_value_is_masked_where_it_is_a_word(text: str) -> None:
    """The escape before a word ends with a letter or a digit. It is not a part of the word."""
    masked = build_masker(["set"])(text)
    assert "***" in masked
    assert "set" not in masked.lower()


def test_a_page_of_nothing_but_the_secret_is_masked() -> None:
    """The text is searched in parts. A secret at the edge of a part is found, too."""
    secret = "q83v+ASN/FZ4"
    body = (quote(secret, safe="") + "-").encode() * 20_000
    assert SecretMasker([secret]).mask("source.example", body) == b"***1***-" * 20_000
