"""The harvester `sitemap` meets the contracts of the behaviours that a website can show."""

from __future__ import annotations

import pytest

from harvest_dagster.testing.conformance.harvester_under_test import HarvesterUnderTest
from harvest_dagster.testing.conformance.suite import applicable_behaviours, run_suite

RENDERER = "harvest_dagster_tests.testing.conformance.website:WebsiteRenderer"
TESTED = HarvesterUnderTest("sitemap", {"base_url": "{list_url}"}, RENDERER)


def test_a_page_that_is_blocked_or_not_available_is_noticed() -> None:
    """Its record would be lost, although the sitemap and all other pages arrive."""
    results = list(run_suite(TESTED, ["html-login", "error-always", "cut-after-record"]))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert len(results) == 4


@pytest.mark.slow
def test_a_website_meets_the_contracts_of_all_behaviours_that_it_can_show() -> None:
    """Its sitemap and its pages are cut, refused and changed like any other response."""
    results = list(run_suite(TESTED, jobs=8))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert len(results) == 1 + len(applicable_behaviours(TESTED))
