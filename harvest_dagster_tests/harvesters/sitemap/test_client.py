"""The list of a website: sitemaps, indexes, windows, cursors, robots.txt, and pages that fail."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
from datetime import timedelta

import pytest

from harvest_dagster.errors import (
    BotChallenge,
    CursorRefused,
    HarvestError,
    HttpStatusError,
    LoginPage,
    MalformedResponse,
    MisconfiguredPath,
    MisconfiguredSource,
    ProtocolError,
    ResponseTooLarge,
    SourceError,
    SourceRefused,
    TruncatedResponse,
    WebPage,
)
from harvest_dagster.harvesters.sitemap import client as client_module
from harvest_dagster.harvesters.sitemap import traversal
from harvest_dagster.harvesters.sitemap.arguments import SitemapArguments
from harvest_dagster.rate_limits import Limit
from harvest_dagster.records import InvalidRecord
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import parse_instant
from harvest_dagster_tests.harvesters.sitemap.websites import (
    MARCH,
    SITE,
    URL,
    Answer,
    dataset,
    day,
    html,
    numbered,
    page_website,
    sitemap,
    website,
)
from harvest_dagster_tests.harvesters.sources import RECEIVED

PAGES: dict[str, Answer | list[Answer]] = {f"/{number}": dataset(str(number)) for number in range(30)}


def indexed(**more: Answer | list[Answer]) -> dict[str, Answer | list[Answer]]:
    """Return an index of three sitemaps. The second one has no page of March."""
    return {
        "/sitemap.xml": sitemap(
            ("/sitemap-1.xml", "2024-03-20"),
            ("/sitemap-2.xml", "2024-02-28"),
            ("/sitemap-3.xml", None),
            index=True,
        ),
        "/sitemap-1.xml": sitemap(*numbered(range(5))),
        "/sitemap-2.xml": sitemap(*numbered(range(5, 10), "2024-02-05")),
        "/sitemap-3.xml": sitemap(*numbered(range(10, 13))),
        **PAGES,
        **more,
    }


def test_only_the_pages_of_the_window_and_those_without_a_date_are_requested() -> None:
    """A site of a million pages would otherwise be requested for each day. No other window has pages without a date."""
    entries = [("/1", "2024-03-04"), ("/2", "2024-03-05"), ("/3", "2024-03-05T23:30:00-01:00"), ("/4", None)]
    answers = {"/sitemap.xml": sitemap(*entries, ("/5", "soon")), **PAGES}
    source = website(answers)
    (page,), records = source.read(day("2024-03-05"))
    assert source.session.pages == ["/2", "/4", "/5"]
    assert [getattr(record, "datestamp", None) for record in records] == [
        parse_instant("2024-03-05"),
        None,
        None,
    ]
    assert (page.count, page.total, page.next, page.neighbours) == (3, None, None, 0)
    assert website(answers).paths(day("2024-03-06")) == ["/3", "/4", "/5"]


def test_the_times_of_a_page_are_those_of_the_sitemap() -> None:
    """A page that changes between the sitemap and its request is missing in the list, so the list is as old as that."""
    (page,), _ = page_website(dataset("a")).read()
    assert (page.received, page.source_time, page.request.url) == (RECEIVED, RECEIVED, URL)


def test_an_index_is_read_sitemap_by_sitemap() -> None:
    """Big sites have an index."""
    source = website(indexed(), page_size=2)
    pages, records = source.read()
    assert [record.identifier for record in records] == [
        f"{SITE}/{number}" for number in (*range(5), *range(10, 13))
    ]
    assert [page.count for page in pages] == [2, 2, 2, 2]
    assert [page.next == other.cursor for page, other in itertools.pairwise(pages)] == [True] * 3
    assert source.session.asked[1:] == [
        URL,
        *(f"{SITE}/{name}" for name in ("sitemap-1.xml", *map(str, range(5)), "sitemap-2.xml")),
        *(f"{SITE}/{name}" for name in ("sitemap-3.xml", "10", "11", "12")),
    ]


def test_sitemaps_that_have_not_changed_are_skipped_only_on_request() -> None:
    """The date in an index is often wrong, and a page that is skipped is lost."""
    cautious, trusting = website(indexed()), website(indexed(), trust_index_dates=True)
    assert cautious.paths() == trusting.paths()
    assert f"{SITE}/sitemap-2.xml" in cautious.session.asked
    assert f"{SITE}/sitemap-2.xml" not in trusting.session.asked
    edge = website(indexed(), trust_index_dates=True)
    edge.read(day("2024-02-28"))
    assert f"{SITE}/sitemap-2.xml" in edge.session.asked  # it changed at some time of this day


def test_a_harvest_resumes_from_each_page() -> None:
    """A run of a week must not begin again after a kill. Earlier sitemaps are not requested again."""
    pages, _ = website(indexed(), page_size=3).read()
    assert len(pages) == 3
    for number, page in enumerate(pages[:-1], start=1):
        source = website(indexed(), page_size=3)
        assert source.read(MARCH, page.next)[0] == pages[number:]
    assert f"{SITE}/sitemap-1.xml" not in source.session.asked


@pytest.mark.parametrize(
    "change",
    [
        {"/sitemap-3.xml": sitemap(*numbered(range(9, 13)))},
        {"/sitemap.xml": sitemap(("/sitemap-0.xml", None), ("/sitemap-1.xml", None), index=True)},
        {"/sitemap.xml": sitemap(*numbered(range(13)))},
        {"/sitemap.xml": sitemap(("/sitemap-1.xml", None), index=True)},
    ],
)
def test_a_list_that_changed_before_the_position_is_read_again(change) -> None:
    """A page that moved before the position would be in no part of the list."""
    pages, _ = website(indexed(), page_size=7).read()
    with pytest.raises(CursorRefused, match="have changed") as caught:
        website({**indexed(), **change}, page_size=7).read(MARCH, pages[0].next)
    assert caught.value.code == "changed"


def test_pages_of_other_windows_may_change_while_a_harvest_is_interrupted() -> None:
    """A big site changes all the time. Its old windows do not."""
    pages, _ = website(indexed(), page_size=7).read()
    changed = {"/sitemap-3.xml": sitemap(*numbered(range(10, 13)), ("/20", "2024-05-01"))}
    assert website({**indexed(), **changed}, page_size=7).read(MARCH, pages[0].next)[0] == pages[1:]


def test_many_sitemaps_without_a_page_of_the_window_keep_their_position(monkeypatch) -> None:
    """A killed harvest would read 50,000 sitemaps again."""
    monkeypatch.setattr(client_module, "_SITEMAPS_IN_PAGE", 2)
    names = [f"/sitemap-{number}.xml" for number in range(5)]
    answers: dict[str, Answer | list[Answer]] = {name: sitemap() for name in names}
    answers["/sitemap.xml"] = sitemap(*((name, None) for name in names), index=True)
    pages, records = website(answers).read()
    assert [page.count for page in pages] == [0, 0, 0]
    assert records == []
    source = website(answers)
    source.read(MARCH, pages[1].next)
    assert source.session.asked == [f"{SITE}/robots.txt", URL, f"{SITE}/sitemap-4.xml"]


def test_a_site_stands_for_the_sitemaps_of_its_robots_txt() -> None:
    """Most sites name them there (https://www.sitemaps.org/protocol.html#submit_robots)."""
    robots = f"Sitemap: {SITE}/sitemap-1.xml\nUser-agent: *\nDisallow:\nSitemap: {SITE}/sitemap-3.xml\n"
    source = website({**indexed(), "/robots.txt": robots}, base_url=f"{SITE}/", page_size=7)
    pages, records = source.read()
    assert len(records) == 8
    again = website({**indexed(), "/robots.txt": robots}, base_url=f"{SITE}/", page_size=7)
    assert [page.body for page in again.read(MARCH, pages[0].next)[0]] == [page.body for page in pages[1:]]
    with pytest.raises(MisconfiguredPath, match="names no sitemap"):
        website(PAGES, base_url=SITE).read()


def test_a_page_that_robots_txt_forbids_is_not_requested_and_not_lost() -> None:
    """RFC 9309: the longest rule counts, also with * and $. The operator must be asked."""
    robots = "User-agent: harvest_dagster\nDisallow: /*.pdf$\nDisallow: /2\nAllow: /20\n"
    entries = [("/1", None), ("/2", None), ("/20", None), ("/a.pdf", None)]
    source = website({"/sitemap.xml": sitemap(*entries), "/robots.txt": robots, **PAGES})
    records = source.read()[1]
    assert source.session.pages == ["/1", "/20"]
    invalid = [record for record in records if isinstance(record, InvalidRecord)]
    assert [record.identifier for record in invalid] == [f"{SITE}/2", f"{SITE}/a.pdf"]
    assert "robots.txt of data.test forbids it" in invalid[0].error


def test_a_sitemap_that_robots_txt_forbids_is_an_error() -> None:
    """An empty list would look like a site without pages."""
    with pytest.raises(SourceRefused, match="forbids") as caught:
        website({**indexed(), "/robots.txt": "User-agent: *\nDisallow: /sitemap-3\n"}).read()
    assert caught.value.code == "notAllowed"


@pytest.mark.parametrize(("status", "is_allowed"), [(404, True), (403, True), (500, False), (429, False)])
def test_a_robots_txt_that_cannot_be_read_forbids_everything(status, is_allowed) -> None:
    """RFC 9309, sections 2.3.1.3 and 2.3.1.4."""
    source = website({**indexed(), "/robots.txt": status})
    if is_allowed:
        assert len(source.paths()) == 8
    else:
        with pytest.raises(HttpStatusError):
            source.read()
        assert source.session.asked == [f"{SITE}/robots.txt"]


def test_the_crawl_delay_of_robots_txt_is_kept() -> None:
    """The operator asks for it, although RFC 9309 does not have it."""
    source = website({**indexed(), "/robots.txt": "User-agent: *\nCrawl-delay: 2.5\n"})
    source.read()
    assert source.session.limits[-1] == (f"{SITE}/12", Limit(1, 2.5))
    assert len(source.session.limits) == 4 + 8


def test_pages_on_other_hosts_are_requested_only_if_they_are_named_and_get_no_headers() -> None:
    """The headers may contain a key, and a sitemap may only list its own host."""
    other = "http://other.test/1"
    answers = {"/sitemap.xml": sitemap((other, None), ("/1", None)), other: dataset("o"), **PAGES}
    source = website(answers, headers={"X-Key": "secret"})
    foreign, own = source.read()[1]
    assert isinstance(foreign, InvalidRecord)
    assert "set `hosts: [other.test]`" in foreign.error
    assert own.identifier == f"{SITE}/1"
    named = website(answers, headers={"X-Key": "secret"}, hosts=["other.test"])
    assert [record.identifier for record in named.read()[1]] == [other, f"{SITE}/1"]
    assert (named.session.headers[other], named.session.headers[URL]) == (None, {"X-Key": "secret"})


@pytest.mark.parametrize(
    "location", ["", "/relative", "ftp://data.test/1", "http://data.test:x/", "http:///1"]
)
def test_an_entry_without_a_whole_url_is_an_invalid_record(location) -> None:
    """It would be lost without notice."""
    document = sitemap((location or "", None)).replace(f"{SITE}/relative", "/relative")
    found = website({"/sitemap.xml": document}).only()
    assert isinstance(found, InvalidRecord)
    assert (found.identifier or "") == location


def test_an_entry_keeps_the_scheme_and_the_user_of_base_url() -> None:
    """A proxy that terminates TLS writes http, and a site may need a password."""
    base = "https://me:secret@data.test/sitemap.xml"
    answers = {
        base: sitemap(("http://data.test/1#top", None)),
        "https://me:secret@data.test/1": dataset("1"),
    }
    source = website(answers, base_url=base)
    assert source.only().identifier == "http://data.test/1#top"
    assert source.session.asked[0] == f"{SITE}/robots.txt"


def test_a_match_that_no_page_has_is_an_error() -> None:
    """With a typo in the expression, each window was empty and succeeded."""
    with pytest.raises(
        MisconfiguredSource, match=r"list 2 pages, but `match` \(/dataset/\) is found in none"
    ):
        website(
            {"/sitemap.xml": sitemap(("/1", "2024-03-02"), ("/2", "2024-03-03"))}, match="/dataset/"
        ).read()


def test_only_pages_that_match_are_requested() -> None:
    """A sitemap lists all pages of a site, also those without a record."""
    source = website(indexed(), match="/[12]$")
    assert source.paths() == ["/1", "/2"]
    assert source.session.pages == ["/1", "/2"]


def test_a_page_that_is_listed_twice_is_requested_once() -> None:
    """A repeated record is a doubt, and the whole list would be requested again."""
    entries = [("/1", "2024-03-05"), ("/1", "2024-03-07")]
    (record,) = website({"/sitemap.xml": sitemap(*entries), **PAGES}).read()[1]
    assert getattr(record, "datestamp", None) == parse_instant("2024-03-07")
    in_two_sitemaps = {**indexed(), "/sitemap-3.xml": sitemap(("/4", "2024-03-05"), ("/5", "2024-03-05"))}
    source = website(in_two_sitemaps, page_size=2)
    pages, _ = source.read()
    assert source.session.pages == ["/0", "/1", "/2", "/3", "/4", "/5"]
    assert website(in_two_sitemaps, page_size=2).read(MARCH, pages[1].next)[0] == pages[2:]


def test_an_error_of_a_page_fails_the_window_and_not_its_record() -> None:
    """A day with a missing record must not be green. A recovery step would request all pages of the window again."""
    error = HttpStatusError("HTTP 503. Try later.", status=503, url=f"{SITE}/1")
    with pytest.raises(SourceRefused, match="503") as caught:
        page_website(error).read()
    assert (caught.value.code, caught.value.transient) == ("pageUnavailable", True)
    with pytest.raises(HttpStatusError):
        page_website(403).read()


def test_a_page_without_its_end_is_cut_off_unless_the_site_leaves_out_the_tag() -> None:
    """The JSON-LD after the cut would be lost."""
    page = dataset("1").replace("</html>", "")
    with pytest.raises(TruncatedResponse, match="end_tag: false"):
        page_website(page).read()
    assert not isinstance(page_website(page, end_tag=False).only(), InvalidRecord)


def test_a_page_without_a_record_is_requested_twice() -> None:
    """One wrong answer would put a record into the quarantine that nobody harvests again."""
    source = page_website([html(), dataset("1")])
    assert not isinstance(source.only(), InvalidRecord)
    assert source.session.pages == ["/1", "/1"]
    assert isinstance(page_website(html()).only(), InvalidRecord)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<html><title>Just a moment...</title></html>", BotChallenge),
        ("<html><title>Sign in</title></html>", LoginPage),
        ("<html><h1>Down for maintenance</h1></html>", WebPage),
    ],
)
def test_a_page_that_stands_in_the_way_fails_the_window(body, error) -> None:
    """Each page of the site would be quarantined."""
    with pytest.raises(error, match="exclude its URL with `match`"):
        page_website(body).read()


