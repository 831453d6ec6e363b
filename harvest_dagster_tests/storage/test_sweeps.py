"""A sweep belongs to one run at a time, and only this run writes its row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection

from harvest_dagster.errors import LeaseHeld, LeaseLost
from harvest_dagster.processes import Process
from harvest_dagster.storage import sweeps
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.sweeps import Findings, Sweep
from harvest_dagster.windows import ALL_TIME, Window
from harvest_dagster_tests.storage.configs import NOW, new_config

PROCESS = Process("a host", 7, "123")
HALF = Window(datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2020, 6, 1, 12, tzinfo=timezone.utc))

WRITES: dict[str, Callable[[Connection, Sweep], object]] = {
    "renew": lambda connection, one: sweeps.renew(connection, one.id, "a", process=None),
    "set_windows": lambda connection, one: sweeps.set_windows(connection, one.id, "a", [HALF]),
    "add_costs": lambda connection, one: sweeps.add_costs(
        connection, one.id, "a", requests=1, size=1, seconds_waited=1.0
    ),
    "record_lists": lambda connection, one: sweeps.record_lists(
        connection, one.id, "a", pages=1, completeness="complete", evidence="total"
    ),
    "record_findings": lambda connection, one: sweeps.record_findings(
        connection, one.id, "a", Findings(gone=1)
    ),
    "end": lambda connection, one: sweeps.end(connection, one.id, "a", "SUCCEEDED", now=NOW),
}


def begin(database: Database, config_id: int, run_id: str, last: Sweep | None = None) -> Sweep:
    with database.begin() as connection:
        return sweeps.begin(
            connection, config_id, run_id=run_id, process=PROCESS, now=NOW, arguments_digest="d", last=last
        )


def test_a_sweep_is_read_as_it_was_written(database: Database) -> None:
    """Otherwise the check and the status page report other numbers than the sweep found."""
    config_id = new_config(database)
    sweep = begin(database, config_id, "a")
    assert (sweep.process, sweep.status, sweep.windows, sweep.completeness) == (PROCESS, "STARTED", (), None)
    findings = Findings(*range(1, 13), {"missing": ["x", "y"]})
    with database.begin() as connection:
        sweeps.set_windows(connection, sweep.id, "a", [HALF, ALL_TIME])
        for _ in range(2):
            sweeps.add_costs(connection, sweep.id, "a", requests=2, size=10, seconds_waited=0.5)
        sweeps.record_lists(connection, sweep.id, "a", pages=4, completeness="complete", evidence="total")
        sweeps.record_findings(connection, sweep.id, "a", findings)
        ended = sweeps.end(connection, sweep.id, "a", "SUCCEEDED", now=NOW + timedelta(hours=1))
    assert (ended.windows, ended.findings, ended.is_complete) == ((HALF, ALL_TIME), findings, True)
    assert (ended.pages, ended.requests, ended.bytes, ended.seconds_waited) == (4, 4, 20, 1.0)
    with database.read() as connection:
        assert sweeps.find_last(connection, config_id) == ended


def test_the_newest_sweep_comes_first(database: Database) -> None:
    """Otherwise the status page shows an old sweep as the last one."""
    config_id = new_config(database)
    first = begin(database, config_id, "a")
    second = begin(database, config_id, "b", first)
    with database.read() as connection:
        assert [found.id for found in sweeps.find_recent(connection, config_id, 5)] == [second.id, first.id]
        assert sweeps.get_sweep(connection, first.id).status == "FAILED"


@pytest.mark.parametrize("name", WRITES)
def test_a_run_writes_nothing_after_another_run_took_over(database: Database, name: str) -> None:
    """Otherwise a process that was suspended overwrites the result of the run that continued its sweep."""
    config_id = new_config(database)
    sweep = begin(database, config_id, "a")
    with database.begin() as connection:
        taken = sweeps.take_over(connection, sweep, run_id="b", process=None, now=NOW)
    with pytest.raises(LeaseLost, match="run b took it over"), database.begin() as connection:
        WRITES[name](connection, sweep)
    with database.read() as connection:
        assert sweeps.get_sweep(connection, sweep.id) == taken


def test_of_two_runs_that_begin_at_the_same_time_one_continues(database: Database) -> None:
    """Otherwise two runs list the whole source at the same time."""
    config_id = new_config(database)
    sweep = begin(database, config_id, "a")
    with database.begin() as connection:
        sweeps.take_over(connection, sweep, run_id="b", process=None, now=NOW)
    with pytest.raises(LeaseHeld):
        begin(database, config_id, "c", sweep)
    with pytest.raises(LeaseHeld), database.begin() as connection:
        sweeps.take_over(connection, sweep, run_id="c", process=None, now=NOW)


@pytest.mark.parametrize("other", ["took it over", "began a new one", "none"])
def test_the_error_names_the_run_that_took_a_sweep_or_says_that_none_did(
    database: Database, other: str
) -> None:
    """The error of a run whose sweep another run had replaced named no run."""
    config_id = new_config(database)
    sweep = begin(database, config_id, "a")
    if other == "began a new one":
        begin(database, config_id, "b", sweep)
    with database.begin() as connection:
        if other == "took it over":
            sweeps.take_over(connection, sweep, run_id="b", process=None, now=NOW)
        elif other == "none":
            sweeps.end(connection, sweep.id, "a", "CANCELLED", now=NOW)
    reason = (
        "no other run has taken it. It has ended with the status CANCELLED"
        if other == "none"
        else f"run b {other}"
    )
    with pytest.raises(LeaseLost, match=reason), database.begin() as connection:
        sweeps.verify_owner(connection, sweep.id, "a")
