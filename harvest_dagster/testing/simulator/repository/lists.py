"""The lists of the repository, independent of the protocol: the records, their order, and the pages.

Errors are OAI-PMH errors; the JSON API reports the same codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from harvest_dagster.testing.simulator.errors import OaiError
from harvest_dagster.testing.simulator.repository.edits import Edit, Selection, select
from harvest_dagster.testing.simulator.repository.repository import DAY, RecordSet, Repository
from harvest_dagster.testing.simulator.repository.tokens import ListPosition, encode
from harvest_dagster.testing.simulator.serving.messages import Page

# Beyond every datestamp, in seconds.
_INFINITY = 10**12
_ALL_RECORDS = RecordSet("", "")
# strptime also accepts 2024-3-1, so the length is checked.
_DAY_LENGTH = len("YYYY-MM-DD")
_SECOND_LENGTH = len("YYYY-MM-DDThh:mm:ssZ")


@dataclass(frozen=True)
class RepositorySnapshot:
    """The repository at the time of one request.

    Attributes:
        repository: its settings.
        edits: its edits by record number.
        url: its base URL.
        now: the time of the request.
        is_empty: True during an outage in which the source has no records to show.
        ignores_dates: True if `from` and `until` have no effect.
        deleted_record: what Identify says about deleted records: no, transient or persistent.
    """

    repository: Repository
    edits: Mapping[int, Edit]
    url: str
    now: datetime
    is_empty: bool = False
    ignores_dates: bool = False
    deleted_record: str = "persistent"


def page_at(snapshot: RepositorySnapshot, position: ListPosition, render: Callable[[int], str]) -> Page:
    """Return the page that begins at a position. `render` writes a record in the format of the protocol.

    Raises:
        OaiError: noRecordsMatch; badArgument; badResumptionToken if the list ends before the position.
    """
    records = _selection(snapshot, position)
    if position.offset >= max(len(records), 1):
        raise OaiError("badResumptionToken", "The list has become shorter than the position of the token")
    page = records.page(position.offset, position.size or snapshot.repository.page_size)
    if not page:
        raise OaiError("noRecordsMatch", "No record matches")
    token, expires = _next_token(snapshot, position, len(page), len(records))
    total = len(records) if snapshot.repository.totals else None
    return Page(tuple(map(render, page)), position.offset, total, token, expires)


def list_length(snapshot: RepositorySnapshot, position: ListPosition) -> int:
    """Return the number of records of the list to which a position belongs."""
    return len(_selection(snapshot, position))


def find_record(snapshot: RepositorySnapshot, identifier: str) -> int:
    """Return the number of the record with an identifier.

    Raises:
        OaiError: idDoesNotExist.
    """
    index = snapshot.repository.index(identifier)
    if index is None or snapshot.is_empty or snapshot.edits.get(index, Edit()).hidden:
        raise OaiError("idDoesNotExist", f"No item {identifier}")
    return index


def _selection(snapshot: RepositorySnapshot, position: ListPosition) -> Selection:
    start, end = (-_INFINITY, _INFINITY) if snapshot.ignores_dates else _bounds(snapshot.repository, position)
    sets = {record_set.spec: record_set for record_set in snapshot.repository.sets}
    record_set = _ALL_RECORDS if position.set is None else sets.get(position.set)
    if record_set is None:
        raise OaiError("noRecordsMatch", f"No set {position.set}")
    if snapshot.is_empty:
        return Selection(())
    return select(snapshot.repository, snapshot.edits, start, end, record_set)


def _next_token(
    snapshot: RepositorySnapshot, position: ListPosition, count: int, total: int
) -> tuple[str | None, datetime | None]:
    """Return the token after a page and its expiry: no token for a list of one page, an empty one for the last page."""
    end = position.offset + count
    if end >= total:
        return ("" if position.offset else None), None
    expires = snapshot.now + snapshot.repository.token_lifetime
    return encode(position.next_page(end), expires), expires


def _bounds(repository: Repository, position: ListPosition) -> tuple[int, int]:
    """Return `from` and `until`, both inclusive, as a half-open interval of instants."""
    start = -_INFINITY if position.from_ is None else _parse_instant(repository, position.from_)
    if position.until is None:
        return start, _INFINITY
    if position.from_ is not None and len(position.from_) != len(position.until):
        raise OaiError("badArgument", "from and until have different granularities")
    step = DAY if len(position.until) == _DAY_LENGTH else 1
    end = _parse_instant(repository, position.until) + step
    if end <= start:
        raise OaiError("badArgument", "from is later than until")
    return start, end


def _parse_instant(repository: Repository, text: str) -> int:
    form = {_DAY_LENGTH: "%Y-%m-%d", _SECOND_LENGTH: "%Y-%m-%dT%H:%M:%SZ"}.get(len(text), "")
    if len(text) == _SECOND_LENGTH and repository.granularity == "day":
        raise OaiError("badArgument", f"{text} is finer than this repository's granularity, YYYY-MM-DD")
    try:
        moment = datetime.strptime(text, form).replace(tzinfo=timezone.utc)
    except ValueError:
        raise OaiError("badArgument", f"{text} is not a UTCdatetime of this repository") from None
    return (moment - repository.midnight) // timedelta(seconds=1)
