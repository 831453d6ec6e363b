"""The spool of a deployment: its location and its directories. `spool.attempt_spool` is one of its directories."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from harvest_dagster.spool.attempt_spool import AttemptSpool
from harvest_dagster.spool.filesystem import LocalFiles, open_files
from harvest_dagster.spool.step_outputs import DIRECTORY, StepOutputs

_DEPTH = 3  # a fetch attempt is a directory in that of its window, which is in that of its source


class Spool:
    """The spool of a deployment.

    Args:
        url: a directory or an fsspec URL such as `s3://bucket/spool`.

    Attributes:
        url: the same.
        files: its files.

    Raises:
        BadInput: fsspec cannot use the URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files = open_files(url)

    def verify_access(self) -> None:
        """Raise if the spool cannot be used. In a directory, nothing is created.

        Raises:
            BadInput: a file is in place of the directory; or the bucket does not exist, or refuses the credentials.
            SpoolUnreachable: the object store cannot be reached now.
        """
        self.files.verify_access()

    def require_directory(self) -> None:
        """Raise if the spool cannot be a directory. Nothing is created, and no request is sent.

        Raises:
            BadInput: a file is in its place, or in place of a directory above it.
        """
        if isinstance(self.files, LocalFiles):
            self.files.verify_access()

    def attempt(self, *names: str) -> AttemptSpool:
        """Return the spool of one fetch attempt, in the directory with these names."""
        return AttemptSpool(self.files, "/".join(names))

    def step_outputs(self, run_id: str, scope: str) -> StepOutputs:
        """Return the outputs of the ops of a run that belong to this part of its graph."""
        return StepOutputs(self.files, f"{DIRECTORY}/{run_id}/{scope}")

    def clear(self, *names: str) -> None:
        """Delete a directory with everything below it.

        Raises:
            SpoolError: it cannot be deleted.
            SpoolUnreachable: the object store cannot be reached now.
        """
        self.files.remove("/".join(names))

    def directories(self, *names: str) -> list[str]:
        """Return the names of the directories in a directory, none if it does not exist.

        Raises: see `clear`.
        """
        return self.files.folders("/".join(names))

    def prune(self, label: str, *, now: datetime, older_than: timedelta, dry_run: bool = False) -> list[str]:
        """Delete the fetch attempts of a source whose newest file is older than this. Return their directories.

        With the label `_runs`, these are the outputs of runs that have failed and were not executed again.
        With `dry_run`, only return them.

        Raises: see `clear`.
        """
        newest: dict[str, datetime] = {}
        for name, written in self.files.find(label).items():
            parts = name.split("/")  # label, window, attempt, and what is in it
            if len(parts) <= _DEPTH:
                continue
            directory = "/".join(parts[:_DEPTH])
            newest[directory] = max(written, newest.get(directory, written))
        old = sorted(directory for directory, written in newest.items() if now - written > older_than)
        for directory in () if dry_run else old:
            self.files.remove(directory)
        return old


def default_url(environ: Mapping[str, str], working_directory: Path) -> str:
    """Return `HARVEST_SPOOL`, or `spool/` next to the default location of the SQLite file."""
    if url := environ.get("HARVEST_SPOOL"):
        return url
    home = environ.get("DAGSTER_HOME")
    return str((Path(home) if home else working_directory / ".dagster") / "spool")
