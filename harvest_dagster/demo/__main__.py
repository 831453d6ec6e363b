"""`python -m harvest_dagster.demo`: harvest the simulated repository and show what came, or serve it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from harvest_dagster.demo import commands, report
from harvest_dagster.demo.place import Place
from harvest_dagster.simulator import Server
from harvest_dagster.storage.engine import Database

_NEXT = """\
What to try next
  make demo    again: what succeeded is left out, and the source is not even asked
  make dev     the Dagster UI on the same data, with the repository beside it

  {config}
               the source as YAML: another such file, in a folder that HARVEST_SOURCES names, is another asset
  {database}
               the database, for any SQLite client
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m harvest_dagster.demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="the Dagster UI, with the repository beside it")
    parser.add_argument("--port", type=int, default=3000, help="of the Dagster UI (default: 3000)")
    options = parser.parse_args(arguments)
    place = Place(Path.cwd() / ".demo")
    repository = place.repository(datetime.now(timezone.utc).date())
    with Server(repository) as source:
        place.prepare(source.url, repository)
        print(f"An OAI-PMH repository of {repository.size:,} records answers at {source.url}", flush=True)
        return _serve(place, source, options.port) if options.serve else _harvest(place, source)


def _harvest(place: Place, source: Server) -> int:
    began, clock = datetime.now(timezone.utc), time.monotonic()
    print(f"$ dagster {' '.join(commands.all_days(source.repository))}\n", flush=True)
    if commands.materialize(place, source.repository):
        print(place.log.read_text(encoding="utf-8", errors="replace"), file=sys.stderr)
        print(f"The run failed; what it said stands above and in {place.log}.", file=sys.stderr)
        return 1
    requests, seconds = len(source.requests), time.monotonic() - clock
    with Database.open(place.database_url) as database, database.read() as connection:
        print(*report.table(report.read(connection, began)), sep="\n")
        print(f"\n{requests} requests, {seconds:.0f} s. {report.verdict(connection, requests)}\n")
    print(_NEXT.format(config=place.config, database=place.home / "harvest.db"))
    return 0


def _serve(place: Place, source: Server, port: int) -> int:
    print(f"The Dagster UI comes up at http://127.0.0.1:{port}; Ctrl-C ends both.", flush=True)
    first_day = source.repository.first_day
    print(f"There, materialize raw/demo and transformed/demo for some days from {first_day},", flush=True)
    print("or switch on harvest_by_schedule under Automation: within five minutes it does so.", flush=True)
    return commands.serve(place, port)


if __name__ == "__main__":
    sys.exit(main())
