"""Recorded responses of REST APIs, served again: every record arrives, and a response without a list is refused.

Only the host in their links is changed. Some pages were not recorded and are made here from real records: the last
pages of Crossref, Europe PMC, DOAJ and bioRxiv, the pages of ClinicalTrials.gov with `nextPageToken`, and the pages of
OpenAlex with a cursor.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.header_list import RestHeaderParser
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.session import HttpSession
from harvest_dagster.observations import Observations
from harvest_dagster.rate_limits import Limit
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, RecordHeader
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import EXACT_ENDS, RestSource
from harvest_dagster_tests.harvesters.sources import Answered
from harvest_dagster_tests.http.server import Server, response, serving
from harvest_dagster_tests.recorded import recorded, recordings, requires_recorded

EVER = Window(parse_instant("1900-01-01"), parse_instant("2100-01-01"))

pytestmark = requires_recorded

CROSSREF = {
    "params": {"filter": "from-index-date:{from},until-index-date:{until}", "rows": 100},
    "records": "message.items",
    "identifier": "DOI",
    "datestamp": "indexed.date-time",
    "total": "message.total-results",
    "next": {
        "by": "cursor",
        "path": "message.next-cursor",
        "param": "cursor",
        "first": "*",
        "end": "empty_page",
        "single_use": True,
    },
    "volatile": ["indexed", "score"],
}
DATACITE = {
    "params": {"query": "updated:[{from} TO {until}]", "page[size]": 1000, "page[number]": 1},
    "records": "data",
    "identifier": "id",
    "datestamp": "attributes.updated",
    "total": "meta.total",
    "next": {"by": "link", "path": "links.next"},
}
EUROPE_PMC = {
    "params": {"query": "UPDATE_DATE:[{from} TO {until}]", "format": "json", "pageSize": 100},
    "records": "resultList.result",
    "identifier": ["source", "id"],
    "datestamp": "firstIndexDate",
    "total": "hitCount",
    "next": {
        "by": "cursor",
        "path": "nextCursorMark",
        "param": "cursorMark",
        "first": "*",
        "end": "either",
    },
}
DOAJ = {
    "params": {"query": "last_updated:[{from} TO {until}]", "pageSize": 2},
    "records": "results",
    "identifier": "id",
    "datestamp": "last_updated",
    "total": "total",
    "next": {"by": "link", "path": "next"},
}
ZENODO = {
    "params": {"q": "updated:[{from} TO {until}]", "size": 25},
    "records": "hits.hits",
    "identifier": "id",
    "datestamp": "updated",
    "total": "hits.total",
    "next": {"by": "link", "path": "links.next"},
}
OSF = {
    "params": {"filter[date_modified][gte]": "{from}", "filter[date_modified][lte]": "{until}"},
    "records": "data",
    "identifier": "id",
    "total": "links.meta.total",
    "next": {"by": "link", "path": "links.next"},
}
BIORXIV = {
    "path": "details/biorxiv/{from}/{until}/{next}/json",
    "records": "collection",
    "identifier": ["doi", "version"],
    "datestamp": "date",
    "total": "messages.0.total",
    "next": {"by": "offset"},
}
OPENALEX = {
    "params": {"filter": "from_updated_date:{from},to_updated_date:{until}", "per-page": 50},
    "records": "results",
    "identifier": "id",
    "datestamp": "updated_date",
    "total": "meta.count",
    "next": {"by": "cursor", "path": "meta.next_cursor", "param": "cursor", "first": "*"},
}
CLINICAL_TRIALS = {
    "params": {
        "query.term": "AREA[LastUpdatePostDate]RANGE[{from},{until}]",
        "pageSize": 50,
        "countTotal": "true",
    },
    "records": "studies",
    "identifier": "protocolSection.identificationModule.nctId",
    "datestamp": "protocolSection.statusModule.lastUpdatePostDateStruct.date",
    "total": "totalCount",
    "next": {"by": "cursor", "path": "nextPageToken", "param": "pageToken"},
}


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


@contextmanager
def api(kwargs: dict[str, Any], *bodies: bytes, host: str = "") -> Iterator[tuple[RestSource, Server]]:
    """Start a server that returns these bodies in turn, with a client for it. `host` is the host in the links."""
    with serving(b"") as server:
        root = f"http://127.0.0.1:{server.port}"
        bodies = tuple(body.replace(host.encode(), root.encode()) if host else body for body in bodies)
        server.replies[:] = [response(body, Content_Type="application/json") for body in bodies]
        kwargs = {**kwargs, "base_url": f"{root}/{kwargs.get('path', 'list')}"}
        kwargs.pop("path", None)
        with HttpSession(Limit(1000, 1.0), budget=ProcessBudget()) as session:
            source = RestSource(RestArguments.model_validate(kwargs), session)
            source.use_observations(Observations([EXACT_ENDS]))  # the recordings are lists of one request
            yield source, server


def harvest_all(source: RestSource) -> tuple[list[Page], list[Record]]:
    pages = list(source.pages(EVER))
    records = [record for page in pages for record in source.records(page, EVER)]
    assert all(isinstance(record, Record) for record in records)
    parser = RestHeaderParser(source.arguments.of_identifiers)
    headers = [header for page in pages for header in parser.headers(page, EVER)]
    assert headers == [
        RecordHeader(record.identifier, record.datestamp, record.deleted) for record in records
    ]
    return pages, records


def test_crossref_is_followed_although_its_cursor_stays_the_same() -> None:
    """One URL returns different pages. To stop at a repeated cursor loses everything after the second page."""
    bodies = [recorded("crossref_rcrossref", f"00{n}_cr_members_with_cursor.json") for n in (64, 65, 66)]
    end = json.loads(bodies[2])
    end["message"]["items"] = []
    with api(CROSSREF, *bodies, as_json(end)) as (source, server):
        pages, records = harvest_all(source)
    assert [(page.count, page.total) for page in pages] == [(100, 372426)] * 3 + [(0, 372426)]
    assert len({record.identifier for record in records}) == 300
    assert len(set(server.paths)) == 2
    assert all(record.datestamp and '"indexed"' not in record.blob for record in records)


def test_a_list_of_datacite_is_followed_by_its_links_to_the_end() -> None:
    """It has 1,997 records. The second page links to a third, which is empty and has no link."""
    bodies = [recorded("datacite_lupo_vcr", f"000{n}_cache_warmer.json") for n in (3, 4, 5)]
    kwargs = {**DATACITE, "identifier": "attributes.re3dataId"}
    with api(kwargs, *bodies, host="https://api.datacite.org") as (source, server):
        pages, records = harvest_all(source)
    assert [page.count for page in pages] == [1000, 997, 0]
    assert len({record.identifier for record in records}) == pages[0].total == 1997
    assert "page%5Bnumber%5D=2" in server.paths[1]


def test_a_record_of_datacite_without_identifier_is_an_invalid_record() -> None:
    """A real list contains `"id": null`. See docs/failures.md#one-invalid-record."""
    body = recorded("datacite_lupo_vcr", "0004_cache_warmer.json")
    with api(DATACITE, body, host="https://api.datacite.org") as (source, _):
        page = next(source.pages(EVER))
        found = list(source.records(page, EVER))
    (invalid,) = (piece for piece in found if isinstance(piece, InvalidRecord))
    assert (len(found), len(page.identifiers)) == (997, 996)
    assert invalid.datum.startswith(b'{"id":null,"type":"re3data","attributes":{"re3dataId":"r3d100013827"')