def test_memory_does_not_grow_with_the_number_of_sitemaps() -> None:
    """An index may list 50,000 sitemaps with 50,000 pages each."""
    names = [f"/sitemap-{number}.xml" for number in range(20)]
    answers: dict[str, Answer | list[Answer]] = {
        name: sitemap(*numbered(range(300), f"20{number + 10}-01-01")) for number, name in enumerate(names)
    }
    answers["/sitemap.xml"] = sitemap(*((name, None) for name in names), index=True)
    source = website(answers)
    steps = traversal.SitemapTraversal(source.arguments, source._requester, ResponseLimits()).steps(
        MARCH, None
    )
    for _ in itertools.islice(steps, 5):
        pass
    tracemalloc.start()
    try:
        for _ in steps:
            pass
        assert tracemalloc.get_traced_memory()[1] < 600_000
    finally:
        tracemalloc.stop()


def test_a_sitemap_with_as_many_pages_as_a_file_may_have_is_doubtful(monkeypatch) -> None:
    """Some generators cut the list there."""
    monkeypatch.setattr(traversal, "MOST_URLS", 5)
    assert website({"/sitemap.xml": sitemap(*numbered(range(5))), **PAGES}).read()[0][-1].may_be_cut
    assert not website(indexed()).read()[0][-1].may_be_cut


