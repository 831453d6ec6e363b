"""Cron expressions, compared with Dagster's own schedules."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import dagster as dg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harvest_dagster.catalog.cron import last_scheduled_time, validate_cron


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
def test_dagster_accepts_every_valid_expression(expression: str) -> None:
    """One schedule that Dagster refuses would stop all sources: docs/failures.md#one-bad-source-stops-all."""
    try:
        validate_cron(expression)
    except ValueError:
        assume(False)
    try:
        dg.ScheduleDefinition(name="s", cron_schedule=expression, target="*")
    except dg.DagsterInvalidDefinitionError:
        # Only this one is refused: a day that no month has, beside a day of the week.
        with pytest.raises(ValueError, match="never occurs"):
            validate_cron(" ".join([*expression.split()[:4], "*"]))


@pytest.mark.parametrize(
    "expression", ["0 3 * * *", "*/15 0-6,22 1 jan-mar mon-fri", "0 0 29 2 *", "0 0 * * 7"]
)
def test_usual_expressions_are_valid(expression: str) -> None:
    """The examples of crontab(5) must be usable."""
    assert validate_cron(expression) == expression


@pytest.mark.parametrize(
    ("expression", "last"),
    [("0 0 31 2 1", "2025-02-24"), ("0 0 30 feb mon", "2025-02-24"), ("0 0 31 4,6 0", "2025-04-27")],
)
def test_a_day_that_no_month_has_is_valid_beside_a_day_of_the_week(expression: str, last: str) -> None:
    """If both fields are restricted, one of them is enough: each Monday of February. Such a source did not load."""
    assert validate_cron(expression) == expression
    now = datetime(2025, 5, 1, tzinfo=timezone.utc)
    assert f"{last_scheduled_time(expression, now):%Y-%m-%d}" == last


@pytest.mark.parametrize("expression", ["0 0 31 2 *", "0 0 31 2 */2"])
def test_a_day_that_no_month_has_never_occurs_if_it_must_match(expression: str) -> None:
    """A field that begins with `*` does not restrict the days in this sense."""
    with pytest.raises(ValueError, match="never occurs"):
        validate_cron(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "number of fields: 0"),
        ("@daily", "number of fields: 1"),
        ("0 3 * *", "number of fields: 4"),
        ("0 0 3 * * *", "number of fields: 6"),
        ("60 3 * * *", "'60' is not a valid minute; allowed: a number from 0 to 59"),
        ("0 24 * * *", "'24' is not a valid hour"),
        ("0 0 0 * *", "'0' is not a valid day-of-month"),
        ("0 0 * 13 *", "'13' is not a valid month; allowed: a number from 1 to 12 or one of jan"),
        ("0 0 * * 8", "'8' is not a valid day-of-week"),
        ("0 0 * * mon#2", "'mon#2' is not a valid day-of-week"),
        ("0 0 L * *", "'l' is not a valid day-of-month"),
        ("0 6-3 * * *", "a range goes from a lower to a higher number"),
        ("0 0 * * 1-1", "a range goes from a lower to a higher number"),
        ("*/0 * * * *", "a step is at least 1"),
        ("*/60 * * * *", "a step is at least 1"),
        ("5/10 * * * *", "a step is at least 1"),
        ("0, 3 * * *", "'' is not a valid minute"),
    ],
)
def test_the_error_names_the_wrong_field(expression: str, message: str) -> None:
    """The author must not need a manual to find the mistake."""
    with pytest.raises(ValueError, match=message.replace("*", r"\*")):
        validate_cron(expression)


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 30,31 feb *"])
def test_a_day_that_its_months_do_not_have_is_refused(expression: str) -> None:
    """Dagster searches for the next tick without end, or raises while it loads all sources."""
    with pytest.raises(ValueError, match="never occurs"):
        validate_cron(expression)


NOW = datetime(2024, 5, 1, 12, 30, tzinfo=timezone.utc)  # a Wednesday


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 3 * * *", "2024-05-01T03:00"),
        ("30 12 * * *", "2024-05-01T12:30"),
        ("31 12 * * *", "2024-04-30T12:31"),
        ("*/20 * * * *", "2024-05-01T12:20"),
        ("0 3 * * 7", "2024-04-28T03:00"),
        ("0 3 * * sun", "2024-04-28T03:00"),
        ("0 3 13 * fri", "2024-04-26T03:00"),  # matches either day field
        (
            "0 3 */2 * fri",
            "2024-04-19T03:00",
        ),  # must match both: a field that begins with * does not restrict
        ("0 3 1,*/10 * fri", "2024-05-01T03:00"),  # matches either: this field does not begin with *
        ("0 0 29 2 *", "2024-02-29T00:00"),
        ("0 0 31 dec *", "2023-12-31T00:00"),
    ],
)
def test_the_last_scheduled_time_is_the_newest_one_that_is_not_in_the_future(
    expression: str, expected: str
) -> None:
    """With a wrong time, a source would be harvested never, or at every tick."""
    assert last_scheduled_time(expression, NOW) == datetime.fromisoformat(expected).replace(
        tzinfo=timezone.utc
    )


INSTANTS = st.timedeltas(timedelta(), timedelta(days=21_000)).map(
    lambda passed: datetime(2001, 1, 1, tzinfo=timezone.utc) + passed
)


@given(EXPRESSIONS, INSTANTS)
def test_scheduled_times_are_those_of_dagster(expression: str, now: datetime) -> None:
    """A schedule must mean here what it means in a Dagster schedule."""
    _, _, days, _, weekdays = expression.split()
    # Dagster differs from crontab(5) if both day fields contain a * in a step or a list.
    assume("*" in (days, weekdays) or "*" not in days + weekdays)
    try:
        validate_cron(expression)
    except ValueError:
        assume(False)
    scheduled = last_scheduled_time(expression, now)
    before = last_scheduled_time(expression, scheduled - timedelta(minutes=1))
    ticks = dg.TimeWindowPartitionsDefinition(start=before, fmt="%Y-%m-%d %H:%M", cron_schedule=expression)
    *_, last = ticks.get_partition_keys(current_time=now)
    assert ticks.time_window_for_partition_key(last).end == scheduled


def test_an_expression_that_never_occurs_raises() -> None:
    """`validate_cron` refuses it, but a caller may not have called that. The search must end."""
    with pytest.raises(ValueError, match="never occurs"):
        last_scheduled_time("0 0 30 2 *", NOW)
