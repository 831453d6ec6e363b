"""Pages with one JSON object on each line (https://jsonlines.org). An invalid line is one invalid record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harvest_dagster.errors import MalformedResponse, SourceError, TruncatedResponse
from harvest_dagster.harvesters.formats.json_lines import is_cut_off
from harvest_dagster.harvesters.formats.page_limits import raise_if_costly_rows
from harvest_dagster.harvesters.formats.strict_json import parse_json
from harvest_dagster.harvesters.rest.lists.page_metadata import raise_if_usual_error
from harvest_dagster.harvesters.rest.paths import find
from harvest_dagster.harvesters.rest.responses.interface import InvalidItem
from harvest_dagster.harvesters.rest.responses.json_response import JsonObjects
from harvest_dagster.http.html.page_detection import is_html, web_page_error
from harvest_dagster.paths.syntax import Location
from harvest_dagster.records import Page
from harvest_dagster.texts import describe_start

_MARK = b"\xef\xbb\xbf"


class JsonLinesResponse(JsonObjects):
    """Pages of lines. An empty body is an empty page."""

    NAME = "JSON Lines"

    def document(self, body: bytes, url: str, content_type: str) -> list[Any]:
        """Return the value of each line, or an InvalidItem.

        Raises:
            WebPage: the body is HTML.
            TruncatedResponse: the last line has no line break, and is not valid JSON.
            MalformedResponse: no line is an object, or no object has an identifier or a datestamp.
            ProtocolError: a line without an identifier is an error of the source.
        """
        if is_html(body, content_type):
            raise web_page_error(body, url=url, expected=self.NAME)
        raise_if_costly_rows(body, url=url, limits=self.limits)
        lines = _lines(body)
        if lines and is_cut_off(lines[-1]):
            message = (
                f"{url} answered with JSON Lines that are cut off: the last of {len(lines)} lines has no line break, "
                f"and is not valid JSON, {describe_start(lines[-1])}. Try again. If the error persists, tell the "
                "operator of the source."
            )
            raise TruncatedResponse(message)
        if lines and not any(line.startswith(b"{") for line in lines):
            message = (
                f"{url} answered without JSON objects, one on each line, {describe_start(body)}. If the page is one "
                "JSON value, write `response: json`. If not, the source answered with an error."
            )
            raise MalformedResponse(message)
        items = [self._item(line) for line in lines]
        for item in items:
            if isinstance(item, dict) and not any(find(item, path) for path in self.arguments.identifier):
                raise_if_usual_error(item, url=url)
        self._raise_if_no_record(items, url, body)
        return items

    def find_items(self, document: Any, url: str) -> list[tuple[Location, Any]] | None:  # noqa: ARG002
        """Return each line with its number from 0. A page always has a list."""
        return [((index,), item) for index, item in enumerate(document)]

    def raw_items(self, page: Page, locations: Iterable[Location]) -> dict[Location, bytes]:
        """Return the bytes of these lines, without their line breaks."""
        lines = _lines(page.body)
        return {location: lines[int(location[0])].strip() for location in locations}

    def _raise_if_no_record(self, items: list[Any], url: str, body: bytes) -> None:
        """Raise MalformedResponse if there are objects, and none of them has an identifier or a datestamp.

        Such a page is a message of the source. As one invalid record, it would replace the records of the page.
        """
        objects = [item for item in items if isinstance(item, dict)]
        identifier, datestamp = self.arguments.identifier, self.arguments.datestamp
        paths = [*identifier, *([] if datestamp is None else [datestamp])]
        if objects and not any(find(item, path) is not None for item in objects for path in paths):
            message = (
                f"{url} answered with JSON Lines, and none has a value at {', '.join(paths)}, {describe_start(body)}. "
                "Check `identifier`. If it is right, the source answered with an error."
            )
            raise MalformedResponse(message)

    def _item(self, line: bytes) -> Any:
        try:
            return parse_json(line, url="the line", content_type="application/json", limits=self.limits)
        except SourceError as error:
            return InvalidItem(f"a line that is not valid JSON: {error}", line.strip())


def _lines(body: bytes) -> list[bytes]:
    """Return the lines that are not empty, without the mark at the beginning and the white space before each."""
    lines = (line.lstrip() for line in body.removeprefix(_MARK).split(b"\n"))
    ended = [line + b"\n" for line in lines]
    ended[-1] = ended[-1].removesuffix(b"\n")
    return [line for line in ended if line.strip()]
