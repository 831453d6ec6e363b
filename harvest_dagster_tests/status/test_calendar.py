"""The calendar: each day at its place, legible without colour."""

from __future__ import annotations

from datetime import date

from harvest_dagster.coverage.intervals import COMPLETE, FAILED, MISSING, UNVERIFIED
from harvest_dagster.status.calendar import GAP, Calendar, calendar_lines, legend


def test_weeks_are_columns_and_each_day_is_one_character() -> None:
    """A person finds a day by its week and its weekday."""
    states = (COMPLETE, UNVERIFIED, FAILED, GAP, MISSING, COMPLETE, COMPLETE, COMPLETE)
    assert calendar_lines(Calendar(date(2024, 1, 3), states), 80) == [
        "    '24",
        "Mon  #",
        "     #",
        "Wed ##",
        "    +",
        "Fri x",
        "    !",
        "Sun .",
    ]


def test_months_are_above_their_first_week() -> None:
    """Without them, nobody can count to a date."""
    lines = calendar_lines(Calendar(date(2023, 12, 4), (COMPLETE,) * 120), 80)
    assert lines[0] == "    '23 '24  Feb Mar Apr"
    assert lines[1] == f"Mon {'#' * 18}"


def test_a_calendar_that_is_wider_than_the_terminal_has_several_blocks() -> None:
    """A line that wraps shows its days at the wrong place."""
    lines = calendar_lines(Calendar(date(2024, 1, 1), (COMPLETE,) * 7 * 25), 10)
    assert [line for line in lines if line.startswith("Mon")] == ["Mon ##########"] * 2 + ["Mon #####"]
    assert lines.count("") == 2


def test_the_legend_names_each_mark() -> None:
    """Marks replace colours, so they need words."""
    assert all(f"{mark} " in legend() for mark in "#+x!.")
