"""The parser of the pages of an OAI-PMH repository."""

from __future__ import annotations

from collections.abc import Iterator

from harvest_dagster.harvesters.interface import Parser
from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.pages import parse_page
from harvest_dagster.harvesters.oai.single_record import parse_single_record
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window


class OaiParser(Parser):
    """Parses the pages of an OaiClient."""

    def __init__(self, arguments: OaiArguments, limits: ResponseLimits | None = None) -> None:
        super().__init__(arguments)
        self._limits = limits or ResponseLimits()

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        """Yield the records of a page in the source's order.

        If more was requested than the window, the records of neighbouring windows are dropped. A record
        without a datestamp, or with one outside the requested dates, is kept: no other window would deliver it.
        """
        records = parse_page(page, window, self._limits, keep_original=self.keep_original)
        if (asked := page.widened_window) is None:
            yield from records
            return
        for record in records:
            if isinstance(record, InvalidRecord) or is_kept(record.datestamp, window, asked):
                yield record

    def single_record(self, datum: bytes, window: Window) -> Record | InvalidRecord:  # noqa: ARG002
        """Parse the bytes of a `record` element, or a whole GetRecord page."""
        return parse_single_record(datum, self._limits)
