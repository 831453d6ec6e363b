r"""Write the identifier of a JSON record as one text, so that different identifiers give different texts.

- A text is written as it is, without surrounding white space as XML defines it.
- A number is written with `#` before it: `#1`. The text `1` is another identifier. A text that begins with `#` gets
  one more `#`, so no text looks like a number.
- The parts of an identifier with several paths are joined by colons. A colon or backslash within a part gets a
  backslash before it: `a:b` and `c` give `a\:b:c`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from harvest_dagster.harvesters.formats.canonical_xml import XML_WHITE_SPACE
from harvest_dagster.paths.syntax import Number

_NUMBER = "#"
_PIECES = re.compile(r"\\.|.", re.DOTALL)


def join_identifier(values: Sequence[Any]) -> str | None:
    """Return the identifier with these parts, or None if a part is missing, empty, or neither a text nor a number."""
    parts = [_part(value) for value in values]
    if not all(parts):
        return None
    return parts[0] if len(parts) == 1 else ":".join(map(_escape, parts))


def split_identifier(identifier: str, count: int) -> tuple[str, ...] | None:
    """Return the parts of a joined identifier as the source writes them, or None if it has another number of parts.

    The request of a record contains a number as its text, so the two are the same here.
    """
    parts = [identifier] if count == 1 else _split(identifier)
    if len(parts) != count:
        return None
    return tuple(part.removeprefix(_NUMBER) for part in parts)


def identifier_texts(values: Sequence[Any]) -> tuple[str, ...]:
    """Return the parts of an identifier as the source writes them, for the request of its record."""
    return tuple(
        value.strip(XML_WHITE_SPACE) for value in values if isinstance(value, str)
    )  # a Number is a str


def _part(value: Any) -> str:
    if isinstance(value, Number):
        return f"{_NUMBER}{value}"
    if not isinstance(value, str):
        return ""
    text = value.strip(XML_WHITE_SPACE)
    return _NUMBER + text if text.startswith(_NUMBER) else text


def _split(joined: str) -> list[str]:
    """Return the parts of a joined identifier, without the backslashes of `_escape`."""
    parts = [""]
    for piece in _PIECES.findall(joined):
        if piece == ":":
            parts.append("")
        else:
            parts[-1] += piece[-1]
    return parts


def _escape(part: str) -> str:
    return part.replace("\\", "\\\\").replace(":", "\\:")
