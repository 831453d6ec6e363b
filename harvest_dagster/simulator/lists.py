"""The lists of the repository, whatever protocol asks: which records, in which order, how many on a page.

Where something is wrong the error is OAI-PMH's; the JSON API has the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from harvest_dagster.simulator.edits import Edit, Selection, select
from harvest_dagster.simulator.errors import OaiError
from harvest_dagster.simulator.exchange import Page
from harvest_dagster.simulator.repository import DAY, Repository, Subset
from harvest_dagster.simulator.tokens import Listing, encode

# Later and earlier than anything, in seconds.
_EVER = 10**12
_ALL = Subset("", "")
# strptime takes 2024-3-1 as well; the lengths tell.
_DAYS_LENGTH = len("YYYY-MM-DD")
_SECONDS_LENGTH = len("YYYY-MM-DDThh:mm:ssZ")


@dataclass(frozen=True)
class Holdings:
    """What the repository has at the moment of one request.

    Attributes:
        repository: its settings.
        edits: by record number.
        url: the base URL.
        now: the moment.
    """

    repository: Repository
    edits: Mapping[int, Edit]
    url: str
    now: datetime


def page_of(holdings: Holdings, listing: Listing, write: Callable[[int], str]) -> Page:
    """The page that begins where a listing stands; the JSON API has its pages from here, too.

    Raises:
        OaiError: noRecordsMatch, badArgument, or badResumptionToken where the list ends before that place.
    """
    records = _selection(holdings, listing)
    if listing.offset >= max(len(records), 1):
        raise OaiError("badResumptionToken", "The list has become shorter than that")
    page = records.page(listing.offset, listing.size or holdings.repository.page_size)
    if not page:
        raise OaiError("noRecordsMatch", "No record matches")
    token, expires = _token(holdings, listing, len(page), len(records))
    total = len(records) if holdings.repository.totals else None
    return Page(tuple(map(write, page)), listing.offset, total, token, expires)


def length(holdings: Holdings, listing: Listing) -> int:
    """How many records a list has, wherever it stands."""
    return len(_selection(holdings, listing))


def _selection(holdings: Holdings, listing: Listing) -> Selection:
    start, end = _bounds(holdings.repository, listing)
    subsets = {subset.spec: subset for subset in holdings.repository.sets}
    subset = _ALL if listing.set is None else subsets.get(listing.set)
    if subset is None:
        raise OaiError("noRecordsMatch", f"No set {listing.set}")
    return select(holdings.repository, holdings.edits, start, end, subset)


def _token(
    holdings: Holdings, listing: Listing, count: int, total: int
) -> tuple[str | None, datetime | None]:
    """None at all where the list is whole, an empty one on the last page of several."""
    end = listing.offset + count
    if end >= total:
        return ("" if listing.offset else None), None
    expires = holdings.now + holdings.repository.token_lifetime
    return encode(listing.following(end), expires), expires


def _bounds(repository: Repository, listing: Listing) -> tuple[int, int]:
    """`from` and `until`, both inclusive, as a half-open stretch of the repository's instants."""
    start = -_EVER if listing.from_ is None else _instant(repository, listing.from_)
    if listing.until is None:
        return start, _EVER
    if listing.from_ is not None and len(listing.from_) != len(listing.until):
        raise OaiError("badArgument", "from and until have different granularities")
    step = DAY if len(listing.until) == _DAYS_LENGTH else 1
    end = _instant(repository, listing.until) + step
    if end <= start:
        raise OaiError("badArgument", "from is later than until")
    return start, end


def _instant(repository: Repository, text: str) -> int:
    form = {_DAYS_LENGTH: "%Y-%m-%d", _SECONDS_LENGTH: "%Y-%m-%dT%H:%M:%SZ"}.get(len(text), "")
    if len(text) == _SECONDS_LENGTH and repository.granularity == "day":
        raise OaiError("badArgument", f"{text} is finer than this repository's granularity, YYYY-MM-DD")
    try:
        moment = datetime.strptime(text, form).replace(tzinfo=timezone.utc)
    except ValueError:
        raise OaiError("badArgument", f"{text} is no UTCdatetime of this repository") from None
    return (moment - repository.midnight) // timedelta(seconds=1)


def find(holdings: Holdings, identifier: str) -> int:
    """The record of an identifier.

    Raises:
        OaiError: idDoesNotExist.
    """
    index = holdings.repository.index(identifier)
    if index is None or holdings.edits.get(index, Edit()).withheld:
        raise OaiError("idDoesNotExist", f"No item {identifier}")
    return index
