"""Recorded responses in XML that are no OAI-PMH: each record arrives, and an error is no record."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.parser import RestParser
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import RestSource
from harvest_dagster_tests.harvesters.rest.test_recorded import Replayed
from harvest_dagster_tests.harvesters.sources import Answered
from harvest_dagster_tests.recorded import recorded, recordings, requires_recorded

EVER = Window(parse_instant("1900-01-01"), parse_instant("2100-01-01"))
ARXIV = {
    "records": "feed.entry",
    "identifier": "id",
    "datestamp": "updated",
    "total": "feed.totalResults",
    "next": {"by": "offset", "param": "start"},
}
EUROPE_PMC = {
    "records": "responseWrapper.resultList.result",
    "identifier": ["source", "id"],
    "datestamp": "firstIndexDate",
    "total": "responseWrapper.hitCount",
    "next": {"by": "cursor", "path": "responseWrapper.nextCursorMark", "param": "cursorMark", "first": "*"},
}
EUROPE_PMC_DC = {
    **EUROPE_PMC,
    "records": "responseWrapper.RDF.Description",
    "identifier": "@about",
    "datestamp": "date",
}
PUBMED = {
    "records": "PubmedArticleSet.PubmedArticle",
    "identifier": "MedlineCitation.PMID",
    "next": {"by": "page", "param": "page"},
}
CROSSREF = {
    "records": "crossref_result.query_result.body.query",
    "identifier": "doi",
    "deleted": {"path": "@status", "values": ["unresolved"]},
    "next": {"by": "page", "param": "page"},
}

pytestmark = requires_recorded


def first_page(kwargs: dict[str, Any], body: bytes) -> tuple[Page, list[Record], list[InvalidRecord]]:
    """Return the first page of a list with its records and its invalid records."""
    arguments = RestArguments.model_validate(
        {
            "base_url": "https://api.test/query",
            "params": {"dates": "{from} {until}"},
            "response": "xml",
            **kwargs,
        }
    )
    source = RestSource(arguments, Replayed(Answered(body, "https://api.test/query")))
    page = next(source.pages(EVER))
    items = list(RestParser(arguments).records(page, EVER))
    valid = [item for item in items if isinstance(item, Record)]
    return page, valid, [item for item in items if isinstance(item, InvalidRecord)]


def test_every_entry_of_arxiv_arrives_with_the_same_content_on_each_page() -> None:
    """Recorded pages overlap. A content that depended on the page would be a new revision at each harvest."""
    hashes = defaultdict(set)
    count = 0
    for recording in recordings("arxiv_atom"):
        if recording.status == 200:
            page, records, invalid = first_page(ARXIV, recording.body)
            assert (page.count, invalid) == (recording.body.count(b"<entry>"), [])
            assert page.total is not None
            assert all(record.datestamp for record in records)
            count += len(records)
            for record in records:
                hashes[record.identifier].add(record.hash)
    assert count > len(hashes) > 100
    assert {len(different) for different in hashes.values()} == {1}


def test_the_error_of_arxiv_is_no_record() -> None:
    """It is an entry of a feed with a total of 1. Its status is 400 today, and was 200 before."""
    body = recorded("arxiv_atom", "0006_id_abc_s0_m100_b79c8dcf6bc3.xml")
    with pytest.raises(SourceError, match="with an error: incorrect id format for abc"):
        first_page(ARXIV, body)


@pytest.mark.parametrize(
    ("kwargs", "file", "count", "total", "identifier"),
    [
        (ARXIV, "findpapers_2026_samples/arxiv__sample_response.xml", 50, 96778, "http://arxiv.org/abs/2301.00306v4"),
        (EUROPE_PMC, "europepmc_pyeuropepmc/fixtures__search_cancer.xml", 25, 5059039, "MED:39709209"),
        (
            EUROPE_PMC_DC,
            "europepmc_pyeuropepmc/fixtures__search_cancer_dc.xml",
            25,
            5059039,
            "http://europepmc.org/abstract/MED/39709209",
        ),
        (PUBMED, "findpapers_2026_samples/pubmed__efetch_response.xml", 50, None, "36006759"),
        (CROSSREF, "crossref_rcrossref/0006_cr_citation_count.xml", 1, None, "10.1371/journal.pone.0042793"),
    ],
)  # fmt: skip
def test_every_record_of_a_recorded_page_arrives(
    kwargs: dict[str, Any], file: str, count: int, total: int | None, identifier: str
) -> None:
    """The number of records comes from the recording, and not from our parser."""
    page, records, invalid = first_page(kwargs, recorded(*file.split("/")))
    assert (page.count, page.total, len(records), invalid) == (count, total, count, [])
    assert records[0].identifier == identifier
    assert page.next is not None
    assert all(record.blob.startswith("<") for record in records)


def test_no_recorded_response_is_an_empty_list_by_mistake() -> None:
    """OAI-PMH, an error, a page of HTML or another list must not become a successful harvest of 0 records."""
    empty = []
    for recording in recordings("crossref_rcrossref", "europepmc_pyeuropepmc"):
        try:
            page, _, _ = first_page(ARXIV, recording.body)
        except SourceError:
            continue
        empty.append((recording.file, page.count))
    assert empty == []
