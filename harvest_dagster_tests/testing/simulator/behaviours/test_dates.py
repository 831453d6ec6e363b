"""Repositories that treat the dates of a request in their own way, as a raw client receives them."""

from __future__ import annotations

from datetime import date

import pytest

from harvest_dagster.testing.simulator import Repository, Server
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster_tests.testing.simulator.raw_client import get

BY_DAY = Repository(first_day=date(2024, 3, 1), days=3, records_per_day=2, granularity="day", deleted=0)


def numbers(name: str, first: str, last: str) -> list[int] | str:
    """Return the numbers of the records between two dates, or the error code."""
    with Server(BY_DAY, behaviours=[REGISTRY[name]()]) as server:
        response = get(f"{server.url}?verb=ListRecords&metadataPrefix=oai_dc&from={first}&until={last}")
    text = response.body.decode()
    return text.partition('<error code="')[2].partition('"')[0] or response.numbers


@pytest.mark.parametrize(
    ("name", "first", "last", "expected"),
    [
        ("until-exclusive", "2024-03-01", "2024-03-01", "noRecordsMatch"),
        ("until-exclusive", "2024-03-01", "2024-03-02", [0, 1]),
        ("from-exclusive", "2024-03-01", "2024-03-02", [2, 3]),
        ("from-exclusive", "2024-03-02", "2024-03-02", "noRecordsMatch"),
        ("single-day-refused", "2024-03-02", "2024-03-02", "badArgument"),
        ("single-day-refused", "2024-03-02", "2024-03-03", [2, 3, 4, 5]),
        ("from-too-early", "2024-02-29", "2024-03-01", "badArgument"),
        ("from-too-early", "2024-03-01", "2024-03-01", [0, 1]),
        ("wrong-code-for-empty", "2024-03-09", "2024-03-09", "cannotDisseminateFormat"),
        ("wrong-code-for-empty", "2024-03-01", "2024-03-01", [0, 1]),
    ],
)
def test_the_dates_of_a_request_are_treated_as_the_behaviour_says(name, first, last, expected) -> None:
    """Otherwise the tests of harvesters prove nothing."""
    assert numbers(name, first, last) == expected
