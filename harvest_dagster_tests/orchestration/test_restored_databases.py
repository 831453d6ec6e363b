"""The harvest database, Dagster's database and the spool are restored from backups of different moments.

A deployment harvests some days, makes a backup, and harvests other days. Then one of its stores gets the content of the
backup back, or is lost. Nothing may be lost silently: the days to harvest again are named, and a run harvests exactly
these.
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import func, make_url, select, update

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.orchestration.checks import up_to_date
from harvest_dagster.orchestration.reports.day_differences import DayDifference, find_differences
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import counters
from harvest_dagster.storage.maintenance import integrity
from harvest_dagster.storage.tables import harvest_log, lease, raw_datum
from harvest_dagster.testing.simulator import RequestGate, Server, scenario
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.databases import SLOW_ON_POSTGRESQL, PostgresqlServer
from harvest_dagster_tests.orchestration.deployment import (
    DAYS,
    LABEL,
    RAW,
    REPOSITORY,
    TRANSFORMED,
    Deployment,
    asked_day,
    config,
    reason,
)

# Dagster otherwise starts a process for the output of each step, which may not end with it.
_NO_OUTPUT = (
    "compute_logs: {module: dagster.core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}\n"
)


@dataclass
class Restorable:
    """A deployment whose stores can be copied and restored. Dagster uses the same kind of database as the harvests.

    Attributes:
        folder: where its files are.
        server: the server of PostgreSQL; None if both databases are SQLite.
        deployment: the deployment with its present stores.
    """

    folder: Path
    server: PostgresqlServer | None
    deployment: Deployment
    dagster_url: str
    _stack: ExitStack
    _backup: dict[str, str] = field(default_factory=dict)

    def back_up(self) -> None:
        """Copy all three stores. No run is active."""
        self.deployment.instance.dispose()
        self._backup = {
            "harvest": self._copy(self.deployment.database_url, "harvest"),
            "dagster": self._copy(self.dagster_url, "dagster"),
        }
        self.deployment.instance = open_instance(self.folder, self.dagster_url)

    def restore(self, name: str) -> None:
        """Give one of the databases the content of the backup: `harvest` or `dagster`."""
        if name == "harvest":
            self.deployment.database_url = self._backup["harvest"]
        else:
            self.deployment.instance.dispose()
            self.dagster_url = self._backup["dagster"]
            self.deployment.instance = open_instance(self.folder, self.dagster_url)

    def _copy(self, url: str, name: str) -> str:
        if self.server is not None:
            database = str(make_url(url).database)
            return self._stack.enter_context(self.server.database(database))
        copy = self.folder / f"backup of {name}"
        if name == "dagster":
            shutil.copytree(url, copy)
            return str(copy)
        copy_file(url, copy)
        return f"sqlite:///{copy}"

    def differences(self) -> list[DayDifference]:
        """Return what `harvest db check --dagster` reports."""
        with Database.open(self.deployment.database_url) as database:
            return find_differences(self.deployment.instance, self.deployment.catalog, database, utc_now())

    def check(self) -> tuple[bool, str]:
        """Return the result of the check `up_to_date`, as a run and the sensor evaluate it."""
        (source,) = self.deployment.catalog.configs
        with Database.open(self.deployment.database_url) as database:
            found = up_to_date.read_evaluation(self.deployment.instance, database, source, RAW)
        return found.passed, str(found.description)

    def violations(self) -> list[integrity.Violation]:
        """Return the rules that the harvest database violates."""
        with Database.open(self.deployment.database_url) as database, database.read() as connection:
            return list(integrity.check_rows(connection))

    def stored(self) -> int:
        """Return the number of records."""
        with Database.open(self.deployment.database_url) as database, database.read() as connection:
            return connection.scalar(select(func.count()).select_from(raw_datum)) or 0


def open_instance(folder: Path, url: str) -> dg.DagsterInstance:
    """Open the instance of Dagster over a folder with SQLite files, or over a database of PostgreSQL."""
    on_postgresql = url.startswith("postgresql")
    home = folder / "home" if on_postgresql else Path(url)
    home.mkdir(exist_ok=True)
    storage = f"storage: {{postgres: {{postgres_url: '{url}'}}}}\n" if on_postgresql else ""
    home.joinpath("dagster.yaml").write_text(f"telemetry: {{enabled: false}}\n{_NO_OUTPUT}{storage}")
    return dg.DagsterInstance.from_config(str(home))


def copy_file(url: str, copy: Path) -> None:
    """Copy a database file, even while a run writes to it."""
    with (
        closing(sqlite3.connect(str(make_url(url).database))) as source,
        closing(sqlite3.connect(copy)) as to,
    ):
        source.backup(to)


@pytest.fixture
def restorable(
    request: pytest.FixtureRequest, source: Server, tmp_path: Path, database_url: str
) -> Iterator[Restorable]:
    """A deployment of the simulated source: both databases are SQLite, or both are PostgreSQL."""
    with ExitStack() as stack:
        server, dagster_url = None, str(tmp_path / "dagster")
        if not database_url.startswith("sqlite"):
            server = request.getfixturevalue("postgresql")
            dagster_url = stack.enter_context(server.database())
        instance = open_instance(tmp_path, dagster_url)
        catalog = Catalog((config(source.url, max_window="1d"),))
        deployment = Deployment(catalog, database_url, tmp_path / "spool", instance)
        found = Restorable(tmp_path, server, deployment, dagster_url, stack)
        yield found
        found.deployment.instance.dispose()


SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def asked_days(source: Server, since: int) -> list[str]:
    """Return the days that were requested from the source after its first requests, one for each list."""
    return sorted(filter(None, map(asked_day, source.requests[since:])))


def day_range(first: str, last: str) -> DayRange:
    return DayRange(date.fromisoformat(first), date.fromisoformat(last))


@SLOW_ON_POSTGRESQL
def test_days_that_an_older_harvest_database_lacks_are_named_and_harvested_again(
    restorable: Restorable, source: Server
) -> None:
    """Dagster shows these days as done, and they are neither between harvested days nor due by a schedule.

    Without the comparison, nothing reports them: the days before the first harvest count as history that nobody
    requested. The keys of new rows repeat those of the lost rows, which Dagster's metadata names.
    """
    deployment = restorable.deployment
    assert deployment.materialize(DAYS[2], assets=(RAW, TRANSFORMED)).success
    restorable.back_up()
    for day in (DAYS[0], DAYS[1], DAYS[3]):
        assert deployment.materialize(day, assets=(RAW, TRANSFORMED)).success
    stored = restorable.stored()
    requests = len(source.requests)

    restorable.restore("harvest")
    assert restorable.stored() < stored
    assert deployment.materialized() == set(DAYS)
    lost = (day_range(DAYS[0], DAYS[1]), day_range(DAYS[3], DAYS[3]))
    (difference,) = restorable.differences()
    assert difference == DayDifference(LABEL, lost)
    assert restorable.check() == (False, f"3 days are missing: {lost[0]}, {lost[1]}")

    assert deployment.materialize(DAYS[0], DAYS[3], assets=(RAW, TRANSFORMED)).success
    assert asked_days(source, requests) == [DAYS[0], DAYS[1], DAYS[3]]
    assert (restorable.differences(), restorable.violations()) == ([], [])
    assert restorable.stored() == stored
    assert restorable.check()[0]


@pytest.mark.slow
def test_days_that_an_older_database_of_dagster_lacks_are_shown_again_without_a_request(
    restorable: Restorable, source: Server
) -> None:
    """To harvest them again would load the source for nothing. The command says that nothing is lost."""
    deployment = restorable.deployment
    assert deployment.materialize(DAYS[0]).success
    restorable.back_up()
    assert deployment.materialize(DAYS[1], DAYS[2]).success
    requests = len(source.requests)

    restorable.restore("dagster")
    assert deployment.materialized() == {DAYS[0]}
    assert restorable.check()[0]
    (difference,) = restorable.differences()
    assert difference == DayDifference(LABEL, (), (day_range(DAYS[1], DAYS[2]),))

    assert deployment.materialize(DAYS[0], DAYS[2]).success
    assert asked_days(source, requests) == []
    assert deployment.materialized() == set(DAYS[:3])
    assert restorable.differences() == []


@pytest.mark.slow
@SQLITE
@pytest.mark.parametrize("older", ["harvest", "both"])
def test_a_window_and_a_lease_that_a_backup_shows_as_active_are_taken_over(
    restorable: Restorable, source: Server, older: str
) -> None:
    """The run has ended since, or Dagster does not know it either. Nobody must wait for its lease, or find its page.

    The backup is made while the run fetches its second page. It is restored a day later.
    """
    deployment, gate = restorable.deployment, RequestGate(when=scenario.parse_condition("ListRecords#2"))
    restorable.back_up()
    copy = restorable.folder / "during the run"

    def copy_at_second_page() -> None:
        try:
            gate.wait_until_reached(60)
            copy_file(deployment.database_url, copy)
        finally:
            gate.release()

    with Server(REPOSITORY, behaviours=[gate]) as slow:
        deployment.catalog = Catalog((config(slow.url, max_window="1d"),))
        thread = threading.Thread(target=copy_at_second_page)
        thread.start()
        # Dagster runs in the main thread, as in a process of its own.
        harvested = deployment.materialize(DAYS[0])
        thread.join()
        assert harvested.success, reason(harvested)
        stored = restorable.stored()

        deployment.database_url = f"sqlite:///{copy}"
        (before,) = deployment.rows(harvest_log)
        assert (before.status, restorable.stored()) == ("STARTED", 0)
        if older == "both":
            restorable.restore("dagster")
        with Database.open(deployment.database_url) as database, database.begin() as connection:
            yesterday = utc_now() - timedelta(days=1)
            connection.execute(update(lease).values(expires=yesterday))
            connection.execute(update(harvest_log).values(attempt_began=yesterday))
        lost = (day_range(DAYS[0], DAYS[0]),)
        assert restorable.differences() == ([DayDifference(LABEL, lost)] if older == "harvest" else [])
        assert deployment.materialize(DAYS[0]).success
        assert [status for _, _, status, _ in deployment.logs()] == ["SUCCEEDED"]
        assert (restorable.stored(), restorable.differences()) == (stored, [])


@pytest.mark.slow
@SQLITE
@pytest.mark.parametrize("spool", ["lost", "older", "newer"])
def test_a_window_is_fetched_again_if_the_spool_does_not_fit_the_database(
    restorable: Restorable, source: Server, spool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages that the database counts as stored, or pages of an attempt that it does not know, must not be trusted."""
    deployment = restorable.deployment
    restorable.back_up()
    count_page = counters.count_page

    def fail_at_second_page(connection: Any, log_id: int, page: int, counts: Any) -> None:
        if page == 1:
            raise RuntimeError("no second page")
        count_page(connection, log_id, page, counts)

    with monkeypatch.context() as patched:
        patched.setattr(counters, "count_page", fail_at_second_page)
        assert "no second page" in reason(deployment.materialize(DAYS[0]))
    requests = len(source.requests)
    pages = sorted(deployment.spool.rglob("pages/*"))
    assert len(pages) == REPOSITORY.records_per_day // REPOSITORY.page_size + 1
    if spool == "lost":
        shutil.rmtree(deployment.spool)
    elif spool == "older":
        for path in (*pages, *deployment.spool.rglob("end.json")):
            path.unlink()
    else:
        restorable.restore("harvest")
    assert deployment.materialize(DAYS[0]).success
    assert asked_days(source, requests) == [DAYS[0]]
    assert restorable.stored() == REPOSITORY.records_per_day
    assert not list(deployment.spool.rglob("pages/*"))
