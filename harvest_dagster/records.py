"""The values that a harvester passes on: requests, cursors, pages, records, invalid records.

A page is one response of the source. A record is what the database stores. Harvesters fetch and parse pages
(`harvesters.interface`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from harvest_dagster.windows import Window


@dataclass(frozen=True)
class Request:
    """The HTTP request of a page.

    Attributes:
        url: the whole URL with its query string. Secrets are masked, so that it may be logged.
        method: the HTTP method.
        body: the content of the request as text, secrets masked; None for a request without content.
    """

    url: str
    method: str = "GET"
    body: str | None = None


@dataclass(frozen=True)
class Cursor:
    """The position of a page in the lists of a harvester. A harvest can resume from any cursor.

    Attributes:
        token: the source's own token (OAI-PMH section 3.5, or the cursor of a REST API); None for the first page.
        list_number: number of the list, for a harvester that fetches several lists, for example one for each set.
        one_by_one: whether the list contains only headers, so that each record is requested separately.
        asked: what the list of the token was requested for, if that is not what follows from the window alone. The
            other pages of the list must be requested with the same dates.
        separate: which records of the page came on pages of their own (`Page.single_record`), as the harvester writes
            it; None if none did.
        lists: which lists the source had up to this one, if that is only known from the source, as the harvester writes
            it. If they are others now, the harvester refuses the cursor.
    """

    token: str | None = None
    list_number: int = 0
    one_by_one: bool = False
    asked: Window | None = None
    separate: str | None = None
    lists: str | None = None


@dataclass(frozen=True)
class Page:
    """One response of the source, as it was received.

    Attributes:
        body: the bytes after content decoding.
        request: its HTTP request.
        status: the HTTP status code.
        received: when it was received, by our clock, in UTC.
        cursor: its position.
        next: the position of the next page; None after the last page of the last list.
        total: the source's own total of this list (`completeListSize`), None if it gives none.
        count: number of records of the list on this page, including invalid records.
        content_type: the value of the header, empty if it is missing.
        source_time: the time by the source's clock (`responseDate`), None if it gives none.
        position: number of records of the list before this page, as the source counts them (`cursor`).
        expires: until when the source accepts the next token (`expirationDate`), None if it does not say.
        requested_window: the window that the source was asked for, if its granularity made that longer than the window
            of the harvest. Records that are only in the longer one belong to other windows.
        overlap: all that the source was asked for, if that includes units of the neighbouring windows, because the
            source may not include the whole unit at an end. Records in it that are outside the window belong to the
            neighbouring windows.
        neighbours: number of records of the list on this page that belong to the neighbouring windows.
        single_record: the identifier of the only record on this page, if it was requested separately. Such a page is
            not part of the list. It comes before the page of the list that names the record, does not count for the
            list, and continues with that page (`next` is its own `cursor`, perhaps with `separate`).
        sent_separately: the identifiers of records of this page that separate pages before it deliver. `records` omits
            them. `count` and `identifiers` of this page include them.
        identifiers: the identifiers of its records that can be read, in order, with repetitions. They prove that a
            list is complete and makes progress; the manifest keeps digests of them. If a harvester gives none, only
            the number of records is checked.
        is_whole_list: whether the protocol says that this page is its whole list. In OAI-PMH, a first page without a
            resumptionToken is (section 3.5). False if the protocol says nothing about it.
        may_be_cut: whether the list ends here in a way that also occurs in the middle of a list. If it has no total,
            the pipeline requests shorter lists, as far as there are any.
        ends_at_limit: whether the source refused the rest of the list because the list would be too long. Its total may
            be the limit, so the pipeline requests shorter lists although the total agrees.
        formats: the different formats of its records, if the harvester knows them; in OAI-PMH, the namespaces of the
            metadata. A page with another format than the earlier pages of its window needs a confirmation
            (`Client.confirm_format`).
        ends_without_records: whether the source answered to the cursor of this page with no records and no next cursor,
            although that is not how its protocol ends a list: with `noRecordsMatch`, or with an empty `ListRecords`.
        ends_after_full_page: whether this page is empty and ends its list as the protocol says, but the page before was
            full. A transient failure may look the same. If the list has no total, the page is requested again.
        parsed: what the client made of the body, for the parser of the same harvester, which then need not parse it
            again. None for a page from the spool: it holds the body only.
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
    requested_window: Window | None = None
    overlap: Window | None = None
    neighbours: int = 0
    single_record: str | None = None
    sent_separately: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    is_whole_list: bool = False
    may_be_cut: bool = False
    ends_at_limit: bool = False
    formats: tuple[str, ...] = ()
    ends_without_records: bool = False
    ends_after_full_page: bool = False
    parsed: Any = field(default=None, compare=False, repr=False)

    @property
    def widened_window(self) -> Window | None:
        """All that the source was asked for, if that is more than the window of the harvest; otherwise None."""
        return self.overlap or self.requested_window


@dataclass(frozen=True)
class Record:
    """One record of a page.

    Attributes:
        identifier: the record's identifier in the source.
        datestamp: when the source last changed it, in UTC; None if the source does not say.
        deleted: whether the source marks it as deleted.
        blob: its canonical form. The same content always gives the same text.
        original: its own bytes in the page. None unless they are to be kept (`Parser.keep_original`).
        sets: the sets that the source names for it, sorted; empty if it names none.
    """

    identifier: str
    datestamp: datetime | None
    deleted: bool
    blob: str
    original: bytes | None = None
    sets: tuple[str, ...] = ()

    @property
    def digest(self) -> bytes:
        """Return the SHA-256 of the blob in UTF-8: 32 bytes, as the database stores it."""
        return hashlib.sha256(self.blob.encode()).digest()

    @property
    def hash(self) -> str:
        """Return the digest as 64 hexadecimal digits, as users read it."""
        return self.digest.hex()


@dataclass(frozen=True)
class RecordHeader:
    """What a list of identifiers says about a record (OAI-PMH section 2.5, ListIdentifiers).

    Attributes:
        identifier: the record's identifier in the source, as in `Record`.
        datestamp: when the source last changed the record, in UTC; None if the source does not say.
        deleted: whether the source marks it as deleted.
        sets: the sets that the source names for it, sorted; empty if it names none.
    """

    identifier: str
    datestamp: datetime | None
    deleted: bool = False
    sets: tuple[str, ...] = ()


@lru_cache(maxsize=4096)  # most records of a source share few combinations of sets
def sets_digest(sets: tuple[str, ...]) -> int | None:
    """Return a digest of the sets of a record as a signed integer of 64 bits; None if there are none.

    Args:
        sets: sorted, as in `Record` and `RecordHeader`.
    """
    if not sets:
        return None
    # A length before each set: ("a", "b") and ("ab",) differ.
    encoded = [name.encode("utf-8", "surrogatepass") for name in sets]
    text = b"".join(b"%d:%b" % (len(name), name) for name in encoded)
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big", signed=True)


@dataclass(frozen=True)
class InvalidRecord:
    """A part of a page that is not a valid record. It goes to the quarantine; the other records are stored.

    Attributes:
        datum: its bytes.
        error: what is wrong with it, in one sentence.
        identifier: its identifier in the source, None if it cannot be read.
    """

    datum: bytes
    error: str
    identifier: str | None = None


def __getattr__(name: str) -> type:
    """Return InvalidRecord for its former name, which older plug-ins use."""
    if name == "Unreadable":
        return InvalidRecord
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
