"""The list of identifiers of a website: what its sitemaps say, without a request for a page."""

from __future__ import annotations

from typing import Any

import pytest

from harvest_dagster.harvesters.sitemap.arguments import SitemapArguments
from harvest_dagster.harvesters.sitemap.harvester import SitemapHarvester
from harvest_dagster.records import InvalidRecord, Page, RecordHeader
from harvest_dagster.windows import ALL_TIME, Window, parse_instant
from harvest_dagster_tests.harvesters.sitemap.websites import (
    MARCH,
    SITE,
    URL,
    Answer,
    WebsiteSession,
    dataset,
    numbered,
    sitemap,
)

ENTRIES = [
    ("/1", "2024-03-04"),
    ("/2", "2024-03-05T23:30:00-01:00"),
    ("/3", None),
    ("/4", "soon"),
    ("/5", "2023-01-01"),
]
PAGES: dict[str, Answer | list[Answer]] = {f"/{number}": dataset(str(number)) for number in range(10)}
SITEMAP: dict[str, Answer | list[Answer]] = {"/sitemap.xml": sitemap(*ENTRIES), **PAGES}


def harvester(**changed: Any) -> SitemapHarvester:
    return SitemapHarvester(SitemapArguments.model_validate({"base_url": URL, **changed}))


def listed(
    answers: dict[str, Answer | list[Answer]], window: Window = ALL_TIME, **changed: Any
) -> tuple[list[Page], list[RecordHeader | InvalidRecord], list[str]]:
    """Return the pages and the headers of a website, and the requested URLs."""
    source, session = harvester(**changed), WebsiteSession(answers)
    pages = list(source.header_client(session).pages(window))
    headers = [found for page in pages for found in source.header_parser().headers(page, window)]
    return (
        pages,
        headers,
        [url.removeprefix(SITE) for url in session.asked if not url.endswith("/robots.txt")],
    )


@pytest.mark.parametrize("window", [ALL_TIME, MARCH])
def test_the_headers_equal_those_of_the_records(window: Window) -> None:
    """Another identifier or date would make each record missing and gone at once."""
    (page,), headers, asked = listed(SITEMAP, window)
    source, session = harvester(), WebsiteSession(SITEMAP)
    by_records = [
        found
        for whole in source.client(session).pages(window)
        for found in source.parser().headers(whole, window)
    ]
    assert headers == by_records
    assert len(headers) == (5 if window == ALL_TIME else 4)
    assert page.count == len(page.identifiers) == len(headers)
    assert asked == ["/sitemap.xml"]


def test_an_index_costs_one_request_for_each_sitemap() -> None:
    """A site of 50,000 pages would cost as many requests."""
    answers = {
        "/sitemap.xml": sitemap(("/a.xml", None), ("/b.xml", None), index=True),
        "/a.xml": sitemap(*numbered(range(1500))),
        "/b.xml": sitemap(*numbered(range(1500, 3000))),
    }
    pages, headers, asked = listed(answers)
    assert [page.count for page in pages] == [1000, 1000, 1000]
    assert len({header.identifier for header in headers}) == 3000
    assert asked == ["/sitemap.xml", "/a.xml", "/b.xml"]
    session = WebsiteSession(answers)
    rest = list(harvester().header_client(session).pages(ALL_TIME, pages[0].next))
    assert [page.identifiers for page in rest] == [page.identifiers for page in pages[1:]]


def test_a_page_that_must_not_be_requested_is_invalid_as_in_a_harvest() -> None:
    """It is in quarantine, so it must not count as a record that is missing."""
    answers = {
        "/robots.txt": "User-agent: *\nDisallow: /2",
        "/sitemap.xml": sitemap(("/1", None), ("/2", None), ("https://other.test/3", None)),
    }
    _, (first, *others), _ = listed(answers)
    assert first == RecordHeader(f"{SITE}/1", None)
    assert [type(other) for other in others] == [InvalidRecord, InvalidRecord]


def test_only_the_pages_show_which_of_them_have_an_object_of_a_type() -> None:
    """The sitemap lists pages without a record. They would be missing in each sweep."""
    answers = {
        "/sitemap.xml": sitemap(("/1", "2024-03-04"), ("/2", None)),
        "/1": dataset("a"),
        "/2": dataset("b"),
    }
    _, headers, asked = listed(answers, types=["Dataset"])
    assert headers == [
        RecordHeader(f"{SITE}/1", parse_instant("2024-03-04")),
        RecordHeader(f"{SITE}/2", None),
    ]
    assert asked == ["/sitemap.xml", "/1", "/2"]
    assert listed(answers, types=["Person"])[1] == []


def test_a_page_of_entries_has_no_records() -> None:
    (page,), _, _ = listed(SITEMAP)
    with pytest.raises(TypeError, match="headers"):
        harvester().header_parser().records(page, MARCH)
