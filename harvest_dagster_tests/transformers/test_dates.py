"""Dates: what is one in one way only, and what is not."""

from __future__ import annotations

import doctest
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.transformers import dates
from harvest_dagster.transformers.dates import recognise

RECOGNISED = [
    ("2004", "2004"),
    ("0196", "0196"),
    ("2004-10", "2004-10"),
    ("2004-10-02", "2004-10-02"),
    ("20041002", "2004-10-02"),
    ("2004/10/02", "2004-10-02"),
    ("2004/1/2", "2004-01-02"),
    ("2004-10-02T08:00:00Z", "2004-10-02T08:00:00Z"),
    ("2004-10-02T08:00Z", "2004-10-02T08:00:00Z"),
    ("2004-10-02t08:00:00z", "2004-10-02T08:00:00Z"),
    ("2004-10-02T08:00:00+02:00", "2004-10-02T06:00:00Z"),
    ("2004-10-02T23:30:00-0100", "2004-10-03T00:30:00Z"),
    ("2004-10-02T08:00:00.123456Z", "2004-10-02T08:00:00.123456Z"),
    ("2015-08-25T21:47:07", "2015-08-25T21:47:07"),
    ("2002-12-20 16:46:00", "2002-12-20T16:46:00"),
    ("2016-05-30 12:21:23.548000", "2016-05-30T12:21:23.548000"),
    ("October 2004", "2004-10"),
    ("Oct. 2004", "2004-10"),
    ("Sept 2004", "2004-09"),
    ("2004 Oct", "2004-10"),
    ("2004 Oct 2", "2004-10-02"),
    ("2 October 2004", "2004-10-02"),
    ("2nd October, 2004", "2004-10-02"),
    ("02-Oct-2004", "2004-10-02"),
    ("OCTOBER 2, 2004", "2004-10-02"),
    ("May 1 2005", "2005-05-01"),
    ("[1999]", "1999"),
    ("(1892)", "1892"),
    ("c1999", "1999"),
    ("©1999", "1999"),
    ("© 1999", "1999"),
    ("[c1999]", "1999"),
    ("1989.", "1989"),
    ("1990-1995", "1990/1995"),
    ("1914 - 1918", "1914/1918"),
    ("1879--1889", "1879/1889"),
    ("1990\N{EN DASH}1995", "1990/1995"),
    ("(1806-1819)", "1806/1819"),
    ("2007/2009", "2007/2009"),
    ("2004-10-02/2004-10-05", "2004-10-02/2004-10-05"),
    ("2004-10/2005", "2004-10/2005"),
]

NOT_RECOGNISED = [
    "02-03-1992",  # March or February
    "03-25-2008",  # from a source that writes those, too
    "02/03/1992",
    "2004/05",  # May, or until 2005
    "2004-13",
    "2004-02-30",
    "0000",
    "2004-10-02T25:00:00Z",
    "0001-01-01T00:00:00+01:00",  # before the first year
    "2004-10-02T08:00.5Z",
    "1995-1990",
    "1990/1980",
    "1990/1995/2000",
    "1990/",
    "10000-01-01",
    "1999?",
    "circa 1899",
    "ca. 1899",
    "199-",
    "19th century",
    "December",
    "February 30, 2004",
    "Spring 2004",
    "undated",
    "NO_RESTRICTION",
    "MONTHS_WITHHELD:1200",
    "0",
    "",
]


# Four digits are a year in any form only from 1000 to 2999; beyond, they may be anything.
_DAYS = st.dates(min_value=date(1000, 1, 1), max_value=date(2999, 12, 31))


@pytest.mark.parametrize(("text", "value"), RECOGNISED)
def test_a_date_in_any_usual_form_is_recognised(text: str, value: str) -> None:
    """Whoever sorts or filters by year loses the record otherwise."""
    assert recognise(text) == value


@pytest.mark.parametrize("text", NOT_RECOGNISED)
def test_what_is_no_date_or_could_be_two_is_not_recognised(text: str) -> None:
    """A wrong date looks as sure as a right one."""
    assert recognise(text) is None


@pytest.mark.parametrize("value", sorted({value for _, value in RECOGNISED}))
def test_a_value_is_its_own_normal_form(value: str) -> None:
    assert recognise(value) == value


@given(_DAYS, st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%d %B %Y", "%B %d, %Y", "%Y %b %d"]))
def test_every_day_is_recognised_in_every_form_that_has_one_reading(day: date, form: str) -> None:
    assert recognise(day.strftime(form)) == day.isoformat()


@given(st.text() | st.from_regex(r"[0-9TZ:/. +-]{1,30}", fullmatch=True))
def test_no_text_raises(text: str) -> None:
    """The one bad date would cost the whole record."""
    value = recognise(text)
    assert value is None or recognise(value) == value


def test_the_examples_of_the_module_are_true() -> None:
    assert doctest.testmod(dates).failed == 0