def test_europe_pmc_is_followed_by_its_cursor_mark() -> None:
    """Ten consecutive pages were recorded."""
    answers = json.loads(recorded("europepmc_pyeuropepmc", "fixtures__fetch_10pages_cancer.json"))
    end = recorded("europepmc_pyeuropepmc", "fixtures__search_no_results.json")
    with api(EUROPE_PMC, *map(as_json, answers), end) as (source, server):
        pages, records = harvest_all(source)
    assert len({record.identifier for record in records}) == 1000
    assert (len(pages), pages[0].total, records[0].identifier[:4]) == (11, 5059039, "MED:")
    assert "cursorMark=%2A" in server.paths[0]
    assert "cursorMark=AoIIP4T93Cg1MzE0OTUzNA%3D%3D" in server.paths[1]


def test_doaj_and_zenodo_are_followed_by_their_links() -> None:
    """The identifiers of Zenodo are numbers."""
    page = recorded("doaj_jaod", "0003_jaod_article_search_params.json")
    last = {key: value for key, value in json.loads(page).items() if key != "next"}
    with api(DOAJ, page, as_json(last), host="https://doaj.org") as (source, _):
        pages, records = harvest_all(source)
    assert ([page.count for page in pages], len(records)) == ([2, 2], 4)
    bodies = [recorded("zenodo_rest_zenodomap", f"000{n}_zenodo-search-paging.json") for n in (1, 2)]
    last = json.loads(bodies[1])
    del last["links"]["next"]
    with api(ZENODO, bodies[0], as_json(last), host="https://zenodo.org") as (source, _):
        pages, records = harvest_all(source)
    assert (len({record.identifier for record in records}), pages[0].total) == (50, 452)


