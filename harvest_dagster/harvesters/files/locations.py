"""Find and open files: on a disk, over HTTP, or through a file system of fsspec.

HTTP goes through our session, with its rate limit, timeouts and size limits. The file is downloaded to the folder for
temporary files, and deleted after the harvest. Other protocols need the package that fsspec names, and take their
credentials from the environment, as that package documents.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from glob import has_magic
from tempfile import TemporaryFile
from typing import IO, Any, cast

from fsspec.core import url_to_fs

from harvest_dagster.errors import MisconfiguredPath, SourceUnreachable
from harvest_dagster.harvesters.files.arguments import HTTP, FilesArguments, protocol_of
from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.harvesters.interface import Download, Session

_VERSION_KEYS = ("size", "ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "md5Hash")
_CHANGED_KEYS = ("mtime", "LastModified", "last_modified", "updated")
# A file that changes twice within a second has the same Last-Modified (RFC 9110, section 8.8.2.2).
_CERTAIN_AGE = timedelta(minutes=1)


@dataclass(frozen=True)
class FileVersion:
    """A file as it is at one moment.

    Attributes:
        name: its path or URL, without user, password and the secrets of the config.
        path: what its file system calls it.
        version: size, time of the last change and ETag, as far as they are known. It differs after a change. Empty if
            nothing shows a change.
        changed: when it was changed last; over HTTP, if that is not known, when the server sent it; None if neither is
            known.
        content: the content, if it was downloaded.
        mask: masks the secrets of the config in a record of the file.
    """

    name: str
    path: str
    version: str
    changed: datetime | None = None
    content: IO[bytes] | None = field(default=None, compare=False, repr=False)
    mask: Callable[[bytes], bytes] | None = field(default=None, compare=False, repr=False)


class FileStore:
    """The files that a path names."""

    def __init__(self, arguments: FilesArguments, session: Session) -> None:
        self._arguments = arguments
        self._session = session

    @contextmanager
    def find(self) -> Iterator[list[FileVersion]]:
        """Yield the files, ordered by name. A file over HTTP is downloaded first, and deleted at the end.

        Raises:
            MisconfiguredPath: there is no such file, or a package is missing.
            SourceError: the file system or the server does not answer.
        """
        if protocol_of(self._arguments.path) not in HTTP:
            yield self._list()
            return
        with TemporaryFile() as content:
            yield [self._download(content)]

    def _list(self) -> list[FileVersion]:
        with _failing(self._shown):
            file_system, inner = self._file_system()
            if has_magic(inner):
                found = [name for name in file_system.glob(inner) if file_system.isfile(name)]
            else:
                found = file_system.find(inner)
            files = [self._version(name) for name in sorted(found) if not _is_hidden(name)]
        if not files:
            message = f"{self._shown}: no file matches. Correct `path`, or write the files first."
            raise MisconfiguredPath(message)
        return files

    def is_unchanged(self, file: FileVersion) -> bool:
        """Return whether a file is as it was when it was found."""
        if protocol_of(self._arguments.path) in HTTP:
            return True  # one response
        with _failing(file.name):
            self._file_system()[0].invalidate_cache()
            return self._version(file.path) == file

    @contextmanager
    def open(self, file: FileVersion) -> Iterator[io.BufferedReader[Any]]:
        """Yield a stream of the content of a file."""
        if file.content is not None:
            file.content.seek(0)
            with os.fdopen(os.dup(file.content.fileno()), "rb") as copy:
                yield copy
            return
        with _failing(file.name):
            content: IO[bytes] = self._file_system()[0].open(file.path, "rb")
        with content:
            yield io.BufferedReader(cast("io.RawIOBase", content))

    def _download(self, content: IO[bytes]) -> FileVersion:
        path = self._arguments.path
        download = self._session.download(path, content, self._arguments.headers or None)
        changed = download.last_modified or download.date
        return FileVersion(download.url, path, _http_version(download), changed, content, download.mask)

    @property
    def _shown(self) -> str:
        return _without_user(self._arguments.path)

    def _file_system(self) -> tuple[Any, str]:
        file_system, inner = url_to_fs(self._arguments.path)
        return file_system, str(inner)

    def _version(self, path: str) -> FileVersion:
        info = self._file_system()[0].info(path)
        protocol = protocol_of(self._arguments.path)
        name = path if protocol == "file" else f"{protocol}://{path.lstrip('/')}"
        version = "|".join(str(info[key]) for key in _VERSION_KEYS if info.get(key) is not None)
        return FileVersion(name, path, version, _changed(info))


def _http_version(download: Download) -> str:
    """Return what differs after a change of the content, and is the same without one. Empty if the server says nothing.

    A weak ETag may stay the same although bytes differ (RFC 9110, section 8.8.1).
    """
    if download.etag.startswith('"'):
        return download.etag
    if download.date is None or download.last_modified is None:
        return ""
    is_certain = download.date - download.last_modified >= _CERTAIN_AGE
    return f"{download.last_modified:%Y-%m-%dT%H:%M:%SZ}|{download.size}" if is_certain else ""


def _changed(info: Mapping[str, Any]) -> datetime | None:
    value = next((info[key] for key in _CHANGED_KEYS if info.get(key) is not None), None)
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, timezone.utc)
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or timezone.utc)
    return lenient_instant(value) if isinstance(value, str) else None


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".")


def _without_user(path: str) -> str:
    protocol, separator, rest = path.partition("://")
    host, slash, inner = rest.partition("/")
    return f"{protocol}{separator}{host.rpartition('@')[2]}{slash}{inner}"


@contextmanager
def _failing(name: str) -> Iterator[None]:
    """Raise the errors of file systems as errors of a source. The text of an error may contain a password."""
    try:
        yield
    except ImportError as error:
        message = f"{name}: {error}. Install the package in the environment of the code location."
        raise MisconfiguredPath(message) from None
    except FileNotFoundError:
        raise MisconfiguredPath(f"{name}: no such file. Correct `path`, or write the file first.") from None
    except PermissionError:
        message = f"{name}: permission denied. Let the user of the code location read the file."
        raise MisconfiguredPath(message) from None
    except Exception as error:  # file systems raise errors of their own libraries
        message = f"{name}: the file system failed ({type(error).__name__}). Try again later."
        raise SourceUnreachable(message) from error
