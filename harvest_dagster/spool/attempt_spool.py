"""The pages and records of one fetch attempt. After a kill, each file is either complete or missing.

Nothing is synced to the disk. A sync took 17 ms for each page, forty times as long as writing it. After a power cut the
last files may be empty. That is detected when they are read: pages by `verify`, records by split.

A page and its manifest are one file: a skippable frame of zstd (RFC 8878, section 3.1.2) with the manifest as JSON,
then a frame with the body. So one write is the whole checkpoint, and `zstd -d` gives the body.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import msgspec
import zstandard

from harvest_dagster.errors import SpoolError
from harvest_dagster.records import Page
from harvest_dagster.spool.filesystem import LocalFiles, SpoolFiles
from harvest_dagster.spool.manifest import (
    FetchSummary,
    PageManifest,
    ParsedIndex,
    ParsedPage,
    SubWindow,
    fingerprints,
)
from harvest_dagster.spool.parsed_file import count_records, encode_page, read_pages

_COMPRESSION_LEVEL = 1  # of zstd: a quarter of the size, at 200,000 records per second
_SKIPPABLE = struct.Struct("<II")  # magic number and length of a skippable frame
_MAGIC = 0x184D2A50
_HEAD = 16 * 1024  # bytes in which nearly all manifests end: one of 500 identifiers has 7 kB
_NUMBERED = re.compile(r"([0-9]{6,9})\.zst", re.ASCII)
# Records of several pages share a file in an object store, because each request has a price. In a directory, a kill
# costs less work if each page has a file.
_MOST_BYTES_TOGETHER = 512 * 1024
_Json = TypeVar("_Json", FetchSummary, ParsedIndex)
_Result = TypeVar("_Result")


class AttemptSpool:
    """The pages and records of one fetch attempt. `Spool.attempt` creates it.

    Attributes:
        path: the name of its directory in the spool.
    """

    def __init__(self, files: SpoolFiles, path: str) -> None:
        self._files = files
        self.path = path

    @property
    def place(self) -> str:
        """Its directory, for messages."""
        return f"{self._files.place}/{self.path}"

    def write_page(
        self, number: int, page: Page, sub_window: SubWindow, confirm: Callable[[], None] = lambda: None
    ) -> PageManifest:
        """Write a page with its manifest, as one file. Return the manifest.

        Args:
            number: number of the page, from 0.
            page: the page as the harvester returns it.
            sub_window: the sub-window of the page.
            confirm: called before the file is written. If it raises, the page does not count as fetched.

        Raises:
            SpoolError: the page cannot be written (disk full, no permission).
            SpoolUnreachable: the object store cannot be reached now.
        """
        manifest = PageManifest(
            number,
            sub_window,
            replace(page, body=b"", identifiers=(), parsed=None),
            hashlib.sha256(page.body).hexdigest(),
            len(page.body),
            fingerprints(page.identifiers),
        )
        head = msgspec.json.format(msgspec.json.encode(manifest))
        body = zstandard.compress(page.body, _COMPRESSION_LEVEL)
        data = b"".join((_SKIPPABLE.pack(_MAGIC, len(head)), head, body))
        confirm()
        self._write(_page_name(number), data)
        return manifest

    def page_count(self) -> int:
        """Return the number of pages that are complete, without a gap from the first page on.

        Raises:
            SpoolUnreachable: the object store cannot be reached now.
        """
        # Somebody else's files are ignored: .DS_Store, a backup, an editor's copy.
        names = (name.rpartition("/")[2] for name in self._files.find(f"{self.path}/pages"))
        numbers = {int(found[1]) for name in names if (found := _NUMBERED.fullmatch(name))}
        return next(number for number in range(len(numbers) + 1) if number not in numbers)

    def read_manifest(self, number: int) -> PageManifest:
        """Return the manifest of a page.

        Raises:
            SpoolError: it cannot be read.
            SpoolUnreachable: the object store cannot be reached now.
        """
        if (manifest := self._find_manifest(number)) is None:
            raise self._damaged(_page_name(number), "it is missing")
        return manifest

    def manifests(self) -> Iterator[PageManifest]:
        """Yield the manifests of all complete pages, in order.

        Raises:
            SpoolError: one of them cannot be read.
            SpoolUnreachable: the object store cannot be reached now.
        """
        number = 0
        while (manifest := self._find_manifest(number)) is not None:
            yield manifest
            number += 1

    def require_fetched(self) -> FetchSummary:
        """Return the summary of the fetch step, after checking that every page is present.

        Raises:
            SpoolError: the fetch step has not ended, or pages are missing: cleared, pruned, or on another machine.
            SpoolUnreachable: the object store cannot be reached now.
        """
        summary = self.read_summary()
        if summary is None or self.page_count() != summary.pages:
            message = (
                f"pages are missing in the spool, {self.place}. Start a new run: it fetches the window again. "
                "If ops run on several machines, all of them must see the place that HARVEST_SPOOL names."
            )
            raise SpoolError(message)
        return summary

    def require_parsed(self) -> ParsedIndex:
        """Return the index of the parsed pages.

        Raises:
            SpoolError: not all pages are parsed.
            SpoolUnreachable: the object store cannot be reached now.
        """
        if (index := self._find_json("records/index.json", ParsedIndex)) is None:
            message = (
                f"parsed pages are missing in the spool, {self.place}. Start a new run: it parses them again."
            )
            raise SpoolError(message)
        return index

    def read_page(self, number: int) -> Page:
        """Return a page with its body, as it was received.

        Raises: see `read_with_body`.
        """
        return self.read_with_body(number).page

    def read_with_body(self, number: int) -> PageManifest:
        """Return the manifest of a page, with the body as it was received.

        Raises:
            SpoolError: the page is missing, or its body does not match the manifest.
            SpoolUnreachable: the object store cannot be reached now.
        """
        name = _page_name(number)
        if (data := self._find(name)) is None:
            raise self._damaged(name, "it is missing")
        if (end := _manifest_end(data)) is None:
            manifest, compressed = self._read_separate_manifest(number), data
        else:
            manifest, compressed = self._decode_manifest(name, data[_SKIPPABLE.size : end]), data[end:]
        try:
            body = zstandard.decompress(compressed)
        except zstandard.ZstdError as error:
            raise self._damaged(name, error) from error
        if hashlib.sha256(body).hexdigest() != manifest.digest:
            raise self._damaged(name, "its digest differs from the manifest")
        return replace(manifest, page=replace(manifest.page, body=body))

    def verify(self) -> None:
        """Compare every page with its manifest.

        Raises:
            SpoolError: a page does not match its manifest, or the manifest cannot be read.
            SpoolUnreachable: the object store cannot be reached now.
        """
        for number in range(self.page_count()):
            self.read_with_body(number)

    @property
    def most_bytes_together(self) -> int:
        """The size at which a file of parsed pages is written; 0 if each page has a file of its own."""
        return 0 if isinstance(self._files, LocalFiles) else _MOST_BYTES_TOGETHER

    def write_parsed_file(self, first: int, data: bytes) -> None:
        """Write a file of parsed pages. `ParsedPageWriter` calls this.

        Args:
            first: the number of its first page.
            data: the encoded pages.

        Raises:
            SpoolError: it cannot be written.
            SpoolUnreachable: the object store cannot be reached now.
        """
        self._write(_parsed_name(first), data)

    def write_parsed_page(self, number: int, page: ParsedPage) -> None:
        """Write the records of a page to a file of their own.

        Raises: see `write_parsed_file`.
        """
        self.write_parsed_file(number, encode_page(page))

    def write_parsed_index(self, index: ParsedIndex) -> None:
        """Record that all pages are parsed.

        Raises: see `write_parsed_file`.
        """
        self._write("records/index.json", msgspec.json.encode(index))

    def find_parsed_pages(self, first: int) -> list[ParsedPage] | None:
        """Return the pages of the file that begins with a page; None if it is missing or damaged.

        Raises:
            SpoolUnreachable: the object store cannot be reached now.
        """
        try:
            return self.read_parsed_pages(first)
        except SpoolError:
            return None

    def count_parsed_pages(self, first: int) -> list[tuple[int, int]] | None:
        """Return how many valid and invalid records each page of a file has; None if it is missing or damaged.

        Raises:
            SpoolUnreachable: the object store cannot be reached now.
        """
        if (data := self._find(_parsed_name(first))) is None:
            return None
        try:
            return count_records(data)
        except ValueError:
            return None

    def read_parsed_pages(self, first: int) -> list[ParsedPage]:
        """Return the pages of the file that begins with a page: at least one.

        Raises:
            SpoolError: the file is missing, or a bit of it has changed.
            SpoolUnreachable: the object store cannot be reached now.
        """
        name = _parsed_name(first)
        if (data := self._find(name)) is None:
            raise self._damaged(name, "it is missing")
        try:
            return read_pages(data)
        except ValueError as error:
            raise self._damaged(name, error) from error

    def write_summary(self, summary: FetchSummary) -> None:
        """Record that the fetch step has ended.

        Raises:
            SpoolError: it cannot be written.
            SpoolUnreachable: the object store cannot be reached now.
        """
        self._write("end.json", msgspec.json.encode(summary))

    def read_summary(self) -> FetchSummary | None:
        """Return the summary of the fetch step, or None if it has not ended.

        Raises:
            SpoolError: it cannot be read.
            SpoolUnreachable: the object store cannot be reached now.
        """
        return self._find_json("end.json", FetchSummary)

    def write_result(self, name: str, result: object) -> None:
        """Write what a step leaves for a later step: a dataclass, as JSON.

        Raises:
            SpoolError: it cannot be written.
            SpoolUnreachable: the object store cannot be reached now.
        """
        # The checksum detects each changed bit.
        compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True)
        self._write(f"{name}.zst", compressor.compress(msgspec.json.encode(result)))

    def find_result(self, name: str, kind: type[_Result]) -> _Result | None:
        """Return what a step has left; None if that is missing or damaged.

        Raises:
            SpoolUnreachable: the object store cannot be reached now.
        """
        if (data := self._find(f"{name}.zst")) is None:
            return None
        try:
            return msgspec.json.decode(zstandard.decompress(data), type=kind)
        except (msgspec.DecodeError, zstandard.ZstdError):
            return None

    def _find_manifest(self, number: int) -> PageManifest | None:
        name = _page_name(number)
        if (data := self._find(name, _HEAD)) is None:
            return None
        if (end := _manifest_end(data)) is None:
            return self._read_separate_manifest(number)
        if end > len(data):
            data = self._find(name) or b""
        return self._decode_manifest(name, data[_SKIPPABLE.size : end])

    def _read_separate_manifest(self, number: int) -> PageManifest:
        """Return the manifest of a page of an earlier version, which wrote it to a file of its own."""
        data = self._find(f"pages/{number:06}.json")
        if data is None:
            raise self._damaged(_page_name(number), "it has no manifest")
        return self._decode_manifest(f"pages/{number:06}.json", data)

    def _decode_manifest(self, name: str, data: bytes) -> PageManifest:
        try:
            return msgspec.json.decode(data, type=PageManifest)
        except msgspec.DecodeError as error:
            raise self._damaged(name, error) from error

    def _find_json(self, name: str, kind: type[_Json]) -> _Json | None:
        if (data := self._find(name)) is None:
            return None
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as error:
            raise self._damaged(name, error) from error

    def _write(self, name: str, data: bytes) -> None:
        self._files.write(f"{self.path}/{name}", data)

    def _find(self, name: str, length: int | None = None) -> bytes | None:
        try:
            return self._files.read(f"{self.path}/{name}", length)
        except FileNotFoundError:
            return None

    def _damaged(self, name: str, reason: object) -> SpoolError:
        return SpoolError(
            f"the spooled file {self.place}/{name} is damaged: {reason}. "
            "Start a new run: it fetches the window again."
        )


def _manifest_end(data: bytes) -> int | None:
    """Return where the body of a page begins; None if the file has no manifest."""
    if len(data) < _SKIPPABLE.size:
        return None
    magic, length = _SKIPPABLE.unpack_from(data)
    return _SKIPPABLE.size + length if magic == _MAGIC else None


def _page_name(number: int) -> str:
    return f"pages/{number:06}.zst"


def _parsed_name(first: int) -> str:
    return f"records/{first:06}.zst"
