"""Numbers of bytes as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.catalog.sizes import format_size, parse_size


@given(st.integers(1, 10**14))
def test_formatting_and_parsing_give_the_same_size(size: int) -> None:
    """Otherwise the copy of a config in the database would have another value than the config."""
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("256MB", 256_000_000),
        ("64MiB", 64 * 2**20),
        ("1.5GB", 1_500_000_000),
        ("4KiB", 4096),
        ("10kB", 10_000),
        ("1B", 1),
        (4096, 4096),
    ],
)
def test_the_documented_forms_are_parsed(written: object, expected: int) -> None:
    """A number without a unit is a number of bytes."""
    assert parse_size(written) == expected


@pytest.mark.parametrize(("size", "text"), [(64 * 2**20, "64MiB"), (256 * 10**6, "256MB"), (4097, "4097B")])
def test_the_largest_unit_that_divides_the_size_is_used(size: int, text: str) -> None:
    """People compare the text in the UI with the YAML."""
    assert format_size(size) == text


@pytest.mark.parametrize(
    "written", ["", "MB", "64", "64 MB", "64mb", "-1MB", "1e3B", "٣B", "1B\n", 1.5, None, True]
)
def test_other_text_is_refused_and_the_error_names_the_units(written: object) -> None:
    """A guess could take `64mb` for bits."""
    with pytest.raises(ValueError, match="such as 64MiB or 256MB; or a number of bytes"):
        parse_size(written)


@pytest.mark.parametrize("written", [0, -1, "0MB", "0.5B", "1.0001kB"])
def test_less_than_a_byte_and_parts_of_a_byte_are_refused(written: object) -> None:
    """A limit of 0 would refuse every response."""
    with pytest.raises(ValueError, match="whole number of bytes, at least 1"):
        parse_size(written)
