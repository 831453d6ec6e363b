"""Groups of commands whose modules are imported only if they are used."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from harvest_dagster.cli.output import CommandFailed
from harvest_dagster.errors import HarvestError


@dataclass(frozen=True)
class Entry:
    """A subcommand.

    Attributes:
        module: the module of `harvest_dagster.cli.commands` that has it, under the name `command`.
        summary: its line in the help of the group.
    """

    module: str
    summary: str


class LazyGroup(click.Group):
    """Imports the module of a subcommand only if it is used, and reports our errors in one line.

    Args:
        entries: the subcommands by name, in the order of the help.
    """

    def __init__(self, *arguments: Any, entries: Mapping[str, Entry], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the subcommands."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a subcommand."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        with _paused_garbage_collection():
            found = import_module(f"harvest_dagster.cli.commands.{entry.module}").command
        assert isinstance(found, click.Command)  # noqa: S101
        # click does not wrap a paragraph after this character. Our docstrings are raw, so they have two characters.
        found.help = found.help and found.help.replace("\\b\n", "\b\n")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self.entries.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Invoke a subcommand. The exit status is 1 if it raises one of our errors.

        It is 0 if the reader of a pipe has read enough, as in `harvest records x | head`.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(
                os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
            )  # the interpreter flushes it at its end
            ctx.exit(0)
        except HarvestError as error:
            raise CommandFailed(" ".join(str(error).split())) from error
        except click.ClickException as error:
            if type(error) is click.ClickException:  # not an error of the command line itself
                raise CommandFailed(error.message) from error
            raise


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Collect no garbage during a block, and exclude from later collections what exists at its end.

    Imports leave no garbage, but each collection would examine all that was imported. This is a tenth of the time in
    which a command starts.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
