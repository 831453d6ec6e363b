"""The spool of a deployment: its location and its directories. `spool.attempt_spool` is one of its directories."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from harvest_dagster.errors import BadInput
from harvest_dagster.private_files import find_file_in_place_of
from harvest_dagster.spool.attempt_spool import AttemptSpool
from harvest_dagster.spool.filesystem import last_modified, list_directories, remove_directory
from harvest_dagster.spool.step_outputs import DIRECTORY, StepOutputs


class Spool:
    """The spool of a deployment.

    Args:
        url: a directory or an fsspec URL such as `s3://bucket/spool`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        # A cached listing would hide the files of other processes.
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            message = f"fsspec cannot use the value of HARVEST_SPOOL: {error}. Set it to a directory or an fsspec URL."
            raise BadInput(message) from error

    def require_directory(self) -> None:
        """Raise if the spool cannot be a directory. Nothing is created.

        Raises:
            BadInput: a file is in its place, or in place of a directory above it.
        """
        if not isinstance(self._fs, LocalFileSystem):
            return
        if (file := find_file_in_place_of(Path(self._root))) is not None:
            message = (
                f"the spool cannot be the directory {self._root}: {file} is a file. Move that file away, or set "
                "HARVEST_SPOOL to a directory or an fsspec URL."
            )
            raise BadInput(message)

    def attempt(self, *names: str) -> AttemptSpool:
        """Return the spool of one fetch attempt, in the directory with these names."""
        return AttemptSpool(self._fs, "/".join((self._root.rstrip("/"), *names)))

    def step_outputs(self, run_id: str, scope: str) -> StepOutputs:
        """Return the outputs of the ops of a run that belong to this part of its graph."""
        return StepOutputs(self._fs, "/".join((self._root.rstrip("/"), DIRECTORY, run_id, scope)))

    def clear(self, *names: str) -> None:
        """Delete a directory with everything below it."""
        remove_directory(self._fs, "/".join((self._root.rstrip("/"), *names)))

    def directories(self, *names: str) -> list[str]:
        """Return the names of the directories in a directory, none if it does not exist."""
        found = list_directories(self._fs, "/".join((self._root.rstrip("/"), *names)))
        return [path.rstrip("/").rpartition("/")[2] for path in found]

    def prune(self, label: str, *, now: datetime, older_than: timedelta, dry_run: bool = False) -> list[str]:
        """Delete the fetch attempts of a source whose newest file is older than this. Return their directories.

        With the label `_runs`, these are the outputs of runs that have failed and were not executed again.
        With `dry_run`, only return them.
        """
        old = [
            directory
            for window in list_directories(self._fs, f"{self._root.rstrip('/')}/{label}")
            for directory in list_directories(self._fs, window)
            if (last := last_modified(self._fs, directory)) is None or now - last > older_than
        ]
        for directory in () if dry_run else old:
            remove_directory(self._fs, directory)
        return old


def default_url(environ: Mapping[str, str], working_directory: Path) -> str:
    """Return `HARVEST_SPOOL`, or `spool/` next to the default location of the SQLite file."""
    if url := environ.get("HARVEST_SPOOL"):
        return url
    home = environ.get("DAGSTER_HOME")
    return str((Path(home) if home else working_directory / ".dagster") / "spool")
