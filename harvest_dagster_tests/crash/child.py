"""What runs in a process of its own: Dagster's command line, which may be told to kill itself at a given moment.

A process that imports Dagster once (multiprocessing's fork server) is forked for each command, so that one costs
a second less. From there on it is `dagster`, whole: its entry point, its signals, its exit code.
"""

from __future__ import annotations

import itertools
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

# Loaded for the fork server's sake: what every command imports anyway. None of it reads the environment.
import harvest_dagster.harvesters.oai
import harvest_dagster.orchestration.build
import harvest_dagster.transformers.oai_dc  # noqa: F401

(_SCRIPT,) = entry_points(group="console_scripts", name="dagster")
_main = _SCRIPT.load()


@dataclass(frozen=True)
class Moment:
    """A point in a run: just before the n-th thing it does to the harvest database or the spool that matches.

    Attributes:
        what: a regular expression over SQL statements, `COMMIT`, and `open`, `os.rename` and `os.remove` of files.
        nth: from 1.
    """

    what: str = ""
    nth: int = 1


@dataclass(frozen=True)
class Order:
    """A command line, and the circumstances it is to run in.

    Attributes:
        arguments: of `dagster`.
        environment: all of it.
        folder: the working directory.
        output: the file that stdout and stderr go to.
        trail: the file that lists what it did to the harvest database and the spool.
        killed_at: where it kills itself, its process group included, with SIGKILL.
        largest_file: in bytes, as a full disk would limit it.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)
    folder: Path
    output: Path
    trail: Path
    killed_at: Moment | None = None
    largest_file: int | None = None


def run(order: Order) -> None:
    """Become the command."""
    os.setsid()
    # As a shell starts a command in the foreground; who started the tests may have had them ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if order.largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.largest_file, order.largest_file))
    output = os.open(order.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(order.environment)
    os.chdir(order.folder)
    _watch(order)
    sys.argv = ["dagster", *order.arguments]
    _main()


def _watch(order: Order) -> None:
    """Note what the command does to the harvest database and the spool; kill it at its moment."""
    trail = os.open(order.trail, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    seen = itertools.count(1)
    moment = order.killed_at

    def note(what: str) -> None:
        os.write(trail, f"{' '.join(what.split())[:150]}\n".encode())
        if moment is not None and re.search(moment.what, what) and next(seen) == moment.nth:
            os.killpg(0, signal.SIGKILL)

    _watch_database(note, order.environment["HARVEST_DATABASE_URL"].rpartition("/")[2].partition("?")[0])
    _watch_files(note, order.environment["HARVEST_SPOOL"])


def _watch_database(note: Callable[[str], None], name: str) -> None:
    def statement(connection: Connection, _cursor: Any, text: str, *_: Any) -> None:
        if str(connection.engine.url.database).rpartition("/")[2] == name:
            note(text)

    def commit(connection: Connection) -> None:
        statement(connection, None, "COMMIT")

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)


def _watch_files(note: Callable[[str], None], spool: str) -> None:
    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("open", "os.rename") and str(arguments[0]).startswith(spool):
            note(f"{name} {arguments[0]} {arguments[1]}")
        elif name == "os.remove" and arguments[1] != -1:
            # Below a directory that is removed with all that it holds; of these the command has only its spool's.
            note(f"{name} {arguments[0]}")

    sys.addaudithook(audit)
