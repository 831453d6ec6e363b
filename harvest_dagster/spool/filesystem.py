"""Directories of any file system that fsspec supports."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from harvest_dagster import private_files
from harvest_dagster.errors import SpoolError


def list_paths(fs: Any, path: str) -> Sequence[str]:
    """Return the paths in a directory, none if it does not exist or is a file."""
    try:
        paths = [str(name) for name in fs.ls(path, detail=False)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [name for name in paths if name.rstrip("/") != path.rstrip("/")]  # `ls` of a file returns the file


def list_directories(fs: Any, path: str) -> list[str]:
    """Return the paths of the directories in a directory, none if it does not exist."""
    return [name for name in list_paths(fs, path) if fs.isdir(name)]


def write_file(fs: Any, path: str, data: bytes) -> None:
    """Write a file as a whole. Create the directories above it.

    Raises:
        SpoolError: it cannot be written (disk full, no permission).
    """
    try:
        if isinstance(fs, LocalFileSystem):
            private_files.make_directory(Path(path).parent)
            # A kill leaves a .part, never an incomplete file. Writing an object of a bucket is atomic.
            private_files.write_file(Path(f"{path}.part"), data)
            Path(f"{path}.part").replace(path)
        else:
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            fs.pipe_file(path, data)
    except Exception as error:  # the clients of buckets have their own exceptions
        message = f"the spool cannot be written: {path}: {error}. Free some space, or set HARVEST_SPOOL."
        raise SpoolError(message) from error


def last_modified(fs: Any, directory: str) -> datetime | None:
    """Return when the newest file below a directory was written, or None if there is no file."""
    times = [fs.modified(name) for name in fs.find(directory)]
    return max((time.replace(tzinfo=time.tzinfo or timezone.utc) for time in times), default=None)


def remove_directory(fs: Any, path: str) -> None:
    """Delete a directory with everything below it, and its parent if that is then empty."""
    if fs.exists(path):
        fs.rm(path, recursive=True)
    if isinstance(fs, LocalFileSystem):
        with suppress(OSError):  # the parent contains other fetch attempts, or does not exist
            Path(path).parent.rmdir()