@pytest.mark.parametrize("namespace", ["http://www.google.com/schemas/sitemap/0.84", ""])
def test_other_namespaces_of_sitemaps_are_read(namespace) -> None:
    """Old sites have that of Google, or none."""
    document = sitemap(("/1", None), namespace=namespace)
    assert website({"/sitemap.xml": document, **PAGES}).paths() == ["/1"]


@pytest.mark.parametrize("parts", [1, 2])
def test_a_sitemap_in_gzip_is_read(parts) -> None:
    """Its URL ends with .xml.gz, and no header says that it is compressed. It may have several members."""
    data = sitemap(*numbered(range(30))).encode()
    size = -(-len(data) // parts)
    body = b"".join(gzip.compress(data[start : start + size]) for start in range(0, len(data), size))
    assert len(website({"/sitemap.xml": body, **PAGES}).paths()) == 30
    with pytest.raises(TruncatedResponse, match="cut off"):
        website({"/sitemap.xml": body[:-9]}).read()
    with pytest.raises(ResponseTooLarge, match="response_bytes"):
        website({"/sitemap.xml": body}, ResponseLimits(response_bytes=len(data) - 1)).read()
    with pytest.raises(MalformedResponse, match="damaged"):
        website({"/sitemap.xml": body[:20] + b"\0\0\0\0" + body[24:]}).read()


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (html(), WebPage),
        ("<rss version='2.0'/>", ProtocolError),
        (sitemap(("/1", None))[:-9], TruncatedResponse),
        (404, HttpStatusError),
        (sitemap(("/sitemap.xml", None), index=True), ProtocolError),
    ],
)
def test_what_is_no_sitemap_is_an_error(document, error) -> None:
    """It would look like a site without pages."""
    for answers in (
        {"/sitemap.xml": document},
        {"/sitemap.xml": sitemap(("/sitemap-1.xml", None), index=True), "/sitemap-1.xml": document},
    ):
        with pytest.raises(error) as caught:
            website(answers).read()
        assert isinstance(caught.value, SourceError)


