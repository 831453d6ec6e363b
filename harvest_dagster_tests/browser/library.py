"""The source of the browser test: real records with recent datestamps, from a server of another project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone

from harvest_dagster.windows import DAY, parse_instant
from harvest_dagster_tests.end_to_end.repositories import Repository, medline, recorded_repository
from harvest_dagster_tests.end_to_end.servers import Answer, Arguments, Served, oai_repository, serve

WEEK = 7
DAYS = 3 * WEEK
# The first day of the recorded deposits of MLA Commons.
_RECORDED = datetime(2015, 10, 19, tzinfo=timezone.utc)
_REFUSAL = """\
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><responseDate>{now}</responseDate><request/>
<error code="internalError">from={first}: this week is not served, its index is broken</error></OAI-PMH>"""


@dataclass
class Library:
    """A repository whose records have datestamps in the three weeks before today.

    Attributes:
        name: the name of the source.
        repository: the records.
        first: the first day.
        url: the base URL of the server.
        is_broken: whether the server refuses lists of the second week.
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
        """The number of records of each day."""
        return Counter(item.datestamp.date() for item in self.repository.items)

    def _is_broken_week(self, start: datetime, end: datetime) -> bool:
        """Return whether the middle of a requested time is in the broken week. Its ends may be a second longer."""
        return (start + (end - start) / 2).date() in self.broken_week

    def answers(self, served: Served) -> Answer:
        """Return the server, which answers all requests except those for the broken week."""
        answer_all = oai_repository(self.repository, page_size=5)(served)

        def answer(arguments: Arguments) -> bytes:
            first, last = arguments.get("from", ""), arguments.get("until", "")
            if self.is_broken and first and self._is_broken_week(parse_instant(first), parse_instant(last)):
                now = datetime.now(timezone.utc)
                return _REFUSAL.format(now=f"{now:%Y-%m-%dT%H:%M:%SZ}", first=first).encode()
            return answer_all(arguments)

        return answer


@contextmanager
def open_library() -> Iterator[Library]:
    """Serve deposits of MLA Commons until the block ends, or citations of MEDLINE without these recordings."""
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
    """Return three weeks of records with datestamps moved by whole days, because the UI shows only recent months."""
    end = begin + timedelta(days=DAYS)
    items = [
        replace(item, datestamp=item.datestamp + (first - begin.date()))
        for item in repository.items
        if begin <= item.datestamp < end
    ]
    return replace(repository, items=items)
