"""The harvester `feed` meets the contracts of the behaviours that an archived feed can show."""

from __future__ import annotations

import pytest

from harvest_dagster.testing.conformance.harvester_under_test import HarvesterUnderTest
from harvest_dagster.testing.conformance.suite import applicable_behaviours, run_suite

RENDERER = "harvest_dagster_tests.testing.conformance.archived_feed:ArchivedFeedRenderer"
TESTED = HarvesterUnderTest("feed", {"base_url": "{list_url}"}, RENDERER)


def test_a_feed_that_is_cut_or_lies_about_its_length_is_noticed() -> None:
    """Only the total on the last document shows that documents are missing."""
    results = list(run_suite(TESTED, ["cut", "cap", "token-burns-silently", "redirect-file"]))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert len(results) == 5


@pytest.mark.slow
def test_a_feed_meets_the_contracts_of_all_behaviours_that_it_can_show() -> None:
    """A feed is cut, refused and changed like any other list."""
    results = list(run_suite(TESTED, jobs=3))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert len(results) == 1 + len(applicable_behaviours(TESTED))
