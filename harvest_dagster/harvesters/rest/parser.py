"""The parser of a REST API: it turns the content of a page into records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.formats.dates import is_kept, lenient_instant
from harvest_dagster.harvesters.formats.strict_json import Location
from harvest_dagster.harvesters.interface import Parser
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.identifiers import join_identifier
from harvest_dagster.harvesters.rest.paths import find
from harvest_dagster.harvesters.rest.responses import response_format
from harvest_dagster.harvesters.rest.window_dates import shared_unit
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import DAY, SECOND, Window


class RestParser(Parser):
    """Parses the pages of a RestClient."""

    arguments: RestArguments

    def __init__(self, arguments: RestArguments, limits: ResponseLimits | None = None) -> None:
        super().__init__(arguments)
        self._format = response_format(arguments, limits or ResponseLimits())

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        """Yield the records of a page in the source's order.

        If only a part of a day was harvested, the records of the rest of the day are left out.
        """
        if page.count == 0:
            return  # its body may be an error past the end of the list, or the page before again
        document = self.document(page.body, page.request.url, page.content_type)
        items = self.find_items(document, page.request.url) or []
        unit = shared_unit(page.requested_window, SECOND if self.arguments.granularity == "second" else DAY)
        raw: dict[Location, bytes] = {}
        keep_original = self.keep_original and self._format.HAS_ORIGINALS
        if keep_original:
            raw = self._format.raw_items(page, (location for location, _ in items))
        for location, item in items:
            result = self._record(item)
            if isinstance(result, Record):
                if is_kept(result.datestamp, window, unit):
                    yield replace(result, original=raw[location]) if keep_original else result
                continue
            raw = raw or self._format.raw_items(page, (location for location, _ in items))
            yield InvalidRecord(raw[location], result, self.identifier(item))

    def single_record(self, datum: bytes, window: Window) -> Record | InvalidRecord | None:  # noqa: ARG002
        """Parse the bytes of one record. A row of CSV cannot be parsed without its header."""
        try:
            item = self._format.parse_item(datum)
        except SourceError as error:
            return InvalidRecord(datum, str(error))
        if item is None:
            return None
        result = self._record(item)
        return result if isinstance(result, Record) else InvalidRecord(datum, result, self.identifier(item))

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

    def identifier(self, item: Any) -> str | None:
        """Return the identifier of a record, or None if a part is missing. Different values give different texts."""
        return join_identifier([find(item, path) for path in self.arguments.identifier])

    def dated_record(self, item: Any) -> tuple[str, datetime | None] | None:
        """Return identifier and datestamp of a record, or None if it has no identifier."""
        identifier = self.identifier(item)
        if identifier is None:
            return None
        return identifier, None if self._format.fault_of(item) else self._datestamp(item)

    def _record(self, item: Any) -> Record | str:
        """Return the record, or the reason why the item is invalid."""
        if (fault := self._format.fault_of(item)) is not None:
            return fault
        identifier = self.identifier(item)
        if identifier is None:
            return f"a record without identifier at {', '.join(self.arguments.identifier)}"
        datestamp, deleted = self._datestamp(item), self._is_deleted(item)
        try:
            return Record(identifier, datestamp, deleted, self._format.blob(item))
        except ValueError as error:
            return f"a record without canonical form: {error}"
        except RecursionError:
            return "a record without canonical form: its values are nested too deeply"

    def _datestamp(self, item: Any) -> datetime | None:
        path = self.arguments.datestamp
        return None if path is None else lenient_instant(_text(find(item, path)))

    def _is_deleted(self, item: Any) -> bool:
        if self.arguments.deleted is None:
            return False
        value = find(item, self.arguments.deleted.path)
        text = str(value).lower() if isinstance(value, bool) else _text(value)
        return text in self.arguments.deleted.values


def _text(value: Any) -> str:
    """Return a text or number without surrounding white space, or an empty text for any other value."""
    return value.strip() if isinstance(value, str) else ""  # a Number is a str
