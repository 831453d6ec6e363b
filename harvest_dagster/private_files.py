"""Create files and directories that only their owner can read: 0600 and 0700, whatever the umask permits.

Pages, records and databases may contain personal data, and error pages may contain more. A directory or file that
exists keeps its permissions, so an operator can share it with a group.
"""

from __future__ import annotations

import os
from pathlib import Path

_FILE, _DIRECTORY = 0o600, 0o700


def make_directory(path: Path) -> None:
    """Create a directory, and those above it that are missing.

    Raises:
        OSError: it cannot be created; NotADirectoryError or FileExistsError if a file is in its place.
    """
    if path.is_dir():
        return
    if path.parent != path:
        make_directory(path.parent)
    path.mkdir(mode=_DIRECTORY, exist_ok=True)


def write_file(path: Path, data: bytes) -> None:
    """Write a file. An existing file is replaced in place.

    Raises:
        OSError: it cannot be written.
    """
    with os.fdopen(_open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(data)


def create_file(path: Path) -> None:
    """Create an empty file if there is none.

    Raises:
        OSError: it cannot be created.
    """
    if not path.exists():
        os.close(_open(path, os.O_WRONLY | os.O_CREAT))


def find_file_in_place_of(directory: Path) -> Path | None:
    """Return the file at the path of a directory or of one above it, None if there is none."""
    for path in (directory, *directory.parents):
        if os.path.lexists(path):  # it raises no error if a directory above cannot be read
            return None if path.is_dir() else path
    return None


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), _FILE)
