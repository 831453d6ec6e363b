"""Websites without a network: answers by URL, and a client together with the parser of its pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harvest_dagster.errors import HttpStatusError
from harvest_dagster.harvesters.sitemap.arguments import SitemapArguments
from harvest_dagster.harvesters.sitemap.client import SitemapClient
from harvest_dagster.harvesters.sitemap.parser import SitemapParser
from harvest_dagster.rate_limits import Limit
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import Answered, GetOnly

SITE = "https://data.test"
URL = f"{SITE}/sitemap.xml"
MARCH = Window(parse_instant("2024-03-01"), parse_instant("2024-04-01"))
NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"

Answer = str | bytes | int | Answered | Exception
"""A body, a status without a body, a whole response, or an error."""


def day(date: str) -> Window:
    start = parse_instant(date)
    return Window(start, start + (parse_instant("2024-01-02") - parse_instant("2024-01-01")))


def sitemap(*entries: tuple[str, str | None], index: bool = False, namespace: str = NAMESPACE) -> str:
    """Return a sitemap, or an index, with these paths and dates."""
    root, name = ("sitemapindex", "sitemap") if index else ("urlset", "url")
    content = "".join(
        f"<{name}><loc>{path if '://' in path or not path else SITE + path}</loc>"
        f"{'' if lastmod is None else f'<lastmod>{lastmod}</lastmod>'}</{name}>"
        for path, lastmod in entries
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><{root} xmlns="{namespace}">{content}</{root}>'


def html(*blocks: str, kind: str = "application/ld+json") -> str:
    scripts = "".join(f'<script type="{kind}">{block}</script>' for block in blocks)
    return f"<!DOCTYPE html><html><head><title>A page</title>{scripts}</head><body><p>Text</p></body></html>"


def dataset(name: str) -> str:
    return html(f'{{"@type": "Dataset", "name": "{name}"}}')


class WebsiteSession(GetOnly):
    """Answers each request by its URL, and records the URLs. An unknown URL answers 404.

    If there are several answers for a URL, they are given in turn, and the last one is repeated.
    """

    def __init__(self, answers: Mapping[str, Answer | list[Answer]]) -> None:
        self.answers = {url if "://" in url else SITE + url: answer for url, answer in answers.items()}
        self.asked: list[str] = []
        self.headers: dict[str, dict[str, str] | None] = {}
        self.limits: list[tuple[str, Limit]] = []

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Answered:
        assert params is None
        assert repeatable
        self.asked.append(url)
        self.headers[url] = headers
        answer = self.answers.get(url, 404)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        response = _response(url, answer)
        if response.status >= 400 and response.status not in allow_status:
            raise HttpStatusError(
                f"{url}: HTTP {response.status}. Try later.", status=response.status, url=url
            )
        return response

    def keep_limit(self, url: str, limit: Limit) -> None:
        self.limits.append((url, limit))

    @property
    def pages(self) -> list[str]:
        """The paths of all requests but those for sitemaps and robots.txt."""
        paths = [url.removeprefix(SITE) for url in self.asked]
        return [path for path in paths if "sitemap" not in path and path != "/robots.txt"]


def _response(url: str, answer: str | bytes | int | Answered) -> Answered:
    if isinstance(answer, Answered):
        return answer
    if isinstance(answer, int):
        return Answered(b"", url, status=answer)
    body = answer.encode() if isinstance(answer, str) else answer
    return Answered(body, url, content_type="text/html" if b"<html" in body else "application/xml")


class WebsiteSource(SitemapClient):
    """A client with the parser of its pages."""

    session: WebsiteSession

    def read(
        self, asked: Window = MARCH, cursor: Cursor | None = None
    ) -> tuple[list[Page], list[Record | InvalidRecord]]:
        """Return the pages and the records of a window."""
        pages, parser = list(self.pages(asked, cursor)), SitemapParser(self.arguments)
        return pages, [found for page in pages for found in parser.records(page, asked)]

    def paths(self, asked: Window = MARCH) -> list[str]:
        return [(record.identifier or "").removeprefix(SITE) for record in self.read(asked)[1]]

    def only(self) -> Record | InvalidRecord:
        (found,) = self.read()[1]
        return found


def website(
    answers: Mapping[str, Answer | list[Answer]], limits: ResponseLimits | None = None, **arguments: Any
) -> WebsiteSource:
    kwargs = SitemapArguments.model_validate({"base_url": URL, **arguments})
    return WebsiteSource(kwargs, WebsiteSession(answers), limits)


def numbered(numbers: Iterable[int], date: str = "2024-03-05") -> list[tuple[str, str | None]]:
    return [(f"/{number}", date) for number in numbers]


def page_website(page: Answer | list[Answer], **arguments: Any) -> WebsiteSource:
    """Return a website with one page."""
    return website({"/sitemap.xml": sitemap(("/1", "2024-03-05")), "/1": page}, **arguments)
