"""Sort the headers of a whole source in bounded memory: an external merge sort.

Headers are collected up to `run_length`, sorted, and written to a temporary file. At the end, the files are merged. Ten
million headers take about 100 files and far below 300 MB of memory.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec
import zstandard

from harvest_dagster import private_files
from harvest_dagster.records import RecordHeader
from harvest_dagster.texts import is_storable

_RUN_LENGTH = 100_000  # headers in memory; about 25 MB
_BLOCK_LENGTH = 500  # headers that are read at once from each file
_MOST_RUNS = 100  # open files; more are merged into one first
_LENGTH_BYTES = 4
_COMPRESSION_LEVEL = 1  # identifiers of a source have much in common: a tenth of the size
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=timezone.utc), timedelta(microseconds=1)
_NO_DATESTAMP = -(2**62)  # before all others; tuples with None cannot be compared

# identifier, microseconds since 1970, deleted, sets. A tuple needs half of the memory of a RecordHeader.
_Row = tuple[str, int, bool, tuple[str, ...]]
_ROWS = msgspec.msgpack.Decoder(list[_Row])


class HeaderSort:
    """Collects headers in any order, and returns them sorted by identifier. Use it in a `with` statement.

    The temporary files can be read only by their owner. They are deleted at the end.
    """

    def __init__(self, run_length: int = _RUN_LENGTH, most_runs: int = _MOST_RUNS) -> None:
        self._run_length, self._most_runs = run_length, most_runs
        self._rows: list[_Row] = []
        self._runs: list[Path] = []
        self._written = 0
        self._resources = ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> HeaderSort:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows, self._runs = [], []
        self._resources.close()

    def add(self, headers: Iterable[RecordHeader]) -> None:
        """Add headers, for example those of one page.

        A header is left out if its identifier is one that no database stores: it cannot be a stored record.
        """
        for header in headers:
            if not is_storable(header.identifier):
                continue
            self._rows.append(_to_row(header))
            if len(self._rows) >= self._run_length:
                self._write_run()

    def merged(self) -> Iterator[RecordHeader]:
        """Yield all headers by identifier, in the order of code points. Repetitions are yielded, too."""
        self._rows.sort()
        with ExitStack() as files:
            for row in heapq.merge(*(_read(path, files) for path in self._runs), self._rows):
                yield _to_header(row)

    def _write_run(self) -> None:
        self._rows.sort()
        self._write(self._rows)
        self._rows = []
        if len(self._runs) >= self._most_runs:
            self._merge_runs()

    def _merge_runs(self) -> None:
        merged, self._runs = self._runs, []
        with ExitStack() as files:
            self._write(heapq.merge(*(_read(path, files) for path in merged)))
        for path in merged:
            path.unlink()

    def _write(self, rows: Iterable[_Row]) -> None:
        if self._folder is None:
            # TemporaryDirectory creates it with the permissions 0700.
            name = self._resources.enter_context(tempfile.TemporaryDirectory(prefix="harvest-headers-"))
            self._folder = Path(name)
        path = self._folder / f"{self._written:06}"
        self._written += 1
        private_files.create_file(path)
        with path.open("r+b") as file:
            _write_blocks(file, rows)
        self._runs.append(path)


def _to_row(header: RecordHeader) -> _Row:
    stamp = _NO_DATESTAMP if header.datestamp is None else (header.datestamp - _EPOCH) // _MICROSECOND
    return header.identifier, stamp, header.deleted, header.sets


def _to_header(row: _Row) -> RecordHeader:
    identifier, stamp, deleted, sets = row
    datestamp = None if stamp == _NO_DATESTAMP else _EPOCH + timedelta(microseconds=stamp)
    return RecordHeader(identifier, datestamp, deleted, sets)


def _write_blocks(file: BinaryIO, rows: Iterable[_Row]) -> None:
    compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL)
    block: list[_Row] = []

    def flush() -> None:
        data = compressor.compress(msgspec.msgpack.encode(block))
        file.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        block.clear()

    for row in rows:
        block.append(row)
        if len(block) >= _BLOCK_LENGTH:
            flush()
    if block:
        flush()


def _read(path: Path, files: ExitStack) -> Iterator[_Row]:
    file = files.enter_context(closing(path.open("rb")))

    def rows() -> Iterator[_Row]:
        decompressor = zstandard.ZstdDecompressor()
        while length := file.read(_LENGTH_BYTES):
            yield from _ROWS.decode(decompressor.decompress(file.read(int.from_bytes(length, "big"))))

    return rows()
