"""Prepare texts from sources for messages and for the database: one line, shortened, storable.

Not here: secrets (`masking`, `http.redaction`).
"""

from __future__ import annotations

import re

NO_ERROR = "no error is on record"

MASK = "***"
"""Replaces a secret in a text."""

_MAX_SHOWN = 80  # characters of a body in a message
_WORD = re.compile(r"[^\s<>\"',;{}()]*")
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")


_LAST_OF_A_BYTE = 0xFF
# Characters that a terminal or a log viewer interprets: controls except tab and line feed, and those that change the
# direction or the order of a line (Unicode TR 36, section 3.3).
_INTERPRETED = {
    code: f"\\x{code:02x}" if code <= _LAST_OF_A_BYTE else f"\\u{code:04x}"
    for code in (
        *(code for code in range(0x20) if code not in (0x09, 0x0A)),
        *range(0x7F, 0xA0),
        *(0x061C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    )
}


def escape_controls(text: str) -> str:
    r"""Return the text with each control character written as an escape: ESC becomes the four letters `\x1b`.

    Texts of sources reach logs, errors and the database. A terminal would obey an escape sequence in them: it can hide
    a line, change the title or send text back as input.
    """
    return text.translate(_INTERPRETED)


def first_line(error: str) -> str:
    """Return the first line of an error that is stored with its traceback: its message."""
    return error.strip().partition("\n")[0].rstrip()


def one_line(text: str) -> str:
    """Return the text on one line, without control characters that a terminal or a log would interpret."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def cut_at_word(text: str, max_length: int) -> str:
    """Return the first characters of the text, without a word that is cut off.

    A part of a secret would not be recognized and masked.
    """
    if len(text) <= max_length:
        return text
    last_word = _WORD.match(text[:max_length][::-1])
    return text[: max_length - (last_word.end() if last_word else 0)].rstrip()


def shorten(text: str, max_length: int) -> str:
    """Return the text on one line, cut at a word, with an ellipsis if something is left out."""
    line = one_line(text)
    return line if len(line) <= max_length else f"{cut_at_word(line, max_length)}…"


def keep_ends(text: str, max_length: int) -> str:
    """Return the text on one line; of a long text, its beginning and its end, with its length between them.

    Both ends of a resumption token are needed to find it again in a log of the source.
    """
    line = one_line(text)
    if len(line) <= max_length:
        return line
    half = max_length // 2
    return f"{line[:half]}…({len(line)} characters)…{line[-half:]}"


def start_of_body(body: bytes, max_length: int) -> str:
    """Return the first bytes of a body as text, cut at a word."""
    text = body[:max_length].decode("utf-8", "replace")
    return text if len(body) <= max_length else cut_at_word(text, len(text) - 1)


def describe_start(body: bytes) -> str:
    """Return the beginning of a body as part of a message: `beginning '<html>…'`."""
    text = body[: 4 * _MAX_SHOWN].decode("utf-8", "replace").replace("\0", "")
    return f"beginning {shorten(text, _MAX_SHOWN)!r}"


def is_storable(text: str) -> bool:
    """Return whether both databases store the text unchanged.

    PostgreSQL rejects NUL. Neither database stores an unpaired surrogate.
    """
    is_plain = text.isascii() and "\0" not in text  # almost all texts, and nine times as fast
    return is_plain or _NOT_STORABLE.search(text) is None


def make_storable(text: str) -> str:
    """Return the text with a replacement character in place of each character that is not storable."""
    return _NOT_STORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def cut_middle(text: str, max_length: int, reason: str = "") -> str:
    """Return a long text without its middle.

    The beginning of an error is its message, and its end is the cause.

    Args:
        text: the text.
        max_length: characters of it that are kept.
        reason: why it is cut, as a clause.
    """
    if len(text) <= max_length:
        return text
    half = max_length // 2
    left_out = f"{len(text) - 2 * half} characters" + (f", {reason}" if reason else "")
    return f"{text[:half]}\n[… {left_out} …]\n{text[len(text) - half :]}"
