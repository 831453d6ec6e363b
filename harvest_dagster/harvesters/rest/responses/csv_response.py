"""Pages of CSV (RFC 4180): the header gives the keys, and each row is a record with texts as values.

Fields are separated by commas. A row with too few or too many fields is an invalid record.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from itertools import dropwhile, pairwise
from typing import Any

from harvest_dagster.errors import MalformedResponse, TruncatedResponse
from harvest_dagster.harvesters.formats.csv_rows import CsvRows, InvalidRow, Row
from harvest_dagster.harvesters.formats.page_limits import raise_if_costly_rows
from harvest_dagster.harvesters.rest.paths import MISSING, look_up
from harvest_dagster.harvesters.rest.responses.interface import InvalidItem
from harvest_dagster.harvesters.rest.responses.json_response import JsonObjects
from harvest_dagster.http.html.page_detection import is_html, web_page_error
from harvest_dagster.paths.syntax import Location
from harvest_dagster.records import Page
from harvest_dagster.texts import describe_start

_LINE_BREAKS = ("\n", "\r")


@dataclass(frozen=True)
class _Line:
    """A row, and its text in the page."""

    row: Row | InvalidRow
    text: str


class CsvResponse(JsonObjects):
    """Pages of rows. An empty body is an empty page."""

    NAME = "CSV"

    def document(self, body: bytes, url: str, content_type: str) -> list[Any]:
        """Return each row as an object, or as an InvalidItem.

        Raises:
            WebPage: the body is HTML.
            TruncatedResponse: the last row has no line break and too few fields, or its quote is not closed.
            MalformedResponse: the header lacks a field that `identifier` names, or has one twice.
        """
        if is_html(body, content_type):
            raise web_page_error(body, url=url, expected=self.NAME)
        raise_if_costly_rows(body, url=url, limits=self.limits)
        return [_item(line) for line in self._lines(body, url, content_type)]

    def find_items(self, document: Any, url: str) -> list[tuple[Location, Any]] | None:  # noqa: ARG002
        """Return each row with its number from 0. A page always has a list."""
        return [((index,), item) for index, item in enumerate(document)]

    def raw_items(self, page: Page, locations: Iterable[Location]) -> dict[Location, bytes]:
        """Return the bytes of these rows, without their line breaks."""
        lines = self._lines(page.body, page.request.url, page.content_type)
        return {location: _bytes(lines[int(location[0])].text) for location in locations}

    def parse_item(self, datum: bytes) -> Any:
        """Return the object of a canonical form, or None for a row: its header is missing."""
        return super().parse_item(datum) if datum.startswith(b"{") else None

    def _lines(self, body: bytes, url: str, content_type: str) -> list[_Line]:
        text = io.StringIO(_decode(body, content_type), newline="")
        lines = list(dropwhile(lambda line: not line.strip(), text))
        try:
            rows = CsvRows(lines)
        except ValueError as error:
            raise MalformedResponse(self._malformed(url, body, str(error))) from error
        self._check_header(rows.header, url, body)
        found = list(rows)
        if found and not lines[-1].endswith(_LINE_BREAKS) and not _is_whole(found[-1]):
            message = (
                f"{url} answered with CSV that is cut off: its last row has no line break, and too few fields or no "
                f"closing quote, {describe_start(_bytes(lines[-1]))}. Try again. If the error persists, tell the "
                "operator of the source."
            )
            raise TruncatedResponse(message)
        ends = [rows.header_lines, *(row.lines for row in found)]
        return [
            _Line(row, "".join(lines[start:end]))
            for row, (start, end) in zip(found, pairwise(ends), strict=True)
        ]

    def _check_header(self, header: list[str], url: str, body: bytes) -> None:
        """Raise MalformedResponse if a header lacks the identifier: then it is a message, or `identifier` is wrong."""
        fields = dict.fromkeys(header, "")
        missing = [path for path in self.arguments.identifier if look_up(fields, path) is MISSING]
        if header and missing:
            problem = f"its header has no field {', '.join(missing)}. Check `identifier`"
            raise MalformedResponse(self._malformed(url, body, problem))

    def _malformed(self, url: str, body: bytes, problem: str) -> str:
        return (
            f"{url} answered with CSV that cannot be read, {describe_start(body)}: {problem}. If the config is right, "
            "the source answered with an error."
        )


def _item(line: _Line) -> dict[str, str] | InvalidItem:
    match line.row:
        case Row(value=dict() as value):
            return value
        case Row(fields=fields):
            return InvalidItem(f"a row with {len(fields)} fields, unlike the header", _bytes(line.text))
        case InvalidRow(reason=reason):
            return InvalidItem(f"a row that cannot be read: {reason}", _bytes(line.text))


def _is_whole(row: Row | InvalidRow) -> bool:
    return isinstance(row, Row) and row.value is not None


def _bytes(text: str) -> bytes:
    return text.strip("\r\n").encode("utf-8", "surrogateescape")


def _decode(body: bytes, content_type: str) -> str:
    """Return the text of a body: of UTF-8, or else of the charset in the Content-Type.

    Without either, a byte that is not UTF-8 becomes a lone surrogate, which makes its record invalid.
    """
    header = Message()
    header["Content-Type"] = content_type
    charset = header.get_content_charset() or "utf-8"
    for encoding in ("utf-8-sig", charset):
        with suppress(UnicodeError, LookupError):
            return body.decode(encoding)
    return body.decode("utf-8-sig", "surrogateescape")
