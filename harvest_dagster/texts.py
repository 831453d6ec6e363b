"""Texts that others wrote, made fit for a message and for a database.

Here: on one line, cut, storable. Not here: secrets, which go by what is known of them (`catalog.secrets`,
`http.redaction`).
"""

from __future__ import annotations

import re

MASK = "***"
"""What stands in the place of a secret."""

_SEEN = 80  # characters of a body that go into a message
_WORD = re.compile(r"[^\s<>\"',;{}()]*")
_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")


def one_line(text: str) -> str:
    """A text for a message: nothing in it that a terminal or a log would obey."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def beginning(text: str, most: int) -> str:
    """The first characters of a text in whole words: half of a secret would not be recognised and masked."""
    if len(text) <= most:
        return text
    started = _WORD.match(text[:most][::-1])
    return text[: most - (started.end() if started else 0)].rstrip()


def brief(text: str, most: int) -> str:
    """On one line, and with an ellipsis for what is left out."""
    line = one_line(text)
    return line if len(line) <= most else f"{beginning(line, most)}…"


def start_of(body: bytes, most: int) -> str:
    """The first bytes of a body as text, in whole words."""
    text = body[:most].decode("utf-8", "replace")
    return text if len(body) <= most else beginning(text, len(text) - 1)


def seen(body: bytes) -> str:
    """How a body begins, for a message."""
    return f"beginning {brief(body[: 4 * _SEEN].decode('utf-8', 'replace').replace(chr(0), ''), _SEEN)!r}"


def is_keepable(text: str) -> bool:
    """Whether a database keeps it as it is: no NUL, which PostgreSQL refuses, and no half of a surrogate pair."""
    return _UNKEEPABLE.search(text) is None


def keepable(text: str) -> str:
    """The text with a sign in the place of each character that a database does not keep."""
    return _UNKEEPABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def shortened(text: str, most: int) -> str:
    """A long text without its middle: an error begins with its message and ends with what raised it."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"
