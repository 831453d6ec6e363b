"""A repository in memory that treats the ends of what it is asked for in one of the ways that exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from harvest_dagster.observations import Observations
from harvest_dagster.windows import DAY, SECOND, Window, parse_instant
from harvest_dagster_tests.harvesters.sources import (
    DAYS,
    OaiSource,
    Parameters,
    ScriptedSession,
    error,
    identify,
    listed,
    oai_source,
    record,
)

NOW = datetime(2024, 6, 1, tzinfo=timezone.utc)


@dataclass
class OddEnds:
    """Filters by the instant of a record, which may be more precise than its datestamp.

    Attributes:
        instants: of the records; a record has the number of its instant as identifier.
        granularity: as Identify names it.
        until: `whole` unit (the specification), `instant` at which the unit begins, or `exclusive`.
        from_: `whole`, `exclusive` (after the instant at which the unit begins), or `after_unit`.
        single: what from = until gives: a `list`, an `error`, or an `empty` list.
        shows_times: whether datestamps have the whole instant, with fractions, instead of the granularity.
        page_size: records on a page.
        refuses_before: a `from` before this instant is refused.
        requests: `from` and `until` of each first page.
        listed: the number of records on all its pages.
    """

    instants: Sequence[datetime]
    granularity: str = DAYS
    until: str = "whole"
    from_: str = "whole"
    single: str = "list"
    shows_times: bool = False
    page_size: int = 7
    refuses_before: datetime | None = None
    requests: list[tuple[str, str]] = field(default_factory=list)
    listed: int = 0
    observations: Observations = field(default_factory=lambda: Observations((), NOW))

    def __post_init__(self) -> None:
        self.session = ScriptedSession(self._answer)

    @property
    def unit(self) -> timedelta:
        return DAY if self.granularity == DAYS else SECOND

    def client(self) -> OaiSource:
        """Return a client that knows what former clients observed."""
        client = oai_source(self.session)
        client.use_observations(self.observations)
        return client

    def harvest(self, window: Window) -> list[str | None]:
        """Return the identifiers that a window keeps."""
        client = self.client()
        return [found.identifier for page in client.pages(window) for found in client.records(page, window)]

    def _answer(self, asked: Parameters) -> str:
        if asked["verb"] == "Identify":
            return identify(self.granularity)
        if "resumptionToken" in asked:
            first, last, offset = asked["resumptionToken"].split("|")
            return self._page(first, last, int(offset))
        self.requests.append((asked["from"], asked["until"]))
        return self._page(asked["from"], asked["until"], 0)

    def _page(self, first: str, last: str, offset: int) -> str:
        start, end = parse_instant(first), parse_instant(last)
        if self.refuses_before is not None and start < self.refuses_before:
            return error("badArgument", "from is too early")
        if first == last and self.single == "error":
            return error("badArgument", "from and until must differ")
        found = [
            (key, instant) for key, instant in enumerate(self.instants) if self._is_in(instant, start, end)
        ]
        if not found or (first == last and self.single == "empty"):
            return error("noRecordsMatch")
        page = found[offset : offset + self.page_size]
        self.listed += len(page)
        following = offset + self.page_size
        token = f"{first}|{last}|{following}" if following < len(found) else ""
        return listed(
            *(record(f"r{key}", self._stamp(instant)) for key, instant in page),
            token=token,
            completeListSize=len(found),
        )

    def _is_in(self, instant: datetime, start: datetime, end: datetime) -> bool:
        after = {
            "whole": instant >= start,
            "exclusive": instant > start,
            "after_unit": instant >= start + self.unit,
        }
        before = {"whole": instant < end + self.unit, "instant": instant <= end, "exclusive": instant < end}
        return after[self.from_] and before[self.until]

    def _stamp(self, instant: datetime) -> str:
        if self.shows_times:
            return instant.isoformat().replace("+00:00", "Z")
        return f"{instant:%Y-%m-%d}" if self.granularity == DAYS else f"{instant:%Y-%m-%dT%H:%M:%SZ}"
