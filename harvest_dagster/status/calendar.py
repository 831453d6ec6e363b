"""The coverage of a source as a calendar: one state for each day, and weeks as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.intervals import (
    COMPLETE,
    FAILED,
    MISSING,
    UNVERIFIED,
    LogInterval,
    coverage_intervals,
    intervals_by_day,
    log_intervals,
)
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.windows import DAY

GAP = "gap"
# One character for each state, so that a calendar needs no colour. A day that nobody requested is MISSING, and no gap.
MARKS = {COMPLETE: "#", UNVERIFIED: "+", FAILED: "x", GAP: "!", MISSING: "."}
MEANINGS = {
    COMPLETE: "complete, proven",
    UNVERIFIED: "harvested, not proven",
    FAILED: "failed or cancelled",
    GAP: "a gap",
    MISSING: "not harvested",
}
_WEEK = 7
_WEEKDAYS = ("Mon", "", "Wed", "", "Fri", "", "Sun")


@dataclass(frozen=True)
class Calendar:
    """The states of consecutive days.

    Attributes:
        first: the first day.
        states: one of `MARKS` for each day.
    """

    first: date
    states: tuple[str, ...]

    @property
    def days(self) -> Iterator[tuple[date, str]]:
        """Each day with its state, in order."""
        return ((self.first + number * DAY, state) for number, state in enumerate(self.states))

    def weeks(self) -> list[tuple[date, list[str | None]]]:
        """Return the Monday of each week, and the states of its days; None for a day outside of the calendar."""
        monday = self.first - timedelta(days=self.first.weekday())
        states: list[str | None] = [None] * self.first.weekday() + list(self.states)
        states += [None] * (-len(states) % _WEEK)
        return [
            (monday + number * DAY, states[number : number + _WEEK])
            for number in range(0, len(states), _WEEK)
        ]


def make_calendar(
    days: DayRange,
    logs: Sequence[HarvestLog],
    arguments_digest: str | None,
    gaps: Sequence[DayRange] = (),
) -> Calendar:
    """Return the calendar of some days.

    Args:
        days: the days.
        logs: the logs of one scope; see `overview.find_logs_of_sources`.
        arguments_digest: see `LogScope`.
        gaps: the days that were requested and are not harvested.
    """
    # The list of failed windows contains the cancelled ones, too.
    cancelled = [LogInterval(log.window, FAILED, log.id) for log in logs if log.status == "CANCELLED"]
    found = [*log_intervals(logs, arguments_digest), *cancelled]
    intervals = coverage_intervals(days.window, found)
    states = {day: interval.state for day, interval in intervals_by_day(intervals).items()}
    missing = {day for gap in gaps if (part := gap.clip(days.first, days.last)) for day in part.window.days}
    return Calendar(
        days.first,
        tuple(GAP if state == MISSING and day in missing else state for day, state in states.items()),
    )


def calendar_lines(calendar: Calendar, weeks_per_line: int) -> list[str]:
    """Return a calendar as lines of text: a line for each day of the week, a column for each week.

    A calendar with more than `weeks_per_line` weeks has several such blocks.
    """
    weeks = calendar.weeks()
    lines: list[str] = []
    for start in range(0, len(weeks), weeks_per_line):
        block = weeks[start : start + weeks_per_line]
        lines += ["", *_block(block)] if lines else _block(block)
    return lines


def legend() -> str:
    """Return what each mark means, in one line."""
    return "   ".join(f"{mark} {MEANINGS[state]}" for state, mark in MARKS.items())


def _block(weeks: Sequence[tuple[date, list[str | None]]]) -> list[str]:
    lines = [f"    {_months(weeks)}".rstrip()]
    for weekday, name in enumerate(_WEEKDAYS):
        marks = (MARKS[state] if (state := states[weekday]) else " " for _, states in weeks)
        lines.append(f"{name:4}{''.join(marks)}".rstrip())
    return lines


def _months(weeks: Sequence[tuple[date, list[str | None]]]) -> str:
    """Return a line with the name of each month above its first whole week. The first week and January show the year.

    All names have three letters, because a month may have only four Mondays.
    """
    text = ""
    for column, (monday, _) in enumerate(weeks):
        if (column == 0 or monday.day <= _WEEK) and column >= len(text):
            name = f"'{monday:%y}" if column == 0 or monday.month == 1 else f"{monday:%b}"
            text = f"{text:<{column}}{name} "
    return text
