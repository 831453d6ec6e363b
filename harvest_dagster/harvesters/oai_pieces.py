"""A page's bytes, cut into what stands before, the records, and what stands after.

For pages that do not parse, so it goes by tags alone. It promises that head, pieces, what is between them (white
space, comments) and tail are the whole page, that a piece is what its start tag and the end tag that balances
it enclose, and that records follow each other directly. Whether head and tail are an envelope, and a piece a
record, is for a parser to say (`oai_salvage`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A comment or processing instruction between two records.
_GAP = re.compile(rb"[ \t\r\n]*(?:(?:<!--.*?-->|<\?.*?\?>)[ \t\r\n]*)*", re.DOTALL)
_ATTRIBUTES = rb"(?:[^<>\"']|\"[^\"<]*\"|'[^'<]*')*?"
# Inside of these, tags are text.
_SECTIONS = {b"<![CDATA[": b"]]>", b"<!--": b"-->", b"<?": b"?>"}


@dataclass(frozen=True)
class Piece:
    """One record, or header, of a page.

    Attributes:
        start: where it begins in the page, in bytes.
        raw: as it came.
    """

    start: int
    raw: bytes


@dataclass(frozen=True)
class Cut:
    """A page in pieces.

    Attributes:
        head: up to the first piece, the start tag of the list included.
        pieces: in order.
        tail: from after the last one.
        item: the name of the items.
        prefix: of that and of the envelope's other names, colon included; empty where they have none.
    """

    head: bytes
    pieces: tuple[Piece, ...]
    tail: bytes
    item: str
    prefix: bytes

    def around(self, content: bytes) -> bytes:
        """The page with this in place of its pieces."""
        return self.head + content + self.tail

    def may_be_several(self, piece: Piece) -> bool:
        """Whether a piece that is broken may hold more than one item, the tags between them being broken, too."""
        prefix = re.escape(self.prefix)
        tags = [b"<" + prefix + b"datestamp"]
        if self.item == "header":
            tags.append(b"<" + prefix + b"identifier")
        else:
            tags += [b"<" + prefix + b"header", b"</" + prefix + b"header"]
        return any(len(re.findall(tag + rb"[\s>]", piece.raw)) > 1 for tag in tags)

    def identified(self, piece: Piece) -> bytes | None:
        """A piece cut down to its header's identifier; None where it is in doubt which that is."""
        name = re.escape(self.prefix)
        end = re.search(rb"</" + name + rb"header\s*>|<" + name + rb"metadata[\s>/]", piece.raw)
        header = piece.raw[: end.start()] if end else b""
        start = rb"<" + name + rb"identifier(?=[\s>])"
        found = re.search(start + _ATTRIBUTES + rb">[^<>]*</" + name + rb"identifier\s*>", header)
        if (
            found is None
            or len(re.findall(start, header)) > 1
            or re.search(rb"<[!?]", header[: found.start()])
        ):
            return None
        whole = self._enclosed(b"header", found[0])
        return whole if self.item == "header" else self._enclosed(b"record", whole)

    def _enclosed(self, name: bytes, content: bytes) -> bytes:
        name = self.prefix + name
        return b"<%b>%b</%b>" % (name, content, name)


def cut(body: bytes, *, verb: str, item: str) -> Cut | None:
    """The page of a list in pieces; None where it cannot be told for sure where its items begin and end.

    Args:
        body: in an encoding that has ASCII's bytes for ASCII's characters; any other has no tags to find.
        verb: the name of the list's element.
        item: that of its items, in the same namespace and with the same prefix.
    """
    start = re.search(rb"<((?:[A-Za-z_][\w.-]*:)?)" + verb.encode() + rb"(?:\s" + _ATTRIBUTES + rb")?>", body)
    if start is None:
        return None
    try:
        pieces = tuple(_Cutter(body, start[1] + item.encode()).pieces(start.end()))
    except _DoubtfulError:
        return None
    if not pieces:
        return None
    end = pieces[-1].start + len(pieces[-1].raw)
    return Cut(body[: pieces[0].start], pieces, body[end:], item, start[1])


class _DoubtfulError(Exception):
    """It cannot be told where an item ends."""


class _Cutter:
    """Finds the items of one page, in one pass."""

    def __init__(self, body: bytes, name: bytes) -> None:
        self._body = body
        self._unclosed: set[bytes] = set()  # what is opened after its last end in the page: looked for once
        tag = re.escape(name)
        self._item = re.compile(rb"<" + tag + rb"(?=[\s>/])")
        openers = b"|".join(re.escape(opener) for opener in _SECTIONS)
        self._mark = re.compile(
            rb"(?P<section>"
            + openers
            + rb")|<(?P<end>/?)"
            + tag
            + rb"(?:\s"
            + _ATTRIBUTES
            + rb")?(?P<empty>/?)>"
        )
        self._item_end = re.compile(rb"</" + tag + rb"\s*>")

    def pieces(self, position: int) -> Iterator[Piece]:
        """The items that follow each other from a position on.

        Raises:
            _DoubtfulError: one has no end, or there is one within a comment.
        """
        while (start := self._next(position)) is not None:
            position = self._end(start)
            yield Piece(start, self._body[start:position])

    def _next(self, position: int) -> int | None:
        gap = _GAP.match(self._body, position)
        start = gap.end() if gap else position
        if self._item.search(self._body, position, start):
            raise _DoubtfulError
        return start if self._item.match(self._body, start) else None

    def _end(self, start: int) -> int:
        """Where the tags of an item's name balance."""
        depth, position = 0, start
        while mark := self._mark.search(self._body, position):
            if mark["section"]:
                position = self._after(mark["section"], mark.end())
                continue
            position = mark.end()
            if not mark["empty"]:
                depth += -1 if mark["end"] else 1
            if depth == 0:
                return position
        raise _DoubtfulError

    def _after(self, opener: bytes, position: int) -> int:
        """Where a section ends; one without an end is none, but a mistake in the text.

        Raises:
            _DoubtfulError: it holds the end of one item and the start of another. Either it is their text, or it is
                such a mistake, whose end is that of a section in a later record.
        """
        closer = _SECTIONS[opener]
        if opener in self._unclosed:
            return position
        end = self._body.find(closer, position)
        if end < 0:
            self._unclosed.add(opener)
            return position
        item_end = self._item_end.search(self._body, position, end)
        if item_end and self._item.search(self._body, item_end.end(), end):
            raise _DoubtfulError
        return end + len(closer)
