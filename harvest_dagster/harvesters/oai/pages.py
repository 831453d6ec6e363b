"""The three kinds of pages that an OAI-PMH harvest writes to the spool, and how to parse them without a request.

- A page of ListRecords. Most pages are of this kind.
- The response to GetRecord for one record (`Page.single_record` is its identifier). It is requested if the record is
  invalid in its page of ListRecords, or if the list is harvested record by record. In the spool, it precedes the list
  page that names the record.
- A page of ListIdentifiers (`Cursor.one_by_one`), if the list is harvested record by record. Its headers contain the
  deleted records, and show which records did not arrive.

A page of the list of headers (`header_list`) is of none of these kinds: it has headers, and no records.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lxml import etree

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.interface import Response
from harvest_dagster.harvesters.oai.endpoint import Reply
from harvest_dagster.harvesters.oai.flat_records import FlatRecord
from harvest_dagster.harvesters.oai.page_recovery import ListItem, parse_list
from harvest_dagster.harvesters.oai.page_splitter import split_page
from harvest_dagster.harvesters.oai.records import (
    datestamp_of,
    datestamp_text_of,
    format_of,
    identifier_of,
    invalid_record,
    parse_deleted_record,
    parse_header,
    parse_record,
    parse_record_header,
)
from harvest_dagster.harvesters.oai.response import OAI, parse_response
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, RecordHeader, Request
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window

# Invalid records of one page that are requested again. If a page has more, the repository or the connection is at
# fault, and one request for each record would only use up the budget.
_MAX_REPEATED = 50
_COLONS = 2  # of a time with seconds


@dataclass(frozen=True)
class _ParsedList:
    """The items of a page in memory, and the name of the element that contains them."""

    tag: str
    items: Sequence[ListItem]


def headers_of(items: Sequence[ListItem]) -> list[tuple[str, datetime]]:
    """Return identifier and datestamp of the items that have both and that parse."""
    valid = [item for item in items if not isinstance(item, InvalidRecord)]
    headers = ((identifier_of(item), datestamp_of(item)) for item in valid)
    return [(identifier, datestamp) for identifier, datestamp in headers if identifier and datestamp]


def has_utc_seconds(item: ListItem) -> bool:
    """Return whether the datestamp of an item is as precise as OAI-PMH requires it: with seconds, in UTC.

    An item without a datestamp is in no neighbouring window, so it does not matter.
    """
    text = "" if isinstance(item, InvalidRecord) else datestamp_text_of(item)
    return not text or ("T" in text and text.endswith("Z") and text.count(":") == _COLONS)


def list_page(reply: Reply, cursor: Cursor, next_cursor: Cursor | None) -> Page:
    """Return the page for a reply to a list request. Its `total` is completeListSize as the source sent it."""
    token = reply.oai_response.token
    return Page(
        body=reply.http_response.body,
        request=Request(reply.http_response.url),
        status=reply.http_response.status,
        received=reply.http_response.received,
        cursor=cursor,
        next=next_cursor,
        count=len(reply.items),
        total=token.total,
        content_type=reply.http_response.content_type,
        source_time=reply.oai_response.source_time,
        position=token.position,
        expires=token.expires,
        identifiers=tuple(filter(None, map(_identifier, reply.items))),
        is_whole_list=reply.token is None and token.text is None,
        formats=formats_of(reply.items),
        ends_without_records=reply.token is not None and token.text is None and not reply.items,
        parsed=_ParsedList(reply.oai_response.content.tag, reply.items),
    )


def record_page(response: Response, identifier: str, page: Page) -> Page:
    """Return the page for a GetRecord response that replaces one record of the list page `page`."""
    return Page(
        body=response.body,
        request=Request(response.url),
        status=response.status,
        received=response.received,
        cursor=page.cursor,
        next=page.cursor,
        count=0,
        content_type=response.content_type,
        requested_window=page.requested_window,
        overlap=page.overlap,
        single_record=identifier,
    )


def identifiers_to_request(items: Sequence[ListItem], page: Page, window: Window) -> list[str]:
    """Return the identifiers of the records to request with GetRecord, in the order of the list page, each once.

    These are the invalid records of a page of ListRecords. Of a page of ListIdentifiers, these are all records of the
    window that are not deleted.
    """
    if page.cursor.one_by_one:
        missing = [
            item
            for item in items
            if not isinstance(item, FlatRecord)  # an item of ListRecords
            and (isinstance(item, InvalidRecord) or _needs_get_record(item, page, window))
        ]
        return list(dict.fromkeys(filter(None, map(_identifier, missing))))
    invalid = [item for item in items if isinstance(item, InvalidRecord)]
    # A record may be twice in a page, once valid and once invalid. GetRecord returns its newest version, which would
    # be stored before the older version in this page. So it is not requested.
    valid = {_identifier(item) for item in items if not isinstance(item, InvalidRecord)} if invalid else set()
    identifiers = dict.fromkeys(filter(None, map(_identifier, invalid)))
    return [identifier for identifier in identifiers if identifier not in valid][:_MAX_REPEATED]


def parse_page(
    page: Page, window: Window, limits: ResponseLimits | None = None, *, keep_original: bool = False
) -> Iterator[Record | InvalidRecord]:
    """Yield the records of a page of any kind, except those in `page.sent_separately`.

    Records outside the window are yielded too, with one exception. A header of ListIdentifiers that belongs to another
    window yields nothing, unless its record is deleted.

    Args:
        page: the page.
        window: the window that it was asked for.
        limits: what parsing it may cost.
        keep_original: whether the records get their own bytes.
    """
    if page.single_record is not None:
        record = parse_record_page(page, limits)
        yield _with_original(record, _originals(page, "GetRecord", 1)[0]) if keep_original else record
    elif page.count > 0:  # a page without records may be an error that means an empty list
        yield from _parse_list_page(page, window, limits, keep_original=keep_original)


def _parse_list_page(
    page: Page, window: Window, limits: ResponseLimits | None, *, keep_original: bool
) -> Iterator[Record | InvalidRecord]:
    verb = "ListIdentifiers" if page.cursor.one_by_one else "ListRecords"
    in_other_pages = frozenset(page.sent_separately)
    items = _items(page, verb, limits)
    originals = _originals(page, verb, len(items)) if keep_original else [None] * len(items)
    for item, original in zip(items, originals, strict=True):
        if isinstance(item, InvalidRecord):
            if item.identifier not in in_other_pages:
                yield item
        elif isinstance(item, FlatRecord) or not page.cursor.one_by_one:
            yield _with_original(parse_record(item), original)
        elif not _needs_get_record(item, page, window):
            yield from (_with_original(record, original) for record in _deleted_record(item))
        elif (identifier := identifier_of(item)) not in in_other_pages:
            yield invalid_record(item, "GetRecord returned no record for this header", identifier)


def parse_header_page(
    page: Page, limits: ResponseLimits | None = None
) -> Iterator[RecordHeader | InvalidRecord]:
    """Yield the headers of a page of ListIdentifiers, also those outside its window."""
    if page.count > 0:  # a page without headers may be an error that means an empty list
        for item in _items(page, "ListIdentifiers", limits):
            if isinstance(item, InvalidRecord):
                yield item
            elif not isinstance(item, FlatRecord):  # an item of ListRecords
                yield parse_record_header(item)


def parse_record_page(page: Page, limits: ResponseLimits | None = None) -> Record | InvalidRecord:
    """Return the record of a GetRecord page.

    If the page contains no valid record with the requested identifier, return the whole page as an InvalidRecord.
    """
    url = page.request.url
    try:
        items = parse_response(
            page.body,
            verb="GetRecord",
            url=url,
            content_type=page.content_type,
            status=page.status,
            limits=limits,
        ).items
    except SourceError as error:
        return InvalidRecord(page.body, str(error), page.single_record)
    record = parse_record(items[0]) if len(items) == 1 else None
    if isinstance(record, Record) and record.identifier == page.single_record:
        return record
    reason = (
        record.error
        if isinstance(record, InvalidRecord)
        else "no record or another record than the requested one"
    )
    return InvalidRecord(page.body, f"{url} answered with {reason}", page.single_record)


def _originals(page: Page, verb: str, count: int) -> list[bytes | None]:
    """Return the own bytes of each item of a page, in order. None for all if it is uncertain where they begin and end.

    That is the case in an encoding like UTF-16, in which tags are not ASCII bytes. The bytes of an item lack the
    namespaces that the page declares outside of it.
    """
    item_name = "header" if verb == "ListIdentifiers" else "record"
    parts = split_page(page.body, verb=verb, item_name=item_name)
    if parts is None or len(parts.items) != count:
        return [None] * count
    return [item.raw for item in parts.items]


def _with_original(record: Record | InvalidRecord, original: bytes | None) -> Record | InvalidRecord:
    if original is None or isinstance(record, InvalidRecord):
        return record
    return replace(record, original=original)


def formats_of(items: Sequence[ListItem]) -> tuple[str, ...]:
    """Return the different formats of the records of a page. Deleted records have none, and neither have headers."""
    elements = (item for item in items if not isinstance(item, InvalidRecord))
    return tuple(sorted(set(filter(None, map(format_of, elements)))))


def identifier_with_format(page: Page, name: str, limits: ResponseLimits | None = None) -> str | None:
    """Return the identifier of the first record of a list page that has this format."""
    items = _items(page, "ListRecords", limits)
    records = (item for item in items if not isinstance(item, InvalidRecord))
    return next((identifier_of(record) for record in records if format_of(record) == name), None)


def _items(page: Page, verb: str, limits: ResponseLimits | None) -> Sequence[ListItem]:
    if isinstance(page.parsed, _ParsedList) and page.parsed.tag == f"{OAI}{verb}":
        return page.parsed.items
    return parse_list(
        page.body, verb=verb, url=page.request.url, content_type=page.content_type, limits=limits
    ).items


def _needs_get_record(header: etree._Element, page: Page, window: Window) -> bool:
    """Return whether a header belongs to a record of the window that is not deleted.

    A deleted record has only a header, so there is nothing to request (section 2.5.1).
    """
    parsed = parse_header(header)
    return not parsed.deleted and is_kept(parsed.datestamp, window, page.widened_window)


def _deleted_record(header: etree._Element) -> Iterator[Record | InvalidRecord]:
    """Yield a deleted record, which has only its header (section 2.5.1). Yield nothing for any other header."""
    if parse_header(header).deleted:
        yield parse_deleted_record(header)


def _identifier(item: ListItem) -> str | None:
    return item.identifier if isinstance(item, InvalidRecord) else identifier_of(item)
