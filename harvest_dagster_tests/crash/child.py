"""The process of a command: Dagster's command line, which can kill itself at a given moment.

The fork server of multiprocessing imports Dagster once and forks a process for each command. This saves a second for
each command. The process has the entry point, the signals and the exit code of `dagster`.
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

# Modules that every command imports, so that the fork server loads them. None of them reads the environment.
import harvest_dagster.harvesters.oai.harvester
import harvest_dagster.orchestration.build
import harvest_dagster.transformers.formats.oai_dc.record  # noqa: F401

(_SCRIPT,) = entry_points(group="console_scripts", name="dagster")
_main = _SCRIPT.load()


@dataclass(frozen=True)
class Moment:
    """A point in a run: just before the n-th matching operation on the harvest database or the spool.

    Attributes:
        pattern: a regular expression for SQL statements, `COMMIT`, and `open`, `os.rename` and `os.remove` of files.
        nth: the number of the matching operation, from 1.
    """

    pattern: str = ""
    nth: int = 1


@dataclass(frozen=True)
class CommandOptions:
    """A command line and the conditions in which it runs.

    Attributes:
        arguments: the arguments of `dagster`.
        environment: all environment variables.
        folder: the working directory.
        output: the file for stdout and stderr.
        operations: the file that lists the operations on the harvest database and the spool.
        killed_at: the moment at which the process kills its process group with SIGKILL.
        largest_file: the maximum size of a file in bytes, to simulate a full disk.
        execute: what to call with `arguments` instead of the command line of `dagster`.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)
    folder: Path
    output: Path
    operations: Path
    killed_at: Moment | None = None
    largest_file: int | None = None
    execute: Callable[..., object] | None = None


def run(options: CommandOptions) -> None:
    """Turn this process into the command."""
    os.setsid()
    # A shell starts a command with these handlers. The process that started the tests may ignore the signals.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if options.largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.largest_file, options.largest_file))
    output = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.clear()
    os.environ.update(options.environment)
    os.chdir(options.folder)
    _watch(options)
    if options.execute is not None:
        options.execute(*options.arguments)
        return
    sys.argv = ["dagster", *options.arguments]
    _main()


def _watch(options: CommandOptions) -> None:
    """Record the operations on the harvest database and the spool. Kill the command at its moment."""
    operations = os.open(options.operations, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    matches = itertools.count(1)
    moment = options.killed_at

    def record(operation: str) -> None:
        os.write(operations, f"{' '.join(operation.split())[:150]}\n".encode())
        if moment is not None and re.search(moment.pattern, operation) and next(matches) == moment.nth:
            os.killpg(0, signal.SIGKILL)

    _watch_database(record, options.environment["HARVEST_DATABASE_URL"].rpartition("/")[2].partition("?")[0])
    _watch_files(record, options.environment["HARVEST_SPOOL"])


def _watch_database(record: Callable[[str], None], name: str) -> None:
    def statement(connection: Connection, _cursor: Any, text: str, *_: Any) -> None:
        if str(connection.engine.url.database).rpartition("/")[2] == name:
            record(text)

    def commit(connection: Connection) -> None:
        statement(connection, None, "COMMIT")

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)


def _watch_files(record: Callable[[str], None], spool: str) -> None:
    def audit(name: str, arguments: tuple[Any, ...]) -> None:
        if name in ("open", "os.rename") and str(arguments[0]).startswith(spool):
            record(f"{name} {arguments[0]} {arguments[1]}")
        elif name == "os.remove" and arguments[1] != -1:
            # A file below a directory that is removed as a whole. The command removes only directories of its spool.
            record(f"{name} {arguments[0]}")

    sys.addaudithook(audit)
