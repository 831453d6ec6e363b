"""The simulator's records as a website: a sitemap, and a page with JSON-LD for each record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from harvest_dagster.testing.simulator import ListQuery, RecordContent, RenderedList, Renderer

_IDENTIFIER = re.compile(r'"identifier": "([^"]*)"')
_DATE = re.compile(r'"dateModified": "([^"]*)"')
_NUMBER = re.compile(r"(\d+)$")
_PAGE = "page"  # the parameter of a request for a page


class WebsiteRenderer(Renderer):
    """The list is a sitemap. A request with the parameter `page` is one for the page of a record.

    Such a request is one for a part of the list with one record, so that behaviours of later pages apply to it.
    """

    features = frozenset()
    content_type = "text/html; charset=utf-8"

    def query(self, arguments: Mapping[str, str]) -> ListQuery:
        if _PAGE not in arguments:
            return ListQuery(size=1000)
        return ListQuery(offset=int(_found(_NUMBER, arguments[_PAGE]) or 0), size=1)

    def record(self, record: RecordContent) -> str:
        fields = {"@type": "Dataset", "identifier": record.identifier, "dateModified": record.datestamp}
        content = {"name": record.metadata.get("title")} if not record.deleted else {"deleted": True}
        # Escaped as JSON, these characters are neither markup of the page nor the end of its script.
        return json.dumps({**fields, **content}).replace("<", "\\u003c").replace("&", "\\u0026")

    def page(self, content: RenderedList) -> str:
        wanted = content.arguments.get(_PAGE)
        if wanted is None:
            return _sitemap(content)
        texts = [text for text in content.page.records if _found(_IDENTIFIER, text) == wanted]
        block = "".join(f'<script type="application/ld+json">{text}</script>' for text in texts[:1])
        return f"<!DOCTYPE html><html><head><title>A data set</title>{block}</head><body></body></html>"


def _sitemap(content: RenderedList) -> str:
    entries = "".join(_entry(content.url, text) for text in content.page.records)
    return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'


def _entry(url: str, text: str) -> str:
    page = escape(f"{url}?{urlencode({_PAGE: _found(_IDENTIFIER, text)})}")
    return f"<url><loc>{page}</loc><lastmod>{escape(_found(_DATE, text))}</lastmod></url>"


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
