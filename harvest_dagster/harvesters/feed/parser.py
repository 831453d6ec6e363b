"""The parser of a feed: it turns the entries of a document into records."""

from __future__ import annotations

from collections.abc import Iterator

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.feed.arguments import FeedArguments
from harvest_dagster.harvesters.feed.document import is_entry, parse_feed
from harvest_dagster.harvesters.feed.entries import datestamps_of, parse_entry
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.interface import Parser
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window


class FeedParser(Parser):
    """Parses the documents of a FeedClient."""

    def __init__(self, arguments: FeedArguments, limits: ResponseLimits | None = None) -> None:
        super().__init__(arguments)
        self._limits = limits or ResponseLimits()

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        """Yield the entries of the window in the order of the feed, and those without a date."""
        document = parse_feed(
            page.body, url=page.request.url, content_type=page.content_type, limits=self._limits
        )
        dates = datestamps_of(document.entries)
        for entry, date in zip(document.entries, dates, strict=True):
            if is_kept(date, window, page.widened_window):
                yield parse_entry(entry, date)

    def single_record(self, datum: bytes, window: Window) -> Record | InvalidRecord:  # noqa: ARG002
        """Parse the XML of one entry."""
        try:
            entry = parse_xml(datum, url="the record", content_type="application/xml", limits=self._limits)
        except SourceError as error:
            return InvalidRecord(datum, str(error))
        if not is_entry(entry):
            return InvalidRecord(datum, f"a {entry.tag} element that is not an entry of a feed")
        return parse_entry(entry, datestamps_of([entry])[0])
