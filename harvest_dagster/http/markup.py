"""HTML and XML by their tags alone, for bodies of which nobody knows whether they are either.

A source chooses these bytes, and `re` lets no other thread work meanwhile, so that no lease is renewed. All this
is done in one pass: what opens and has no end takes the rest, and nothing is looked for twice.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping

from harvest_dagster.texts import one_line

COMMENT = {b"<!--": b"-->"}
_WHITE = re.compile(rb"(?:\xef\xbb\xbf)?\s*")
_TAG = re.compile(r"<(/?[a-z][^\s/>]*|[!?/])", re.IGNORECASE)
_HEADINGS = frozenset({"title", "h1", "h2"})
_HIDDEN = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in ("script", "style")}
# No character has a number of eight digits, and Python's int() refuses one of 4,300.
_ABSURD = re.compile(r"&#[0-9]{8,};?")


def after(body: bytes, sections: Mapping[bytes, bytes]) -> int:
    """Where the first thing stands that is neither white space nor one of these sections.

    Args:
        body: with or without a byte order mark.
        sections: how they open, and how they close; the first that fits counts.
    """
    place = _end_of_white(body, 0)
    while (opener := next((one for one in sections if body.startswith(one, place)), None)) is not None:
        closer = sections[opener]
        end = body.find(closer, place + len(opener))
        if end < 0:
            return place
        place = _end_of_white(body, end + len(closer))
    return place


def pieces(markup: str) -> Iterator[tuple[str, str]]:
    """The texts and tags in order, each after its name: lower case, that of an end with its slash, empty of a text.

    Of comments, scripts and styles nothing but the tag is given.
    """
    place = 0
    while tag := _TAG.search(markup, place):
        yield "", markup[place : tag.start()]
        end = _end_of_comment(markup, tag) if markup.startswith("<!--", tag.start()) else _end(markup, tag)
        if end is None:
            return
        name, raw = tag[1].lower(), markup[tag.start() : end]
        yield name, raw
        place = end
        if name in _HIDDEN and not raw.endswith("/>"):
            closer = _HIDDEN[name].search(markup, end)
            if closer is None:
                return
            place = closer.end()
    yield "", markup[place:]


def without_tags(found: Iterable[tuple[str, str]]) -> str:
    """What a person reads of some pieces."""
    text = " ".join(text for name, text in found if not name)
    return html.unescape(_ABSURD.sub("\N{REPLACEMENT CHARACTER}", text))


def headings(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The texts of the title and of the first two ranks of headings, those that are closed or followed by another."""
    open_name, inside = "", list[tuple[str, str]]()
    for name, text in found:
        if open_name and (name == f"/{open_name}" or name in _HEADINGS):
            yield one_line(without_tags(inside))
            open_name = ""
        if name in _HEADINGS:
            open_name, inside = name, []
        inside.append((name, text))


def _end_of_white(body: bytes, place: int) -> int:
    white = _WHITE.match(body, place)
    return white.end() if white else place


def _end_of_comment(markup: str, tag: re.Match[str]) -> int | None:
    end = markup.find("-->", tag.start() + len("<!"))  # `<!-->` is one
    return None if end < 0 else end + len("-->")


def _end(markup: str, tag: re.Match[str]) -> int | None:
    end = markup.find(">", tag.end())
    return None if end < 0 else end + 1
