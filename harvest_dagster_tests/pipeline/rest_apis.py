"""Servers that answer as real REST APIs do: the same requests, pages, totals and ends of lists.

Each API has records on three days, and returns those of the days that the request names in the API's own syntax. A
request in another syntax gets status 400, so a wrong filter, parameter or path is noticed.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

DAY = date(2024, 4, 30)
# More than two full pages on the day itself, and one record on each neighbouring day.
_PAGES = 2

Json = Any


@dataclass(frozen=True)
class Item:
    """A record of an API: its number and its day."""

    number: int
    day: date

    @property
    def instant(self) -> str:
        return f"{self.day}T10:00:00Z"


@dataclass
class Listing:
    """What one request asks for.

    Attributes:
        items: the records that match, on all pages.
        at: number of the first record of the page.
        size: records of a page.
        link: returns the URL of the page that begins with this record.
    """

    items: list[Item]
    at: int
    size: int
    link: Callable[[int], str]

    @property
    def page(self) -> list[Item]:
        return self.items[self.at : self.at + self.size]

    @property
    def total(self) -> int:
        return len(self.items)

    @property
    def end(self) -> int:
        return self.at + self.size

    @property
    def is_last(self) -> bool:
        return self.end >= self.total

    def next_link(self) -> dict[str, str]:
        """Return the member `next`, which the last page leaves out."""
        return {} if self.is_last else {"next": self.link(self.end)}


@dataclass(frozen=True)
class Linked:
    """The body of a page, and the link to the next page for the header Link; None after the last page."""

    body: Json
    link: str | None


@dataclass
class Api:
    """An API.

    Attributes:
        syntax: matches the path and query of a valid request; the groups are the first day, its time if it has one, and
            the last day if it has one.
        size: the parameter for the size of a page, or its fixed size.
        position: the parameter for the cursor, offset or page, or the number of its group in `syntax`.
        answer: returns the body of a page.
        first: the cursor of the first page.
        by_page: whether the position is a number of a page, and its first number.
        excludes_last: whether the range excludes its last day.
        unverified: whether the API has no total.
        position_is_kept: whether the cursor never changes, and the server remembers the position.
        kept: that position.
        date_format: how it writes a day.
        method: the method of its requests. With POST, the query is the flattened body.
        detail: returns the body for a path and a query, if they request the full record. None: the API has no such
            request.
    """

    syntax: str
    size: str | int
    position: str
    answer: Callable[[Listing], Json]
    first: str = "*"
    by_page: int | None = None
    excludes_last: bool = False
    unverified: bool = False
    position_is_kept: bool = False
    kept: int = 0
    date_format: str = "%Y-%m-%d"
    method: str = "GET"
    detail: Callable[[str, dict[str, str]], Json | None] | None = None
    items: list[Item] = field(default_factory=list)

    def fill(self, size: int) -> None:
        """Make the records, for pages of this size."""
        days = [DAY - timedelta(days=1), *[DAY] * (_PAGES * size + 2), DAY + timedelta(days=1)]
        self.items = [Item(number, day) for number, day in enumerate(days)]

    def reply(self, host: str, path: str, query: dict[str, str]) -> Json | None:
        """Return the body for a request, or None if the request is not valid."""
        if self.detail is not None and (record := self.detail(path, query)) is not None:
            return record
        text = (
            f"{path}?{'&'.join(f'{name}={value}' for name, value in query.items() if name != self.position)}"
        )
        found = re.search(self.syntax, text)
        if found is None:
            return None
        first, last = (self._day(found.groupdict().get(group)) for group in ("first", "last"))
        if (found.groupdict().get("time") or "") > "10:00:00":  # the records are of 10:00
            first += timedelta(days=1)
        last -= timedelta(days=self.excludes_last)
        size = self.size if isinstance(self.size, int) else int(query[self.size])
        items = [item for item in self.items if first <= item.day <= last]
        at = self._at(query.get(self.position) or found.groupdict().get("at") or "", size)
        if self.position_is_kept:
            at, self.kept = (0, size) if query[self.position] == "*" else (self.kept, self.kept + size)
        return self.answer(Listing(items, at, size, lambda at: self._link(host, path, query, at, size)))

    def _day(self, text: str | None) -> date:
        """Return a day of a request. A request without a last day asks for all later ones."""
        return datetime.strptime(f"{text}Z", f"{self.date_format}%z").date() if text else date.max

    def _at(self, position: str, size: int) -> int:
        position = position.strip('"')  # of the JSON of a body
        digits = re.sub(r"\D", "", position)
        if position == self.first or not digits:
            return 0
        if self.by_page is not None:
            return (int(digits) - self.by_page) * size
        return int(digits) if position.isdecimal() or position.startswith("at") else 0

    def _link(self, host: str, path: str, query: dict[str, str], at: int, size: int) -> str:
        position = at // size + self.by_page if self.by_page is not None else f"at{at}"
        following = {**query, self.position: position}
        return f"{host}{quote(path)}?" + "&".join(f"{quote(k)}={quote(str(v))}" for k, v in following.items())


def _flattened(value: Json, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the names and the JSON of the values in nested mappings."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _flattened(member, f"{name}.{key}".lstrip("."))
    else:
        yield name, json.dumps(value)


def _range(before: str, between: str, after: str = "") -> str:
    """Return a pattern for a range of days in the text of a request."""
    day = r"\d{4}-\d\d-\d\d"
    return f"{re.escape(before)}(?P<first>{day}){re.escape(between)}(?P<last>{day}){re.escape(after)}"


def _crossref(listing: Listing) -> Json:
    items = [
        {"DOI": f"10.5555/{i.number}", "indexed": {"date-time": i.instant}, "score": 1} for i in listing.page
    ]
    message = {"total-results": listing.total, "items": items, "next-cursor": "DnF1ZXJ5+/=="}
    return {"status": "ok", "message": message}


def _datacite(listing: Listing) -> Json:
    data = [{"id": f"10.5072/{i.number}", "attributes": {"updated": i.instant}} for i in listing.page]
    return {"data": data, "meta": {"total": listing.total}, "links": {"self": "x", **listing.next_link()}}


def _openalex(listing: Listing) -> Json:
    results = [
        {"id": f"https://openalex.org/W{i.number}", "updated_date": f"{i.day}T10:00:00.123456"}
        for i in listing.page
    ]
    cursor = None if listing.is_last else f"at{listing.end}"
    return {"meta": {"count": listing.total, "next_cursor": cursor}, "results": results}


def _europepmc(listing: Listing) -> Json:
    results = [{"id": str(i.number), "source": "MED"} for i in listing.page]
    cursor = {} if listing.is_last else {"nextCursorMark": f"at{listing.end}"}
    return {"hitCount": listing.total, **cursor, "resultList": {"result": results}}


def _clinicaltrials(listing: Listing) -> Json:
    def study(item: Item) -> Json:
        status = {"lastUpdatePostDateStruct": {"date": str(item.day)}}
        return {
            "protocolSection": {
                "identificationModule": {"nctId": f"NCT{item.number:08}"},
                "statusModule": status,
            }
        }

    page: dict[str, Json] = {"studies": [study(item) for item in listing.page]}
    page |= {} if listing.at else {"totalCount": listing.total}
    return page if listing.is_last else page | {"nextPageToken": f"at{listing.end}"}


def _biorxiv(listing: Listing) -> Json:
    items = [{"doi": f"10.1101/{i.number}", "version": "1", "date": str(i.day)} for i in listing.page]
    if not items:
        return {"messages": [{"status": "no posts found"}], "collection": []}
    status = {"status": "ok", "cursor": listing.at, "count": len(items), "total": str(listing.total)}
    return {"messages": [status], "collection": items}


def _doaj(listing: Listing) -> Json:
    results = [{"id": f"{i.number:032x}", "last_updated": i.instant} for i in listing.page]
    return {"total": listing.total, "pageSize": listing.size, "results": results, **listing.next_link()}


def _osf(listing: Listing) -> Json:
    data = [
        {"id": f"o{i.number}", "attributes": {"date_modified": f"{i.day}T10:00:00.123"}} for i in listing.page
    ]
    links = {"next": None if listing.is_last else listing.link(listing.end), "meta": {"total": listing.total}}
    return {"data": data, "links": links}


def _ckan(listing: Listing) -> Json:
    results = [{"id": f"c{i.number}", "metadata_modified": f"{i.day}T10:00:00.123456"} for i in listing.page]
    return {"success": True, "result": {"count": listing.total, "results": results}}


def _dataverse(listing: Listing) -> Json:
    items = [{"global_id": f"doi:10.7910/{i.number}", "published_at": i.instant} for i in listing.page]
    return {"status": "OK", "data": {"total_count": listing.total, "start": listing.at, "items": items}}


def _zenodo(listing: Listing) -> Json:
    hits = [
        {"id": i.number, "updated": f"{i.day}T10:00:00.123456+00:00", "stats": {"views": 1}}
        for i in listing.page
    ]
    return {"hits": {"total": listing.total, "hits": hits}, "links": listing.next_link()}


def _dspace7(listing: Listing) -> Json:
    objects = [
        {
            "_embedded": {
                "indexableObject": {"uuid": f"u{i.number}", "lastModified": f"{i.day}T10:00:00.123+00:00"}
            }
        }
        for i in listing.page
    ]
    links = {"next": {"href": listing.link(listing.end)}} if not listing.is_last else {}
    result = {"_embedded": {"objects": objects}, "page": {"totalElements": listing.total}, "_links": links}
    return {"_embedded": {"searchResult": result}}


def _arcgis(listing: Listing) -> Json:
    def milliseconds(item: Item) -> int:
        return int(
            datetime(item.day.year, item.day.month, item.day.day, 10, tzinfo=timezone.utc).timestamp() * 1000
        )

    features = [{"attributes": {"OBJECTID": i.number, "EditDate": milliseconds(i)}} for i in listing.page]
    return {"features": features} | ({} if listing.is_last else {"exceededTransferLimit": True})


def _hal(listing: Listing) -> Json:
    docs = [{"docid": str(i.number), "modifiedDate_tdate": i.instant} for i in listing.page]
    cursor = f"at{min(listing.end, listing.total)}"
    return {"response": {"numFound": listing.total, "docs": docs}, "nextCursorMark": cursor}


def _gbif(listing: Listing) -> Json:
    results = [{"key": i.number, "lastInterpreted": f"{i.day}T10:00:00.123+00:00"} for i in listing.page]
    numbers = {"offset": listing.at, "limit": listing.size, "count": listing.total}
    return {**numbers, "endOfRecords": listing.is_last, "results": results}


def _socrata(listing: Listing) -> Json:
    return [
        {":id": f"row-{i.number}", ":updated_at": f"{i.day}T10:00:00.123Z", "name": "x"} for i in listing.page
    ]


def _odata(listing: Listing) -> Json:
    value = [{"id": f"d{i.number}", "modified": i.instant} for i in listing.page]
    link = {} if listing.is_last else {"@odata.nextLink": listing.link(listing.end)}
    return {"@odata.context": "x", "@odata.count": listing.total, "value": value, **link}


def _wordpress(listing: Listing) -> Linked:
    posts = [{"id": i.number, "modified_gmt": f"{i.day}T10:00:00", "type": "post"} for i in listing.page]
    return Linked(posts, None if listing.is_last else listing.link(listing.end))


def _nih_reporter(listing: Listing) -> Json:
    results = [{"appl_id": i.number, "date_added": i.instant} for i in listing.page]
    meta = {"total": listing.total, "offset": listing.at, "limit": listing.size}
    return {"meta": meta, "results": results}


def _figshare(listing: Listing) -> Json:
    return [{"id": i.number, "title": "x", "published_date": "2020-01-01T00:00:00Z"} for i in listing.page]


def _arxiv_api(listing: Listing) -> str:
    entries = "".join(
        f"<entry><id>http://arxiv.org/abs/{i.number}v1</id><published>{i.instant}</published></entry>"
        for i in listing.page
    )
    total = f"<o:totalResults>{listing.total}</o:totalResults>"
    names = 'xmlns="http://www.w3.org/2005/Atom" xmlns:o="http://a9.com/-/spec/opensearch/1.1/"'
    return f"<feed {names}>{total}{entries}</feed>"


def _pubmed(listing: Listing) -> Json:
    if not listing.page:
        return {"esearchresult": {"count": str(listing.total), "idlist": []}}
    result = {"count": str(listing.total), "retmax": str(len(listing.page)), "retstart": str(listing.at)}
    return {"header": {}, "esearchresult": {**result, "idlist": [str(i.number) for i in listing.page]}}


def _pubmed_summary(path: str, query: dict[str, str]) -> Json | None:
    if not path.endswith("esummary.fcgi") or query["db"] != "pubmed" or query["retmode"] != "json":
        return None
    number = query["id"]
    return {"header": {}, "result": {"uids": [number], number: {"uid": number, "title": "x"}}}


def _github_issues(listing: Listing) -> Linked:
    issues = [{"id": i.number, "number": i.number, "updated_at": i.instant} for i in listing.page]
    return Linked(issues, None if listing.is_last else listing.link(listing.end))


def _graphql(listing: Listing) -> Json:
    edges = [{"node": {"id": f"W{i.number}", "updatedAt": i.instant}} for i in listing.page]
    cursor = f"at{listing.at + len(edges)}" if edges else None  # also on the last page
    page_info = {"hasNextPage": not listing.is_last, "endCursor": cursor}
    return {"data": {"works": {"totalCount": listing.total, "pageInfo": page_info, "edges": edges}}}


SOLR = _range("[", "T00:00:00Z TO ", "T23:59:59.999Z]")

# By the label of the source in examples/rest.
APIS = {
    "crossref": Api(
        _range("/works?filter=from-index-date:", ",until-index-date:", "&rows="),
        "rows", "cursor", _crossref, position_is_kept=True,
    ),
    "datacite": Api(f"^/dois.query=updated:{SOLR}", "page[size]", "page[cursor]", _datacite, first="1"),
    "openalex": Api(_range("/works?filter=from_updated_date:", ",to_updated_date:"), "per-page", "cursor", _openalex),
    "europepmc": Api(_range("rest/search?query=UPDATE_DATE:[", " TO ", "]"), "pageSize", "cursorMark", _europepmc),
    "clinicaltrials": Api(
        _range("/api/v2/studies?filter.advanced=AREA[LastUpdatePostDate]RANGE[", ",", "]"),
        "pageSize", "pageToken", _clinicaltrials,
    ),
    "biorxiv": Api(_range("/details/biorxiv/", "/") + r"/(?P<at>\d+)\?$", 100, "", _biorxiv),
    "doaj": Api(_range("/api/search/articles/last_updated:[", " TO ", "]?"), "pageSize", "page", _doaj, by_page=1),
    "osf": Api(
        _range("/v2/preprints/?filter[date_modified][gte]=", "&filter[date_modified][lt]="),
        "page[size]", "page", _osf, by_page=1, excludes_last=True,
    ),
    "ckan": Api(f"/api/3/action/package_search.fq=metadata_modified:{SOLR}&sort=id asc", "rows", "start", _ckan),
    "dataverse": Api(f"/api/search.*type=dataset&fq=dateSort:{SOLR}", "per_page", "start", _dataverse),
    "zenodo_rest": Api(_range("/api/records?q=updated:[", " TO ", "]"), "size", "page", _zenodo, by_page=1),
    "dspace7": Api(
        f"/server/api/discover/search/objects.query=lastModified:{SOLR}", "size", "page", _dspace7, by_page=0
    ),
    "arcgis": Api(
        _range("FeatureServer/0/query?where=EditDate BETWEEN TIMESTAMP '", " 00:00:00' AND TIMESTAMP '", " 23:59:59'"),
        "resultRecordCount", "resultOffset", _arcgis, unverified=True,
    ),
    "hal_rest": Api(f"/search/.q=modifiedDate_tdate:{SOLR}&fl=.&sort=docid asc", "rows", "cursorMark", _hal),
    "gbif": Api(_range("/v1/occurrence/search?country=LI&lastInterpreted=", ","), "limit", "offset", _gbif),
    "socrata": Api(
        _range("$where=:updated_at between '", "T00:00:00' and '", "T23:59:59.999'&$order=:id"),
        "$limit", "$offset", _socrata, unverified=True,
    ),
    "odata": Api(
        _range("/odata/Items?$filter=modified ge ", "T00:00:00Z and modified lt ", "T00:00:00Z"),
        100, "$skiptoken", _odata, excludes_last=True,
    ),
    "wordpress": Api(
        r"posts\?modified_after=(?P<first>[\d-]+)T(?P<time>[\d:]+)Z&modified_before=(?P<last>[\d-]+)T00:00:00Z&"
        "orderby=id&order=asc",
        "per_page", "page", _wordpress, by_page=1, excludes_last=True, unverified=True,
    ),
    "nih_reporter": Api(
        r'/v2/projects/search\?criteria.date_added.from_date="(?P<first>[\d/]+)"&'
        r'criteria.date_added.to_date="(?P<last>[\d/]+)"&limit=500&sort_field="appl_id"',
        "limit", "offset", _nih_reporter, date_format="%m/%d/%Y", method="POST",
    ),
    "figshare": Api(
        r'/v2/articles/search\?modified_since="(?P<first>[\d-]+)"&order="modified_date"&order_direction="asc"',
        "page_size", "page", _figshare, by_page=1, unverified=True, method="POST",
    ),
    "arxiv_api": Api(
        r"/api/query\?search_query=cat:cs.DL AND submittedDate:\[(?P<first>\d{8})0000 TO (?P<last>\d{8})2359\]&",
        "max_results", "start", _arxiv_api, date_format="%Y%m%d",
    ),
    "pubmed": Api(
        r"/esearch.fcgi\?db=pubmed&term=\w+&datetype=mdat&mindate=(?P<first>[\d/]+)&maxdate=(?P<last>[\d/]+)&",
        "retmax", "retstart", _pubmed, date_format="%Y/%m/%d", detail=_pubmed_summary,
    ),
    "github_issues": Api(
        r"/issues\?since=(?P<first>[\d-]+)T00:00:00Z&state=all&sort=updated&direction=asc&",
        "per_page", "page", _github_issues, by_page=1, unverified=True,
    ),
    "graphql": Api(
        r'/graphql\?.*&variables.from="(?P<first>[\d-]+)T(?P<time>[\d:]+)Z"&variables.to="(?P<last>[\d-]+)T00:00:00Z"&',
        100, "variables.after", _graphql, excludes_last=True, method="POST",
    ),
}  # fmt: skip


@contextmanager
def serving(api: Api) -> Iterator[str]:
    """Yield the URL of a server of this API, without a path."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body in one packet: two take 40 ms

        def do_GET(self) -> None:  # of the base class
            self._answer("GET", dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True)))

        def do_POST(self) -> None:  # of the base class
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["Content-Type"] == "application/json"
            self._answer("POST", dict(_flattened(content)))

        def _answer(self, method: str, query: dict[str, str]) -> None:
            host, path = f"http://{self.headers['Host']}", unquote(urlsplit(self.path).path)
            found = api.reply(host, path, query) if method == api.method else None
            link, found = (found.link, found.body) if isinstance(found, Linked) else (None, found)
            is_xml = isinstance(found, str)
            body = str(found).encode()
            if not is_xml:
                body = json.dumps({"error": "unknown request"} if found is None else found).encode()
            self.send_response(400 if found is None else 200)
            self.send_header("Content-Type", "application/atom+xml" if is_xml else "application/json")
            if link is not None:
                self.send_header("Link", f'<{link}>; rel="next"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
