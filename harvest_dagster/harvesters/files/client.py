"""The client of files: it reads the files one after the other, and divides their records into pages."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice

from harvest_dagster.errors import CursorRefused, MalformedResponse
from harvest_dagster.harvesters.files.arguments import HTTP, FilesArguments, protocol_of
from harvest_dagster.harvesters.files.compression import open_streams
from harvest_dagster.harvesters.files.locations import FileStore, FileVersion
from harvest_dagster.harvesters.files.parser import FilesParser, join_records
from harvest_dagster.harvesters.files.readers import READERS, reading
from harvest_dagster.harvesters.interface import Session
from harvest_dagster.harvesters.undivided import UndividedClient
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, Request
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import ALL_TIME, Window, utc_now


@dataclass(frozen=True)
class _Position:
    """A position in the files, which is the token of a cursor.

    Attributes:
        name: the name of the file.
        version: its version when the page before was read.
        record: number of records before the position, in this file.
        total: number of records before the position, in all files.
    """

    name: str
    version: str
    record: int
    total: int

    @property
    def cursor(self) -> Cursor:
        return Cursor(json.dumps(asdict(self), separators=(",", ":")))


class FilesClient(UndividedClient):
    """Reads the files that a path names."""

    arguments: FilesArguments

    def __init__(
        self, arguments: FilesArguments, session: Session, limits: ResponseLimits | None = None
    ) -> None:
        super().__init__(arguments, session)
        self._limits = limits or ResponseLimits()
        self._store = FileStore(arguments, session)
        self._parser = FilesParser(arguments, self._limits)

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield pages of records, file by file. A page has records of one file.

        The end of the last file is the end of the list, so the last page has the number of all records as its total,
        except over HTTP.

        Raises:
            MisconfiguredPath: there is no such file.
            CursorRefused: a file has changed since its first records were read (`changed`).
            SourceError: a file is cut off or cannot be read. The pages yielded before are complete.
        """
        with self._store.find() as files:
            yield from self._pages(files, window, cursor)

    def _pages(self, files: list[FileVersion], window: Window, cursor: Cursor | None) -> Iterator[Page]:
        newest = max((file.changed for file in files if file.changed is not None), default=None)
        total, pending = 0, None
        for file, skipped, before in self._remaining(files, cursor):
            total = before if before is not None else total
            for page in self._file_pages(file, window, skipped, total):
                if pending is not None:
                    yield replace(pending, next=page.cursor)
                total += page.count
                pending = replace(page, source_time=newest)
        if pending is None:
            pending = replace(self._page(files[-1], [], window, cursor or Cursor()), source_time=newest)
        # A server may cut what it sends, so the end of a response proves nothing.
        yield replace(pending, total=None if protocol_of(self.arguments.path) in HTTP else total)

    def _remaining(
        self, files: list[FileVersion], cursor: Cursor | None
    ) -> Iterator[tuple[FileVersion, int, int | None]]:
        """Yield the files from a cursor on, with the number of records to skip, and of those before the position."""
        if cursor is None or cursor.token is None:
            yield from ((file, 0, None) for file in files)
            return
        position = _Position(**json.loads(cursor.token))
        index = next((number for number, file in enumerate(files) if _is_at(file, position)), None)
        if index is None:
            raise _changed(position.name)
        yield files[index], position.record, position.total
        yield from ((file, 0, None) for file in files[index + 1 :])

    def _file_pages(self, file: FileVersion, window: Window, skipped: int, total: int) -> Iterator[Page]:
        """Yield the pages of one file.

        Raises:
            CursorRefused: the file has changed since it was opened. Its last page is then not yielded.
            MalformedResponse: none of its records is valid.
        """
        number, has_valid = skipped, skipped > 0
        with self._store.open(file) as stream:
            records = self._records(file, stream)
            for _ in islice(records, skipped):
                pass
            batch = self._batch(records)
            while batch:
                following = self._batch(records)
                if not following and not self._store.is_unchanged(file):
                    raise _changed(file.name)
                position = _Position(file.name, file.version, number, total + number - skipped)
                cursor = Cursor() if position.total == 0 else position.cursor
                page = self._page(file, batch, window, cursor)
                has_valid = has_valid or bool(page.identifiers)
                if not following and not has_valid:
                    raise self._no_valid_record(file, batch, window)
                yield page
                number, batch = number + len(batch), following

    def _no_valid_record(self, file: FileVersion, batch: list[bytes], window: Window) -> MalformedResponse:
        """Return the error of a file without a valid record: it has another format, or a path in it is wrong."""
        invalid = self._parser.single_record(batch[0], window)
        reason = f" ({invalid.error})" if isinstance(invalid, InvalidRecord) else ""
        return MalformedResponse(
            f"{file.name}: none of its records is valid{reason}. Check `format` and `identifier`, or whether it is the "
            "right file."
        )

    def _records(self, file: FileVersion, stream: io.BufferedReader) -> Iterator[bytes]:
        read = READERS[self.arguments.format]
        with reading(file.name):
            for inner in open_streams(stream):
                records = read(inner, self.arguments, self._limits.response_bytes)
                yield from records if file.mask is None else map(file.mask, records)

    def _batch(self, records: Iterator[bytes]) -> list[bytes]:
        return list(islice(records, self.arguments.page_size))

    def _page(
        self,
        file: FileVersion,
        batch: list[bytes],
        window: Window,
        cursor: Cursor,
    ) -> Page:
        parsed: list[Record | InvalidRecord] = [self._parser.single_record(datum, window) for datum in batch]
        dates = [record.datestamp for record in parsed if isinstance(record, Record)]
        return Page(
            body=join_records(batch),
            request=Request(file.name, method="READ"),
            status=200,
            received=utc_now(),
            cursor=cursor,
            next=None,
            count=len(batch),
            identifiers=tuple(record.identifier for record in parsed if record.identifier),
            overlap=ALL_TIME,
            neighbours=sum(not is_kept(date, window, ALL_TIME) for date in dates),
        )


def _is_at(file: FileVersion, position: _Position) -> bool:
    return (file.name, file.version) == (position.name, position.version) and file.version != ""


def _changed(name: str) -> CursorRefused:
    message = (
        f"{name} may have changed since its first records were read, so its list must be read again from the start. "
        "If this repeats, let the writer finish, or write new files under new names."
    )
    return CursorRefused(message, code="changed")
