"""Pages of OAI-PMH and what they hold, without any request.

There are three kinds. Most are pages of ListRecords. A record that breaks such a page, and one of a list that is
asked for singly, comes before it as a page of its own, the answer to GetRecord (`Page.alone`). A list that is
asked for singly consists of pages of ListIdentifiers (`Cursor.singly`): what their headers say is needed for
deleted records, and to tell which records did not come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lxml import etree

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.interface import Response
from harvest_dagster.harvesters.oai_endpoint import Reply
from harvest_dagster.harvesters.oai_records import (
    identifier_of,
    read_header,
    read_record,
    record_around,
    unreadable,
)
from harvest_dagster.harvesters.oai_response import read
from harvest_dagster.harvesters.oai_salvage import Culprit, read_list
from harvest_dagster.harvesters.source_dates import inside
from harvest_dagster.records import Cursor, Page, Record, Request, Unreadable
from harvest_dagster.windows import Window

_MOST_ASKED = 50  # culprits of a page: a page with more of them is no case for a request each

RecordOrCulprit = etree._Element | Culprit


def list_page(reply: Reply, cursor: Cursor, following: Cursor | None, asked: Window | None) -> Page:
    """The page that a reply to a list is; `total` is what it says itself."""
    token = reply.answer.token
    return Page(
        body=reply.response.body,
        request=Request(reply.response.url),
        status=reply.response.status,
        received=reply.response.received,
        cursor=cursor,
        next=following,
        count=len(reply.pieces),
        total=token.total,
        content_type=reply.response.content_type,
        source_time=reply.answer.source_time,
        position=token.position,
        expires=token.expires,
        asked=asked,
        identifiers=tuple(filter(None, map(_identifier, reply.pieces))),
    )


def alone_page(response: Response, identifier: str, page: Page) -> Page:
    """The page that answers for one record of a list's page."""
    return Page(
        body=response.body,
        request=Request(response.url),
        status=response.status,
        received=response.received,
        cursor=page.cursor,
        next=page.cursor,
        count=0,
        content_type=response.content_type,
        asked=page.asked,
        alone=identifier,
    )


def to_ask_for(pieces: Sequence[RecordOrCulprit], page: Page, window: Window) -> list[str]:
    """The identifiers of what a list's page names and does not bring, once each, in order."""
    if page.cursor.singly:
        missing = [
            piece for piece in pieces if isinstance(piece, Culprit) or _is_missing(piece, page, window)
        ]
        return list(dict.fromkeys(filter(None, map(_identifier, missing))))
    culprits = [piece for piece in pieces if isinstance(piece, Culprit)]
    # What the same page also brings whole may be newer: it must not come after the record's newest version.
    whole = {_identifier(piece) for piece in pieces if not isinstance(piece, Culprit)} if culprits else set()
    names = dict.fromkeys(filter(None, map(_identifier, culprits)))
    return [name for name in names if name not in whole][:_MOST_ASKED]


def records_of(page: Page, window: Window) -> Iterator[Record | Unreadable]:
    """What a page holds, whatever its kind, but for what `elsewhere` brings; its records not yet by window."""
    if page.alone is not None:
        yield read_alone(page)
        return
    verb = "ListIdentifiers" if page.cursor.singly else "ListRecords"
    elsewhere = frozenset(page.elsewhere)
    for piece in read_list(page.body, verb=verb, url=page.request.url, content_type=page.content_type).pieces:
        if isinstance(piece, Culprit):
            if piece.identifier not in elsewhere:
                yield Unreadable(piece.raw, piece.error, piece.identifier)
        elif not page.cursor.singly:
            yield read_record(piece)
        elif not _is_missing(piece, page, window):
            yield from _deleted(piece)
        elif (identifier := identifier_of(piece)) not in elsewhere:
            yield unreadable(piece, "a header whose record GetRecord did not give", identifier)


def read_alone(page: Page) -> Record | Unreadable:
    """The record that a page answers for alone; the whole answer as Unreadable, where it is another or none."""
    url = page.request.url
    try:
        answer = read(
            page.body, verb="GetRecord", url=url, content_type=page.content_type, status=page.status
        )
    except SourceError as error:
        return Unreadable(page.body, str(error), page.alone)
    record = read_record(answer.items[0]) if len(answer.items) == 1 else None
    if isinstance(record, Record) and record.identifier == page.alone:
        return record
    reason = record.error if isinstance(record, Unreadable) else "another record than was asked for, or none"
    return Unreadable(page.body, f"{url} answered with {reason}", page.alone)


def _is_missing(header: etree._Element, page: Page, window: Window) -> bool:
    """Whether a header is not all there is of its record, and the record is one of the window's."""
    read = read_header(header)
    return not read.deleted and inside(read.datestamp, window, page.asked)


def _deleted(header: etree._Element) -> Iterator[Record | Unreadable]:
    """A deleted record is its header (section 2.5.1); any other belongs to another window."""
    if read_header(header).deleted:
        yield read_record(record_around(header))


def _identifier(piece: RecordOrCulprit) -> str | None:
    return piece.identifier if isinstance(piece, Culprit) else identifier_of(piece)
