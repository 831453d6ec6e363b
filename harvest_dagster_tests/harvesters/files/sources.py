"""A client of files together with the parser of its pages."""

from __future__ import annotations

from typing import Any, cast

from harvest_dagster.harvesters.files.arguments import FilesArguments
from harvest_dagster.harvesters.files.client import FilesClient
from harvest_dagster.harvesters.files.parser import FilesParser
from harvest_dagster.harvesters.interface import Session
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window, parse_instant

MARCH = Window(parse_instant("2024-03-01"), parse_instant("2024-04-01"))


class FilesSource(FilesClient):
    """A client with the parser of its pages."""

    def read(
        self, asked: Window = MARCH, cursor: Cursor | None = None
    ) -> tuple[list[Page], list[Record | InvalidRecord]]:
        """Return the pages and the records of a window."""
        pages, parser = list(self.pages(asked, cursor)), FilesParser(self.arguments)
        return pages, [found for page in pages for found in parser.records(page, asked)]

    def identifiers(self, asked: Window = MARCH) -> list[str | None]:
        return [record.identifier for record in self.read(asked)[1]]


def files(
    path: object, session: object = None, limits: ResponseLimits | None = None, **arguments: Any
) -> FilesSource:
    kwargs = {"path": str(path), "format": "jsonl", "identifier": "id", "datestamp": "date", **arguments}
    return FilesSource(FilesArguments.model_validate(kwargs), cast("Session", session), limits)


def lines(count: int, first: int = 0) -> bytes:
    """Return JSON Lines with records of March 2024."""
    rows = (
        f'{{"id": {number}, "date": "2024-03-{1 + number % 31:02}"}}'
        for number in range(first, first + count)
    )
    return "".join(f"{row}\n" for row in rows).encode()
