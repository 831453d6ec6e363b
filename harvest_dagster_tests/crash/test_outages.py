"""A full disk or an unreachable database: the run waits or fails with this reason, and the next run loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import Repository, RequestGate, nth
from harvest_dagster_tests.crash.conftest import FIRST, LAST, PAGES_OF_BOTH_WINDOWS, REPOSITORY, Deploy
from harvest_dagster_tests.crash.contents import assert_complete, harvests, lists
from harvest_dagster_tests.databases import PostgresqlServer

FULL = Path("/dev/full")
SOON = {"first": 0.2, "longest": 0.5}
PAGES = REPOSITORY.size // REPOSITORY.page_size  # of one window
# 12 MB: more than the size limit of a file in the test below. Dagster's own files stay below the limit.
LARGE = Repository(first_day=FIRST, days=4, records_per_day=150, page_size=50, record_bytes=20_000)
MEGABYTE = 1_000_000


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_while_spooling_costs_one_page(deploy: Deploy) -> None:
    """Only the page that did not fit is requested again, and the error names the reason."""
    gate = RequestGate(nth(3, "ListRecords"))
    deployment = deploy(gate, max_window="30d")
    full = deployment.materialize(FIRST, LAST)
    full.wait_for(gate)
    (pages,) = deployment.spool.rglob("pages")
    no_room = pages / "000002.zst.part"
    no_room.symlink_to(FULL)
    gate.release()
    assert "No space left on device" in full.fail().printed
    with Database.open(deployment.database_url) as database:
        with database.read() as connection:
            (log,) = harvests(connection)
        assert log["status"] == "FAILED"
        assert "No space left on device" in log["error"]
        no_room.unlink()
        deployment.materialize(FIRST, LAST).succeed()
        assert_complete(database, deployment.source)
    assert len(lists(deployment.source.requests)) == PAGES + 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_while_storing_on_sqlite_is_reported(deploy: Deploy) -> None:
    """Nothing is fetched again, because the pages are in the spool."""
    deployment = deploy(repository=LARGE, max_window="30d")
    full = deployment.materialize(
        FIRST, LAST, waiting=SOON | {"retries": 1}, largest_file=8 * MEGABYTE
    ).fail()
    assert "cannot be used: " in full.printed
    assert "STEP_UP_FOR_RETRY" in full.printed
    deployment.materialize(FIRST, LAST).succeed()
    with Database.open(deployment.database_url) as database:
        assert_complete(database, deployment.source)
    assert len(lists(deployment.source.requests)) == LARGE.size // LARGE.page_size


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_full_disk_of_the_database_server_is_reported(deploy: Deploy) -> None:
    """The error has the message of the server, and nothing is fetched again."""
    deployment = deploy(max_window="30d")
    with Database.open(deployment.database_url) as database:
        with database.begin() as connection:
            connection.execute(text(_FULL_AFTER.format(rows=50)))
        full = deployment.materialize(FIRST, LAST, waiting=SOON | {"retries": 1}).fail()
        assert "No space left on device" in full.printed
        assert "STEP_UP_FOR_RETRY" in full.printed
        with database.begin() as connection:
            connection.execute(text("DROP TRIGGER fill ON raw_datum"))
        deployment.materialize(FIRST, LAST).succeed()
        assert_complete(database, deployment.source)
    assert len(lists(deployment.source.requests)) == PAGES


_FULL_AFTER = """
CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id > {rows} THEN
        RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fill BEFORE INSERT ON raw_datum FOR EACH ROW EXECUTE FUNCTION fill();
"""


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    "returns", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["it returns", "it does not"]
)
def test_a_run_waits_for_a_database_that_is_not_reachable(
    deploy: Deploy, postgresql: PostgresqlServer, returns: bool
) -> None:
    """A restart of the server takes a minute, and must not cost hours of harvesting."""
    gate = RequestGate(nth(3, "ListRecords"))
    deployment = deploy(gate)
    retries = 1000 if returns else 1
    run = deployment.materialize(FIRST, LAST, waiting=SOON | {"retries": retries})
    run.wait_for(gate)
    with unreachable(postgresql, str(make_url(deployment.database_url).database)):
        gate.release()
        if returns:
            assert run.wait_until(lambda: run.printed.count("STEP_RESTARTED") >= 2), run.printed
        else:
            assert "is not currently accepting connections" in run.fail().printed
    if returns:
        run.succeed()
    else:
        deployment.materialize(FIRST, LAST).succeed()
    with Database.open(deployment.database_url) as database:
        assert_complete(database, deployment.source)
    # The page in transit is lost: without the database, the run cannot know whether it still holds the lease.
    assert len(lists(deployment.source.requests)) == PAGES_OF_BOTH_WINDOWS + 1


@contextmanager
def unreachable(server: PostgresqlServer, name: str) -> Iterator[None]:
    """Close all connections to a database and refuse new ones until the block ends."""
    with psycopg.connect(server.url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
