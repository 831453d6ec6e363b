"""`rest` meets the contracts over lists in XML, and over each kind of paging."""

from __future__ import annotations

import pytest

from harvest_dagster.testing.conformance.harvester_under_test import HarvesterUnderTest
from harvest_dagster.testing.conformance.suite import applicable_behaviours, run_suite

SRU = HarvesterUnderTest(
    "rest",
    {
        "base_url": "{list_url}",
        "params": {"query": 'modified within "{from} {until}"', "maximumRecords": 8},
        "granularity": "second",
        "response": "xml",
        "records": "searchRetrieveResponse.records.record",
        "identifier": "recordIdentifier",
        "datestamp": "recordData.item.@modified",
        "deleted": {"path": "recordData.item.@deleted"},
        "total": "searchRetrieveResponse.numberOfRecords",
        "next": {"by": "offset", "param": "startRecord", "first": 1},
        "volatile": ["recordData.item.@modified"],
    },
    "harvest_dagster_tests.testing.conformance.sru_protocol:SruRenderer",
)
A_FEW = ("cut", "cap", "html-maintenance", "duplicate", "total-counts-rows")


def test_an_xml_list_meets_the_contracts_of_the_most_common_behaviours() -> None:
    """A slow test covers the other behaviours."""
    results = list(run_suite(SRU, A_FEW))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert {each.name for each in results} == {"(none)", *A_FEW}


@pytest.mark.slow
def test_an_xml_list_meets_the_contracts_of_all_behaviours_that_it_can_show() -> None:
    """What ends a list, and what is missing in it, must not depend on the format."""
    results = list(run_suite(SRU, deadline=60.0, jobs=3))
    faults = {each.name: each.error for each in results if each.faults}
    # A first page that is full must have the total that the config names.
    assert set(faults) == {"total-none"}
    assert "has nothing at searchRetrieveResponse.numberOfRecords" in faults["total-none"]
    assert len(results) == 1 + len(applicable_behaviours(SRU))
