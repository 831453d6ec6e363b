"""Strict JSON: exact numbers, one canonical form, and no value from a truncated document or a duplicate key."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import BotChallenge, EmptyBody, MalformedResponse, TruncatedResponse, WebPage
from harvest_dagster.harvesters.formats.strict_json import canonical_json, parse_json, raw_values

URL = "https://api.test/works"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def canonical_form(text: str) -> str:
    return canonical_json(parse_json(text.encode(), url=URL))


def shuffled(value: object, random: Random) -> object:
    if isinstance(value, dict):
        pairs = [(key, shuffled(member, random)) for key, member in value.items()]
        random.shuffle(pairs)
        return dict(pairs)
    return [shuffled(member, random) for member in value] if isinstance(value, list) else value


@given(VALUES, st.randoms(use_true_random=False), st.booleans(), st.sampled_from([None, 2]))
def test_key_order_white_space_and_escapes_do_not_change_the_canonical_form(
    value, random, ascii_only, indent
) -> None:
    """Otherwise every record counts as changed when a server reorders keys.

    See docs/failures.md#noise-counts-as-change.
    """
    document = json.dumps(shuffled(value, random), ensure_ascii=ascii_only, indent=indent)
    assert canonical_form(document) == canonical_form(json.dumps(value))


@given(VALUES)
def test_the_canonical_form_has_the_same_value(value) -> None:
    """Later versions of a transformer read the stored datum, so nothing of it may be lost."""
    assert json.loads(canonical_form(json.dumps(value))) == value


@pytest.mark.parametrize(
    "number", ["1.10", "1.1", "1e400", "0.1000000000000000055", "9007199254740993", "-0"]
)
def test_a_number_keeps_the_text_that_the_source_sent(number) -> None:
    """As floats, 1.10 equals 1.1, 1e400 is infinity, and 2**53 + 1 is a different number."""
    assert canonical_form(f"[{number} ]") == f"[{number}]"


def test_letters_are_not_escaped() -> None:
    """With escapes, a search in the database misses every name with an accent."""
    assert canonical_form('{"b": "Ø\\u00e9", "a": "\\n\\"/\\/"}') == '{"a":"\\n\\"//","b":"Øé"}'


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
def test_an_ambiguous_value_has_no_canonical_form(text, fault) -> None:
    """Parsers read these values differently, so a hash of one reading is not a hash of the content."""
    with pytest.raises(ValueError, match=fault):
        canonical_form(text)


def test_a_truncated_document_is_refused_at_every_length() -> None:
    """Also if it ends inside an escape, a literal or a number. See docs/failures.md#truncated-page."""
    document = '{"items": [{"id": "é\\u00e9\\n", "n": [true, null, -1.5e3], "o": {}}], "next": null} '
    body = document.encode()
    for length in range(1, len(body) - 1):
        with pytest.raises(TruncatedResponse):
            parse_json(body[:length], url=URL)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", EmptyBody),
        (b" \n", EmptyBody),
        (b"<html><head><title>Just a moment...</title></head></html>", BotChallenge),
        (b"<!DOCTYPE html><html><body>Hello</body></html>", WebPage),
        (b"OK, but a long text that is no JSON at all", MalformedResponse),
        (b'{"items": [1, 2,, 3], "a long rest": true}', MalformedResponse),
        (b'{"a": 1}{"b": 2, "c": 3}', MalformedResponse),
        (b"[" * 100_000, MalformedResponse),
        ('{"a": 1}'.encode("utf-16")[:-1], MalformedResponse),
    ],
)
def test_a_body_that_is_not_json_raises_the_error_that_names_it(body, kind) -> None:
    """None of these bodies is an empty list, and the error must describe what the source sent."""
    with pytest.raises(kind) as caught:
        parse_json(body, url=URL)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(URL)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_utf_16_and_utf_32_are_accepted(encoding) -> None:
    """RFC 4627 allowed them (RFC 8259 no longer does), and servers of that time still run."""
    assert parse_json('["é"]'.encode(encoding), url=URL) == ["é"]


def test_a_value_comes_as_the_bytes_that_the_source_sent() -> None:
    """A person who reads a quarantined record must see the duplicate key that made it invalid."""
    body = b' {"a" : [0], "m": {"items": [ {"b":1, "b" : 2} ,"x\xff", 1.10,[ ] ] } }'
    expected = [b'{"b":1, "b" : 2}', b'"x\xff"', b"1.10", b"[ ]"]
    locations = [("m", "items", index) for index in range(4)]
    assert raw_values(body, locations) == dict(zip(locations, expected, strict=True))
    assert raw_values(body, locations[3:]) == {locations[3]: b"[ ]"}
    assert raw_values(b"[[],[ 7 ]]", [(1, 0)]) == {(1, 0): b"7"}
    assert raw_values(b" [1] ", []) == {(): b"[1] "}
