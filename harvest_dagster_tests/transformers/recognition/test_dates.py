"""Dates: a text is a date only if it has exactly one meaning."""

from __future__ import annotations

import doctest
import re
import time
from datetime import date

import pytest
from edtf import parse_edtf
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.transformers.recognition import dates
from harvest_dagster.transformers.recognition.dates import parse_date, parse_parts

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

# Texts that are EDTF level 1: https://www.loc.gov/standards/datetime/.
LEVEL_1 = [
    "1984?",
    "2004-06~",
    "2004-06-11%",
    "201X",
    "20XX",
    "2004-XX",
    "1985-04-XX",
    "1985-XX-XX",
    "199X?",
    "2001-21",
    "2003-22",
    "2000-23",
    "2010-24",
    "1985-04-12/..",
    "1985/..",
    "1985-04/",
    "../1985-04-12",
    "/1985",
    "1984?/2004~",
    "2001-21/2003-22",
    "Y170000002",
    "Y-170000002",
    "-0044",
    "-0044-03-15",
    "-0044/0014",
]

# Texts that are EDTF level 1 and mean something else at most sources.
LEVEL_1_IF_DECLARED = [
    "2020-21",  # the school year
    "2023-24",
    "-1985",  # until 1985
    "-1985/..",
]

CATALOGED = [
    ("circa 1899", "1899~"),
    ("ca. 1899", "1899~"),
    ("ca 1899", "1899~"),
    ("c. 1899", "1899~"),
    ("[ca. 1899]", "1899~"),
    ("about 1899", "1899~"),
    ("ca. October 1899", "1899-10~"),
    ("[1899?]", "1899?"),
    ("(1899?)", "1899?"),
    ("1899 ?", "1899?"),
    ("[ca. 1899?]", "1899%"),
    ("199-", "199X"),
    ("[199-]", "199X"),
    ("[199-?]", "199X?"),
    ("199u", "199X"),
    ("199x", "199X"),
    ("19--", "19XX"),
    ("19uu", "19XX"),
    ("1920s", "192X"),
    ("the 1920s", "192X"),
    ("ca. 1920s", "192X~"),
    ("1990-", "1990/.."),
    ("[1990]-", "1990/.."),
    ("1990-present", "1990/.."),
    ("1991 to present", "1991/.."),
    ("Spring 2004", "2004-21"),
    ("2004 summer", "2004-22"),
    ("Fall, 2004", "2004-23"),
    ("autumn 2004", "2004-23"),
    ("Winter 2004", "2004-24"),
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
    "10000-01-01",
    "19th century",  # 1801 to 1900; 18XX is 1800 to 1899
    "1900s",  # ten years, or a hundred
    "1uuu",
    "uuuu",
    "c 1899",  # circa, or copyright
    "ca. 1990-1995",
    "circa",
    "ca. 2004-10-02T08:00:00Z",
    "Winter 2004-2005",
    "Spring",
    "2004 Spring 2005",
    "1990 to",
    "1990-?",
    "[between 1906 and 1912]",
    "../..",
    "/",
    "199X/200X",  # level 2
    "1XXX",  # level 2
    "2001-25",  # level 2
    "2004-13-XX",
    "2004-13?",
    "-0000",
    "0000-XX",
    "-0043-02-29",
    "Y1000",
    "1990?/1984",
    "1991-present, Chapman University",
    "December",
    "February 30, 2004",
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


@pytest.mark.parametrize(("text", "value"), CATALOGED)
def test_the_forms_of_catalogs_for_what_is_not_certain_are_recognized(text: str, value: str) -> None:
    """An approximate year is more than no year. Without its sign, it would be a false one."""
    assert parse_date(text) == value
    assert parse_date(text.upper()) == value


@pytest.mark.parametrize("text", LEVEL_1)
def test_a_text_in_level_1_is_a_date(text: str) -> None:
    assert parse_date(text) == text


@pytest.mark.parametrize("text", LEVEL_1_IF_DECLARED)
def test_a_text_with_another_meaning_is_level_1_only_if_the_source_says_so(text: str) -> None:
    assert parse_date(text) is None
    assert parse_date(text, declared=True) == text


_VALUES = sorted({value for _, value in RECOGNISED + CATALOGED} | {*LEVEL_1, *LEVEL_1_IF_DECLARED})


@pytest.mark.parametrize("value", _VALUES)
def test_a_normalized_date_is_recognized_as_the_same_date(value: str) -> None:
    assert parse_date(value, declared=True) == value


@pytest.mark.parametrize("value", sorted({re.sub(r"\.[0-9]+", "", value) for value in _VALUES}))
def test_a_value_is_valid_edtf(value: str) -> None:
    """Programs read the value with an EDTF parser. A fraction of a second is ISO 8601, and not a part of EDTF."""
    assert not type(parse_edtf(value)).__name__.startswith("Level2")


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
    assert value is None or parse_date(value, declared=True) == value


@given(st.text() | st.from_regex(r"[0-9TZXYu?~%:/. +-]{1,30}", fullmatch=True))
def test_no_text_raises(text: str) -> None:
    """One invalid date would make the whole record fail."""
    value = parse_date(text)
    assert value is None or parse_date(value, declared=True) == value


@settings(max_examples=60, deadline=None)
@given(
    st.from_regex(r"(-?[0-9X]{4}(-[012][0-9X](-[0-3X][0-9X])?)?[?~%]?/?){1,2}|Y-?[0-9]{4,7}", fullmatch=True)
)
def test_another_parser_accepts_every_date_of_level_1(text: str) -> None:
    """A value that an EDTF parser refuses is lost for the program that uses one."""
    value = parse_date(text, declared=True)
    assert value is None or parse_edtf(value)


@pytest.mark.parametrize("part", ["1", "-", "X", "/", "ca. ", "[", "1990/", "? ", "Y"])
def test_a_long_text_takes_linear_time(part: str) -> None:
    started = time.process_time()
    parse_date(part * 100_000)
    assert time.process_time() - started < 2


def test_the_examples_in_the_docstrings_are_right() -> None:
    assert doctest.testmod(dates).failed == 0
