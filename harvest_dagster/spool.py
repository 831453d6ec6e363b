"""Where pages wait between ops: a folder, or a bucket through fsspec.

For each attempt at a window a directory: `pages/` as they came, compressed, each with its entry of the
manifest; `records/`, what split made of them; `end.json` once the source said that the list ends. The manifest
is the checkpoint: a page counts as fetched when its entry stands, which is written after the page.

Everything in here can be thrown away: it is then fetched again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

import fsspec
import msgspec
import zstandard
from fsspec.implementations.local import LocalFileSystem

from harvest_dagster.errors import BadInput, SpoolError
from harvest_dagster.records import Page, Record, Unreadable

_FAST = 1  # zstd's level: a quarter of the size at 200,000 records a second


@dataclass(frozen=True)
class Entry:
    """A page in the manifest.

    Attributes:
        number: its place in the list, from 0.
        page: what the source said of it; the body is left empty.
        digest: SHA-256 of the body as it came, hexadecimal.
        size: of the body, in bytes.
    """

    number: int
    page: Page
    digest: str
    size: int


@dataclass(frozen=True)
class Taken:
    """What split made of a page."""

    records: list[Record]
    unreadable: list[Unreadable]


@dataclass(frozen=True)
class Tally:
    """What one list of the source gave.

    Attributes:
        records: so many, those that cannot be read included.
        total: the source's own, None where it gives none.
    """

    records: int = 0
    total: int | None = None

    @property
    def falls_short(self) -> bool:
        """Whether the source announced more."""
        return self.total is not None and self.records < self.total

    def add(self, page: Page) -> Tally:
        """With one more page; the first total that the source gives counts."""
        return Tally(self.records + page.count, page.total if self.total is None else self.total)


@dataclass(frozen=True)
class End:
    """The source said that its lists end, or the limit was reached.

    Attributes:
        pages: of all lists.
        lists: what each gave; a harvester that walks several (one for each set) has several.
    """

    pages: int
    lists: list[Tally]


_Noted = TypeVar("_Noted", Entry, End)


def _nothing() -> None:
    """No objection."""


class Spool:
    """The spool of a deployment.

    Args:
        url: a directory or an fsspec URL such as `s3://bucket/spool`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        # A listing that is remembered would hide what another process wrote.
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            message = f"HARVEST_SPOOL is no place that fsspec can use: {error}. Set it to a directory or an fsspec URL."
            raise BadInput(message) from error

    def attempt(self, *names: str) -> AttemptSpool:
        """The directory of one attempt at a window."""
        return AttemptSpool(self._fs, "/".join((self._root.rstrip("/"), *names)))

    def clear(self, *names: str) -> None:
        """Throw away a directory and all below it."""
        _remove(self._fs, "/".join((self._root.rstrip("/"), *names)))

    def folders(self, *names: str) -> list[str]:
        """The names of the directories in a directory; none where there is none."""
        found = _folders(self._fs, "/".join((self._root.rstrip("/"), *names)))
        return [path.rstrip("/").rpartition("/")[2] for path in found]

    def prune(self, label: str, *, now: datetime, older_than: timedelta) -> list[str]:
        """Throw away the attempts of a source to which nothing was added for so long; returns them."""
        old = [
            directory
            for window in _folders(self._fs, f"{self._root.rstrip('/')}/{label}")
            for directory in _folders(self._fs, window)
            if (newest := _newest(self._fs, directory)) is None or now - newest > older_than
        ]
        for directory in old:
            _remove(self._fs, directory)
        return old


class AttemptSpool:
    """The pages and records of one attempt at a window; made by `Spool.attempt`."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs = fs
        self.path = path

    def write_page(self, number: int, page: Page, confirm: Callable[[], None] = _nothing) -> Entry:
        """Keep a page as it came, then its entry of the manifest.

        Args:
            number: its place, from 0.
            page: as the harvester gives it.
            confirm: called before the entry is written; what it raises keeps the page from counting.

        Raises:
            SpoolError: it cannot be written (disk full, no permission).
        """
        entry = Entry(number, replace(page, body=b""), hashlib.sha256(page.body).hexdigest(), len(page.body))
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
        """The end of the list, where every page is there.

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
        entry = self.entry(number)
        name = f"pages/{number:06}.zst"
        body = self._decompress(name)
        if hashlib.sha256(body).hexdigest() != entry.digest:
            raise SpoolError(self._damaged(name, "its digest is another"))
        return replace(entry.page, body=body)

    def write_records(self, number: int, taken: Taken) -> None:
        """Keep what split made of a page."""
        self._put(f"records/{number:06}.zst", zstandard.compress(msgspec.msgpack.encode(taken), _FAST))

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
        """Note that the list is whole."""
        self._put("end.json", msgspec.json.encode(end))

    def end(self) -> End | None:
        """Whether and where the list ended; None while it is not whole.

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
            for name in _names(self._fs, f"{self.path}/{directory}")
            if name.endswith(suffix)
        }
        return next(number for number in range(len(numbers) + 1) if number not in numbers)

    def _damaged(self, name: str, why: object) -> str:
        return (
            f"the spooled file {self.path}/{name} is damaged: {why}. "
            "Remove its directory and run again: the window is then fetched anew."
        )


def default_url(environ: Mapping[str, str], working_directory: Path) -> str:
    """`HARVEST_SPOOL`, else `spool/` beside the default place of the SQLite file."""
    if url := environ.get("HARVEST_SPOOL"):
        return url
    home = environ.get("DAGSTER_HOME")
    return str((Path(home) if home else working_directory / ".dagster") / "spool")


def _names(fs: Any, path: str) -> Sequence[str]:
    try:
        return [str(name) for name in fs.ls(path, detail=False)]
    except FileNotFoundError:
        return []


def _folders(fs: Any, path: str) -> list[str]:
    return [name for name in _names(fs, path) if fs.isdir(name)]


def _newest(fs: Any, directory: str) -> datetime | None:
    times = [fs.modified(name) for name in fs.find(directory)]
    return max((time.replace(tzinfo=time.tzinfo or timezone.utc) for time in times), default=None)


def _remove(fs: Any, path: str) -> None:
    if fs.exists(path):
        fs.rm(path, recursive=True)
    if isinstance(fs, LocalFileSystem):
        with suppress(OSError):  # it holds other attempts, or is not there
            Path(path).parent.rmdir()
