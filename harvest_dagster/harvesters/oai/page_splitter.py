"""Split the bytes of a list page into the part before its items, the items, and the part after them.

This is for pages that do not parse, so it uses only tags. Head, items and tail, with the white space and comments
between items, are the whole page. An item is what its start tag and the balancing end tag enclose, and items follow
each other directly. Whether head and tail form an envelope, and whether an item is valid, is for a parser to decide
(`page_recovery`).

The items of ListRecords are `record` elements, those of ListIdentifiers are `header` elements (sections 4.5 and 4.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_BETWEEN_ITEMS = re.compile(rb"[ \t\r\n]*(?:(?:<!--.*?-->|<\?.*?\?>)[ \t\r\n]*)*", re.DOTALL)
_ATTRIBUTES = rb"(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*?"
# Within these sections, tags are text.
_SECTIONS = {b"<![CDATA[": b"]]>", b"<!--": b"-->", b"<?": b"?>"}


@dataclass(frozen=True)
class ItemBytes:
    """The bytes of one item of a page.

    Attributes:
        start: offset of its first byte in the page.
        raw: its bytes as received.
    """

    start: int
    raw: bytes


@dataclass(frozen=True)
class PageParts:
    """The parts of a list page.

    Attributes:
        head: everything before the first item, including the start tag of the list.
        items: the items in order.
        tail: everything after the last item.
        item_name: local name of the items, `record` or `header`.
        prefix: namespace prefix of the items and of the envelope, with its colon; empty if there is none.
    """

    head: bytes
    items: tuple[ItemBytes, ...]
    tail: bytes
    item_name: str
    prefix: bytes

    def with_items(self, content: bytes) -> bytes:
        """Return the page with `content` instead of its items."""
        return self.head + content + self.tail

    def may_hold_several(self, item: ItemBytes) -> bool:
        """Return whether an invalid item may be several items, because the tags between them are damaged."""
        prefix = re.escape(self.prefix)
        once_per_item = [b"<" + prefix + b"datestamp"]
        if self.item_name == "header":
            once_per_item.append(b"<" + prefix + b"identifier")
        else:
            once_per_item += [b"<" + prefix + b"header", b"</" + prefix + b"header"]
        return any(len(re.findall(tag + rb"[\s>]", item.raw)) > 1 for tag in once_per_item)

    def identifier_only(self, item: ItemBytes) -> bytes | None:
        """Return an item reduced to the identifier in its header, or None if it is uncertain which that is."""
        name = re.escape(self.prefix)
        end = re.search(rb"</" + name + rb"header\s*>|<" + name + rb"metadata[\s>/]", item.raw)
        header = item.raw[: end.start()] if end else b""
        start = rb"<" + name + rb"identifier(?=[\s>])"
        found = re.search(start + _ATTRIBUTES + rb">[^<>]*</" + name + rb"identifier\s*>", header)
        if (
            found is None
            or len(re.findall(start, header)) > 1
            or re.search(rb"<[!?]", header[: found.start()])
        ):
            return None
        reduced = self._element(b"header", found[0])
        return reduced if self.item_name == "header" else self._element(b"record", reduced)

    def _element(self, name: bytes, content: bytes) -> bytes:
        name = self.prefix + name
        return b"<%b>%b</%b>" % (name, content, name)


def split_page(body: bytes, *, verb: str, item_name: str) -> PageParts | None:
    """Split a list page, or return None if it is uncertain where its items start and end.

    Args:
        body: the page. Its encoding must represent ASCII characters as ASCII bytes; in any other encoding no tag is
            found.
        verb: name of the element that contains the list.
        item_name: local name of the items. They have the same namespace and prefix as the list.
    """
    start = re.search(rb"<((?:[A-Za-z_][\w.-]*:)?)" + verb.encode() + rb"(?:\s" + _ATTRIBUTES + rb")?>", body)
    if start is None:
        return None
    try:
        items = tuple(_ItemScanner(body, start[1] + item_name.encode()).items(start.end()))
    except _UncertainBoundaryError:
        return None
    if not items:
        return None
    end = items[-1].start + len(items[-1].raw)
    return PageParts(body[: items[0].start], items, body[end:], item_name, start[1])


class _UncertainBoundaryError(Exception):
    """The start or the end of an item is uncertain."""


class _ItemScanner:
    """Finds the items of one page in one pass."""

    def __init__(self, body: bytes, name: bytes) -> None:
        self._body = body
        self._unclosed: set[bytes] = (
            set()
        )  # sections without an end: the rest of the page is searched only once
        tag = re.escape(name)
        self._item_start = re.compile(rb"<" + tag + rb"(?=[\s>/])")
        openers = b"|".join(re.escape(opener) for opener in _SECTIONS)
        self._markup = re.compile(
            rb"(?P<section>"
            + openers
            + rb")|<(?P<end>/?)"
            + tag
            + rb"(?:\s"
            + _ATTRIBUTES
            + rb")?(?P<empty>/?)>"
        )
        self._item_end = re.compile(rb"</" + tag + rb"\s*>")

    def items(self, position: int) -> Iterator[ItemBytes]:
        """Yield the items that follow each other from a position on.

        Raises:
            _UncertainBoundaryError: an item has no end, or a comment contains an item.
        """
        while (start := self._next_start(position)) is not None:
            position = self._end_of_item(start)
            yield ItemBytes(start, self._body[start:position])

    def _next_start(self, position: int) -> int | None:
        between = _BETWEEN_ITEMS.match(self._body, position)
        start = between.end() if between else position
        if self._item_start.search(self._body, position, start):
            raise _UncertainBoundaryError
        return start if self._item_start.match(self._body, start) else None

    def _end_of_item(self, start: int) -> int:
        """Return the position after the end tag that balances the start tag at `start`."""
        depth, position = 0, start
        while markup := self._markup.search(self._body, position):
            if markup["section"]:
                position = self._end_of_section(markup["section"], markup.end())
                continue
            position = markup.end()
            if not markup["empty"]:
                depth += -1 if markup["end"] else 1
            if depth == 0:
                return position
        raise _UncertainBoundaryError

    def _end_of_section(self, opener: bytes, position: int) -> int:
        """Return the position after a section. A section without an end is a mistake in the text and has length 0.

        Raises:
            _UncertainBoundaryError: the section contains the end of an item and the start of another one. Either the
                tags are text, or the opener is a mistake and the end belongs to a section in a later item.
        """
        closer = _SECTIONS[opener]
        if opener in self._unclosed:
            return position
        end = self._body.find(closer, position)
        if end < 0:
            self._unclosed.add(opener)
            return position
        item_end = self._item_end.search(self._body, position, end)
        if item_end and self._item_start.search(self._body, item_end.end(), end):
            raise _UncertainBoundaryError
        return end + len(closer)
