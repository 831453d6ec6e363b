"""`python -m harvest_dagster.demo`: harvest a simulated repository and show the result, or start the Dagster UI."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from harvest_dagster.demo import commands, report
from harvest_dagster.demo.folder import DemoFolder
from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import Server

_DESCRIPTION = "Harvest a simulated repository on this machine and show the result."
_NEXT_STEPS = """\
Next steps
  make demo    Run the demo again. It skips the days that are complete and sends no request to the source.
  make dev     Start the Dagster UI with the same data, and the simulated repository.

Export the records and documents
  export DAGSTER_HOME={dagster_home} HARVEST_SOURCES={sources}
  {harvest} export demo documents.jsonl
  {harvest} export demo --records records.jsonl
               Each line is one document or record. `--help` shows other formats, and how to export only changes.

Files
  {config}
               The source in YAML. To add a source, put another file like this into the folder.
  {database}
               The database. Open it with any SQLite client.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo or the Dagster UI and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m harvest_dagster.demo", description=_DESCRIPTION)
    parser.add_argument(
        "--serve", action="store_true", help="start the Dagster UI and the simulated repository"
    )
    parser.add_argument("--port", type=int, default=3000, help="port of the Dagster UI (default: 3000)")
    options = parser.parse_args(arguments)
    folder = DemoFolder(Path.cwd() / ".demo")
    repository = folder.repository(datetime.now(timezone.utc).date())
    with Server(repository, port=folder.port) as source:
        folder.prepare(source.url, repository)
        print(f"Simulated OAI-PMH repository with {repository.size:,} records: {source.url}", flush=True)
        return _serve(folder, source, options.port) if options.serve else _harvest(folder, source)


def _harvest(folder: DemoFolder, source: Server) -> int:
    started, clock = datetime.now(timezone.utc), time.monotonic()
    print(f"$ {' '.join(commands.harvest_command(source.repository))}\n", flush=True)
    if commands.materialize(folder, source.repository):
        print(folder.log.read_text(encoding="utf-8", errors="replace"), file=sys.stderr)
        print(f"The run failed. Its output is above and in {folder.log}.", file=sys.stderr)
        return 1
    requests, seconds = len(source.requests), time.monotonic() - clock
    with Database.open(folder.database_url) as database, database.read() as connection:
        print(*report.table(report.count_by_day(connection, started)), sep="\n")
        print(f"\n{report.completeness_text(connection, requests)}")
        print(f"The run sent {requests} requests and took {seconds:.0f} s.\n")
        print(*report.example(connection), sep="\n")
    print(
        _NEXT_STEPS.format(
            config=folder.config,
            database=folder.dagster_home / "harvest.db",
            dagster_home=folder.dagster_home,
            sources=folder.config.parent,
            harvest=Path(sys.executable).with_name("harvest"),
        )
    )
    return 0


def _serve(folder: DemoFolder, source: Server, port: int) -> int:
    first_day = source.repository.first_day
    print(f"The Dagster UI starts at http://127.0.0.1:{port}. Press Ctrl-C to stop it.", flush=True)
    print(f"Materialize raw/demo and transformed/demo for some days from {first_day} on.", flush=True)
    print("Or switch on harvest_by_schedule under Automation: it does this within five minutes.", flush=True)
    return commands.serve(folder, port)


if __name__ == "__main__":
    sys.exit(main())
