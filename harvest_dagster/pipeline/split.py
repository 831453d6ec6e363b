"""split: each spooled page into records, in canonical form. A record that cannot be read is set aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harvest_dagster.errors import SpoolError
from harvest_dagster.harvesters.interface import Harvester
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.records import Record, Unreadable
from harvest_dagster.spool import AttemptSpool, Taken
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.texts import keepable

# PostgreSQL's index takes no key of more than 2,704 bytes; no identifier of a working source is near that.
LONGEST_IDENTIFIER = 2000


def split(harvest: Harvest, harvester: Harvester, log: HarvestLog, check: Callable[[], None]) -> int:
    """Take the pages apart that are not split yet, or whose records are damaged; `limit` cuts the last one.

    Args:
        harvest: what is harvested.
        harvester: whose pages they are.
        log: the window's log.
        check: called after each page; it raises what ends the harvest.

    Returns:
        how many pages are split.

    Raises:
        SpoolError: a page is missing, or is not what its manifest says.
    """
    spool = harvest.attempt(log)
    left = log.record_limit
    done, pages = spool.split_count(), spool.whole().pages
    for number in range(pages):
        taken = _taken_before(spool, number) if number < done else None
        if taken is None:
            taken = _take(harvester, spool, number, left)
            spool.write_records(number, taken)
            check()
        if left is not None:
            left -= len(taken.records)
    return pages


def _taken_before(spool: AttemptSpool, number: int) -> Taken | None:
    """What an earlier try made of a page; None where that is damaged."""
    try:
        return spool.read_records(number)
    except SpoolError:
        return None


def _take(harvester: Harvester, spool: AttemptSpool, number: int, left: int | None) -> Taken:
    records: list[Record] = []
    unreadable: list[Unreadable] = []
    entry = spool.read(number)
    for piece in harvester.records(entry.page, entry.stretch.window):
        if left is not None and len(records) >= left:
            break
        if isinstance(piece, Unreadable):
            unreadable.append(_keepable(piece))
        elif fault := _fault(piece):
            datum = piece.blob.encode("utf-8", "surrogatepass")
            unreadable.append(_keepable(Unreadable(datum, fault, piece.identifier)))
        else:
            records.append(piece)
    return Taken(records, unreadable)


def _fault(record: Record) -> str | None:
    """What a database cannot keep, whichever harvester made it."""
    if not record.identifier:
        return "its identifier is empty"
    if len(record.identifier.encode("utf-8", "surrogatepass")) > LONGEST_IDENTIFIER:
        return f"its identifier is longer than {LONGEST_IDENTIFIER} bytes"
    text = record.identifier + record.blob
    if "\0" in text:
        return "it holds a NUL character"
    if not _is_utf8(text):
        return "it holds half of a surrogate pair"
    return None


def _keepable(piece: Unreadable) -> Unreadable:
    """What is wrong with a record may be in its identifier, and in what is said of it; its bytes stay as they are."""
    identifier = None if piece.identifier is None else _cut(keepable(piece.identifier))
    return replace(piece, identifier=identifier, error=keepable(piece.error))


def _cut(identifier: str) -> str:
    """An identifier that the quarantine's index takes."""
    return identifier[:200] if len(identifier.encode()) > LONGEST_IDENTIFIER else identifier


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
