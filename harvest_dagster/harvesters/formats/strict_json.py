"""Parse JSON strictly, without losing a digit, and write a value in its canonical form.

A number keeps the text that the source sent. As a float, 1.10 and 1.1 would be the same, and RFC 8785 loses digits
that a double cannot hold. The parser does not refuse a duplicate key, NaN or bytes that are not UTF-8. It marks them
in the value, and `canonical_json` raises ValueError for a value that contains one. Thus one invalid record does not
invalidate the other records of its page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from harvest_dagster.errors import EmptyBody, MalformedResponse, TruncatedResponse
from harvest_dagster.harvesters.formats.page_limits import raise_if_costly_json
from harvest_dagster.http.html.page_detection import is_html, web_page_error
from harvest_dagster.paths.syntax import Location, Number
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.texts import describe_start

_LONGEST_ESCAPE = 6  # characters of \\uXXXX: a body that is cut inside an escape is truncated, not malformed
_WHITE_SPACE = " \t\n\r"
_BEFORE_VALUE = "\ufeff" + _WHITE_SPACE  # programs that join texts repeat the byte order mark


class _NonFiniteNumber(str):
    """NaN or an infinity. Python's parser accepts them; RFC 8259, section 6, does not permit them."""

    __slots__ = ()


class DuplicateKeys(dict[str, Any]):
    """An object with a duplicate key. Parsers differ in which of the values they take (RFC 8259, section 4)."""


def parse_json(body: bytes, *, url: str, content_type: str = "", limits: ResponseLimits | None = None) -> Any:
    """Return the value of a JSON document. Its numbers are instances of `Number`.

    Args:
        body: the bytes after content decoding.
        url: the redacted URL of the response, for error messages.
        content_type: the value of the Content-Type header.
        limits: what the page may cost; the defaults of ResponseLimits if they are left out.

    Raises:
        EmptyBody: the body is empty or white space.
        WebPage: the body is HTML; the subclass names the kind of page.
        TruncatedResponse: the document has no end.
        MalformedResponse: the body is not JSON for another reason.
        ResponseTooLarge: the document has too many values.
    """
    if not body.strip():
        raise EmptyBody(f"{url} answered with an empty body instead of JSON. Try again later.")
    if is_html(body, content_type):
        raise web_page_error(body, url=url, expected="JSON")
    raise_if_costly_json(body, url=url, limits=limits or ResponseLimits())
    try:
        text = _decode(body)
        return _DECODER.decode(text)
    except RecursionError as error:
        message = (
            f"{url} answered with JSON that is nested too deeply to be parsed ({len(body)} bytes), "
            f"{describe_start(body)}. Tell the operator of the source."
        )
        raise MalformedResponse(message) from error
    except ValueError as error:
        is_cut = isinstance(error, json.JSONDecodeError) and _is_cut(error)
        message = (
            f"{url} answered with JSON that {'is cut off' if is_cut else 'is not valid'} ({len(body)} bytes), "
            f"{describe_start(body)}: {error}. Try again. If the error persists, tell the operator of the source."
        )
        raise (TruncatedResponse if is_cut else MalformedResponse)(message) from error


def _decode(body: bytes) -> str:
    """Return the text of a body. A byte that its encoding does not permit becomes a lone surrogate (PEP 383)."""
    return body.decode(json.detect_encoding(body), "surrogateescape").lstrip(_BEFORE_VALUE)


def canonical_json(value: Any) -> str:
    """Return the canonical form of a value: sorted keys, no white space, numbers as sent, Unicode not escaped.

    Raises:
        ValueError: the value has no canonical form; the message gives the reason.
    """
    kind = type(value)
    if kind is str:
        return _string(value)
    return _canonical_object(value) if kind is dict else _canonical_other(value)


def _canonical_object(value: dict[str, Any]) -> str:
    return "{" + ",".join(f"{_string(key)}:{canonical_json(value[key])}" for key in sorted(value)) + "}"


def _canonical_other(value: Any) -> str:
    """Return the canonical form of a value that is not simply a text or an object, as nearly all are."""
    match value:
        case Number():
            return str(value)
        case _NonFiniteNumber():
            raise ValueError(f"{value} is not a JSON number")
        case str():
            return _string(value)
        case DuplicateKeys():
            raise ValueError("an object contains the same key twice")
        case dict():
            return _canonical_object(value)
        case list():
            return "[" + ",".join(map(canonical_json, value)) + "]"
    return json.dumps(value)


def raw_values(body: bytes, locations: Iterable[Location]) -> dict[Location, bytes]:
    """Return the bytes of the values at these locations. The document is read once for each level of them.

    Args:
        body: a document that `parse_json` accepts.
        locations: no one leads into another.
    """
    text = _decode(body)
    tree: dict[str | int, Any] = {}
    for location in locations:
        node = tree
        for key in location:
            node = node.setdefault(key, {})
    found: dict[Location, bytes] = {}
    waiting: list[tuple[Location, dict[str | int, Any], int, int]] = [
        ((), tree, _skip_white_space(text, 0), len(text))
    ]
    while waiting:
        location, node, start, end = waiting.pop()
        if not node:
            found[location] = text[start:end].encode("utf-8", "surrogateescape")
            continue
        waiting += (
            ((*location, key), node[key], first, last)
            for key, first, last in _members(text, start)
            if key in node
        )
    return found


def _members(text: str, position: int) -> Iterator[tuple[str | int, int, int]]:
    """Yield name or index, start and end of each member of the object or list that starts at a position."""
    is_object, index = text[position] == "{", 0
    position = _skip_white_space(text, position + 1)
    while text[position] not in "]}":
        name: str | int = index
        if is_object:
            name, position = _DECODER.raw_decode(text, position)
            position = _skip_white_space(text, _skip_white_space(text, position) + 1)
        _, end = _DECODER.raw_decode(text, position)
        yield name, position, end
        position = _skip_white_space(text, end)
        if text[position] == ",":
            position = _skip_white_space(text, position + 1)
        index += 1


def _skip_white_space(text: str, position: int) -> int:
    while text[position] in _WHITE_SPACE:
        position += 1
    return position


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    return members if len(members) == len(pairs) else DuplicateKeys(members)


def _string(text: str) -> str:
    if not text.isascii():
        text.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
    return _quote(text)


def _is_cut(error: json.JSONDecodeError) -> bool:
    return error.msg.startswith("Unterminated") or len(error.doc.rstrip()) - error.pos < _LONGEST_ESCAPE


_quote = json.encoder.encode_basestring
# strict=False accepts control characters in strings. RFC 8259, section 7, forbids them, but they do no harm.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=Number,
    parse_int=Number,
    parse_constant=_NonFiniteNumber,
    strict=False,
)
