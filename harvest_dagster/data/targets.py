"""The target of an export: a local file, a directory, or a URL of fsspec. A file appears only when it is complete.

Each file is written under a temporary name in the same place, and renamed when the whole export has succeeded. An
export that fails removes what it has written. One that is killed leaves files whose names begin with a dot and end with
`.tmp`, so that readers do not take them for data.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from harvest_dagster.errors import BadInput


@dataclass
class Target:
    """The files of one export.

    Attributes:
        fs: their file system.
        path: the file, or the directory without its slash.
        is_directory: whether `path` is a directory.
        written: temporary name and final name of each file so far.
    """

    fs: Any
    path: str
    is_directory: bool
    written: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, url: str) -> Target:
        """Return the target at a path or URL. With a slash at its end it is a directory.

        Raises:
            BadInput: fsspec does not know the protocol, a directory or a device is in place of the file, or the
                directory that has to contain the target does not exist.
        """
        try:
            fs, path = url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise BadInput(f"{url} cannot be written: {error}. Name another path.") from None
        is_directory = url.endswith(("/", os.sep))
        if isinstance(fs, LocalFileSystem):
            _require_parent(Path(path), url)
            if not is_directory:
                _require_file(Path(path), url)
        return cls(fs, path.rstrip("/"), is_directory)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Yield a new file for writing.

        Args:
            name: its name in the directory. A target that is a file ignores it.

        Raises:
            OSError: it cannot be written.
        """
        final = f"{self.path}/{name}" if self.is_directory else self.path
        folder, _, base = final.rpartition("/")
        temporary = f"{folder}/.{base}.{secrets.token_hex(4)}.tmp" if folder else f".{base}.tmp"
        if self.is_directory or (folder and self._is_remote):
            self.fs.makedirs(folder, exist_ok=True)
        self.written.append((temporary, final))
        with self.fs.open(temporary, "wb") as file:
            yield file
            if isinstance(self.fs, LocalFileSystem):
                file.flush()
                # Otherwise, after a crash of the machine, the new name may have an empty file.
                os.fsync(file.fileno())

    def commit(self) -> list[str]:
        """Give all files their final names. Return these."""
        for temporary, final in self.written:
            if isinstance(self.fs, LocalFileSystem):
                os.replace(temporary, final)  # noqa: PTH105  # the paths of fsspec are texts
            else:
                self.fs.mv(temporary, final)
        return [self.fs.unstrip_protocol(final) if self._is_remote else final for _, final in self.written]

    def remove_stale(self, prefix: str) -> None:
        """Delete the files of an earlier export to the directory that this one has not replaced.

        Args:
            prefix: the beginning of the names of all files of the export.
        """
        mine = {final for _, final in self.written}
        for path in self.fs.ls(self.path, detail=False):
            if path.rpartition("/")[2].startswith(prefix) and path not in mine:
                self.fs.rm(path)

    def discard(self) -> None:
        """Delete all files that were written."""
        for temporary, _ in self.written:
            with suppress(OSError):  # FileNotFoundError: it was not created
                self.fs.rm(temporary)

    @property
    def _is_remote(self) -> bool:
        return not isinstance(self.fs, LocalFileSystem)


def _require_parent(path: Path, url: str) -> None:
    """Raise BadInput if the directory of a target does not exist: its path is probably mistyped.

    A target that is a directory is created. The directories above it are not.
    """
    if not path.parent.is_dir():
        raise BadInput(f"{url} cannot be written: there is no directory {path.parent}. Create it.")


def _require_file(path: Path, url: str) -> None:
    """Raise BadInput if something else than a file is at a path."""
    if path.is_dir():
        raise BadInput(f"{url} is a directory. Put a slash at its end, or name a file in it.")
    if path.exists() and not path.is_file():
        # Renaming a file to the name of a device or a pipe would replace it.
        raise BadInput(f"{url} is not a file. Name a file.")
