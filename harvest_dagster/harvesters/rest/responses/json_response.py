"""Pages that are one JSON value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harvest_dagster.errors import MalformedResponse, ProtocolError
from harvest_dagster.harvesters.formats.strict_json import (
    DuplicateKeys,
    canonical_json,
    parse_json,
    raw_values,
)
from harvest_dagster.harvesters.rest.lists.page_metadata import (
    describe_value,
    raise_if_error,
    raise_if_usual_error,
)
from harvest_dagster.harvesters.rest.paths import matches, remove, selects_from_nothing, values_along
from harvest_dagster.harvesters.rest.responses.interface import InvalidItem, ResponseFormat
from harvest_dagster.paths.syntax import Location, parse_path
from harvest_dagster.records import Page


class JsonObjects(ResponseFormat):
    """Records that are stored as canonical JSON."""

    def fault_of(self, item: Any) -> str | None:
        """Return why a part of the list cannot be a record: it is invalid, or no object."""
        if isinstance(item, InvalidItem):
            return item.reason
        return None if isinstance(item, dict) else "a list item that is not an object"

    def blob(self, item: Any) -> str:
        """Return the canonical JSON of a record without its `volatile` members."""
        for path in self.arguments.volatile:
            remove(item, path)
        return canonical_json(item)

    def parse_item(self, datum: bytes) -> Any:
        """Return the value of a JSON text."""
        return parse_json(datum, url="the record", content_type="application/json", limits=self.limits)


class JsonResponse(JsonObjects):
    """Pages that are one JSON value, with a list at `records`."""

    NAME = "JSON"

    def document(self, body: bytes, url: str, content_type: str) -> Any:
        """Return the JSON value of a page.

        Raises:
            MalformedResponse: the body is not JSON, or an object on a configured path contains a key twice.
            SourceRefused: the page contains an error at the path `error`.
        """
        document = parse_json(body, url=url, content_type=content_type, limits=self.limits)
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

        A path may match several lists, or several records. null is an empty list: APIs write it for one. If the path
        selects from an empty list, that is the list.

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
        if not found and not selects_from_nothing(document, self.arguments.records):
            return None
        if self.arguments.error is None:
            raise_if_usual_error(document, url=url)
        return items

    def raw_items(self, page: Page, locations: Iterable[Location]) -> dict[Location, bytes]:
        """Return the bytes of these records."""
        return raw_values(page.body, locations)

    @property
    def _matches_records(self) -> bool:
        """Whether `records` is a JSONPath that may match several records, rather than their list."""
        return parse_path(self.arguments.records).query is not None
