"""`python -m harvest_dagster.simulator`: serve a repository with faults until interrupted.

The first line of the output is the base URL, so that a program that starts the simulator can read it.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, get_args

from harvest_dagster.testing.simulator import scenario
from harvest_dagster.testing.simulator.behaviours import documentation
from harvest_dagster.testing.simulator.behaviours.base import Behaviour
from harvest_dagster.testing.simulator.protocols.rest import Paging
from harvest_dagster.testing.simulator.repository.repository import Repository
from harvest_dagster.testing.simulator.serving.server import Server

_COMMAND = "python -m harvest_dagster.simulator"
_DESCRIPTION = """\
Fault-injection simulator for harvesters: an OAI-PMH 2.0 repository and a JSON
API on loopback. Its records are computed. Behaviours add faults of real
sources to its responses."""
_EXAMPLES = f"""\
examples:
  {_COMMAND} --port 8090 --days 3
  {_COMMAND} --behaviour cut@ListRecords#3
  {_COMMAND} --behaviour gone --log requests.jsonl
  {_COMMAND} --scenario faults.yaml --paging links
"""
_SERVER_OPTIONS = ("port", "behaviour", "scenario", "log", "paging")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM and return the exit status: 0, or 2 if an option is wrong."""
    options = vars(_parser().parse_args(arguments))
    server_options = {name: options.pop(name) for name in _SERVER_OPTIONS}
    with ExitStack() as running:
        try:
            repository = _repository(options)
            behaviours = _behaviours(server_options.pop("scenario"), server_options.pop("behaviour"))
            server = Server(repository, behaviours=behaviours, **server_options)
            _start(running, server, server_options["port"])
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        _wait_for_signal(server, behaviours)
    return 0


def _wait_for_signal(server: Server, behaviours: Sequence[Behaviour]) -> None:
    """Print the URLs and the behaviours, and return on SIGINT or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(server.url, flush=True)
    print(server.json_url)
    for behaviour in behaviours:
        print(f"behaviour: {behaviour.label}")
    repository = server.repository
    print(
        f"{repository.size} records, the oldest from {repository.first_day}. Press Ctrl-C to stop.",
        flush=True,
    )
    stop.wait()


def _start(running: ExitStack, server: Server, port: int) -> None:
    try:
        running.enter_context(server)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"--port {port}: {reason}. Use another port, or 0 for a free one.") from None


def _repository(options: Mapping[str, Any]) -> Repository:
    if options["days"] < 1:
        raise ValueError(f"--days {options['days']}: a repository without records is useless. Use 1 or more.")
    return Repository(**options)


def _behaviours(file: Path | None, texts: Sequence[str]) -> tuple[Behaviour, ...]:
    """Return the behaviours of the file, then those of the command line: the first are the outermost."""
    try:
        from_file = scenario.load(file) if file else ()
    except OSError as error:
        raise ValueError(f"--scenario {file}: {error.strerror}") from None
    return (*from_file, *scenario.parse_behaviours(texts))


class _Parser(argparse.ArgumentParser):
    """Formats the table of behaviours only when help is requested, for the current width of the terminal."""

    def format_help(self) -> str:
        width = min(shutil.get_terminal_size().columns, 120)
        self.epilog = f"{_EXAMPLES}\nscenarios:\n{scenario.GRAMMAR}\nbehaviours:\n{documentation.text(width)}"
        return super().format_help()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_COMMAND, description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_repository_options(parser.add_argument_group("repository").add_argument)
    add = parser.add_argument_group("server").add_argument
    add("--port", type=int, default=0, help="port; 0 selects a free one (default: 0)")
    add(
        "--paging",
        choices=get_args(Paging),
        default="cursor",
        metavar="KIND",
        help=f"paging of the JSON list: {', '.join(get_args(Paging))} (default: %(default)s)",
    )
    add(
        "--behaviour",
        action="append",
        default=[],
        metavar="TEXT",
        help="fault, see below; can be given several times",
    )
    add("--scenario", type=Path, metavar="FILE", help="YAML or JSON file with a list `behaviours`, see below")
    add("--log", type=Path, metavar="FILE", help="write each request as a line of JSON, secrets included")
    return parser


def _add_repository_options(add: Any) -> None:
    default = Repository()
    add(
        "--first-day",
        type=date.fromisoformat,
        default=default.first_day,
        help="day of the oldest records, UTC (default: %(default)s)",
    )
    add("--days", type=int, default=default.days, help="number of days with records (default: %(default)s)")
    add(
        "--records-per-day",
        type=int,
        default=default.records_per_day,
        help="number of records of each day (default: %(default)s)",
    )
    add("--page-size", type=int, default=default.page_size, help="records per page (default: %(default)s)")
    add(
        "--granularity",
        choices=("day", "second"),
        default=default.granularity,
        help="granularity of the datestamps (default: %(default)s)",
    )
    add(
        "--deleted",
        type=float,
        default=default.deleted,
        help="share of deleted records, 0 to 1 (default: %(default)s)",
    )
    add(
        "--seed",
        type=int,
        default=default.seed,
        help="another seed gives other records (default: %(default)s)",
    )
    add(
        "--record-bytes",
        type=int,
        default=default.record_bytes,
        help="pad each record to this length; 0 adds no padding (default: 0)",
    )


if __name__ == "__main__":
    sys.exit(main())
