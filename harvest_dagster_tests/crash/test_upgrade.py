"""The harvest database is migrated while a run of the old code is active.

The migration of the test adds columns, as most migrations do, and a revision that this code does not know. So the code
of the test is the old one. Afterwards the revision gets its known value back, which stands for the installation of the
new code.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from sqlalchemy import text

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.migrations import HEAD
from harvest_dagster.testing.simulator import RequestGate, nth
from harvest_dagster_tests.crash.commands import LABEL, TIMEOUT, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, lists

pytestmark = pytest.mark.slow

_ONE_PROCESS_FOR_EACH_OP = json.dumps({"execution": {"config": {"multiprocess": {}}}})


def migrate(deployment: Deployment, revision: str, *statements: str) -> None:
    """Change the schema as a migration does: in one transaction, while a run is active."""
    with Database.open(deployment.database_url) as database, database.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))


def install_new_code(database: Database) -> None:
    """Let this code know the revision of the database."""
    with database.begin() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))


ADDED = (
    "ALTER TABLE harvest_log ADD COLUMN added INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE raw_datum ADD COLUMN added INTEGER",
    "ALTER TABLE lease ADD COLUMN added INTEGER",
)


def test_a_run_with_one_process_ends_and_later_runs_of_the_old_code_are_refused(deploy: Deploy) -> None:
    """A run that is open writes columns that still exist. A new process must not guess what the new schema means."""
    gate = RequestGate(nth(3, "ListRecords"))
    deployment = deploy(gate)
    active = deployment.materialize(FIRST, LAST)
    active.wait_for(gate)
    with Database.open(deployment.database_url) as database:
        migrate(deployment, "9999", *ADDED)
        gate.release()
        active.succeed()
        assert_complete(database, deployment.source)
        requests = len(deployment.source.requests)
        refused = deployment.materialize(FIRST, LAST, parameters={"superfluous": True}).fail()
        assert "was migrated by a newer version of harvest_dagster: its revision is 9999" in refused.printed
        install_new_code(database)
        deployment.materialize(FIRST, LAST).succeed()
        assert len(deployment.source.requests) == requests


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_run_whose_next_op_is_refused_is_continued_by_the_new_code(deploy: Deploy) -> None:
    """With a process for each op, a run does not survive an upgrade. Its pages must not be requested again."""
    gate = RequestGate(nth(3, "ListRecords"))
    deployment = deploy(gate, max_window="30d")
    command = (sys.executable, "-m", "dagster", "asset", "materialize", "-m", "harvest_dagster.definitions")
    options = ("--select", f"raw/{LABEL}", "--partition-range", f"{FIRST}...{LAST}")
    with (
        Database.open(deployment.database_url) as database,
        # The processes of the other tests are daemonic, and may not start processes.
        subprocess.Popen(
            [*command, *options, "--config-json", _ONE_PROCESS_FOR_EACH_OP],
            env=deployment.environment,
            cwd=deployment.folder,
            stderr=subprocess.PIPE,
            text=True,
        ) as active,
    ):
        gate.wait_until_reached(TIMEOUT)
        migrate(deployment, "9999", *ADDED)
        gate.release()
        _, printed = active.communicate(timeout=TIMEOUT)
        assert active.returncode == 1
        assert "was migrated by a newer version of harvest_dagster: its revision is 9999" in printed
        pages = len(lists(deployment.source.requests))
        install_new_code(database)
        deployment.materialize(FIRST, LAST).succeed()
        assert_complete(database, deployment.source)
    assert len(lists(deployment.source.requests)) == pages
