"""The files of a spool: in a directory, or in an object store or another file system of fsspec.

Names are relative to the root of the spool, with `/` between their parts. After a kill, each file is either complete or
missing. Each method that accesses an object store sends as few requests as it can, because stores are billed and
limited by requests: a read and a write send one, and a listing sends one for each thousand files. fsspec alone sends a
HEAD before each GET, and makes the bucket of a file that it writes.

Errors have three kinds, which `spool.store_errors` decides: the store is away for some time (SpoolUnreachable), a
person must correct something (SpoolError), or there is no such file (FileNotFoundError).
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Protocol

import fsspec
from fsspec.implementations.local import LocalFileSystem

from harvest_dagster import private_files
from harvest_dagster.errors import BadInput, SpoolError, SpoolUnreachable
from harvest_dagster.private_files import find_file_in_place_of
from harvest_dagster.spool import store_errors

_PROBE = ".access-"
# Their clients list all files below a prefix with one request, and have no directories.
_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs"})


class SpoolFiles(Protocol):
    """The files of a spool."""

    @property
    def place(self) -> str:
        """The root, for messages; without credentials."""

    def verify_access(self) -> None:
        """Raise if the spool cannot be used. In a directory, nothing is created.

        Raises:
            BadInput: a file is in place of the directory, or a person must correct something.
            SpoolUnreachable: the object store cannot be reached now.
        """

    def read(self, name: str, length: int | None = None) -> bytes:
        """Return the content of a file, or its first bytes.

        Raises:
            FileNotFoundError: there is no such file.
            SpoolError: it cannot be read.
            SpoolUnreachable: the object store cannot be reached now.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write a file as a whole, or replace it.

        Raises:
            SpoolError: it cannot be written.
            SpoolUnreachable: the object store cannot be reached now.
        """

    def find(self, folder: str) -> dict[str, datetime]:
        """Return the names of all files below a folder, and when each was written.

        Raises: see `read`.
        """

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, sorted, without the part before them. None if it is missing.

        Raises: see `read`.
        """

    def remove(self, folder: str) -> None:
        """Delete a folder with everything below it, and its parent if that is then empty. It may be missing.

        Raises: see `write`.
        """


def open_files(url: str) -> SpoolFiles:
    """Return the files at a directory or an fsspec URL. No request is sent.

    Raises:
        BadInput: fsspec cannot use the URL.
    """
    try:
        # A cached listing would hide the files of other processes.
        fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except (ValueError, ImportError) as error:
        message = (
            f"fsspec cannot use the value of HARVEST_SPOOL: {error}. Set it to a directory or an fsspec URL."
        )
        raise BadInput(message) from error
    if isinstance(fs, LocalFileSystem):
        return LocalFiles(Path(root))
    return StoredFiles(fs, root.rstrip("/"), _place(url))


