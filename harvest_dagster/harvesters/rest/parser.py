"""The parser of a REST API: it turns the JSON of a page into records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from harvest_dagster.errors import MalformedResponse, ProtocolError, SourceError
from harvest_dagster.harvesters.formats.dates import is_kept, lenient_instant
from harvest_dagster.harvesters.formats.strict_json import (
    DuplicateKeys,
    Location,
    canonical_json,
    parse_json,
    raw_values,
)
from harvest_dagster.harvesters.interface import Parser
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.identifiers import join_identifier
from harvest_dagster.harvesters.rest.paths import find, matches, parse_path, remove, values_along
from harvest_dagster.harvesters.rest.response import describe_value, raise_if_error, raise_if_usual_error
from harvest_dagster.harvesters.rest.window_dates import shared_unit
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import DAY, SECOND, Window


class RestParser(Parser):
    """Parses the pages of a RestClient."""

    arguments: RestArguments

    def __init__(self, arguments: RestArguments, limits: ResponseLimits | None = None) -> None:
        super().__init__(arguments)
        self._limits = limits or ResponseLimits()

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
        if self.keep_original:
            raw = raw_values(page.body, (location for location, _ in items))
        for location, item in items:
            result = self._record(item)
            if isinstance(result, Record):
                if is_kept(result.datestamp, window, unit):
                    yield replace(result, original=raw[location]) if self.keep_original else result
                continue
            raw = raw or raw_values(page.body, (location for location, _ in items))
            yield InvalidRecord(raw[location], result, self.identifier(item))

    def single_record(self, datum: bytes, window: Window) -> Record | InvalidRecord:  # noqa: ARG002
        """Parse the JSON of one record."""
        try:
            item = parse_json(datum, url="the record", content_type="application/json", limits=self._limits)
        except SourceError as error:
            return InvalidRecord(datum, str(error))
        result = self._record(item)
        if isinstance(result, Record):
            return result
        identifier = self.identifier(item) if isinstance(item, dict) else None
        return InvalidRecord(datum, result, identifier)

    def document(self, body: bytes, url: str, content_type: str) -> Any:
        """Return the JSON value of a page.

        Raises:
            MalformedResponse: the body is not JSON, or an object on a configured path contains a key twice.
            SourceRefused: the page contains an error at the path `error`.
        """
        document = parse_json(body, url=url, content_type=content_type, limits=self._limits)
        error, following = self.arguments.error, self.arguments.next
        paths = filter(
            None, (self.arguments.records, following.path, following.more, self.arguments.total, error)
        )
        if any(isinstance(value, DuplicateKeys) for path in paths for value in values_along(document, path)):
            message = (
                f"{url} answered with an object that contains a key twice. Tell the operator of the source."
            )
            raise MalformedResponse(message)
        if error is not None:
            raise_if_error(document, error, url=url)
        return document

    def find_items(self, document: Any, url: str) -> list[tuple[Location, Any]] | None:
        """Return each record in the page with its location, or None if nothing is at the path `records`.

        A path may match several lists, or several records. null is an empty list: APIs write it for one.

        Raises:
            ProtocolError: something else is at the path, or the page also says that it failed.
        """
        found = list(matches(document, self.arguments.records))
        items: list[tuple[Location, Any]] = []
        for location, value in found:
            if isinstance(value, list):
                items += (((*location, index), item) for index, item in enumerate(value))
            elif self._matches_records or value is None:
                items += [] if value is None else [(location, value)]
            else:
                message = (
                    f"{url} answered with JSON that has no list at {self.arguments.records}, but "
                    f"{describe_value(value)}. Check `records`. If it is right, the source answered with an error."
                )
                raise ProtocolError(message)
        if found and self.arguments.error is None:
            raise_if_usual_error(document, url=url)
        return items if found else None

    @property
    def _matches_records(self) -> bool:
        """Whether `records` is a JSONPath that may match several records, rather than their list."""
        return parse_path(self.arguments.records).query is not None

    def identifier(self, item: Any) -> str | None:
        """Return the identifier of a record, or None if a part is missing. Different values give different texts."""
        return join_identifier([find(item, path) for path in self.arguments.identifier])

    def dated_record(self, item: Any) -> tuple[str, datetime | None] | None:
        """Return identifier and datestamp of a record, or None if it has no identifier."""
        identifier = self.identifier(item)
        if identifier is None:
            return None
        return identifier, self._datestamp(item) if isinstance(item, dict) else None

    def _record(self, item: Any) -> Record | str:
        """Return the record, or the reason why the item is invalid."""
        if not isinstance(item, dict):
            return "a list item that is not an object"
        identifier = self.identifier(item)
        if identifier is None:
            return f"a record without identifier at {', '.join(self.arguments.identifier)}"
        datestamp, deleted = self._datestamp(item), self._is_deleted(item)
        for path in self.arguments.volatile:
            remove(item, path)
        try:
            return Record(identifier, datestamp, deleted, canonical_json(item))
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
