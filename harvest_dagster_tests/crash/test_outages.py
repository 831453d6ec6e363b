"""What is full or gone for a while: the run waits or fails with that reason, and the next loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from harvest_dagster.simulator import Hold, Repository, nth
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.crash.conftest import FIRST, LAST, REPOSITORY, Deploy
from harvest_dagster_tests.crash.contents import assert_whole, harvests, lists
from harvest_dagster_tests.databases import Server as PostgresqlServer

FULL = Path("/dev/full")
SOON = {"first": 0.2, "longest": 0.5}
PAGES = REPOSITORY.size // REPOSITORY.page_size
# 12 MB: more than a file may have in the test below, in which Dagster's own files find their place.
LARGE = Repository(first_day=FIRST, days=4, records_per_day=150, page_size=50, record_bytes=20_000)
MEGABYTE = 1_000_000


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_while_spooling_fails_with_that_reason_and_costs_one_page(deploy: Deploy) -> None:
    """The page that did not fit is asked for again, and no other."""
    hold = Hold(nth(3, "ListRecords"))
    deployment = deploy(hold, max_window="30d")
    full = deployment.materialize(FIRST, LAST)
    full.wait_for(hold)
    (pages,) = deployment.spool.rglob("pages")
    no_room = pages / "000002.zst.part"
    no_room.symlink_to(FULL)
    hold.release()
    assert "No space left on device" in full.fail().said
    with Database.open(deployment.database_url) as database:
        with database.read() as connection:
            (log,) = harvests(connection)
        assert log["status"] == "FAILED"
        assert "No space left on device" in log["error"]
        no_room.unlink()
        deployment.materialize(FIRST, LAST).succeed()
        assert_whole(database, deployment.source)
    assert len(lists(deployment.source.requests)) == PAGES + 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_while_storing_on_sqlite_fails_with_that_reason(deploy: Deploy) -> None:
    """Nothing is fetched again: the pages wait in the spool."""
    deployment = deploy(repository=LARGE, max_window="30d")
    full = deployment.materialize(
        FIRST, LAST, waiting=SOON | {"retries": 1}, largest_file=8 * MEGABYTE
    ).fail()
    assert "cannot be used: " in full.said
    assert "STEP_UP_FOR_RETRY" in full.said
    deployment.materialize(FIRST, LAST).succeed()
    with Database.open(deployment.database_url) as database:
        assert_whole(database, deployment.source)
    assert len(lists(deployment.source.requests)) == LARGE.size // LARGE.page_size


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_full_disk_of_the_database_server_fails_with_that_reason(deploy: Deploy) -> None:
    """As on SQLite, by what the server says of its disk."""
    deployment = deploy(max_window="30d")
    with Database.open(deployment.database_url) as database:
        with database.begin() as connection:
            connection.execute(text(_FULL_AFTER.format(rows=50)))
        full = deployment.materialize(FIRST, LAST, waiting=SOON | {"retries": 1}).fail()
        assert "No space left on device" in full.said
        assert "STEP_UP_FOR_RETRY" in full.said
        with database.begin() as connection:
            connection.execute(text("DROP TRIGGER fill ON raw_datum"))
        deployment.materialize(FIRST, LAST).succeed()
        assert_whole(database, deployment.source)
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
@pytest.mark.parametrize("comes_back", [True, False], ids=["it comes back", "it does not"])
def test_a_database_that_is_gone_in_the_middle_is_waited_for(
    deploy: Deploy, postgresql: PostgresqlServer, comes_back: bool
) -> None:
    """A server that restarts takes a minute, and a harvest of hours must not pay for it with hours."""
    hold = Hold(nth(3, "ListRecords"))
    deployment = deploy(hold)
    retries = 1000 if comes_back else 1
    run = deployment.materialize(FIRST, LAST, waiting=SOON | {"retries": retries})
    run.wait_for(hold)
    with gone(postgresql, str(make_url(deployment.database_url).database)):
        hold.release()
        if comes_back:
            assert run.wait_until(lambda: run.said.count("STEP_RESTARTED") >= 2), run.said
        else:
            assert "is not currently accepting connections" in run.fail().said
    if comes_back:
        run.succeed()
    else:
        deployment.materialize(FIRST, LAST).succeed()
    with Database.open(deployment.database_url) as database:
        assert_whole(database, deployment.source)
    # The page that was on its way could not be kept: nobody could tell whether the lease was still held.
    assert len(lists(deployment.source.requests)) == PAGES + 1


@contextmanager
def gone(server: PostgresqlServer, name: str) -> Iterator[None]:
    """The database drops its clients and lets nobody in."""
    with psycopg.connect(server.url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
