"""Whatever a REST API makes of `{from}` and `{until}`, and however it shows its datestamps, no record is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.errors import HttpStatusError
from harvest_dagster.observations import Observation, Observations
from harvest_dagster.windows import DAY, SECOND, Window, parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import RestSession, RestSource, arguments, harvest

START = datetime(2024, 2, 27, tzinfo=timezone.utc)
LENGTH = 4  # days
HOUR = timedelta(hours=1)


@dataclass
class Ends:
    """A REST API in memory.

    Attributes:
        instants: what the API filters by, for each record.
        granularity: of `{from}` and `{until}`.
        config: `until` of the arguments.
        until: what the API makes of an inclusive `{until}`: `whole`, `instant` (the day is its midnight, the second
            has no fractions), or `exclusive`.
        from_: `whole`, or `exclusive` if it leaves out the whole unit.
        shown: how it shows datestamps.
        totals: whether its pages have a total.
        page_size: records of a page.
        refuses_from: it refuses an earlier `{from}`.
        requests: `{from}` and `{until}` of the first pages.
    """

    instants: list[datetime]
    granularity: str = "day"
    config: str = "inclusive"
    until: str = "whole"
    from_: str = "whole"
    shown: str = "exact"
    totals: bool = True
    page_size: int = 100
    refuses_from: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    known: dict[str, Observation] = field(default_factory=dict)

    def source(self) -> RestSource:
        """Return a client that knows what the clients before it observed."""
        kwargs = arguments(
            granularity=self.granularity,
            until=self.config,
            next={"by": "offset", "param": "offset"},
            total="total" if self.totals else None,
            datestamp=None if self.shown == "none" else "changed",
        )
        source = RestSource(kwargs, RestSession(lambda _, params: self._page(params)))
        source.use_observations(Observations(self.known.values(), START))
        return source

    def harvest(self, window: Window) -> list[str]:
        """Harvest a window. Return the identifiers of its records."""
        source = self.source()
        observations = Observations(self.known.values(), START)
        source.use_observations(observations)
        found = [record.identifier or "" for record in harvest(source, window)]
        self.known |= {observation.name: observation for observation in observations.take_changed()}
        return found

    def _page(self, params: dict[str, str]) -> dict[str, Any]:
        first, last, offset = params["since"], params["before"], int(params["offset"])
        if offset == 0:
            self.requests.append((first, last))
        if first < self.refuses_from:
            raise HttpStatusError("too early", status=400, url="https://api.test/works")
        listed = [
            number for number, instant in enumerate(self.instants) if self._is_listed(instant, first, last)
        ]
        items = [
            {"id": f"r{number}", "changed": self._shown(self.instants[number])}
            for number in listed[offset : offset + self.page_size]
        ]
        return {"items": items, **({"total": len(listed)} if self.totals else {})}

    def _is_listed(self, instant: datetime, first: str, last: str) -> bool:
        start, end = parse_instant(first), parse_instant(last)
        is_after = instant >= start + (DAY if self.granularity == "day" else SECOND) * (
            self.from_ == "exclusive"
        )
        if self.config == "exclusive" or self.until == "exclusive":
            return is_after and instant < end
        if self.until == "instant":
            return is_after and instant <= end
        return is_after and instant < end + (DAY if self.granularity == "day" else SECOND)

    def _shown(self, instant: datetime) -> str:
        return {
            "exact": instant.isoformat(),
            "down": f"{instant:%Y-%m-%dT%H:%M:%SZ}",
            "up": f"{instant + timedelta(milliseconds=999):%Y-%m-%dT%H:%M:%SZ}",
            "east": f"{instant + 2 * HOUR:%Y-%m-%d %H:%M:%S}",
            "west": f"{instant - 5 * HOUR:%Y-%m-%d %H:%M:%S}",
            "date": f"{instant:%Y-%m-%d}",
            "date east": f"{instant + 2 * HOUR:%Y-%m-%d}",
            "date west": f"{instant - 5 * HOUR:%Y-%m-%d}",
            "created": "2019-05-05T10:00:00Z",
            "none": "",
        }[self.shown]


SHOWN = ["exact", "down", "up", "east", "west", "date", "date east", "date west", "created", "none"]
instants = st.one_of(
    st.integers(0, LENGTH * 86_400_000 - 1),
    st.builds(
        lambda day, near: day * 86_400_000 + near,
        st.integers(0, LENGTH - 1),
        st.sampled_from([0, 1, 494, 1000, 43_200_000, 82_800_000, 86_399_000, 86_399_506, 86_399_999]),
    ),
).map(lambda number: START + timedelta(milliseconds=number))


@st.composite
def sources(draw: st.DrawFn) -> Ends:
    """Return an API of any kind with up to 40 records.

    Some days have more than ten records, at different times. If ten records without a time were all of midnight, the
    source would look exact, and nothing could tell that it is not (docs/decisions/0055).
    """
    busy = draw(st.lists(st.integers(0, LENGTH - 1), max_size=2))
    found = [START + day * DAY + 2 * hour * HOUR for day in busy for hour in range(12)]
    return Ends(
        sorted({*found, *draw(st.lists(instants, max_size=8))}),
        granularity=draw(st.sampled_from(["day", "second"])),
        config=draw(st.sampled_from(["inclusive", "exclusive"])),
        until=draw(st.sampled_from(["whole", "instant", "exclusive"])),
        from_=draw(st.sampled_from(["whole", "exclusive"])),
        shown=draw(st.sampled_from(SHOWN)),
        totals=draw(st.booleans()),
        page_size=draw(st.sampled_from([3, 100])),
    )


@st.composite
def windows(draw: st.DrawFn) -> list[Window]:
    """Return windows that cover all days, in any order: single days, several days, or with any edges."""
    edges = [START + day * DAY for day in range(LENGTH + 1)]
    kind = draw(st.sampled_from(["days", "several days", "any"]))
    if kind == "several days":
        edges = [edges[0], *draw(st.lists(st.sampled_from(edges), max_size=2)), edges[-1]]
    if kind == "any":
        edges = [edges[0], *draw(st.lists(instants, max_size=5)), edges[-1]]
    edges = sorted(set(edges))
    return draw(st.permutations(list(map(Window, edges, edges[1:]))))


def prove(source: Ends, parts: list[Window]) -> None:
    """Harvest all windows twice: what the first round observed must not lose a record in the second."""
    for _ in range(2):
        found = {identifier for part in parts for identifier in source.harvest(part)}
        assert found == {f"r{number}" for number in range(len(source.instants))}


@given(source=sources(), parts=windows())
@settings(max_examples=100, deadline=None)
def test_no_record_is_lost_between_windows_whatever_the_source_does(
    source: Ends, parts: list[Window]
) -> None:
    """A record was dropped as the neighbour's, and the neighbour's list did not contain it. Both were green."""
    prove(source, parts)


@pytest.mark.slow
@given(source=sources(), parts=windows())
@settings(max_examples=2000, deadline=None)
def test_no_record_is_lost_between_windows_in_thousands_of_cases(source: Ends, parts: list[Window]) -> None:
    """The same property, with more examples."""
    prove(source, parts)


TWELVE = [START + day * DAY + 2 * hour * HOUR for day in range(LENGTH) for hour in range(12)]
SECOND_DAY = Window(START + DAY, START + 2 * DAY)


def test_a_day_of_a_source_that_reads_until_as_midnight_has_its_records() -> None:
    """Each window of one day was empty, with a total of 0, and complete."""
    source = Ends(TWELVE, until="instant")
    assert {f"r{number}" for number in range(12, 24)} <= set(source.harvest(SECOND_DAY))


@pytest.mark.parametrize("page_size", [3, 100])
def test_an_exact_source_is_asked_for_each_day_alone_after_its_first_window(page_size: int) -> None:
    """Otherwise every source pays for the few that are not exact."""
    source = Ends(TWELVE, page_size=page_size)
    source.harvest(SECOND_DAY)
    source.requests.clear()
    assert len(source.harvest(Window(START + 2 * DAY, START + 3 * DAY))) == 12
    assert source.requests == [("2024-02-29", "2024-02-29")]


@pytest.mark.parametrize("shown", ["up", "date east", "east"])
@pytest.mark.parametrize("granularity", ["day", "second"])
def test_a_record_that_is_shown_in_the_next_day_is_kept(shown: str, granularity: str) -> None:
    """It was dropped as a record of the next day, whose list does not contain it."""
    source = Ends([SECOND_DAY.end - timedelta(milliseconds=300)], granularity, shown=shown)
    assert source.harvest(SECOND_DAY) == ["r0"]


def test_a_source_that_refuses_the_additional_day_is_asked_for_the_window_alone() -> None:
    """Otherwise the first day of such a source fails for ever."""
    source = Ends(TWELVE, refuses_from="2024-02-27")
    assert len(source.harvest(Window(START, START + DAY))) == 12


def test_a_harvest_resumes_with_the_dates_of_its_list() -> None:
    """An offset in the list of three days is another record than the same offset in the list of one."""
    source = Ends(TWELVE, until="instant", page_size=3)
    first = next(source.source().pages(SECOND_DAY))
    assert first.next is not None
    Ends.harvest(source, Window(START + 2 * DAY, START + 3 * DAY))
    resumed = list(source.source().pages(SECOND_DAY, first.next))
    identifiers = {name for page in (first, *resumed) for name in page.identifiers}
    assert {f"r{number}" for number in range(12, 24)} <= identifiers
    assert resumed[0].cursor == first.next


def test_the_records_of_the_rest_of_a_day_are_not_expected() -> None:
    """The total is that of the day. Its other records are in the windows of its other parts."""
    source = Ends(TWELVE)
    source.harvest(SECOND_DAY)
    (page,) = (
        page
        for page in source.source().pages(Window(SECOND_DAY.start, SECOND_DAY.start + 6 * HOUR))
        if page.count
    )
    assert (page.total, page.neighbours) == (12, 9)