def test_a_list_of_osf_ends_after_its_only_page() -> None:
    """Its links exist and are null."""
    with api(OSF, recorded("osf_osfr", "0020_list-dir.json")) as (source, _):
        pages, records = harvest_all(source)
    assert (len(records), [page.total for page in pages]) == (3, [3])


def test_biorxiv_is_followed_by_offset_and_its_total_may_be_text() -> None:
    """The total is `"152918"`. The page after the end has no total."""
    page = recorded("findpapers_2026_samples", "biorxiv__sample_response.json")
    end = as_json({"messages": [{"status": "no posts found"}], "collection": []})
    with api(BIORXIV, page, end) as (source, server):
        pages, records = harvest_all(source)
    assert [(page.count, page.total) for page in pages] == [(50, 152918), (0, None)]
    assert len({record.identifier for record in records}) == 50
    assert server.paths[1] == "/details/biorxiv/1900-01-01/2099-12-31/50/json"


def test_openalex_is_followed_by_its_cursor() -> None:
    """It contains numbers of every form. The cursor of the last page is null."""
    page = json.loads(recorded("findpapers_2026_samples", "openalex__sample_response.json"))
    first_half, second_half = page["results"][:25], page["results"][25:]
    first = {**page, "results": first_half, "meta": {"count": 50, "next_cursor": "Ik"}}
    last = {**page, "results": second_half, "meta": {"count": 50, "next_cursor": None}}
    with api(OPENALEX, as_json(first), as_json(last)) as (source, _):
        pages, records = harvest_all(source)
    assert len({record.identifier for record in records}) == pages[0].total == 50
    assert [json.loads(record.blob) for record in records] == page["results"]


def test_clinical_trials_is_followed_by_its_page_token() -> None:
    """The first request and the last page have no token. Only the first page has a total."""
    studies = json.loads(recorded("ctgov_v2_nsclc", "data__ctg-studies.json"))
    first = {"totalCount": 100, "studies": studies[:50], "nextPageToken": "NF0g5JGBlPMu"}
    with api(CLINICAL_TRIALS, as_json(first), as_json({"studies": studies[50:]})) as (source, server):
        pages, records = harvest_all(source)
    assert len({record.identifier for record in records}) == pages[0].total == 100
    assert [page.total for page in pages] == [100, None]
    assert ["pageToken" in path for path in server.paths] == [False, True]
    assert all(record.datestamp for record in records)


class Replayed:
    """Answers every request with one recording."""

    def __init__(self, answer: Answered) -> None:
        self.answer = answer

    def get(self, *_: object, **__: object) -> Answered:
        return self.answer


@pytest.mark.parametrize(
    ("folder", "lists"), [("crossref_rcrossref", 32), ("datacite_lupo_vcr", 2), ("scrapi_oai_and_rest", 1)]
)
def test_no_recorded_response_is_an_empty_list_by_mistake(folder, lists) -> None:
    """An error, a page of HTML or another list must not become a successful harvest of 0 records.

    An empty list of Crossref contains a total: 0, or more if the request asked for no rows.
    """
    arguments = RestArguments.model_validate({**CROSSREF, "base_url": "https://api.crossref.org/works"})
    pages = []
    for recording in recordings(folder):
        answer = Answered(recording.body, str(recording), 200, recording.content_type)
        with suppress(SourceError):
            pages.append(next(RestSource(arguments, Replayed(answer)).pages(EVER, Cursor("x"))))
    assert all(page.count or page.total is not None for page in pages)
    assert len(pages) == lists
