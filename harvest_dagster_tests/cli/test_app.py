"""The command `harvest` as a whole: its help, its exit status, what it imports."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from click.testing import CliRunner

from harvest_dagster.cli.app import COMMANDS, harvest
from harvest_dagster_tests.cli.commands import imported_modules


def test_the_help_lists_every_command_without_importing_it():
    """A help page that imports Dagster takes seconds."""
    code = (
        "import sys; from harvest_dagster.cli.app import harvest\n"
        "try: harvest(['--help'])\n"
        "finally: assert not {'dagster', 'sqlalchemy'} & set(sys.modules), 'imports too much'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_description_and_examples(name):
    """The examples were wrapped into one paragraph, after the text `\\b`."""
    done = CliRunner().invoke(harvest, [name, "--help"])
    assert done.exit_code == 0, done.output
    assert "\n  Examples:\n    " in done.output or "Commands:" in done.output
    assert "\\b" not in done.output


def test_a_wrong_command_line_has_exit_status_2():
    """Scripts must tell a mistyped command from a failed harvest."""
    assert CliRunner().invoke(harvest, ["chekc"]).exit_code == 2
    assert CliRunner().invoke(harvest, ["check", "--jsno"]).exit_code == 2


STATE_COMMANDS = (
    ["check"],
    ["list"],
    ["status"],
    ["history", "hal"],
    ["quarantine", "list"],
    ["quarantine", "show", "1"],
    ["quarantine", "discard", "1"],
    ["db", "check"],
    ["db", "size"],
)
# Each takes a twentieth of a second or more. The database of the test is SQLite.
EXPENSIVE = {
    "dagster",
    "alembic",
    "requests",
    "jinja2",
    "boto3",
    "fsspec",
    "lxml",
    "prometheus_client",
    "sqlalchemy.dialects.postgresql",
}


def test_the_commands_of_the_state_import_no_dagster_and_nothing_they_do_not_need(tmp_path, monkeypatch):
    """They must start at once. Dagster alone takes seconds."""
    monkeypatch.setenv("HARVEST_DATABASE_URL", f"sqlite:///{tmp_path / 'harvest.db'}")
    monkeypatch.delenv("HARVEST_SOURCES", raising=False)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert not imported_modules(*STATE_COMMANDS) & EXPENSIVE
    assert "dagster" not in imported_modules(
        ["quarantine", "retry", "1"], ["db", "upgrade"], ["db", "prune"], ["db", "copy", "x:"]
    )


def test_a_command_that_asks_a_source_imports_no_part_of_a_harvest(tmp_path, monkeypatch):
    """`identify` took half a second more for the spool, OAuth and the drivers of PostgreSQL. It uses none of them."""
    monkeypatch.setenv("HARVEST_DATABASE_URL", f"sqlite:///{tmp_path / 'harvest.db'}")
    monkeypatch.delenv("HARVEST_SOURCES", raising=False)
    imported = imported_modules(["identify", "http://127.0.0.1:1/oai"])
    assert not imported & (
        EXPENSIVE - {"requests", "lxml"} | {"oauthlib", "harvest_dagster.pipeline.context"}
    )


def test_the_garbage_collection_goes_on_after_the_start_of_a_command():
    """It pauses during the imports of a command. A long command without it would grow."""
    assert CliRunner().invoke(harvest, ["check", "--help"]).exit_code == 0
    assert gc.isenabled()
