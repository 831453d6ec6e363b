"""Cron expressions, against Dagster's own reading of them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harvest_dagster.catalog.cron import check_cron, last_due


def _field(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: "{}-{}".format(*sorted(ends)))
    part = st.one_of(
        st.just("*"),
        number.map(str),
        span,
        st.tuples(st.just("*") | span, st.integers(1, high)).map(lambda both: f"{both[0]}/{both[1]}"),
        *([st.sampled_from(names)] if names else []),
    )
    return st.lists(part, min_size=1, max_size=3).map(",".join)


EXPRESSIONS = st.tuples(
    _field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12, ("jan", "DEC")), _field(0, 7, ("mon", "Sun"))
).map(" ".join)


@given(EXPRESSIONS)
def test_what_passes_here_dagster_takes(expression: str) -> None:
    """One schedule that Dagster refuses would keep all sources from loading (Lesson 15)."""
    try:
        check_cron(expression)
    except ValueError:
        assume(False)
    dg.ScheduleDefinition(name="s", cron_schedule=expression, target="*")


@pytest.mark.parametrize(
    "expression", ["0 3 * * *", "*/15 0-6,22 1 jan-mar mon-fri", "0 0 29 2 *", "0 0 * * 7"]
)
def test_the_usual_ones_pass(expression: str) -> None:
    """What crontab(5) shows must be usable."""
    assert check_cron(expression) == expression


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "has 0 fields"),
        ("@daily", "has 1 fields"),
        ("0 3 * *", "has 4 fields"),
        ("0 0 3 * * *", "has 6 fields"),
        ("60 3 * * *", "'60' is no minute: it is a number from 0 to 59"),
        ("0 24 * * *", "'24' is no hour"),
        ("0 0 0 * *", "'0' is no day-of-month"),
        ("0 0 * 13 *", "'13' is no month: it is a number from 1 to 12 or one of jan"),
        ("0 0 * * 8", "'8' is no day-of-week"),
        ("0 0 * * mon#2", "'mon#2' is no day-of-week"),
        ("0 0 L * *", "'l' is no day-of-month"),
        ("0 6-3 * * *", "a range goes upwards"),
        ("0 0 * * 1-1", "a range goes upwards"),
        ("*/0 * * * *", "a step"),
        ("*/60 * * * *", "a step"),
        ("5/10 * * * *", "a step"),
        ("0, 3 * * *", "'' is no minute"),
    ],
)
def test_the_field_at_fault_is_named(expression: str, said: str) -> None:
    """`invalid cron` alone sends people to a manual."""
    with pytest.raises(ValueError, match=said.replace("*", r"\*")):
        check_cron(expression)


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30,31 feb *", "0 0 31 2 mon"])
def test_a_day_that_no_month_has_is_refused(expression: str) -> None:
    """Dagster looks for its next tick for ever, or refuses it while all sources load."""
    with pytest.raises(ValueError, match="never comes"):
        check_cron(expression)


NOW = datetime(2024, 5, 1, 12, 30, tzinfo=timezone.utc)  # a Wednesday


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("0 3 * * *", "2024-05-01T03:00"),
        ("30 12 * * *", "2024-05-01T12:30"),
        ("31 12 * * *", "2024-04-30T12:31"),
        ("*/20 * * * *", "2024-05-01T12:20"),
        ("0 3 * * 7", "2024-04-28T03:00"),
        ("0 3 * * sun", "2024-04-28T03:00"),
        ("0 3 13 * fri", "2024-04-26T03:00"),  # either of them
        ("0 3 */2 * fri", "2024-04-19T03:00"),  # both of them: */2 restricts nothing, says crontab(5)
        ("0 0 29 2 *", "2024-02-29T00:00"),
        ("0 0 31 dec *", "2023-12-31T00:00"),
    ],
)
def test_the_last_time_that_was_due(expression: str, due: str) -> None:
    """A wrong one would harvest a source never, or all the time."""
    assert last_due(expression, NOW) == datetime.fromisoformat(due).replace(tzinfo=timezone.utc)


INSTANTS = st.timedeltas(timedelta(), timedelta(days=21_000)).map(
    lambda passed: datetime(2001, 1, 1, tzinfo=timezone.utc) + passed
)


@given(EXPRESSIONS, INSTANTS)
def test_it_is_due_when_dagster_says_so(expression: str, now: datetime) -> None:
    """People know schedules from Dagster; ours must mean the same."""
    _, _, days, _, weekdays = expression.split()
    # Of steps and lists with a * in both day fields Dagster thinks otherwise than crontab(5).
    assume("*" in (days, weekdays) or "*" not in days + weekdays)
    try:
        check_cron(expression)
    except ValueError:
        assume(False)
    due = last_due(expression, now)
    before = last_due(expression, due - timedelta(minutes=1))
    ticks = dg.TimeWindowPartitionsDefinition(start=before, fmt="%Y-%m-%d %H:%M", cron_schedule=expression)
    *_, last = ticks.get_partition_keys(current_time=now)
    assert ticks.time_window_for_partition_key(last).end == due


def test_what_never_comes_is_said_and_not_sought_for_ever() -> None:
    """check_cron refuses it, but who asks here may not have asked there."""
    with pytest.raises(ValueError, match="never comes"):
        last_due("0 0 30 2 *", NOW)
