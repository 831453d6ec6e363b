"""The parser of files: it turns the records of a page into records with identifier, datestamp and blob.

The body of a page is a sequence of JSON values or XML elements, each after a record separator
(https://www.rfc-editor.org/rfc/rfc7464).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.files.arguments import FilesArguments
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.harvesters.formats.strict_json import canonical_json, parse_json
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.interface import Parser
from harvest_dagster.harvesters.oai.records import parse_record
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window

_SEPARATOR = b"\x1e"
_URL = "the record"  # in messages


def join_records(records: Iterable[bytes]) -> bytes:
    """Return the body of a page. A separator within a JSON text is escaped; XML cannot contain one."""
    return b"".join(_SEPARATOR + record.replace(_SEPARATOR, b"\\u001e") + b"\n" for record in records)


def split_records(body: bytes) -> list[bytes]:
    """Return the records of a page."""
    return [part.removesuffix(b"\n") for part in body.split(_SEPARATOR)[1:]]


class FilesParser(Parser):
    """Parses the pages of a FilesClient."""

    arguments: FilesArguments

    def __init__(self, arguments: FilesArguments, limits: ResponseLimits | None = None) -> None:
        super().__init__(arguments)
        self._limits = limits or ResponseLimits()

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        """Yield the records of the window in the order of the file, and those without a date."""
        for datum in split_records(page.body):
            found = self.single_record(datum, window)
            if isinstance(found, InvalidRecord) or is_kept(found.datestamp, window, page.widened_window):
                yield found

    def single_record(self, datum: bytes, window: Window) -> Record | InvalidRecord:  # noqa: ARG002
        """Parse the bytes of one record."""
        try:
            if self.arguments.format in ("xml", "oai"):
                return self._element(parse_xml(datum, url=_URL, content_type="text/xml", limits=self._limits))
            return self._value(
                datum, parse_json(datum, url=_URL, content_type="application/json", limits=self._limits)
            )
        except (SourceError, ValueError, RecursionError) as error:
            return InvalidRecord(datum, f"a record that cannot be read: {error}")

    def _element(self, element: etree._Element) -> Record | InvalidRecord:
        if self.arguments.format == "oai":
            return parse_record(element)
        identifier = _text_at(element, self.arguments.identifier)
        if not identifier:
            datum = etree.tostring(element, encoding="utf-8")
            return InvalidRecord(datum, f"a record without identifier at {self.arguments.identifier}")
        datestamp = lenient_instant(_text_at(element, self.arguments.datestamp))
        return Record(identifier, datestamp, False, canonical_xml(element))

    def _value(self, datum: bytes, value: Any) -> Record | InvalidRecord:
        if not isinstance(value, dict):
            return InvalidRecord(
                datum, "a record that is no object, or a row with too few or too many fields"
            )
        identifier = _value_at(value, self.arguments.identifier)
        if not identifier:
            return InvalidRecord(datum, f"a record without identifier at {self.arguments.identifier}")
        datestamp = lenient_instant(_value_at(value, self.arguments.datestamp))
        return Record(identifier, datestamp, False, canonical_json(value))


def _value_at(value: Any, path: str | None) -> str | None:
    """Return the text or number at a dotted path, without surrounding white space; None if there is none."""
    for name in (path or "").split(".") if path else ():
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict):
            value = value.get(name)
        else:
            return None
    return value.strip() if path and isinstance(value, str) else None  # a Number is a str


def _text_at(element: etree._Element, path: str | None) -> str | None:
    """Return the text at a path of local names, or the value of an attribute (`@name`); None if there is none."""
    current: etree._Element | None = element
    for name in (path or "").split("."):
        if current is None or not name:
            return None
        if name.startswith("@"):
            return (current.get(name[1:]) or "").strip() or None
        current = next((child for child in current if etree.QName(child).localname == name), None)
    return None if current is None else str(current.xpath("string()")).strip() or None
