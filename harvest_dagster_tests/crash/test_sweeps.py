"""`kill -9` at every step of a sweep, and then the same command again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Row, Table, select, update

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.tables import deletion, harvest_log, source_unique_identifier, sweep
from harvest_dagster_tests.crash.child import Moment
from harvest_dagster_tests.crash.commands import LABEL, Command, Deployment
from harvest_dagster_tests.crash.conftest import FIRST, LAST, REPOSITORY, Deploy
from harvest_dagster_tests.crash.contents import kept_files

LATE, GONE = REPOSITORY.identifier(31), REPOSITORY.identifier(200)
# The list of the whole source, which has one record less.
PAGES = -(-(REPOSITORY.size - 1) // REPOSITORY.page_size)

PHASES = {
    "preflight, before the sweep begins": Moment("INSERT INTO sweep"),
    "planning, before the windows are recorded": Moment("UPDATE sweep SET windows"),
    "listing, a page written under its temporary name": Moment(
        r"os.rename .*/sweep-.*/pages/000002\.zst\.part"
    ),
    "listing, before the cost of the requests is recorded": Moment("UPDATE sweep SET requests"),
    "listing, the last page written without the summary": Moment(r"open .*/sweep-.*/end\.json\.part"),
    "listing, before the proof of the lists is recorded": Moment("UPDATE sweep SET completeness"),
    "comparing, before the first comparison is recorded": Moment("UPDATE sweep SET listed"),
    "repair, a page written under its temporary name": Moment(
        r"os.rename .*--20240302.*/pages/000000\.zst\.part"
    ),
    "repair, between two pages of store": Moment("UPDATE harvest_log SET .*pages_stored", 2),
    "repair, between store and launch": Moment(r"open .*/queued\.zst\.part"),
    "repair, the window finished and not recorded": Moment("UPDATE sweep SET listed"),
    "deletion, before the absence is recorded": Moment("INSERT INTO absent_record"),
    "deletion, before the source is asked": Moment("UPDATE absent_record SET", 1),
    "deletion, before the record is deleted": Moment("INSERT INTO deletion "),
    "deletion, before the decision is committed": Moment("UPDATE sweep SET deleted"),
    "proof, before the logs are marked": Moment("UPDATE harvest_log SET completeness"),
    "finish, before the sweep ends": Moment("UPDATE sweep SET .*status="),
}


def run(deployment: Deployment, killed_at: Moment | None = None) -> Command:
    """Start the job `reconcile`."""
    file = deployment.folder / "reconcile.yaml"
    file.write_text(f"ingest_config: {LABEL}\n")
    return deployment.start(
        *("job", "execute", "-m", "harvest_dagster.definitions", "--job", "reconcile", "--config", str(file)),
        killed_at=killed_at,
    )


def prepare(deployment: Deployment) -> None:
    """Harvest the source without a record that comes late. Then remove another one, and forget the proofs."""
    file = deployment.folder / "sources" / "source.yaml"
    file.write_text(f"{file.read_text()}deletions: {{by: reconcile}}\n")
    deployment.source.edits.hide(LATE)
    deployment.materialize(FIRST, LAST).succeed()
    deployment.source.edits.show(LATE)
    deployment.source.edits.hide(GONE)
    with Database.open(deployment.database_url) as database, database.begin() as connection:
        connection.execute(update(harvest_log).values(completeness="unverified", evidence="none"))


@pytest.mark.slow
@pytest.mark.parametrize("phases", [tuple(PHASES)[:6], tuple(PHASES)[6:12], tuple(PHASES)[12:]])
def test_sweeps_killed_in_every_phase_continue_with_the_same_result(
    deploy: Deploy, phases: Sequence[str]
) -> None:
    """A sweep of a large source takes days: it would never end if each kill began it again."""
    deployment = deploy()
    prepare(deployment)
    before = len(listed_pages(deployment))
    killed = []
    for phase in phases:
        killed.append(run(deployment, PHASES[phase]))
        assert killed[-1].wait() == -9, f"{phase}: {killed[-1].printed}"
    run(deployment).succeed()
    assert len(listed_pages(deployment)) - before <= PAGES + len(phases)
    assert_swept_once(deployment)
    assert kept_files(deployment, killed) == []


@pytest.mark.slow
def test_pages_that_a_killed_sweep_left_are_deleted_by_the_next_sweep(deploy: Deploy) -> None:
    """Otherwise they fill the disk."""
    deployment = deploy()
    prepare(deployment)
    run(deployment).succeed()
    killed = run(deployment, Moment("os.remove", 3))
    assert killed.wait() == -9
    assert kept_files(deployment, [killed]) != []
    run(deployment).succeed()
    assert kept_files(deployment, [killed]) == []


def assert_swept_once(deployment: Deployment) -> None:
    """Assert the numbers of a sweep that was never killed."""
    with Database.open(deployment.database_url) as database:
        (found,) = rows(database, sweep)
        deletions = rows(database, deletion)
        identifiers = {row.identifier for row in rows(database, source_unique_identifier)}
        logs = {row.start_date.date(): row.evidence for row in rows(database, harvest_log)}
    assert (found.status, found.completeness, found.evidence) == ("SUCCEEDED", "complete", "total")
    numbers = (found.missing, found.changed, found.gone, found.repaired, found.deleted, found.held)
    assert numbers == (1, 0, 1, 1, 1, 0)
    assert found.examples == {"missing": [LATE], "gone": [GONE]}
    assert [row.evidence for row in deletions] == ["not_found"]
    assert LATE in identifiers
    assert "none" not in logs.values()


def listed_pages(deployment: Deployment) -> list[str]:
    """Return the URLs of the pages of ListIdentifiers that were requested."""
    return [str(request) for request in deployment.source.requests if request.verb == "ListIdentifiers"]


def rows(database: Database, table: Table) -> list[Row[Any]]:
    """Return all rows of a table."""
    with database.read() as connection:
        return list(connection.execute(select(table).order_by(table.c.id)))
