"""A list's page that does not parse because of some of its records: all others, and these by themselves.

Nothing is recovered or guessed (Lesson 1). The page is cut at its records' tags; each record is parsed strictly
within the page's own envelope, with the limits of `strict_xml` for each; and the page without those that fail
must parse strictly as a whole and hold exactly the others. So the envelope is whole, the token is the page's
own, and every record of the page is either given or a Culprit with its bytes. What does not hold to that is
refused as ever.

That holds for the bytes that came. What was in the page before bytes of it went astray, several records perhaps,
nobody can tell from one answer: so a page is blamed only where it comes with the same culprits twice
(`oai_endpoint`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from lxml import etree

from harvest_dagster.errors import EmptyBody, MalformedResponse, SourceError, Truncated, WebPage
from harvest_dagster.harvesters.oai_pieces import Cut, Piece, cut
from harvest_dagster.harvesters.oai_records import identifier_of
from harvest_dagster.harvesters.oai_response import Answer, read
from harvest_dagster.harvesters.strict_xml import reason

ITEMS = {"ListRecords": "record", "ListIdentifiers": "header"}

_Reader = Callable[[bytes], Answer]
_PLACE = re.compile(r",? line \d+,? column \d+.*$")  # of the parser, in the page without the others


@dataclass(frozen=True)
class Culprit:
    """A record that does not parse.

    Attributes:
        raw: its bytes, as they came.
        error: where it stands and what is wrong with it, one sentence.
        identifier: from its header, where that much of it can be read.
    """

    raw: bytes
    error: str
    identifier: str | None


@dataclass(frozen=True)
class Listed:
    """A page of a list.

    Attributes:
        answer: what it says of itself; its items are those that can be read.
        pieces: all of them, in order.
    """

    answer: Answer
    pieces: Sequence[etree._Element | Culprit]

    @property
    def culprits(self) -> Sequence[Culprit]:
        """Those that do not parse."""
        return [piece for piece in self.pieces if isinstance(piece, Culprit)]

    @property
    def shape(self) -> tuple[int, list[bytes]]:
        """How many pieces there are, and what the culprits are: two answers of one shape are broken in one way."""
        return len(self.pieces), [culprit.raw for culprit in self.culprits]


def read_list(
    body: bytes,
    *,
    verb: str,
    url: str,
    content_type: str = "",
    status: int = 200,
    asked: Mapping[str, str] | None = None,
) -> Listed:
    """Read a page of ListRecords or ListIdentifiers, whatever single records of it are like.

    The arguments are those of `oai_response.read`.

    Raises:
        SourceError: as that does; MalformedResponse only where the page cannot be saved.
    """
    strictly = partial(read, verb=verb, url=url, content_type=content_type, status=status, asked=asked)
    try:
        answer = strictly(body)
    except (EmptyBody, Truncated, WebPage):
        raise
    except MalformedResponse:
        listed = _salvaged(body, verb, url, strictly)
        if listed is None:
            raise
        return listed
    return Listed(answer, answer.items)


def _salvaged(body: bytes, verb: str, url: str, strictly: _Reader) -> Listed | None:
    parts = cut(body, verb=verb, item=ITEMS[verb])
    if parts is None:
        return None
    try:
        faults = [_fault(parts, piece, strictly) for piece in parts.pieces]
        good = [piece.raw for piece, fault in zip(parts.pieces, faults, strict=True) if fault is None]
        answer = strictly(parts.around(b"".join(good)))
    except (SourceError, _DoubtfulError):
        return None
    if len(answer.items) != len(good):
        return None
    items = iter(answer.items)
    pieces = [
        next(items) if fault is None else _culprit(parts, piece, _place(body, piece, url) + fault, strictly)
        for piece, fault in zip(parts.pieces, faults, strict=True)
    ]
    return Listed(answer, pieces)


class _DoubtfulError(Exception):
    """A piece is not one item of the list, and no culprit either."""


def _fault(parts: Cut, piece: Piece, strictly: _Reader) -> str | None:
    """What keeps a piece from being one item of the list; None where it is one.

    Raises:
        _DoubtfulError: it is more than one, or may be, or none.
    """
    try:
        items = strictly(parts.around(piece.raw)).items
    except MalformedResponse as error:
        if parts.may_be_several(piece):
            raise _DoubtfulError from error
        return _PLACE.sub("", reason(error.__cause__ or error))
    if len(items) != 1:
        raise _DoubtfulError
    return None


def _culprit(parts: Cut, piece: Piece, error: str, strictly: _Reader) -> Culprit:
    return Culprit(piece.raw, error, _identifier(parts, piece, strictly))


def _place(body: bytes, piece: Piece, url: str) -> str:
    line = body.count(b"\n", 0, piece.start) + 1
    return f"not well-formed, at byte {piece.start}, line {line} of {url}: "


def _identifier(parts: Cut, piece: Piece, strictly: _Reader) -> str | None:
    """The identifier in a culprit's header, read strictly like all else."""
    element = parts.identified(piece)
    if element is None:
        return None
    try:
        (item,) = strictly(parts.around(element)).items
    except (SourceError, ValueError):
        return None
    identifier = identifier_of(item)
    return identifier if identifier and identifier.isprintable() else None
