"""Run the command `harvest` in this process, and in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from harvest_dagster.cli.app import harvest


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The standard output as JSON. Nothing else may be there."""
        return json.loads(self.out)


def run(*arguments: str, text: str | None = None) -> Done:
    """Run a command in this process. An exception that it does not report fails the test."""
    done = CliRunner().invoke(harvest, list(arguments), input=text, catch_exceptions=False)
    return Done(done.exit_code, done.stdout, done.stderr)


def imported_modules(*commands: Sequence[str]) -> set[str]:
    """Return the modules that a process imports for all these commands."""
    code = (
        "import sys\n"
        "from harvest_dagster.cli.app import harvest\n"
        f"for arguments in {[list(command) for command in commands]!r}:\n"
        "    try: harvest(arguments)\n"
        "    except SystemExit: pass\n"
        "print('\\n' + ' '.join(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())
