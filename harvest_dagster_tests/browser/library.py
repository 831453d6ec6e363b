"""The source of the browser test: real records, changed within the last weeks, from a server that others wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone

from harvest_dagster.windows import DAY
from harvest_dagster_tests.end_to_end.repositories import Repository, medline, recorded_repository
from harvest_dagster_tests.end_to_end.servers import Answer, Arguments, Served, oai_repository, serve

WEEK = 7
DAYS = 3 * WEEK
# The days from which on the deposits of MLA Commons were recorded one after the other.
_RECORDED = datetime(2015, 10, 19, tzinfo=timezone.utc)
_REFUSAL = """\
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>{now}</responseDate><request/>
<error code="badArgument">from={first}: this week is not served, its index is broken</error></OAI-PMH>"""


@dataclass
class Library:
    """A repository whose records changed in the three weeks before today.

    Attributes:
        name: whose records they are.
        repository: the records.
        first: the first of its days.
        url: where it is served.
        is_broken: whether it refuses lists of its second week.
    """

    name: str
    repository: Repository
    first: date
    url: str = ""
    is_broken: bool = field(default=True)

    @property
    def last(self) -> date:
        return self.first + (DAYS - 1) * DAY

    @property
    def broken_week(self) -> list[date]:
        return [self.first + number * DAY for number in range(WEEK, 2 * WEEK)]

    @property
    def records(self) -> Mapping[date, int]:
        """How many records each day has."""
        return Counter(item.datestamp.date() for item in self.repository.items)

    def answers(self, served: Served) -> Answer:
        """What it says: all that is asked, but for that week."""
        whole = oai_repository(self.repository, page_size=5)(served)

        def answer(asked: Arguments) -> bytes:
            first = asked.get("from", "")
            if self.is_broken and first.startswith(self.broken_week[0].isoformat()):
                now = datetime.now(timezone.utc)
                return _REFUSAL.format(now=f"{now:%Y-%m-%dT%H:%M:%SZ}", first=first).encode()
            return whole(asked)

        return answer


@contextmanager
def open_library() -> Iterator[Library]:
    """Serve it until the block ends: deposits of MLA Commons, or citations of MEDLINE where these are missing."""
    first = datetime.now(timezone.utc).date() - DAYS * DAY
    recorded = recorded_repository("scrapi_oai_and_rest", "mla").live()
    library = (
        Library("MLA Commons", _moved(recorded, _RECORDED, first), first)
        if recorded.items
        else Library("MEDLINE", _moved(found := medline(300).live(), found.items[0].datestamp, first), first)
    )
    with serve(library.answers) as served:
        library.url = served.url
        yield library


def _moved(repository: Repository, begin: datetime, first: date) -> Repository:
    """Three weeks of records, moved by whole days: the UI shows the last months of a source."""
    end = begin + timedelta(days=DAYS)
    items = [
        replace(item, datestamp=item.datestamp + (first - begin.date()))
        for item in repository.items
        if begin <= item.datestamp < end
    ]
    return replace(repository, items=items)
