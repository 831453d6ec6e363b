"""The parser of a sitemap: it turns pages of the website into records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.formats.page_limits import raise_if_costly_xml
from harvest_dagster.harvesters.formats.strict_json import canonical_json, parse_json
from harvest_dagster.harvesters.interface import Parser
from harvest_dagster.harvesters.sitemap.arguments import SitemapArguments
from harvest_dagster.harvesters.sitemap.fetched_page import FetchedPage, split_pages
from harvest_dagster.harvesters.sitemap.json_ld import JSON_LD, HtmlPage, read_html, select_objects
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window

NOT_FOUND, GONE = 404, 410


class SitemapParser(Parser):
    """Parses the pages of a SitemapClient."""

    arguments: SitemapArguments

    def __init__(self, arguments: SitemapArguments, limits: ResponseLimits | None = None) -> None:
        super().__init__(arguments)
        self._limits = limits or ResponseLimits()
        self._types = frozenset(arguments.types)

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:  # noqa: ARG002
        """Yield the records of the pages in the order of the sitemap."""
        for fetched in split_pages(page.body):
            found = self.parse(fetched)
            if found is not None:
                yield found

    def single_record(self, datum: bytes, window: Window) -> Record | InvalidRecord | None:  # noqa: ARG002
        """Parse the bytes of a page that was invalid. Return None for other bytes."""
        try:
            (fetched,) = split_pages(datum)
        except ValueError:
            return None
        return self.parse(fetched)

    def parse(self, fetched: FetchedPage) -> Record | InvalidRecord | None:
        """Return the record of a page; None if no object of it has a type of the argument `types`.

        A page that answers 410 (gone) is a deleted record.
        """
        if fetched.status == GONE:
            tombstone = canonical_json({"status": GONE, "url": fetched.url})
            return self._record(fetched, tombstone, deleted=True)
        try:
            blob = self._blob(fetched)
        except (SourceError, ValueError, RecursionError) as error:
            return InvalidRecord(fetched.to_bytes(), str(error), fetched.url or None)
        return None if blob is None else self._record(fetched, blob, deleted=False)

    def _record(self, fetched: FetchedPage, blob: str, *, deleted: bool) -> Record:
        original = fetched.body if self.keep_original else None
        return Record(fetched.url, fetched.entry.date, deleted, blob, original)

    def read(self, fetched: FetchedPage) -> HtmlPage:
        """Read the HTML of a page.

        Raises:
            SourceError: it has too many tags, or an element with too many attributes.
        """
        raise_if_costly_xml(fetched.body, url=fetched.url, limits=self._limits)
        return read_html(fetched.body, fetched.content_type)

    def _blob(self, fetched: FetchedPage) -> str | None:
        """Return the canonical JSON of a page: one value, or a list if there are several.

        Raises:
            SourceError, ValueError: the page has no valid JSON-LD.
        """
        if fetched.problem:
            raise ValueError(fetched.problem)
        if fetched.status == NOT_FOUND:
            raise ValueError("the sitemap lists the page, but the site answers 404 (not found)")
        html = self.read(fetched)
        if not html.blocks:
            raise ValueError(f"the page has no {JSON_LD}")
        values = [self._value(block, html, fetched.url) for block in html.blocks]
        if self._types:
            values = list(select_objects(values, self._types))
        if not values:
            return None
        return canonical_json(values[0] if len(values) == 1 else values)

    def _value(self, block: str, html: HtmlPage, url: str) -> Any:
        if html.has_invalid_bytes and "\ufffd" in block:
            raise ValueError("its JSON-LD has bytes that are not valid in the encoding of the page")
        value = parse_json(block.encode(), url=url, content_type=JSON_LD, limits=self._limits)
        canonical_json(value)  # raises ValueError for a duplicate key, also where `types` selects nothing
        return value
