"""Where a candidate works: a new folder, a new database, and the source that it reads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from common.measuring import postmaster
from common.services import ROOT, clean_environment, postgresql_on_tcp
from sqlalchemy import make_url

from harvest_dagster_tests.databases import PostgresqlServer

_SOURCE = Path(__file__).resolve().parents[1] / "common" / "source.py"


@dataclass(frozen=True)
class Source:
    """A running source.

    Attributes:
        records: number of its records.
        urls: the URL of each list, by protocol: `oai` and `json`.
        pid: its process id.
    """

    records: int
    urls: dict[str, str]
    pid: int


@dataclass(frozen=True)
class Place:
    """A new folder and a new database for a candidate.

    Attributes:
        folder: the folder, also DAGSTER_HOME.
        database: the URL of the database.
        source: the source that the candidate reads.
        postgresql: the process id of the PostgreSQL server; None if the database is a file of SQLite.
    """

    folder: Path
    database: str
    source: Source
    postgresql: int | None

    @property
    def servers(self) -> dict[str, int]:
        """The process ids of the servers whose processor time counts."""
        found = {"source": self.source.pid}
        return found if self.postgresql is None else {**found, "postgresql": self.postgresql}

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the processes of a candidate."""
        return clean_environment(
            DAGSTER_HOME=str(self.folder),
            HARVEST_SOURCES=str(self.folder / "sources"),
            HARVEST_DATABASE_URL=self.database,
            RUNTIME__DLTHUB_TELEMETRY="false",
        )


@dataclass
class Bench:
    """The servers of a benchmark, which run until it ends.

    Attributes:
        root: the folder of all files.
        server: the PostgreSQL server; None if no candidate needs one.
        tools: the Python of the compared tools; None if they could not be installed.
    """

    root: Path
    server: PostgresqlServer | None
    tools: Path | None
    _stack: ExitStack
    _sources: dict[tuple[int, int], Source] = field(default_factory=dict)

    def source(self, records: int, page_size: int = 1_000, *, keeps_pages: bool = True) -> Source:
        """Return the source with so many records; start it if it does not run yet."""
        key = (records, page_size)
        if key not in self._sources:
            command = [sys.executable, str(_SOURCE), "--records", str(records), "--page-size", str(page_size)]
            if keeps_pages:
                cache = self.root / f"pages-{records}-{page_size}"
                cache.mkdir()
                command += ["--cache", str(cache)]
            process = self._stack.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            assert process.stdout is not None
            self._sources[key] = Source(records, json.loads(process.stdout.readline()), process.pid)
        return self._sources[key]

    @contextmanager
    def place(self, database: str, source: Source) -> Iterator[Place]:
        """Create a folder and a database, and delete both at the end."""
        with ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(dir=self.root))
            stack.callback(shutil.rmtree, folder)
            (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
            if database == "sqlite":
                yield Place(folder, f"sqlite:///{folder / 'harvest.db'}", source, None)
                return
            assert self.server is not None
            url = make_url(stack.enter_context(self.server.database()))
            socket = Path(str(url.query["host"]))
            on_tcp = url.set(host="127.0.0.1", port=port(socket), query={})
            yield Place(folder, on_tcp.render_as_string(hide_password=False), source, postmaster(socket))


def port(folder: Path) -> int:
    """Return the port of the server whose data are in `folder`/data: the fourth line of its file."""
    return int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[3])


@contextmanager
def started(tools: Path | None, *, with_postgresql: bool = True) -> Iterator[Bench]:
    """Start the servers of a benchmark."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = stack.enter_context(postgresql_on_tcp()) if with_postgresql else None
        yield Bench(root, server, tools, stack)
