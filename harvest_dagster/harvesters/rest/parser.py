"""The parser of a REST API: it turns the content of a page into records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.formats.dates import digits_instant, epoch_instant, lenient_instant
from harvest_dagster.harvesters.formats.strict_json import raw_values
from harvest_dagster.harvesters.interface import Parser
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.details.spooled_pages import find_record, unpack_detail
from harvest_dagster.harvesters.rest.identifiers import join_identifier
from harvest_dagster.harvesters.rest.lists.window_dates import shared_unit
from harvest_dagster.harvesters.rest.paths import find
from harvest_dagster.harvesters.rest.responses import response_format
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.paths.syntax import Location
from harvest_dagster.records import InvalidRecord, Page, Record, RecordHeader
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import DAY, SECOND, Window


@dataclass(frozen=True)
class ParsedItems:
    """The records of a page in memory, each with its location (`Page.parsed`)."""

    items: Sequence[tuple[Location, Any]]


class RestParser(Parser):
    """Parses the pages of a RestClient."""

    arguments: RestArguments

    def __init__(self, arguments: RestArguments, limits: ResponseLimits | None = None) -> None:
        super().__init__(arguments)
        self._format = response_format(arguments, limits or ResponseLimits())

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        """Yield the records of a page in the source's order.

        If only a part of a day was harvested, the records of the rest of the day are left out. So are the records of
        other windows if the source was asked without an upper bound.
        """
        if page.single_record is not None:
            yield self._record_of_detail(page)
            return
        if page.count == 0:
            return  # its body may be an error past the end of the list, or the page before again
        items = self._items_of(page)
        others = self.time_of_others(page)
        requested = frozenset(page.sent_separately)
        raw: dict[Location, bytes] = {}
        keep_original = self.keep_original and self._format.HAS_ORIGINALS
        if keep_original:
            raw = self._format.raw_items(page, (location for location, _ in items))
        for location, item in items:
            if self.arguments.detail is not None and self._comes_as_detail(item, requested, window, others):
                continue
            result = self._record(item)
            if isinstance(result, Record):
                if is_kept(result.datestamp, window, others):
                    yield replace(result, original=raw[location]) if keep_original else result
                continue
            raw = raw or self._format.raw_items(page, (location for location, _ in items))
            yield InvalidRecord(raw[location], result, self.identifier(item))

    def _items_of(self, page: Page) -> Sequence[tuple[Location, Any]]:
        """Return each record in a page with its location, from memory if the client has just parsed the page."""
        if isinstance(page.parsed, ParsedItems):
            return page.parsed.items
        document = self.document(page.body, page.request.url, page.content_type)
        return self.find_items(document, page.request.url) or ()

    def _comes_as_detail(
        self, item: Any, requested: frozenset[str], window: Window, others: Window | None
    ) -> bool:
        """Return whether a page of its own delivers the record of an item, in this window or in another one."""
        dated = self.dated_record(item)
        if dated is None or self._is_deleted(item):
            return False
        return dated[0] in requested or not is_kept(dated[1], window, others)

    def items_with_detail(self, page: Page, window: Window) -> Iterator[tuple[Location, Any]]:
        """Yield the list items whose records need a detail: those of the window that are not deleted."""
        if page.count == 0:
            return
        others = self.time_of_others(page)
        for location, item in self._items_of(page):
            dated = self.dated_record(item)
            if dated is not None and is_kept(dated[1], window, others) and not self._is_deleted(item):
                yield location, item

    def single_record(self, datum: bytes, window: Window) -> Record | InvalidRecord | None:  # noqa: ARG002
        """Parse the bytes of one record. Return None for those of a row of CSV, or of a list item that has a detail."""
        if self.arguments.detail is not None:
            return None
        try:
            item = self._format.parse_item(datum)
        except SourceError as error:
            return InvalidRecord(datum, str(error))
        if item is None:
            return None
        result = self._record(item)
        return result if isinstance(result, Record) else InvalidRecord(datum, result, self.identifier(item))

    def _record_of_detail(self, page: Page) -> Record | InvalidRecord:
        """Return the record of the page of a detail. Its identifier and its datestamp are those of the list item."""
        stored, url = unpack_detail(page.body), page.request.url
        item = self._format.parse_item(stored.item)
        identifier, datestamp = self.dated_record(item) or ("", None)
        if stored.detail is None:
            return InvalidRecord(stored.item, f"no detail: {stored.error}", identifier)
        try:
            location, value = find_record(
                self.arguments,
                stored.detail,
                url=url,
                content_type=page.content_type,
                limits=self._format.limits,
            )
        except SourceError as error:
            return InvalidRecord(stored.item, f"no detail: {error}", identifier)
        record = self._with_content(value, identifier, datestamp)
        if isinstance(record, str):
            return InvalidRecord(stored.item, record, identifier)
        original = raw_values(stored.detail, [location])[location] if self.keep_original else None
        return replace(record, original=original)

    def document(self, body: bytes, url: str, content_type: str) -> Any:
        """Return the content of a page, in the format `response`.

        Raises:
            MalformedResponse: the body has another format, or is truncated.
            SourceRefused: the page contains an error at the path `error`.
        """
        return self._format.document(body, url, content_type)

    def find_items(self, document: Any, url: str) -> list[tuple[Location, Any]] | None:
        """Return each record in the page with its location, or None if nothing is at the path `records`.

        Raises:
            ProtocolError: something else is at the path, or the page also says that it failed.
        """
        return self._format.find_items(document, url)

    def raw_items(self, page: Page, locations: Iterable[Location]) -> dict[Location, bytes]:
        """Return the bytes of the records at these locations of a page."""
        return self._format.raw_items(page, locations)

    def identifier(self, item: Any) -> str | None:
        """Return the identifier of a record, or None if a part is missing. Different values give different texts."""
        return join_identifier([find(item, path) for path in self.arguments.identifier])

    def dated_record(self, item: Any) -> tuple[str, datetime | None] | None:
        """Return identifier and datestamp of a record, or None if it has no identifier."""
        identifier = self.identifier(item)
        if identifier is None:
            return None
        return identifier, None if self._format.fault_of(item) else self._datestamp(item)

    def header(self, item: Any) -> RecordHeader | str:
        """Return the header of a list item, or the reason why the item is invalid."""
        if (fault := self._format.fault_of(item)) is not None:
            return fault
        identifier = self.identifier(item)
        if identifier is None:
            return f"a record without identifier at {', '.join(self.arguments.identifier)}"
        return RecordHeader(identifier, self._datestamp(item), self._is_deleted(item))

    def _record(self, item: Any) -> Record | str:
        """Return the record, or the reason why the item is invalid."""
        if self.arguments.detail is not None and not self._is_deleted(item):
            fault = None if self.identifier(item) is None else "its detail was not requested"
        else:
            fault = self._format.fault_of(item)
        if fault is not None:
            return fault
        identifier = self.identifier(item)
        if identifier is None:
            return f"a record without identifier at {', '.join(self.arguments.identifier)}"
        return self._with_content(item, identifier, self._datestamp(item))

    def _with_content(self, item: Any, identifier: str, datestamp: datetime | None) -> Record | str:
        """Return the record with this value as its datum, or the reason why the value is invalid."""
        deleted = self._is_deleted(item)
        try:
            return Record(identifier, datestamp, deleted, self._format.blob(item))
        except ValueError as error:
            return f"a record without canonical form: {error}"
        except RecursionError:
            return "a record without canonical form: its values are nested too deeply"

    def _datestamp(self, item: Any) -> datetime | None:
        path = self.arguments.datestamp
        if path is None:
            return None
        text = _text(find(item, path))
        return digits_instant(text) or epoch_instant(text) or lenient_instant(text)

    def time_of_others(self, page: Page) -> Window | None:
        """Return the time that the list of a page shares with those of other windows; None if there is none."""
        unit = SECOND if self.arguments.granularity == "second" else DAY
        return page.overlap or shared_unit(page.requested_window, unit)

    def _is_deleted(self, item: Any) -> bool:
        if self.arguments.deleted is None:
            return False
        value = find(item, self.arguments.deleted.path)
        text = str(value).lower() if isinstance(value, bool) else _text(value)
        return text in self.arguments.deleted.values


def _text(value: Any) -> str:
    """Return a text or number without surrounding white space, or an empty text for any other value."""
    return value.strip() if isinstance(value, str) else ""  # a Number is a str
