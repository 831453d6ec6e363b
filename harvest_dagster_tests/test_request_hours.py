"""The hours in which a source may be asked: their text, and their arithmetic compared with a count of minutes."""

from __future__ import annotations

import random
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from harvest_dagster.request_hours import format_hours, parse_hours
from harvest_dagster.windows import DAY

MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("hours", "is_open", "is_closed"),
    [
        ("21:00-05:00", ["2026-01-05T21:00", "2026-01-06T04:59"], ["2026-01-06T05:00", "2026-01-06T20:59"]),
        ("09:00-17:00 Asia/Kathmandu", ["2026-01-05T03:15"], ["2026-01-05T03:14", "2026-01-05T11:15"]),
        (
            "Mon-Fri 21:00-05:00",
            ["2026-01-10T04:59"],
            ["2026-01-05T04:59", "2026-01-10T21:00"],
        ),  # the 10th: Saturday
        ("sat,sun Europe/Vienna", ["2026-01-09T23:00", "2026-01-11T22:59"], ["2026-01-11T23:00"]),
        ("Fri-Mon 22:00-24:00", ["2026-01-05T23:59"], ["2026-01-06T00:00", "2026-01-06T22:00"]),
        (["21:00-05:00", "Sat-Sun"], ["2026-01-10T12:00", "2026-01-12T04:59"], ["2026-01-12T05:00"]),
        # In New York, clocks go forward on 2026-03-08 at 07:00 in UTC, and back on 2026-11-01 at 06:00.
        ("21:00-05:00 America/New_York", ["2026-03-08T02:00", "2026-03-09T01:00"], ["2026-03-08T09:00"]),
        ("01:30-01:45 America/New_York", ["2026-11-01T05:30", "2026-11-01T06:30"], ["2026-11-01T06:00"]),
        ("02:10-03:10 America/New_York", ["2026-03-08T07:00"], ["2026-03-08T06:59", "2026-03-08T07:10"]),
    ],
)
def test_an_hour_is_open_by_the_clock_on_the_wall(
    hours: str | list[str], is_open: list[str], is_closed: list[str]
) -> None:
    """A source that is asked an hour too early after the change of the clocks may ban us."""
    parsed = parse_hours(hours)
    assert [text for text in is_open if not parsed.is_open(utc(text))] == []
    assert [text for text in is_closed if parsed.is_open(utc(text))] == []
    assert parse_hours(format_hours(parsed)) == parsed


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        ("21:00-21:00", "begins and ends at the same time; write 00:00-24:00 for a whole day"),
        ("00:00-00:00", "begins and ends at the same time"),
        ("24:00-05:00", "a time is from 00:00 to 23:59, and an end may also be 24:00"),
        ("21:00-05:60", "a time is from 00:00 to 23:59"),
        ("9-17", "write HH:MM-HH:MM, such as 21:00-05:00"),
        ("21:00-05:00 EDT", "'EDT' is not a time zone; write a name of the IANA time zone database"),
        ("21:00-05:00 ../passwd", "is not a time zone"),
        ("21:00-05:00 America", "is not a time zone"),
        ("Mon-Fry 21:00-05:00", "'fry' of 'Mon-Fry' is not a day of the week; allowed: Mon, Tue"),
        ("21:00-05:00 Europe/Vienna daily", "is not a range of hours; write [DAYS] HH:MM-HH:MM [ZONE]"),
        ("UTC", "is not a range of hours"),
        ("", "is not a range of hours"),
        (7, "is not a range of hours, or a list of them"),
        ([], "is not a range of hours, or a list of them"),
    ],
)
def test_a_mistake_is_explained(hours: object, message: str) -> None:
    """The author of the YAML reads only this line."""
    with pytest.raises(ValueError, match=r"not a|begins") as caught:
        parse_hours(hours)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "hours",
    [
        "21:00-05:00 America/New_York",
        ["Mon-Fri 22:10-01:30 America/New_York", "Sat Asia/Kathmandu"],
        "02:10-02:50 America/New_York",
        "01:45-01:15 Australia/Lord_Howe",  # its clocks change by half an hour
        "00:00-24:00",
    ],
)
@pytest.mark.parametrize("first", ["2026-03-06", "2026-10-30", "2026-04-03"])
def test_openings_closings_and_lengths_agree_with_a_count_of_minutes(
    hours: str | list[str], first: str
) -> None:
    """The days around the changes of the clocks have 23, 23.5, 24.5 or 25 hours."""
    parsed, start, draw = parse_hours(hours), utc(first), random.Random(first)  # noqa: S311
    minutes = [parsed.is_open(start + number * MINUTE) for number in range(6 * 24 * 60)]
    total = [0]
    for is_open in minutes:
        total.append(total[-1] + is_open)
    for number in draw.sample(range(3 * 24 * 60), 10):
        now = start + number * MINUTE
        opening = next(n for n in range(number, len(minutes)) if minutes[n])
        closing = next((n for n in range(number, len(minutes)) if not minutes[n]), None)
        end = draw.randrange(number, len(minutes))
        assert parsed.next_opening(now) == start + opening * MINUTE
        assert parsed.next_closing(now) == (None if closing is None else start + closing * MINUTE)
        assert parsed.open_time(now, start + end * MINUTE) == (total[end] - total[number]) * MINUTE
        work = draw.randrange(1, 20) * MINUTE
        done = parsed.end_of_work(now, work)
        assert parsed.open_time(now, done) == work
        assert parsed.is_open(done - MINUTE)
        began = parsed.start_of_work(done, work)
        assert parsed.open_time(began, done) == work
        assert began >= now


def test_a_long_work_counts_whole_weeks() -> None:
    """A backfill of a year is estimated without a walk through its nights."""
    night, weekend = parse_hours("21:00-05:00"), parse_hours("Sat-Sun")
    monday = utc("2026-01-05")
    assert night.end_of_work(monday, timedelta(hours=5)) == utc("2026-01-05T05:00")
    assert night.end_of_work(monday, timedelta(hours=6)) == utc("2026-01-05T22:00")
    assert night.end_of_work(monday, timedelta(hours=8 * 100)) == monday + 100 * DAY
    assert weekend.end_of_work(monday, 4 * DAY) == monday + 14 * DAY
    assert weekend.start_of_work(monday, 3 * DAY) == monday - 8 * DAY
    assert weekend.start_of_work(monday + 3 * DAY, timedelta(hours=3)) == monday - timedelta(hours=3)


def test_the_examples_of_the_documentation_are_right() -> None:
    """People copy them. Together, they must be the nights and the weekends of New York."""
    text = (Path(__file__).parents[1] / "docs" / "runs.md").read_text(encoding="utf-8")
    one, several = (
        parse_hours(yaml.safe_load(found)) for found in re.findall(r"^    hours: (.*)$", text, re.MULTILINE)
    )
    noon_of_sunday, night_of_monday = utc("2026-01-04T17:00"), utc("2026-01-05T09:59")
    assert [one.is_open(noon_of_sunday), one.is_open(night_of_monday)] == [False, True]
    assert [several.is_open(noon_of_sunday), several.is_open(night_of_monday)] == [True, True]
