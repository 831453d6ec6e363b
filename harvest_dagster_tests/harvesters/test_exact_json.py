"""JSON as it came: exact numbers, one canonical text, and nothing that is cut or doubled taken for a value."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import BotWall, EmptyBody, MalformedResponse, Truncated, WebPage
from harvest_dagster.harvesters.exact_json import canonical, parse, pieces

URL = "https://api.test/works"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def form(text: str) -> str:
    return canonical(parse(text.encode(), url=URL))


def shuffled(value: object, random: Random) -> object:
    if isinstance(value, dict):
        pairs = [(key, shuffled(member, random)) for key, member in value.items()]
        random.shuffle(pairs)
        return dict(pairs)
    return [shuffled(member, random) for member in value] if isinstance(value, list) else value


@given(VALUES, st.randoms(use_true_random=False), st.booleans(), st.sampled_from([None, 2]))
def test_order_of_keys_white_space_and_escapes_do_not_change_the_form(
    value, random, ascii_only, indent
) -> None:
    """Lesson 28: the order of keys changed, and every record was new."""
    written = json.dumps(shuffled(value, random), ensure_ascii=ascii_only, indent=indent)
    assert form(written) == form(json.dumps(value))


@given(VALUES)
def test_the_form_says_what_the_source_said(value) -> None:
    """A datum is what later versions of a transformer read: nothing of it may be lost."""
    assert json.loads(form(json.dumps(value))) == value


@pytest.mark.parametrize(
    "number", ["1.10", "1.1", "1e400", "0.1000000000000000055", "9007199254740993", "-0"]
)
def test_numbers_stay_the_text_they_came_as(number) -> None:
    """A float makes one of 1.10 and 1.1, infinity of 1e400, and another number of 2**53 + 1."""
    assert form(f"[{number} ]") == f"[{number}]"


def test_letters_stay_letters() -> None:
    """Escapes would make a search in the database miss every name with an accent."""
    assert form('{"b": "Ø\\u00e9", "a": "\\n\\"/\\/"}') == '{"a":"\\n\\"//","b":"Øé"}'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"a": 1, "a": 1}', "twice"),
        ('[{"a": {"b": 1, "b": 2}}]', "twice"),
        ("[NaN]", "NaN"),
        ('{"a": -Infinity}', "-Infinity"),
        ('["\\ud800"]', "surrogates"),
        ('{"\\udc00": 1}', "surrogates"),
    ],
)
def test_what_has_no_one_meaning_has_no_form(text, fault) -> None:
    """Parsers differ in what they make of these: a hash of one reading is none of the content."""
    with pytest.raises(ValueError, match=fault):
        form(text)


def test_a_document_that_is_cut_anywhere_is_refused() -> None:
    """Lesson 1: half a page. Inside an escape, a word or a number it breaks off as well."""
    whole = '{"items": [{"id": "é\\u00e9\\n", "n": [true, null, -1.5e3], "o": {}}], "next": null} '
    body = whole.encode()
    for length in range(1, len(body) - 1):
        with pytest.raises(Truncated):
            parse(body[:length], url=URL)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", EmptyBody),
        (b" \n", EmptyBody),
        (b"<html><head><title>Just a moment...</title></head></html>", BotWall),
        (b"<!DOCTYPE html><html><body>Hello</body></html>", WebPage),
        (b"OK, but a long text that is no JSON at all", MalformedResponse),
        (b'{"items": [1, 2,, 3], "a long rest": true}', MalformedResponse),
        (b'{"a": 1}{"b": 2, "c": 3}', MalformedResponse),
        (b"[" * 100_000, MalformedResponse),
        ('{"a": 1}'.encode("utf-16")[:-1], MalformedResponse),
    ],
)
def test_what_is_no_json_is_named(body, kind) -> None:
    """None of these may be an empty list; who reads the error must know what came."""
    with pytest.raises(kind) as caught:
        parse(body, url=URL)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(URL)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_other_encodings_of_unicode_are_read(encoding) -> None:
    """RFC 4627 allowed them, and servers of that time still run."""
    assert parse('["é"]'.encode(encoding), url=URL) == ["é"]


def test_the_pieces_of_a_list_are_its_bytes_as_they_came() -> None:
    """What goes to the quarantine is looked into to find the fault: a key that came twice must be seen."""
    body = b' {"a" : [0], "m": {"items": [ {"b":1, "b" : 2} ,"x\xff", 1.10,[ ] ] } }'
    assert list(pieces(body, ("m", "items"))) == [b'{"b":1, "b" : 2}', b'"x\xff"', b"1.10", b"[ ]"]
    assert list(pieces(b"[[],[ 7 ]]", ("1",))) == [b"7"]
    assert not list(pieces(b'{"items": []}', ("items",)))
