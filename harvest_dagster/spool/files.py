"""Directories of any file system that fsspec knows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem


def names(fs: Any, path: str) -> Sequence[str]:
    """The paths in a directory; none where there is none."""
    try:
        return [str(name) for name in fs.ls(path, detail=False)]
    except FileNotFoundError:
        return []


def folders(fs: Any, path: str) -> list[str]:
    """The paths of the directories in a directory."""
    return [name for name in names(fs, path) if fs.isdir(name)]


def newest(fs: Any, directory: str) -> datetime | None:
    """When the newest file below a directory was written."""
    times = [fs.modified(name) for name in fs.find(directory)]
    return max((time.replace(tzinfo=time.tzinfo or timezone.utc) for time in times), default=None)


def remove(fs: Any, path: str) -> None:
    """Throw away a directory and all below it, and what holds it if nothing else is there."""
    if fs.exists(path):
        fs.rm(path, recursive=True)
    if isinstance(fs, LocalFileSystem):
        with suppress(OSError):  # it holds other attempts, or is not there
            Path(path).parent.rmdir()
