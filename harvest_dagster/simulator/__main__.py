"""`python -m harvest_dagster.simulator`: serves a repository until it is interrupted.

The first line of its output is the base URL, so that a program can start it and read where it is.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import date

from harvest_dagster.simulator.repository import Repository
from harvest_dagster.simulator.server import Server


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    options = _parser().parse_args(arguments)
    port = options.__dict__.pop("port")
    try:
        repository = Repository(**vars(options))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Server(repository, port=port) as server:
        print(server.url, flush=True)
        print(f"{repository.size} records from {repository.first_day}; Ctrl-C ends it", flush=True)
        stop.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    usual = Repository()
    parser = argparse.ArgumentParser(
        prog="python -m harvest_dagster.simulator",
        description="An OAI-PMH 2.0 repository on loopback, with records computed from their number.",
        epilog=f"Try: URL?verb=ListRecords&metadataPrefix=oai_dc&from={usual.first_day}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 takes a free one")
    add(
        "--first-day", type=date.fromisoformat, default=usual.first_day, help="day of the oldest records, UTC"
    )
    add("--days", type=int, default=usual.days, help="how many days have records")
    add("--records-per-day", type=int, default=usual.records_per_day, help="how many each of them has")
    add("--page-size", type=int, default=usual.page_size, help="records a page")
    add("--granularity", choices=("day", "second"), default=usual.granularity, help="of the datestamps")
    add("--deleted", type=float, default=usual.deleted, help="share of records that are deleted, 0 to 1")
    add("--seed", type=int, default=usual.seed, help="another one gives other records")
    add("--record-bytes", type=int, default=usual.record_bytes, help="pad records to this length; 0: do not")
    return parser


if __name__ == "__main__":
    sys.exit(main())
