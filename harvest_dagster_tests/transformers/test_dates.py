"""Dates: a text is a date only if it has exactly one meaning."""

from __future__ import annotations

import doctest
import re
from datetime import date

import pytest
from edtf import parse_edtf
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.transformers import dates
from harvest_dagster.transformers.dates import parse_date, parse_parts

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
    "02-03-1992",  # 2 March or 3 February
    "03-25-2008",  # from a source that also writes 02-03-1992
    "02/03/1992",
    "2004/05",  # May 2004, or 2004 to 2005
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


# Only four digits from 1000 to 2999 are a year in every form. Others may mean anything.
_DAYS = st.dates(min_value=date(1000, 1, 1), max_value=date(2999, 12, 31))


@pytest.mark.parametrize(("text", "value"), RECOGNISED)
def test_the_usual_forms_of_a_date_are_recognized(text: str, value: str) -> None:
    """Otherwise a query that sorts or filters by year loses the record."""
    assert parse_date(text) == value


@pytest.mark.parametrize("text", NOT_RECOGNISED)
def test_other_and_ambiguous_text_is_not_recognized(text: str) -> None:
    """Readers of the document cannot distinguish a wrong date from a correct one."""
    assert parse_date(text) is None


@pytest.mark.parametrize("value", sorted({value for _, value in RECOGNISED}))
def test_a_normalized_date_is_recognized_as_the_same_date(value: str) -> None:
    assert parse_date(value) == value


@pytest.mark.parametrize("value", sorted({re.sub(r"\.[0-9]+", "", value) for _, value in RECOGNISED}))
def test_a_value_is_valid_edtf(value: str) -> None:
    """Programs read the value with an EDTF parser. A fraction of a second is ISO 8601, and not a part of EDTF."""
    assert parse_edtf(value)


@given(_DAYS, st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%d %B %Y", "%B %d, %Y", "%Y %b %d"]))
def test_every_day_is_recognized_in_every_unambiguous_form(day: date, form: str) -> None:
    assert parse_date(day.strftime(form)) == day.isoformat()


@pytest.mark.parametrize(
    ("parts", "value"),
    [
        ((("day", "06"), ("month", "09"), ("year", "2019")), "2019-09-06"),
        ((("year", "2019"), ("month", "9"), ("day", "6")), "2019-09-06"),
        ((("month", "September"), ("year", "2019")), "2019-09"),
        ((("day", "6"), ("month", "Sept"), ("year", "2019")), "2019-09-06"),
        ((("year", "2019"),), "2019"),
        ((("start", "2001"), ("end", "2003-04")), "2001/2003-04"),
        ((("from", "2001"), ("to", "2003")), "2001/2003"),
    ],
)
def test_the_names_of_the_parts_tell_the_day_from_the_month(
    parts: tuple[tuple[str, str], ...], value: str
) -> None:
    """As a text, `06 09 2019` is either a day in June or one in September."""
    assert parse_parts(parts) == value


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (("day", "06"), ("year", "2019")),
        (("month", "09"), ("day", "06")),
        (("year", "2019"), ("year", "2020")),
        (("year", "2019"), ("month", "13")),
        (("year", "2019"), ("month", "02"), ("day", "30")),
        (("year", "2019"), ("month", ""), ("day", "6")),
        (("year", "in press"),),
        (("start", "2003"), ("end", "2001")),
        (("start", "2003"), ("stop", "2004")),
    ],
)
def test_other_parts_are_not_a_date(parts: tuple[tuple[str, str], ...]) -> None:
    assert parse_parts(parts) is None


@given(st.lists(st.tuples(st.sampled_from(["year", "month", "day", "start", "end", "x"]), st.text())))
def test_no_parts_raise(parts: list[tuple[str, str]]) -> None:
    value = parse_parts(parts)
    assert value is None or parse_date(value) == value


@given(st.text() | st.from_regex(r"[0-9TZ:/. +-]{1,30}", fullmatch=True))
def test_no_text_raises(text: str) -> None:
    """One invalid date would make the whole record fail."""
    value = parse_date(text)
    assert value is None or parse_date(value) == value


def test_the_examples_in_the_docstrings_are_right() -> None:
    assert doctest.testmod(dates).failed == 0