def test_no_error_shows_the_password_of_base_url() -> None:
    """Errors are kept in the database."""
    base = "https://me:secret@data.test/sitemap.xml"
    answers = {base: sitemap((base, None), index=True), f"{SITE}/robots.txt": ""}
    for more in ({}, {f"{SITE}/robots.txt": "User-agent: *\nDisallow: /"}):
        with pytest.raises(HarvestError) as caught:
            website({**answers, **more}, base_url=base).read()
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_url": "sitemap.xml"}, "http or https URL"),
        ({"base_url": f"{URL}#top"}, "without a fragment"),
        ({"match": "("}, "no regular expression"),
        ({"types": ["schema:Dataset"]}, "without a prefix"),
        ({"hosts": ["https://other.test"]}, "without http"),
        ({"headers": {"X": "a\nb"}}, "X"),
        ({"page_size": 0}, "page_size"),
        ({"url": URL}, "url"),
    ],
)
def test_wrong_arguments_are_refused_when_the_catalog_is_loaded(arguments, message) -> None:
    """`harvest check` names the key, without a request."""
    with pytest.raises(ValueError, match=message):
        SitemapArguments.model_validate({"base_url": URL, **arguments})


def test_no_part_of_a_window_is_requested_after_an_error() -> None:
    """Each list reads all sitemaps."""
    source = website({})
    assert source.list_count is None
    assert source.smallest_window > timedelta(days=3650)


def test_a_sitemap_with_other_elements_than_entries_is_an_error() -> None:
    """Its entries had another namespace than its root, and each window was empty."""
    entry = f'<s:url xmlns:s="https://other.test"><s:loc>{SITE}/1</s:loc></s:url>'
    source = website({"/sitemap.xml": sitemap().replace("</urlset>", f"{entry}</urlset>")})
    with pytest.raises(
        ProtocolError, match=r"no element url, but others, such as \{https://other\.test\}url"
    ):
        source.read()
