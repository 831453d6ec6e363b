"""JSON, strict and exact: from bytes to values, from values to one canonical text.

Numbers stay the text they came as: a float would make one of 1.10 and 1.1, and RFC 8785 loses what a double
cannot hold. A key that an object has twice, NaN, and bytes that are no UTF-8 are noted where they stand and
refused when that value is written, so that one bad record harms no other of its page. Not here: what the
values mean (`json_list`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from harvest_dagster.errors import EmptyBody, MalformedResponse, Truncated
from harvest_dagster.http.webpages import is_html, web_page_error
from harvest_dagster.texts import seen

_LONGEST_ESCAPE = 6  # \\uXXXX: what a cut within it leaves is no other error
_WHITE = " \t\n\r"


class Number(str):
    """A number as its text."""

    __slots__ = ()


class _NoNumber(str):
    """NaN or an infinity, which Python reads and JSON does not know."""

    __slots__ = ()


class Ambiguous(dict[str, Any]):
    """An object that has a key twice: who reads it may take the first value or the last."""


def parse(body: bytes, *, url: str, content_type: str = "") -> Any:
    """The value of a document; its numbers are `Number`s.

    Args:
        body: content-encoding undone.
        url: where it came from, redacted; for the message.
        content_type: the header's value.

    Raises:
        EmptyBody: nothing, or white space.
        WebPage: HTML, as what it is.
        Truncated: it breaks off.
        MalformedResponse: no JSON for another reason.
    """
    if not body.strip():
        raise EmptyBody(f"{url} answered with an empty body where JSON should be. Try again later.")
    if is_html(body, content_type):
        raise web_page_error(body, url=url, expected="JSON")
    try:
        text = decode(body)
        return _DECODER.decode(text)
    except RecursionError as error:
        message = (
            f"{url} answered with JSON whose values are nested too deeply to be read ({len(body)} bytes), "
            f"{seen(body)}. Tell the operator of the source."
        )
        raise MalformedResponse(message) from error
    except ValueError as error:
        is_cut = isinstance(error, json.JSONDecodeError) and _is_cut(error)
        message = (
            f"{url} answered with JSON that {'breaks off' if is_cut else 'is not valid'} ({len(body)} bytes), "
            f"{seen(body)}: {error}. Try again; where it stays so, tell the operator of the source."
        )
        raise (Truncated if is_cut else MalformedResponse)(message) from error


def decode(body: bytes) -> str:
    """The text of a body; bytes that are none in its encoding become halves of surrogate pairs."""
    return body.decode(json.detect_encoding(body), "surrogateescape").removeprefix("\ufeff")


def canonical(value: Any) -> str:
    """The one text of a value: keys sorted, no white space, numbers as they came, Unicode as it is.

    Raises:
        ValueError: there is none; the message says why.
    """
    match value:
        case Number():
            return str(value)
        case _NoNumber():
            raise ValueError(f"{value} is no number in JSON")
        case str():
            return _string(value)
        case Ambiguous():
            raise ValueError("an object in it has a key twice")
        case dict():
            return "{" + ",".join(f"{_string(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
        case list():
            return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value)


def pieces(body: bytes, keys: tuple[str, ...]) -> Iterator[bytes]:
    """The members of the list at the end of a way of keys, each as its bytes.

    Args:
        body: a document that `parse` read.
        keys: names of members and, in lists, numbers from 0.
    """
    text = decode(body)
    place = _skip(text, 0)
    for key in keys:
        place = next(start for name, start, _ in _members(text, place) if name == key)
    for _, start, end in _members(text, place):
        yield text[start:end].encode("utf-8", "surrogateescape")


def _members(text: str, place: int) -> Iterator[tuple[str, int, int]]:
    """The members of the object or list at a place: name or number, start and end."""
    is_object, number = text[place] == "{", 0
    place = _skip(text, place + 1)
    while text[place] not in "]}":
        name = str(number)
        if is_object:
            name, place = _DECODER.raw_decode(text, place)
            place = _skip(text, _skip(text, place) + 1)
        _, end = _DECODER.raw_decode(text, place)
        yield name, place, end
        place = _skip(text, end)
        if text[place] == ",":
            place = _skip(text, place + 1)
        number += 1


def _skip(text: str, place: int) -> int:
    while text[place] in _WHITE:
        place += 1
    return place


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Ambiguous(found)


def _string(text: str) -> str:
    text.encode()  # a UnicodeEncodeError is a ValueError
    return _quote(text)


def _is_cut(error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated") or len(error.doc.rstrip()) - error.pos < _LONGEST_ESCAPE


_quote = json.encoder.encode_basestring
# Control characters within strings are against RFC 8259, and harm nothing.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_NoNumber, strict=False
)
