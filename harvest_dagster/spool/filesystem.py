"""Directories of any file system that fsspec supports."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem


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
