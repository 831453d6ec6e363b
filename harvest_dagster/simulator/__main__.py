"""`python -m harvest_dagster.simulator`: serves a repository until it is interrupted.

The first line of its output is the base URL, so that a program can start it and read where it is.
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

from harvest_dagster.simulator import scenario, table
from harvest_dagster.simulator.behaviours.base import Behaviour
from harvest_dagster.simulator.json_list import Paging
from harvest_dagster.simulator.repository import Repository
from harvest_dagster.simulator.server import Server

_COMMAND = "python -m harvest_dagster.simulator"
_EXAMPLES = f"""\
examples:
  {_COMMAND} --port 8090 --days 3
  {_COMMAND} --behaviour cut@ListRecords#3
  {_COMMAND} --behaviour gone --log requests.jsonl
  {_COMMAND} --scenario hostile.yaml --paging links
"""
_SPECIAL = ("port", "behaviour", "scenario", "log", "paging")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    options = vars(_parser().parse_args(arguments))
    special = {name: options.pop(name) for name in _SPECIAL}
    with ExitStack() as running:
        try:
            repository = _repository(options)
            behaviours = _behaviours(special.pop("scenario"), special.pop("behaviour"))
            server = Server(repository, behaviours=behaviours, **special)
            _start(running, server, special["port"])
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
        _serve(server, behaviours)
    return 0


def _serve(server: Server, behaviours: Sequence[Behaviour]) -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(server.url, flush=True)
    print(server.json_url)
    for behaviour in behaviours:
        print(f"hostile: {behaviour.label}")
    repository = server.repository
    print(f"{repository.size} records from {repository.first_day}; Ctrl-C ends it", flush=True)
    stop.wait()


def _start(running: ExitStack, server: Server, port: int) -> None:
    try:
        running.enter_context(server)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"--port {port}: {reason}; give another one, or 0 for any that is free") from None


def _repository(options: Mapping[str, Any]) -> Repository:
    if options["days"] < 1:
        raise ValueError(
            f"--days {options['days']}: a repository without records has nothing to harvest; give 1 or more"
        )
    return Repository(**options)


def _behaviours(file: Path | None, texts: Sequence[str]) -> tuple[Behaviour, ...]:
    """Those of the file are outside of those of the command line."""
    try:
        of_file = scenario.load(file) if file else ()
    except OSError as error:
        raise ValueError(f"--scenario {file}: {error.strerror}") from None
    return (*of_file, *scenario.behaviours(texts))


class _Parser(argparse.ArgumentParser):
    """The table is laid out when somebody asks for it: it is as wide as the terminal is then."""

    def format_help(self) -> str:
        width = min(shutil.get_terminal_size().columns, 120)
        self.epilog = f"{_EXAMPLES}\nscenarios:\n{scenario.GRAMMAR}\nbehaviours:\n{table.text(width)}"
        return super().format_help()


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_COMMAND,
        description="A hostile source for harvesters on loopback: OAI-PMH 2.0 and a JSON API, with\n"
        "records computed from their number, and every way of going wrong that was seen.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_content(parser.add_argument_group("what it serves").add_argument)
    add = parser.add_argument_group("how it serves it").add_argument
    add("--port", type=int, default=0, help="0, the default, takes a free one")
    add("--paging", choices=get_args(Paging), default="cursor", help="how the JSON list goes on; %(default)s")
    add("--behaviour", action="append", default=[], metavar="TEXT", help="see below; can be repeated")
    add("--scenario", type=Path, metavar="FILE", help="YAML or JSON with a list `behaviours`, see below")
    add("--log", type=Path, metavar="FILE", help="gets every request as a line of JSON, secrets included")
    return parser


def _add_content(add: Any) -> None:
    usual = Repository()
    add(
        "--first-day",
        type=date.fromisoformat,
        default=usual.first_day,
        help="of the oldest records, UTC; %(default)s",
    )
    add("--days", type=int, default=usual.days, help="how many days have records; %(default)s")
    add(
        "--records-per-day",
        type=int,
        default=usual.records_per_day,
        help="how many each of them has; %(default)s",
    )
    add("--page-size", type=int, default=usual.page_size, help="records a page; %(default)s")
    add(
        "--granularity",
        choices=("day", "second"),
        default=usual.granularity,
        help="of the datestamps; %(default)s",
    )
    add(
        "--deleted",
        type=float,
        default=usual.deleted,
        help="share of records that are deleted, 0 to 1; %(default)s",
    )
    add("--seed", type=int, default=usual.seed, help="another one gives other records; %(default)s")
    add("--record-bytes", type=int, default=usual.record_bytes, help="pad records to this length; 0: do not")


if __name__ == "__main__":
    sys.exit(main())
