"""Rows of CSV with a header (RFC 4180), each as an object whose keys are the names in the header."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LONGEST_FIELD = 2**31 - 1


@dataclass(frozen=True)
class Row:
    """A row.

    Attributes:
        fields: its texts.
        value: its fields by the names in the header; None if it has too few or too many of them.
        lines: number of lines up to its end, the header included. A quoted field may have several.
    """

    fields: list[str]
    value: dict[str, str] | None
    lines: int


@dataclass(frozen=True)
class InvalidRow:
    """A row whose quotes are wrong.

    Attributes:
        reason: what the parser reports.
        lines: number of lines up to its end, the header included.
    """

    reason: str
    lines: int


class CsvRows:
    """Reads the rows of a text.

    Attributes:
        header: the names of the fields; empty if the text is empty.
        header_lines: number of lines of the header.

    Args:
        lines: the lines with their line breaks, as a text file opened with `newline=""` yields them.
        delimiter: the character between the fields.
        longest: the maximum number of characters of a field.

    Raises:
        ValueError: two fields of the header have the same name, or its quotes are wrong.
    """

    def __init__(self, lines: Iterable[str], *, delimiter: str = ",", longest: int = _LONGEST_FIELD) -> None:
        csv.field_size_limit(min(longest, _LONGEST_FIELD))
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            self.header = next(self._reader, [])
        except csv.Error as error:
            raise ValueError(f"its header cannot be read: {error}") from error
        self.header_lines = self._reader.line_num
        if len(set(self.header)) < len(self.header):
            raise ValueError("two fields of its header have the same name")

    def __iter__(self) -> Iterator[Row | InvalidRow]:
        """Yield the rows that are not empty."""
        while True:
            try:
                fields = next(self._reader, None)
            except csv.Error as error:
                yield InvalidRow(str(error), self._reader.line_num)
                continue
            if fields is None:
                return
            if fields:
                is_whole = len(fields) == len(self.header)
                value = dict(zip(self.header, fields, strict=True)) if is_whole else None
                yield Row(fields, value, self._reader.line_num)
