"""Split HTML or XML into tags and texts, without knowing whether a body is either of them.

A source chooses these bytes, and `re` blocks all other threads while it matches, also the one that renews the lease.
So each function reads its input once. A tag or comment without an end takes the rest of the text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping

from harvest_dagster.texts import one_line

COMMENT = {b"<!--": b"-->"}
"""A comment, as an argument of `content_start`."""

_WHITE_SPACE = re.compile(rb"\s*(?:\xef\xbb\xbf\s*)*")
_TAG = re.compile(r"<(/?[a-z][^\s/>]*|[!?/])", re.IGNORECASE)
_HEADINGS = frozenset({"title", "h1", "h2"})
_HIDDEN = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in ("script", "style")}
# No character has a number of eight digits, and int() of Python refuses one of 4,300 digits.
_INVALID_REFERENCE = re.compile(r"&#[0-9]{8,};?")


def content_start(body: bytes, sections: Mapping[bytes, bytes]) -> int:
    """Return the index of the first byte that belongs neither to white space nor to a section.

    Args:
        body: The body, with or without byte order marks.
        sections: The sections to skip, as pairs of opening and closing bytes. The first match counts.
    """
    index = _end_of_white_space(body, 0)
    while (opener := next((each for each in sections if body.startswith(each, index)), None)) is not None:
        closer = sections[opener]
        end = body.find(closer, index + len(opener))
        if end < 0:
            return index
        index = _end_of_white_space(body, end + len(closer))
    return index


def tokens(markup: str) -> Iterator[tuple[str, str]]:
    """Yield the tags and texts in order, each as a pair of its name and its characters.

    The name is in lower case. That of an end tag begins with a slash, that of a text is empty. The contents of
    comments, scripts and styles are left out.
    """
    index = 0
    while tag := _TAG.search(markup, index):
        yield "", markup[index : tag.start()]
        end = _end_of_tag(markup, tag)
        if end is None:
            return
        name, raw = tag[1].lower(), markup[tag.start() : end]
        yield name, raw
        index = end
        if name in _HIDDEN and not raw.endswith("/>"):
            closer = _HIDDEN[name].search(markup, end)
            if closer is None:
                return
            index = closer.end()
    yield "", markup[index:]


def visible_text(parts: Iterable[tuple[str, str]]) -> str:
    """Return the text of some tokens that a person reads, character references decoded."""
    text = " ".join(text for name, text in parts if not name)
    return html.unescape(_INVALID_REFERENCE.sub("\N{REPLACEMENT CHARACTER}", text))


def headings(parts: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the texts of title, h1 and h2. A heading counts if its end tag or another heading follows."""
    open_name, inside = "", list[tuple[str, str]]()
    for name, text in parts:
        if open_name and (name == f"/{open_name}" or name in _HEADINGS):
            yield one_line(visible_text(inside))
            open_name = ""
        if name in _HEADINGS:
            open_name, inside = name, []
        inside.append((name, text))


def _end_of_white_space(body: bytes, index: int) -> int:
    white_space = _WHITE_SPACE.match(body, index)
    return white_space.end() if white_space else index


def _end_of_tag(markup: str, tag: re.Match[str]) -> int | None:
    """Return the index after a tag or a comment, None if its end is missing."""
    if markup.startswith("<!--", tag.start()):
        start, closer = tag.start() + len("<!"), "-->"  # `<!-->` is a complete comment
    else:
        start, closer = tag.end(), ">"
    end = markup.find(closer, start)
    return None if end < 0 else end + len(closer)
