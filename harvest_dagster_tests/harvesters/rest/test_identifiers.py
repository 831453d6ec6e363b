"""Different identifiers of JSON records are different texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.harvesters.formats.strict_json import parse_json
from harvest_dagster.harvesters.rest.identifiers import identifier_texts, join_identifier, split_identifier


def written(*parts: Any) -> str | None:
    return join_identifier(parse_json(json.dumps(parts).encode(), url="test:"))


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["a:b\\c"], "a:b\\c"),
        (["1"], "1"),
        ([1], "#1"),
        ([-1.50], "#-1.5"),
        (["#1"], "##1"),
        (["##1"], "###1"),
        (["MED", "35"], "MED:35"),
        (["MED", 35], "MED:#35"),
        (["a:b", "c"], "a\\:b:c"),
        (["a\\", "c"], "a\\\\:c"),
        ([" \t\r\na b\n"], "a b"),
        (["\N{NO-BREAK SPACE}a\N{EM SPACE}"], "\N{NO-BREAK SPACE}a\N{EM SPACE}"),
        ([""], None),
        ([" "], None),
        ([None], None),
        ([True], None),
        ([["a"]], None),
        (["a", ""], None),
    ],
)
def test_an_identifier_is_written_in_this_form(parts: list[Any], expected: str | None) -> None:
    """A text is written as it is, so that people find it. Every stored identifier depends on this."""
    assert written(*parts) == expected


parts = st.text(st.sampled_from("ab1#:|\\"), min_size=1, max_size=4) | st.integers(-11, 11)
identifiers = st.integers(1, 3).flatmap(
    lambda count: st.tuples(*[st.lists(parts, min_size=count, max_size=count)] * 2)
)


@given(identifiers)
def test_different_parts_give_different_texts(pair: tuple[list[Any], list[Any]]) -> None:
    """1 and "1", or a:b, c and a, b:c, were one record, and one of the two was lost."""
    first, second = pair
    assert (written(*first) == written(*second)) == (first == second)


@settings(max_examples=50)
@given(st.lists(st.text(min_size=1) | st.integers(), min_size=1, max_size=3))
def test_an_identifier_leads_back_to_what_the_source_wrote(parts: list[Any]) -> None:
    """A sweep asks for a stored identifier. With another text, each record would be missing."""
    values = parse_json(json.dumps(parts).encode(), url="test:")
    joined = join_identifier(values)
    if joined is not None:
        assert split_identifier(joined, len(parts)) == identifier_texts(values)


def test_an_identifier_with_another_number_of_parts_has_no_request() -> None:
    """The YAML changed after the record was stored."""
    assert split_identifier("MED:35", 3) is None
    assert split_identifier("MED:35", 1) == ("MED:35",)
