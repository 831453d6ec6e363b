"""A process that writes under a lease and freezes itself within COPY: `python -m … URL CONFIG_ID RUN TOKEN`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harvest_dagster.storage.copy_rows import copy_rows
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import Lease

FIRST_ROWS = 10_000  # more than the driver keeps in its buffer, so the server has received some of them

_COLUMNS = {
    "id": "int8",
    "ingest_config_id": "int4",
    "identifier": "text",
    "current_datestamp": "timestamptz",
    "raw_id": "int8",
    "changed_at": "timestamptz",
    "first_seen": "timestamptz",
}


def rows() -> Iterator[tuple[Any, ...]]:
    """Yield rows of source_unique_identifier, and freeze in the middle."""
    for number in range(2 * FIRST_ROWS):
        if number == FIRST_ROWS:
            os.kill(os.getpid(), signal.SIGSTOP)
        yield number + 1, CONFIG_ID, f"frozen {number}", None, None, None, None


@contextmanager
def frozen_in_copy(database: Database, held: Lease) -> Iterator[subprocess.Popen[str]]:
    """Start a process that writes under this lease. Yield it when it is frozen within COPY."""
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    arguments = [url, str(held.ingest_config_id), held.run_id, str(held.token)]
    command = [sys.executable, "-m", frozen_in_copy.__module__, *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, status = os.waitpid(process.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status), process.communicate()
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    url, config_id, run, token = sys.argv[1:]
    CONFIG_ID = int(config_id)
    with Database.open(url) as database, database.begin() as connection:
        leases.verify_token(connection, Lease(CONFIG_ID, run, int(token)))
        copy_rows(connection, "source_unique_identifier", _COLUMNS, rows())
