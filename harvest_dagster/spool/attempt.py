"""The pages and records of one attempt at a window, each whole or not there when the process is killed.

Nothing is synced to the disk: that took 17 ms for each page, forty times what writing it takes. After a power cut
the last files may be empty, which is found when they are read: pages by `verify`, records by split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import zstandard
from fsspec.implementations.local import LocalFileSystem

from harvest_dagster.errors import SpoolError
from harvest_dagster.records import Page
from harvest_dagster.spool.files import names
from harvest_dagster.spool.manifest import End, Entry, Stretch, Taken, fingerprints

_FAST = 1  # zstd's level: a quarter of the size at 200,000 records a second
_Noted = TypeVar("_Noted", Entry, End)


def _nothing() -> None:
    """No objection."""


class AttemptSpool:
    """The pages and records of one attempt at a window; made by `Spool.attempt`."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs = fs
        self.path = path

    def write_page(
        self, number: int, page: Page, stretch: Stretch, confirm: Callable[[], None] = _nothing
    ) -> Entry:
        """Keep a page as it came, then its entry of the manifest.

        Args:
            number: its place, from 0.
            page: as the harvester gives it.
            stretch: which it belongs to.
            confirm: called before the entry is written; what it raises keeps the page from counting.

        Raises:
            SpoolError: it cannot be written (disk full, no permission).
        """
        entry = Entry(
            number,
            stretch,
            replace(page, body=b"", identifiers=()),
            hashlib.sha256(page.body).hexdigest(),
            len(page.body),
            fingerprints(page.identifiers),
        )
        self._put(f"pages/{number:06}.zst", zstandard.compress(page.body, _FAST))
        confirm()
        self._put(f"pages/{number:06}.json", msgspec.json.format(msgspec.json.encode(entry)))
        return entry

    def page_count(self) -> int:
        """How many pages are whole, from the first on."""
        return self._count("pages", ".json")

    def entry(self, number: int) -> Entry:
        """A page's entry of the manifest.

        Raises:
            SpoolError: it cannot be read.
        """
        return self._decode(f"pages/{number:06}.json", Entry)

    def entries(self) -> Iterator[Entry]:
        """The manifest, in order."""
        return (self.entry(number) for number in range(self.page_count()))

    def whole(self) -> End:
        """What all of the window gave, where every page is there.

        Raises:
            SpoolError: it has not ended, or pages are missing: cleared, pruned, or on another machine.
        """
        end = self.end()
        if end is None or self.page_count() != end.pages:
            message = (
                f"pages are missing in the spool, {self.path}. Start a new run: it fetches the window anew. "
                "If ops run on several machines, HARVEST_SPOOL must be a place that all of them see."
            )
            raise SpoolError(message)
        return end

    def whole_split(self) -> End:
        """The same, where every page is split, too.

        Raises:
            SpoolError: it is not whole, or not all of it is split.
        """
        end = self.whole()
        if self.split_count() != end.pages:
            message = (
                f"split pages are missing in the spool, {self.path}. Start a new run: it splits them anew."
            )
            raise SpoolError(message)
        return end

    def read_page(self, number: int) -> Page:
        """A page as it came.

        Raises:
            SpoolError: it is not what its entry says.
        """
        return self.read(number).page

    def read(self, number: int) -> Entry:
        """A page's entry, with the body as it came.

        Raises:
            SpoolError: it is not what its entry says.
        """
        entry = self.entry(number)
        name = f"pages/{number:06}.zst"
        body = self._decompress(name)
        if hashlib.sha256(body).hexdigest() != entry.digest:
            raise SpoolError(self._damaged(name, "its digest is another"))
        return replace(entry, page=replace(entry.page, body=body))

    def write_records(self, number: int, taken: Taken) -> None:
        """Keep what split made of a page."""
        self._put(f"records/{number:06}.zst", zstandard.compress(msgspec.msgpack.encode(taken), _FAST))

    def verify(self) -> None:
        """Read every page, and compare it with its entry.

        Raises:
            SpoolError: one is not what its entry says, or the entry cannot be read.
        """
        for number in range(self.page_count()):
            self.read(number)

    def split_count(self) -> int:
        """How many pages are split, from the first on."""
        return self._count("records", ".zst")

    def read_records(self, number: int) -> Taken:
        """What split made of a page.

        Raises:
            SpoolError: it cannot be read.
        """
        name = f"records/{number:06}.zst"
        try:
            return msgspec.msgpack.decode(self._decompress(name), type=Taken)
        except msgspec.DecodeError as error:
            raise SpoolError(self._damaged(name, error)) from error

    def write_end(self, end: End) -> None:
        """Note that all of the window was asked for."""
        self._put("end.json", msgspec.json.encode(end))

    def end(self) -> End | None:
        """What all of the window gave; None while it is not all there.

        Raises:
            SpoolError: it cannot be read.
        """
        if not self._fs.exists(f"{self.path}/end.json"):
            return None
        return self._decode("end.json", End)

    def _put(self, name: str, data: bytes) -> None:
        path = f"{self.path}/{name}"
        try:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            if isinstance(self._fs, LocalFileSystem):
                # Killed while it writes, it leaves a .part and no half file. A bucket's put is whole or nothing.
                self._fs.pipe_file(f"{path}.part", data)
                Path(f"{path}.part").replace(path)
            else:
                self._fs.pipe_file(path, data)
        except Exception as error:  # a bucket's client has errors of its own
            message = f"the spool cannot be written: {path}: {error}. Make room there, or set HARVEST_SPOOL."
            raise SpoolError(message) from error

    def _get(self, name: str) -> bytes:
        try:
            return bytes(self._fs.cat_file(f"{self.path}/{name}"))
        except Exception as error:  # a bucket's client has errors of its own
            raise SpoolError(self._damaged(name, error)) from error

    def _decode(self, name: str, kind: type[_Noted]) -> _Noted:
        try:
            return msgspec.json.decode(self._get(name), type=kind)
        except msgspec.DecodeError as error:
            raise SpoolError(self._damaged(name, error)) from error

    def _decompress(self, name: str) -> bytes:
        try:
            return zstandard.decompress(self._get(name))
        except zstandard.ZstdError as error:
            raise SpoolError(self._damaged(name, error)) from error

    def _count(self, directory: str, suffix: str) -> int:
        numbers = {
            int(name.rpartition("/")[2].removesuffix(suffix))
            for name in names(self._fs, f"{self.path}/{directory}")
            if name.endswith(suffix)
        }
        return next(number for number in range(len(numbers) + 1) if number not in numbers)

    def _damaged(self, name: str, why: object) -> str:
        return (
            f"the spooled file {self.path}/{name} is damaged: {why}. "
            "Start a new run: it fetches the window anew."
        )
