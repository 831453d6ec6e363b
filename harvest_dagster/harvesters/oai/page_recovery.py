"""Parse a list page that is not well-formed because of some of its records: all other records stay usable.

Nothing is guessed: a parser in recovery mode loses records without an error (docs/failures.md#truncated-page). The
page is split at the tags of its records. Each record is parsed strictly within the page's own envelope, with the
limits of `strict_xml`. The page without the invalid records must parse strictly and contain exactly the others. So
the envelope is complete, the token is the page's own, and each record is either parsed or returned as an
InvalidRecord with its bytes. A page for which this fails is refused as a whole.

This holds for the bytes that arrived. One response cannot show whether bytes were lost in transit, perhaps those of
several records. So `endpoint` accepts invalid records only if a second response contains the same ones.

Incidents: one control character in one record ended whole harvests (metha#1, oai-harvest#25; see
docs/failures.md#one-invalid-record).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from harvest_dagster.errors import EmptyBody, MalformedResponse, SourceError, TruncatedResponse, WebPage
from harvest_dagster.harvesters.formats.strict_xml import parser_message
from harvest_dagster.harvesters.oai.flat_pages import parse_flat_page
from harvest_dagster.harvesters.oai.page_splitter import ItemBytes, PageParts, split_page
from harvest_dagster.harvesters.oai.records import Item, identifier_of
from harvest_dagster.harvesters.oai.response import OaiResponse, parse_response
from harvest_dagster.records import InvalidRecord
from harvest_dagster.response_limits import ResponseLimits

ITEM_NAMES = {"ListRecords": "record", "ListIdentifiers": "header"}

ListItem = Item | InvalidRecord
"""An item that is valid so far, or one that does not parse."""

# Each item is parsed within the envelope of the page. An envelope of 1 MB around 10,000 items would take minutes.
_MOST_ENVELOPE_BYTES = 256 * 2**20
_StrictParser = Callable[[bytes], OaiResponse]
# The position in the parser's message. It is wrong, because the parser gets the page without the other items.
_POSITION = re.compile(r",? line \d+,? column \d+.*$")


@dataclass(frozen=True)
class ListResponse:
    """A parsed page of a list.

    Attributes:
        oai_response: the parsed response. Its `items` do not include those that are invalid, and perhaps not the flat
            ones.
        items: all items in order. A flat record may be parsed already.
    """

    oai_response: OaiResponse
    items: Sequence[ListItem]

    @property
    def invalid_records(self) -> Sequence[InvalidRecord]:
        """The items that do not parse."""
        return [item for item in self.items if isinstance(item, InvalidRecord)]

    def is_equally_invalid(self, other: ListResponse) -> bool:
        """Return whether two responses have the same number of items and the same bytes in their invalid records."""
        ours, theirs = ([item.datum for item in page.invalid_records] for page in (self, other))
        return len(self.items) == len(other.items) and ours == theirs


def parse_list(
    body: bytes,
    *,
    verb: str,
    url: str,
    content_type: str = "",
    status: int = 200,
    asked: Mapping[str, str] | None = None,
    empty_code: str = "",
    limits: ResponseLimits | None = None,
) -> ListResponse:
    """Parse a page of ListRecords or ListIdentifiers. Records that do not parse do not affect the others.

    Args: as those of `response.read`.

    Raises:
        SourceError: as `response.read`; MalformedResponse only if the envelope is invalid, too.
    """
    parse_strictly = partial(
        parse_response,
        verb=verb,
        url=url,
        content_type=content_type,
        status=status,
        asked=asked,
        empty_code=empty_code,
        limits=limits,
    )
    if verb == "ListRecords" and (flat := parse_flat_page(body, parse_strictly, limits)) is not None:
        return ListResponse(*flat)
    try:
        oai_response = parse_strictly(body)
    except (EmptyBody, TruncatedResponse, WebPage):
        raise
    except MalformedResponse:
        recovered = _recover(body, verb, url, parse_strictly)
        if recovered is None:
            raise
        return recovered
    return ListResponse(oai_response, oai_response.items)


def _recover(body: bytes, verb: str, url: str, parse_strictly: _StrictParser) -> ListResponse | None:
    parts = split_page(body, verb=verb, item_name=ITEM_NAMES[verb])
    if parts is None or len(parts.items) * (len(parts.head) + len(parts.tail)) > _MOST_ENVELOPE_BYTES:
        return None
    try:
        errors = [_item_error(parts, item, parse_strictly) for item in parts.items]
        valid = [item.raw for item, error in zip(parts.items, errors, strict=True) if error is None]
        oai_response = parse_strictly(parts.with_items(b"".join(valid)))
    except (SourceError, _UncertainItemError):
        return None
    if len(oai_response.items) != len(valid):
        return None
    elements, lines = iter(oai_response.items), _lines_of_items(body, parts.items)
    items = [
        next(elements)
        if error is None
        else InvalidRecord(
            item.raw,
            f"not well-formed, at byte {item.start}, line {line} of {url}: {error}",
            _identifier(parts, item, parse_strictly),
        )
        for item, error, line in zip(parts.items, errors, lines, strict=True)
    ]
    return ListResponse(oai_response, items)


class _UncertainItemError(Exception):
    """The bytes of an item may hold no item or several."""


def _item_error(parts: PageParts, item: ItemBytes, parse_strictly: _StrictParser) -> str | None:
    """Return the parser's error for an item, or None if it is valid.

    Raises:
        _UncertainItemError: the bytes hold several items or none, or may do so.
    """
    try:
        elements = parse_strictly(parts.with_items(item.raw)).items
    except MalformedResponse as error:
        if parts.may_hold_several(item):
            raise _UncertainItemError from error
        return _POSITION.sub("", parser_message(error.__cause__ or error))
    if len(elements) != 1:
        raise _UncertainItemError
    return None


def _lines_of_items(body: bytes, items: Sequence[ItemBytes]) -> Iterator[int]:
    """Yield the line at which each item starts. Each byte is read once, because every item may be invalid."""
    line, position = 1, 0
    for item in items:
        line += body.count(b"\n", position, item.start)
        position = item.start
        yield line


def _identifier(parts: PageParts, item: ItemBytes, parse_strictly: _StrictParser) -> str | None:
    """Return the identifier in an invalid item's header, parsed strictly, or None if that is not possible."""
    reduced = parts.identifier_only(item)
    if reduced is None:
        return None
    try:
        (element,) = parse_strictly(parts.with_items(reduced)).items
    except (SourceError, ValueError):
        return None
    identifier = identifier_of(element)
    return identifier if identifier and identifier.isprintable() else None
