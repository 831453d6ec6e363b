"""`rest` meets the contracts over lists in XML, and over each kind of paging."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from harvest_dagster.testing.conformance.harvester_under_test import DEFAULT_ARGUMENTS, HarvesterUnderTest
from harvest_dagster.testing.conformance.suite import applicable_behaviours, run_suite
from harvest_dagster.testing.simulator.protocols.rest import Paging

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
NEXT: dict[Paging, dict[str, Any]] = {
    "links": {"by": "link", "path": "links.next"},
    "link_header": {"by": "link_header"},
    "page": {"by": "page", "param": "page"},
    "offset": {"by": "offset", "param": "offset"},
}
# The list by cursor is in test_suite.
PAGED = {
    paging: HarvesterUnderTest(
        "rest",
        {
            **DEFAULT_ARGUMENTS["rest"],
            "params": {"from": "{from}", "until": "{until}", "size": 8},
            "next": following,
        },
        paging=paging,
    )
    for paging, following in NEXT.items()
}
A_FEW = ("cut", "duplicate")


def test_an_xml_list_meets_the_contracts_of_the_most_common_behaviours() -> None:
    """A slow test covers the other behaviours."""
    results = list(run_suite(SRU, A_FEW))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert {each.name for each in results} == {"(none)", *A_FEW}


# Faults of the list itself. Those of the transport do not depend on the format and the paging.
OF_LISTS = (
    *("cut-unannounced", "cut-after-record", "html-maintenance", "empty-body", "error-as-200"),
    *(
        "total-lower",
        "total-higher",
        "total-zero",
        "total-text",
        "total-missing",
        "next-missing",
        "cap",
        "depth",
    ),
    *("token-circle", "token-expires", "token-burns", "ends-in-404", "ends-in-null", "ends-in-repetition"),
    *("ends-without-list", "empty-page", "list-shrinks", "list-moves", "duplicate", "total-counts-rows"),
    *("page-repeated", "record-bad-utf-8", "record-no-identifier", "record-nesting", "datestamp-outside"),
    *("charset-utf-16", "charset-two-boms", "doctype", "entity-bomb", "entity-file", "trailing-text"),
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["xml", "link_header", "page", "offset"])
def test_each_kind_of_list_meets_the_contracts_of_faults_of_lists(kind: Paging | Literal["xml"]) -> None:
    """What ends a list, and what is missing in it, must not depend on the format or on the paging."""
    harvester = SRU if kind == "xml" else PAGED[kind]
    results = list(run_suite(harvester, OF_LISTS, deadline=60.0, jobs=3))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert len(results) == 1 + len(applicable_behaviours(harvester, OF_LISTS)) > 15


@pytest.mark.parametrize("paging", ["links", "page"])
def test_each_kind_of_paging_meets_the_contracts_of_a_broken_page(paging: Paging) -> None:
    """A request for the next page must be possible again, in each kind of paging."""
    results = list(run_suite(PAGED[paging], ["cut"]))
    assert [(each.name, each.faults) for each in results] == [("(none)", ()), ("cut", ())]


def test_behaviours_of_tokens_are_left_out_if_a_client_counts() -> None:
    """Their trials would prove nothing."""
    counted = {entry.name for entry in applicable_behaviours(PAGED["offset"])}
    assert {"token-circle", "token-stays"} & counted == set()
    assert counted < {entry.name for entry in applicable_behaviours(PAGED["links"])}
