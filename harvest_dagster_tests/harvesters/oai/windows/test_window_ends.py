"""Whatever a source makes of `from` and `until`, neighbouring windows neither share nor lose a record."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.observations import Observation, Observations
from harvest_dagster.windows import DAY, Window, parse_instant, whole_day
from harvest_dagster_tests.harvesters.oai.odd_ends import NOW, OddEnds
from harvest_dagster_tests.harvesters.sources import DAYS, SECONDS

START = datetime(2024, 2, 27, tzinfo=timezone.utc)
LENGTH = 6  # days
MANY = 8  # with the two records that are added, as many as a day must have for the comparison
HOURS = [timedelta(hours=hour) for hour in (0, 9, 12, 15)]

milliseconds = st.one_of(
    st.integers(0, LENGTH * 86_400_000 - 1),
    st.builds(
        lambda day, near: day * 86_400_000 + near,
        st.integers(0, LENGTH - 1),
        st.sampled_from([0, 1, 494, 1000, 43_200_000, 86_399_000, 86_399_506, 86_399_999]),
    ),
)
instants = milliseconds.map(lambda number: START + timedelta(milliseconds=number))


@st.composite
def sources(draw: st.DrawFn) -> OddEnds:
    """Return a source of any kind, with up to 60 records.

    A day of ten records or more has one at midnight and one at noon. If all its records have the same time of day, the
    source looks exact, and nothing can tell that it is not (docs/decisions/0032).
    """
    found = draw(st.lists(instants, max_size=20))
    busy = draw(st.lists(st.integers(0, LENGTH - 1), max_size=3))
    found += [START + day * DAY + timedelta(hours=hour) for day in busy for hour in range(14)]
    crowded = [
        day for day, records in Counter(instant.date() for instant in found).items() if records >= MANY
    ]
    found += [whole_day(day).start + timedelta(hours=hour) for day in crowded for hour in (0, 12)]
    return OddEnds(
        found,
        granularity=draw(st.sampled_from([DAYS, SECONDS])),
        until=draw(st.sampled_from(["whole", "instant", "exclusive"])),
        from_=draw(st.sampled_from(["whole", "exclusive", "after_unit"])),
        single=draw(st.sampled_from(["list", "error", "empty"])),
        shows_times=draw(st.booleans()),
        page_size=draw(st.sampled_from([3, 100])),
    )


@st.composite
def windows(draw: st.DrawFn) -> list[Window]:
    """Return consecutive windows: of single days, of several days, or with any edges."""
    edges = [START + day * DAY for day in range(LENGTH + 1)]
    kind = draw(st.sampled_from(["days", "several days", "any"]))
    if kind == "several days":
        edges = [edges[0], *draw(st.lists(st.sampled_from(edges), max_size=3)), edges[-1]]
    if kind == "any":
        edges = [edges[0], *draw(st.lists(instants, max_size=8)), edges[-1]]
    edges = sorted(set(edges))
    return list(map(Window, edges, edges[1:]))


def prove(source: OddEnds, parts: list[Window]) -> None:
    """Harvest all windows twice: what the first round observed must not lose a record in the second."""
    expected = Counter(f"r{number}" for number in range(len(source.instants)))
    for _ in range(2):
        assert Counter(name for part in parts for name in source.harvest(part)) == expected


@given(source=sources(), parts=windows())
@settings(max_examples=60, deadline=None)
def test_each_record_is_in_exactly_one_window_whatever_the_source_makes_of_the_ends(
    source: OddEnds, parts: list[Window]
) -> None:
    """Otherwise a green window lacks its last day or second, or two windows store the same record."""
    prove(source, parts)


@pytest.mark.slow
@given(source=sources(), parts=windows())
@settings(max_examples=3000, deadline=None)
def test_each_record_is_in_exactly_one_window_in_thousands_of_cases(
    source: OddEnds, parts: list[Window]
) -> None:
    """The same property, with more examples."""
    prove(source, parts)


def busy_days(**kind: object) -> OddEnds:
    """Return a source with twelve records on each of six days."""
    found = [START + day * DAY + timedelta(hours=2 * hour) for day in range(LENGTH) for hour in range(12)]
    return OddEnds(found, **kind)


def days(source: OddEnds, *numbers: int) -> list[int]:
    """Harvest single days. Return the numbers of their records."""
    return [len(source.harvest(Window(START + day * DAY, START + (day + 1) * DAY))) for day in numbers]


def test_an_exact_source_is_asked_for_one_list_more_once_and_then_for_each_day_alone() -> None:
    """Otherwise every source pays for the few that are not exact."""
    source = busy_days()
    assert days(source, 0, 1, 2, 3) == [12, 12, 12, 12]
    assert source.requests == [
        ("2024-02-26", "2024-02-28"),  # nothing is known
        ("2024-02-27", "2024-02-27"),  # the same day alone
        ("2024-02-28", "2024-02-28"),
        ("2024-02-29", "2024-02-29"),
        ("2024-03-01", "2024-03-01"),
    ]


@pytest.mark.parametrize(
    ("kind", "then"),
    [
        ({"until": "instant"}, ("2024-02-28", "2024-02-29")),
        ({"until": "exclusive"}, ("2024-02-28", "2024-02-29")),
        ({"from_": "exclusive"}, ("2024-02-27", "2024-02-28")),
        ({"from_": "exclusive", "until": "instant"}, ("2024-02-27", "2024-02-29")),
        ({"from_": "after_unit"}, ("2024-02-27", "2024-02-28")),
        ({"from_": "after_unit", "until": "instant"}, ("2024-02-27", "2024-02-29")),
        ({"single": "error"}, ("2024-02-28", "2024-02-29")),
        ({"single": "empty"}, ("2024-02-28", "2024-02-29")),
    ],
)
def test_of_a_source_that_is_not_exact_only_the_day_that_it_leaves_out_is_requested_as_well(
    kind: dict[str, str], then: tuple[str, str]
) -> None:
    """Otherwise such a source is asked for three days in each window, or for the one that is always empty."""
    source = busy_days(**kind)
    assert days(source, 0) == [12]
    assert len(source.requests) == 4
    assert days(source, 1, 2) == [12, 12]
    assert source.requests[4] == then
    assert len(source.requests) == 6


def test_a_day_without_records_leaves_the_ends_unknown() -> None:
    """Otherwise the first empty day of a source decides how it is asked for years."""
    source = OddEnds([START + 2 * DAY + timedelta(hours=hour) for hour in range(12)], until="instant")
    assert days(source, 0) == [0]
    assert source.requests == [("2024-02-26", "2024-02-28")]
    assert days(source, 2) == [12]


def test_few_records_are_no_evidence_and_cost_no_further_request() -> None:
    """Three records may all be of midnight. A day more of such a source fits on the same page."""
    source = OddEnds([START + day * DAY for day in range(LENGTH)] + [START + DAY + HOURS[1]], until="instant")
    assert days(source, 0, 1, 2) == [1, 2, 1]
    assert len(source.requests) == 3


def test_what_is_known_expires_after_a_month() -> None:
    """Otherwise a source that changed its software loses the records of every day from then on."""
    source = busy_days()
    days(source, 0)
    source.until = "instant"
    (known,) = [found for found in source.observations.take_changed() if found.name == "window_ends"]
    source.observations = Observations([known], NOW + timedelta(days=31))
    assert days(source, 1, 2) == [12, 12]


def test_what_is_known_of_one_year_is_asked_again_for_another() -> None:
    """Otherwise records that were imported with midnights hide the times of later ones."""
    source = busy_days(until="instant")
    value = {"granularity": DAYS, "from_is_whole": True, "until_is_whole": True, "one_unit": True}
    known = Observation("window_ends", {**value, "days": ["2014-01-15"]}, NOW)
    source.observations = Observations([known], NOW)
    assert days(source, 0, 1) == [12, 12]


def test_after_a_change_of_the_granularity_nothing_is_known() -> None:
    """Otherwise a source that now has seconds is asked for what was right for days."""
    source = busy_days()
    days(source, 0)
    source.granularity, source.until = SECONDS, "instant"
    source.requests.clear()
    assert days(source, 1) == [12]
    assert source.requests == [("2024-02-27T23:59:59Z", "2024-02-29T00:00:00Z")]


def test_a_probe_that_fails_does_not_fail_the_window() -> None:
    """Otherwise a window whose list is whole fails because of a question that could wait."""
    source = busy_days(refuses_before=START - DAY)
    answer = source.session._answer

    def refuse_single_days(asked: dict[str, str]) -> str:
        is_single = asked.get("from") is not None and asked["from"] == asked.get("until")
        return "<html>" if is_single else answer(asked)

    source.session._answer = refuse_single_days
    assert days(source, 1, 2) == [12, 12]


def test_a_source_that_refuses_the_additional_day_is_asked_without_it() -> None:
    """A source may refuse dates before its first record or in the future. The window itself may be answered."""
    source = busy_days(refuses_before=START)
    assert days(source, 0) == [12]
    assert source.requests[:2] == [("2024-02-26", "2024-02-28"), ("2024-02-27", "2024-02-27")]


def test_a_source_with_seconds_whose_datestamps_are_all_midnights_gets_no_records_of_the_next_day() -> None:
    """Otherwise each day of such a source is downloaded twice."""
    source = OddEnds([START + day * DAY for day in range(LENGTH) for _ in range(100)], granularity=SECONDS)
    assert days(source, 0, 1, 2) == [100, 100, 100]
    assert source.requests[1:] == [
        ("2024-02-27T23:59:59Z", "2024-02-28T23:59:59Z"),
        ("2024-02-28T23:59:59Z", "2024-02-29T23:59:59Z"),
    ]
    assert source.listed == 400
    source.instants = [*source.instants, START + 3 * DAY + HOURS[1]]
    assert days(source, 3) == [101]
    assert days(source, 4) == [100]
    assert source.requests[-1][1] == "2024-03-03T00:00:00Z"


def test_a_record_of_a_fraction_of_the_last_second_arrives() -> None:
    """`until=...:59Z` leaves out ...:59.506 (docs/failures.md#milliseconds-omitted)."""
    last = parse_instant("2024-02-27T23:59:59.506Z")
    for shows_times in (False, True):
        source = OddEnds([last], granularity=SECONDS, until="instant", shows_times=shows_times)
        assert days(source, 0, 1) == [1, 0]
