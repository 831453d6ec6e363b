"""The harvester `files` meets the contracts of the behaviours that a file over HTTP can show."""

from __future__ import annotations

import pytest

from harvest_dagster.testing.conformance.harvester_under_test import HarvesterUnderTest
from harvest_dagster.testing.conformance.suite import applicable_behaviours, run_suite

ARGUMENTS = {"path": "{list_url}", "format": "jsonl", "identifier": "id", "datestamp": "date", "page_size": 8}
TESTED = HarvesterUnderTest("files", ARGUMENTS, "harvest_dagster_tests.testing.conformance.dump:DumpRenderer")


def test_a_file_that_is_cut_or_is_a_web_page_is_noticed() -> None:
    """Its first lines would look like the whole file."""
    results = list(run_suite(TESTED, ["cut", "html-maintenance", "cap-hidden"]))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert len(results) == 4


@pytest.mark.slow
def test_a_file_meets_the_contracts_of_all_behaviours_that_it_can_show() -> None:
    """A file over HTTP is cut, refused and changed like any other response."""
    results = list(run_suite(TESTED, jobs=3))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert len(results) == 1 + len(applicable_behaviours(TESTED))
