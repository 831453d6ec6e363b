"""The values that travel from a harvester to the database: Page, Record, Unreadable.

All of them frozen. A page is what the source sent; a record is what the database keeps. How pages are fetched
and taken apart is the harvester's business (`harvesters.interface`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from harvest_dagster.windows import Window


@dataclass(frozen=True)
class Request:
    """How a page was asked for; `url` is redacted, so that it may stand in a log.

    Attributes:
        url: the whole URL, query string included.
        method: the HTTP method.
    """

    url: str
    method: str = "GET"


@dataclass(frozen=True)
class Cursor:
    """Where a harvest goes on: what a page says of the next one.

    Attributes:
        token: the source's own token (OAI-PMH section 3.5, a REST API's cursor); None asks for the first page.
        part: which of the harvester's lists; a harvester that walks several (one for each set) counts them.
        singly: whether the list is one of headers, whose records are then asked for one by one.
    """

    token: str | None = None
    part: int = 0
    singly: bool = False


@dataclass(frozen=True)
class Page:
    """One response of the source, as it came.

    Attributes:
        body: the bytes, content-encoding undone.
        request: how it was asked.
        status: the HTTP status code.
        received: when, by our clock, in UTC.
        cursor: where it stands.
        next: where the harvest goes on; None after the last page of the last list.
        total: the source's own count of this list (`completeListSize`), None where it gives none.
        count: how many records of the list the page holds, those included that cannot be read.
        content_type: the header's value, empty where there was none.
        source_time: the source's clock (`responseDate`), None where it does not say.
        position: how many records of the list come before this page, as the source counts (`cursor`).
        expires: until when the source accepts the next token (`expirationDate`), where it says.
        asked: what the source was asked for, where its granularity made that more than the window. What only
            this brought in belongs to other windows.
        alone: the identifier of the one record that was asked for by itself. Such a page stands beside the list:
            it comes before the list's page that names the record, holds none of the list's count, and goes on
            with that page (`next` is its own `cursor`).
        elsewhere: the identifiers of this page's records that such pages before it answer for; `records` leaves
            these out. They are in `count` and `identifiers` of this page.
        identifiers: of its records in order, as far as they can be read, those with several as often as they
            come. They tell whether a list is whole and goes forward; the manifest keeps digests of them. A
            harvester that gives none has its records counted instead.
    """

    body: bytes
    request: Request
    status: int
    received: datetime
    cursor: Cursor
    next: Cursor | None
    count: int
    total: int | None = None
    content_type: str = ""
    source_time: datetime | None = None
    position: int | None = None
    expires: datetime | None = None
    asked: Window | None = None
    alone: str | None = None
    elsewhere: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """One record of a page.

    Attributes:
        identifier: the record's identifier in the source.
        datestamp: when the source changed it last, in UTC; None where the source does not say.
        deleted: whether the source says that it is gone.
        blob: its canonical form: the same content always gives the same text.
    """

    identifier: str
    datestamp: datetime | None
    deleted: bool
    blob: str

    @property
    def hash(self) -> str:
        """SHA-256 of the blob in UTF-8, as 64 hexadecimal digits."""
        return hashlib.sha256(self.blob.encode()).hexdigest()


@dataclass(frozen=True)
class Unreadable:
    """A piece of a page that is no record: it goes to the quarantine, the others go on.

    Attributes:
        datum: its bytes.
        error: what is wrong with it, one sentence.
        identifier: its identifier in the source, where that can be read.
    """

    datum: bytes
    error: str
    identifier: str | None = None