class LocalFiles:
    """The files of a spool in a directory. Nothing is synced to the disk (see `spool.attempt_spool`)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def place(self) -> str:
        """The path of the directory."""
        return str(self._root)

    def verify_access(self) -> None:
        """Raise BadInput if a file is in place of the directory, or of one above it."""
        if (file := find_file_in_place_of(self._root)) is not None:
            message = (
                f"the spool cannot be the directory {self._root}: {file} is a file. Move that file away, or set "
                "HARVEST_SPOOL to a directory or an fsspec URL."
            )
            raise BadInput(message)

    def read(self, name: str, length: int | None = None) -> bytes:
        """Return the content of a file, or its first bytes."""
        try:
            with (self._root / name).open("rb") as file:
                return file.read(-1 if length is None else length)
        except NotADirectoryError as error:
            raise FileNotFoundError(str(error)) from error
        except FileNotFoundError:
            raise
        except OSError as error:
            message = f"the spooled file {self._root / name} cannot be read: {error}."
            raise SpoolError(message) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file. A kill leaves a `.part`, never an incomplete file."""
        path = self._root / name
        part = path.with_name(f"{path.name}.part")
        try:
            private_files.make_directory(path.parent)
            private_files.write_file(part, data)
            part.replace(path)
        except OSError as error:
            raise SpoolError(_cannot_write(str(path), str(error))) from error

    def find(self, folder: str) -> dict[str, datetime]:
        """Return the names of all files below a folder, and when each was written."""
        found = {}
        for path in (self._root / folder).rglob("*"):
            with suppress(FileNotFoundError):  # another process deleted it meanwhile
                if path.is_file():
                    written = datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
                    found[path.relative_to(self._root).as_posix()] = written
        return found

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder."""
        try:
            return sorted(path.name for path in (self._root / folder).iterdir() if path.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def remove(self, folder: str) -> None:
        """Delete a folder, and its parent if that is then empty."""
        path = self._root / folder
        try:
            with suppress(FileNotFoundError):
                shutil.rmtree(path)
        except OSError as error:
            message = f"the spool cannot be cleared: {path}: {error}."
            raise SpoolError(message) from error
        with suppress(OSError):  # the parent contains other folders, or does not exist
            path.parent.rmdir()


class StoredFiles:
    """The files of a spool in an object store, or in another file system that fsspec reaches over a network.

    Writing an object is atomic. No bucket is created: a spool in a bucket with a misspelt name would be lost.
    """

    def __init__(self, fs: Any, root: str, place: str) -> None:
        self._fs = fs
        self._root = root
        self.place = place
        protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
        self._has_no_folders = bool(protocols & _OBJECT_STORES)

    def verify_access(self) -> None:
        """Write a file and delete it. A bulk deletion reports no error, so this also shows what it may not delete."""
        path = self._path(f"{_PROBE}{uuid.uuid4().hex}")
        try:
            with self._errors():
                self._make_folder(path)
                self._fs.pipe_file(path, b"")
                self._fs.rm_file(path)
        except (SpoolError, FileNotFoundError) as error:
            raise BadInput(str(error)) from None

    def read(self, name: str, length: int | None = None) -> bytes:
        """Return the content of a file, or its first bytes, with one request."""
        with self._errors():
            try:
                # With a start, s3fs does not ask for the size first.
                return bytes(self._fs.cat_file(self._path(name), start=0, end=length))
            except Exception as error:
                if store_errors.is_empty(error):
                    return b""
                raise

    def write(self, name: str, data: bytes) -> None:
        """Write a file with one request."""
        path = self._path(name)
        with self._errors(lambda reason: _cannot_write(f"{self.place}/{name}", reason)):
            self._make_folder(path)
            self._fs.pipe_file(path, data)

    def find(self, folder: str) -> dict[str, datetime]:
        """Return the names of all files below a folder, and when each was written."""
        with self._errors():
            try:
                found = self._find(folder)
            except FileNotFoundError as error:
                if not store_errors.is_missing(error):
                    raise
                return {}
            start = len(self._root) + 1
            return {path[start:]: self._written(path, info) for path, info in found.items()}

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder."""
        if self._has_no_folders:
            below = (name[len(folder) :].lstrip("/") for name in self.find(folder))
            return sorted({name.partition("/")[0] for name in below if "/" in name})
        with self._errors():
            try:
                listed = self._fs.ls(self._path(folder), detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
            folders = (info["name"].rstrip("/") for info in listed if info["type"] == "directory")
            return sorted(path.rpartition("/")[2] for path in folders)

    def remove(self, folder: str) -> None:
        """Delete a folder, up to a thousand files with each request."""
        with self._errors():
            if self._has_no_folders:
                if paths := list(self._find(folder)):
                    self._fs.rm(paths)
                return
            with suppress(FileNotFoundError):
                self._fs.rm(self._path(folder), recursive=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")

    def _find(self, folder: str) -> Mapping[str, Mapping[str, Any]]:
        found: Mapping[str, Mapping[str, Any]]
        if self._has_no_folders:
            # From the bucket with a prefix: otherwise an empty folder costs three requests instead of one.
            bucket, _, key = self._path(folder).partition("/")
            found = self._fs.find(bucket, prefix=f"{key}/" if key else "", detail=True)
            return found
        found = self._fs.find(self._path(folder), detail=True)
        return found

    def _written(self, path: str, info: Mapping[str, Any]) -> datetime:
        written = info.get("LastModified") or info.get("mtime") or info.get("created")
        if not isinstance(written, datetime):
            written = self._fs.modified(path)
        found: datetime = written
        return found.replace(tzinfo=found.tzinfo or timezone.utc)

    def _make_folder(self, path: str) -> None:
        # s3fs and gcsfs would create the bucket here if they cannot see it.
        if not self._has_no_folders:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _errors(self, message: Callable[[str], str] | None = None) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the clients of object stores have their own exceptions
            if store_errors.is_missing(error):
                raise FileNotFoundError(f"{self.place}: there is no such file") from None
            if store_errors.is_expired(error):
                self._fs.clear_instance_cache()  # the next op reads the credentials again
            # Not chained: a client may quote a URL or a header, and the traceback must not show a secret.
            raise self._translated(error, message) from None

    def _translated(
        self, error: Exception, message: Callable[[str], str] | None
    ) -> SpoolError | SpoolUnreachable:
        reason = self._without_secrets(store_errors.describe(error))
        if store_errors.is_transient(error):
            return SpoolUnreachable(
                f"the spool {self.place} cannot be reached: {reason}. If this does not end, check the object store, "
                "its endpoint, and the credentials."
            )
        if (
            message is not None
            and isinstance(error, OSError)
            and error.errno is not None
            and not error.__cause__
        ):
            return SpoolError(message(reason))
        return SpoolError(f"the spool {self.place} cannot be used: {reason}. {store_errors.remedy(error)}")

    def _without_secrets(self, text: str) -> str:
        for value in _texts(self._fs.storage_options):
            text = text.replace(value, "***")
        return text


def _cannot_write(path: str, reason: str) -> str:
    return f"the spool cannot be written: {path}: {reason}. Free some space, or set HARVEST_SPOOL."


def _place(url: str) -> str:
    """Return an fsspec URL without user, password and query string."""
    protocol, separator, rest = url.partition("://")
    host, slash, path = rest.partition("?")[0].partition("/")
    return f"{protocol}{separator}{host.rpartition('@')[2]}{slash}{path}".rstrip("/")


_MIN_SECRET = 4  # characters; shorter values are no secrets
_PUBLIC_OPTIONS = frozenset({"host", "port", "username", "user", "endpoint_url", "region_name", "protocol"})


def _texts(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts in options of a file system that may be secret."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _texts(value)
        elif isinstance(value, str) and len(value) >= _MIN_SECRET and name not in _PUBLIC_OPTIONS:
            yield value
