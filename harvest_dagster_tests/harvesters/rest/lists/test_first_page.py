"""What the first page of a list shows about a wrong config."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import MisconfiguredSource
from harvest_dagster_tests.harvesters.rest.rest_sources import DAY, listed, scripted


def test_an_identifier_that_all_records_share_is_an_error() -> None:
    """Seven records were stored as revisions of one, and the window succeeded without a total."""
    with pytest.raises(
        MisconfiguredSource, match=r"all 5 records .* have the identifier 'work'\. Correct `identifier`"
    ):
        list(scripted(listed(*["work"] * 5), total=None).pages(DAY))


@pytest.mark.parametrize("identifiers", [["a"] * 4, ["a", "a", "a", "a", "b"]])
def test_revisions_of_a_record_are_no_error(identifiers: list[str]) -> None:
    """Some sources list each version of a record."""
    (page,) = scripted(listed(*identifiers), total=None).pages(DAY)
    assert page.count == len(identifiers)
