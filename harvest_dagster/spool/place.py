"""The spool of a deployment: where it is, and its directories. What is in one is `spool.attempt`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import fsspec

from harvest_dagster.errors import BadInput
from harvest_dagster.spool.attempt import AttemptSpool
from harvest_dagster.spool.files import folders, newest, remove


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
        remove(self._fs, "/".join((self._root.rstrip("/"), *names)))

    def folders(self, *names: str) -> list[str]:
        """The names of the directories in a directory; none where there is none."""
        found = folders(self._fs, "/".join((self._root.rstrip("/"), *names)))
        return [path.rstrip("/").rpartition("/")[2] for path in found]

    def prune(self, label: str, *, now: datetime, older_than: timedelta) -> list[str]:
        """Throw away the attempts of a source to which nothing was added for so long; returns them."""
        old = [
            directory
            for window in folders(self._fs, f"{self._root.rstrip('/')}/{label}")
            for directory in folders(self._fs, window)
            if (last := newest(self._fs, directory)) is None or now - last > older_than
        ]
        for directory in old:
            remove(self._fs, directory)
        return old


def default_url(environ: Mapping[str, str], working_directory: Path) -> str:
    """`HARVEST_SPOOL`, else `spool/` beside the default place of the SQLite file."""
    if url := environ.get("HARVEST_SPOOL"):
        return url
    home = environ.get("DAGSTER_HOME")
    return str((Path(home) if home else working_directory / ".dagster") / "spool")
