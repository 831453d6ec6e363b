"""`harvest db`: upgrade, check, size, prune, copy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Connection, func, insert, select, text, update

from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import quarantine
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseOwner
from harvest_dagster.storage.maintenance import copy
from harvest_dagster.storage.migrations import HEAD
from harvest_dagster.storage.raw_data.store import find_data, store_records
from harvest_dagster.storage.tables import (
    absent_record,
    covered_window,
    deletion,
    deletion_decision,
    harvest_log,
    harvest_log_run,
    ingest_log,
    lease,
    lease_grant,
    metadata,
    raw_datum,
    raw_original,
    record_lag,
    request_departure,
    request_host,
    sweep,
)
from harvest_dagster.storage.transform_queue import enqueue
from harvest_dagster.storage.transform_queue.enqueue import EnqueueOptions, QueueEntry
from harvest_dagster.storage.transform_queue.queue import TransformQueue
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import SourceLogs, Sources
from harvest_dagster_tests.cli.stored_deletions import DECISION, fill_deletions

OLD = timedelta(days=400)


def fill(sources: Sources) -> SourceLogs:
    """Harvest two records, one of them with two contents, with a quarantined record and a range of windows."""
    logs = sources.logs("a", transformer="oai_dc")
    window = logs.harvest("2024-01-01")
    parent = logs.start(logs.window("2024-01-01", "2024-01-03"), "run 2")
    now = utc_now() - OLD
    with sources.database().begin() as connection:
        connection.execute(
            update(harvest_log).where(harvest_log.c.id == window.id).values(parent_id=parent.id)
        )
        quarantine.add_records(connection, window, 0, [InvalidRecord(b"\x00\xff", "no")], now)
        leases.acquire(connection, logs.config_id, LeaseOwner("run 1", None))
        connection.execute(update(lease_grant).values(acquired=now))
        for blob in ("old ä", "new ä"):
            records = [Record("x", None, False, blob), Record("y", None, True, "y")]
            store_records(connection, logs.config_id, records, now)
            entries = [
                QueueEntry(found.raw_id, found.revision, window.window.start.date(), found.is_current)
                for found in find_data(connection, logs.config_id, records)
            ]
            options = EnqueueOptions(TransformQueue(logs.config_id, 2), "CREATED", False, now)
            enqueue.enqueue_data(connection, options, entries)
    return logs


def contents(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows that a copy must have, without the holders of leases."""
    free = {"host": None, "process_id": None, "process_started": None, "expires": None}
    connection.execute(update(lease).values(owner=None, **free))
    connection.execute(update(sweep).values(**free))
    return {
        table.name: [
            tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))
        ]
        for table in metadata.sorted_tables
        if table not in copy.NOT_COPIED
    }


def test_upgrade_creates_the_tables(new_sources: Sources) -> None:
    """An operator creates them before the first run, with a role that may do so."""
    first = run("db", "upgrade", "--json")
    assert (first.status, first.json["before"], first.json["after"]) == (0, None, HEAD)
    assert run("db", "upgrade", "--json").json["before"] == HEAD
    assert run("db", "check", "--json").json["violations"] == []


def test_without_a_database_each_command_is_one_line_with_exit_status_1(new_sources: Sources) -> None:
    """A mistyped URL must not give an empty database that passes the check."""
    for command in (["check"], ["size"], ["prune"], ["copy", "sqlite:////nowhere/x.db"]):
        done = run("db", *command)
        assert (done.status, done.out, done.err.count("\n")) == (1, "", 1), command
    assert run("db", "copy", new_sources.url).status == 1


def test_a_sound_database_violates_no_rule(sources: Sources) -> None:
    """A rule that is wrong would send people to look for damage."""
    fill_deletions(sources.database(), fill(sources).config_id, utc_now() - OLD)
    done = run("db", "check", "--all", "--json")
    assert (done.status, done.json["violations"], done.json["hashes"]) == (0, [], 9)
    assert run("db", "check", "--sample", "1", "--json").json["hashes"] == 1
    assert "violates no rule" in run("db", "check").out


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        (
            "DELETE FROM source_unique_identifier WHERE identifier = 'x'",
            "raw_datum.suid_id refers to a row of",
        ),
        ("UPDATE raw_datum SET datum = 'other' WHERE datum = 'y'", "the hash of a datum is the SHA-256"),
        ("UPDATE raw_datum SET revision = 1", "two data of an identifier have different revisions"),
        (
            "UPDATE source_unique_identifier SET raw_id = 1",
            "the datum that an identifier names is its current",
        ),
        ("UPDATE raw_datum SET revision = 0", "each identifier has a current datum"),
        (
            "UPDATE harvest_log SET end_date = start_date WHERE completions = 1",
            "the window of a log ends after it starts",
        ),
        ("UPDATE harvest_log SET date_completed = NULL", "a log that has ended has the time of its end"),
        ("UPDATE source_unique_identifier SET ingest_config_id = 9", "an identifier belongs to a source"),
        ("UPDATE deletion SET raw_id = 1", "a deletion belongs to the identifier of its datum"),
        ("UPDATE deletion SET decision_id = NULL", "a deletion belongs to a decision"),
        ("UPDATE deletion_decision SET ingest_config_id = 9", "a deletion belongs to the source of its"),
        ("UPDATE absent_record SET ingest_config_id = 9", "an absent record belongs to the source of its"),
        ("UPDATE absent_record SET since = '2999-01-01 00:00:00'", "a record is absent since the last list"),
        ("UPDATE sweep SET status = 'FAILED'", "a sweep that has ended has the time of its end"),
        ("UPDATE record_lag SET records = 0", "counts of late records are positive"),
        (
            "UPDATE covered_window SET end_date = '2999-01-01 00:00:00'",
            "covered_window has the windows of the logs",
        ),
        ("DELETE FROM covered_window", "covered_window has the windows of the logs"),
        ("DROP TRIGGER harvest_log_coverage_update", "the triggers of harvest_log exist"),
        ("DELETE FROM deletion_decision", "deletion.decision_id refers to a row of deletion_decision"),
    ],
)
def test_each_kind_of_damage_is_found(small_sources: Sources, statement: str, rule: str) -> None:
    """A restored backup, a bad disk, or a program that writes to the tables."""
    fill_deletions(small_sources.database(), fill(small_sources).config_id, utc_now() - OLD)
    with small_sources.database().engine.connect() as connection:
        connection.connection.cursor().execute("PRAGMA foreign_keys = OFF").close()
        connection.execute(text(statement))
        connection.commit()
        connection.invalidate()
    done = run("db", "check", "--json")
    assert done.status == 1
    (found,) = [one for one in done.json["violations"] if one["rule"].startswith(rule)]
    assert found["rows"] >= 1
    assert found["examples"]


def test_a_repair_computes_the_covered_windows_again(sources: Sources) -> None:
    """Sensors and reports would go on to show days as harvested that no log covers."""
    fill(sources)
    windows = select(covered_window.c.start_date, covered_window.c.end_date)
    with sources.database().begin() as connection:
        before = connection.execute(windows).all()
        assert before
        connection.execute(update(covered_window).values(end_date=utc_now()))
    assert run("db", "check").status == 1
    assert run("db", "check", "--repair").status == 0
    with sources.database().read() as connection:
        assert connection.execute(windows).all() == before


def test_a_missing_column_and_another_version_are_found(small_sources: Sources) -> None:
    """An operator has restored a part of a backup, or has not upgraded."""
    fill(small_sources)
    with small_sources.database().begin() as connection:
        connection.execute(text("ALTER TABLE harvest_log DROP COLUMN records_before"))
    (found,) = run("db", "check", "--json").json["violations"]
    assert found["examples"] == ["harvest_log.records_before"]
    with small_sources.database().begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    done = run("db", "check", "--json")
    assert (done.status, done.json["revision"], done.json["violations"]) == (1, "0001", [])


def test_sizes_are_those_of_tables_and_sources(sources: Sources) -> None:
    """An operator plans the disk, and finds the source that fills it."""
    fill(sources)
    sources.logs("b")
    found = run("db", "size", "--json").json
    rows = {one["table"]: one["rows"] for one in found["tables"]}
    assert (rows["raw_datum"], rows["source_unique_identifier"], rows["quarantine"]) == (3, 2, 1)
    assert all(one["bytes"] is None or one["bytes"] > 0 for one in found["tables"])
    has_sizes = sources.database().dialect == "postgresql"
    if not has_sizes:
        with sources.database().read() as connection:
            has_sizes = "ENABLE_DBSTAT_VTAB" in connection.scalars(text("PRAGMA compile_options")).all()
    assert {one["bytes"] is not None for one in found["tables"]} == {has_sizes}
    first, second = found["labels"]
    assert (first["label"], first["identifiers"], first["data"], first["harvest_logs"]) == ("a", 2, 3, 2)
    assert first["data_bytes"] == len("old änew äy".encode())
    assert second == {**dict.fromkeys(second, 0), "label": "b"}
    assert "raw_datum" in run("db", "size").out


def test_prune_deletes_only_what_no_later_run_needs(sources: Sources) -> None:
    """Coverage, current contents and the failures that refuse the next run must stay."""
    logs = fill(sources)
    now, old = utc_now(), utc_now() - OLD
    repaired = logs.fail("2024-01-05", run="failed once")
    logs.harvest("2024-01-05", run="repaired")
    logs.fail("2024-01-06", run="still failed")
    with sources.database().begin() as connection:
        connection.execute(update(harvest_log_run).values(date_started=old, date_completed=old))
        connection.execute(
            update(harvest_log_run).where(harvest_log_run.c.run_id == "repaired").values(date_completed=now)
        )
        more = [
            {"ingest_config_id": logs.config_id, "token": token, "run_id": f"run {token}", "acquired": old}
            for token in (2, 3)
        ]
        connection.execute(insert(lease_grant), more)
        key = connection.scalar(select(raw_datum.c.id).where(raw_datum.c.datum == "old ä"))
        connection.execute(insert(raw_original).values(raw_id=key, original=b"x", date_modified=old))
    before = run("status", "a", "--json").json
    dry = run("db", "prune", "--dry-run", "--superseded-revisions", "--json").json
    assert (dry["lease_grants"], dry["run_attempts"], dry["revisions"]) == (2, 1, 1)
    plain = run("db", "prune", "--json").json
    assert (plain["lease_grants"], plain["run_attempts"], plain["revisions"]) == (2, 1, 0)
    assert run("db", "prune", "--superseded-revisions", "--json").json["revisions"] == 1
    with sources.database().read() as connection:
        runs = set(connection.scalars(select(harvest_log_run.c.run_id)))
        assert "failed once" not in runs
        assert {"repaired", "still failed"} <= runs
        assert set(connection.scalars(select(raw_datum.c.datum))) == {"new ä", "y"}
        assert list(connection.scalars(select(lease_grant.c.token))) == [3]
        assert connection.scalar(select(func.count()).select_from(ingest_log)) == 2
    after = run("status", "a", "--json").json
    assert [after[name] for name in ("complete", "gaps", "failed")] == [
        before[name] for name in ("complete", "gaps", "failed")
    ]
    assert repaired.id
    assert run("db", "check", "--all", "--json").json["violations"] == []
    assert not any(run("db", "prune", "--superseded-revisions", "--json").json.values())


def test_prune_keeps_what_an_undoing_brings_back(sources: Sources) -> None:
    """A decision can be undone as a whole, and a deletion of the present content keeps its evidence."""
    keys = fill_deletions(sources.database(), sources.logs("a").config_id, utc_now() - OLD)
    pruned = run("db", "prune", "--superseded-revisions", "--json").json
    assert (pruned["revisions"], pruned["record_lags"]) == (2, 2)
    with sources.database().read() as connection:
        assert set(connection.scalars(select(raw_datum.c.datum))) == {
            "gone live",
            "gone tombstone",
            "back again",
            "absent live",
        }
        left = connection.execute(select(deletion.c.raw_id, deletion.c.previous_raw_id)).all()
        assert [tuple(row) for row in left] == [(keys["gone tombstone"], keys["gone live"])]
        assert connection.scalar(select(func.sum(record_lag.c.records))) == 8
        counts = [
            connection.scalar(select(func.count()).select_from(table)) for table in (absent_record, sweep)
        ]
        assert counts == [1, 1]
    with sources.database().begin() as connection:
        connection.execute(update(deletion_decision).values(date_undone=utc_now()))
    assert run("db", "prune", "--superseded-revisions", "--json").json["revisions"] == 1
    with sources.database().read() as connection:
        left = connection.execute(select(deletion.c.raw_id, deletion.c.previous_raw_id)).all()
        assert [tuple(row) for row in left] == [(keys["gone tombstone"], None)]
    assert run("db", "check", "--all", "--json").json["violations"] == []


def test_prune_keeps_the_requests_that_a_limit_counts(sources: Sources) -> None:
    """Without them, the next requests would exceed the rate limit of the host."""
    database = sources.database()
    with database.begin() as connection:
        now = 5e9  # later than any clock
        values = {"paused_until": 0, "slowdown": 1, "refused_at": 0, "good_answers": 0, "touched": 0}
        connection.execute(
            insert(request_host).values(id=1, host="h", oldest=1, limits=[[3, 60.0, now]], **values)
        )
        rows = [{"host_id": 1, "number": number, "departed": float(number)} for number in range(1, 11)]
        connection.execute(
            insert(request_departure), [*rows[:-2], *({**row, "departed": now} for row in rows[-2:])]
        )
    assert run("db", "prune", "--json").json["departures"] == 8
    with database.read() as connection:
        assert list(connection.scalars(select(request_departure.c.number))) == [9, 10]
        assert connection.scalar(select(request_host.c.oldest)) == 9


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that does not exist yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'target.db'}"
        return
    with request.getfixturevalue("postgresql").database() as url:
        yield url


def test_a_copy_has_every_row_and_can_be_written_to(sources: Sources, target: str, monkeypatch) -> None:
    """A user moves from SQLite to PostgreSQL, or takes a source of a server home."""
    monkeypatch.setattr(copy, "BATCH_ROWS", 2)
    logs = fill(sources)
    fill_deletions(sources.database(), logs.config_id, utc_now() - OLD)
    done = run("db", "copy", target, "--json")
    assert done.status == 0, done.err
    names = ("raw_datum", "deletion_decision", "deletion", "absent_record", "sweep", "record_lag")
    assert [done.json["rows"][name] for name in names] == [9, 1, 2, 1, 1, 4]
    with sources.database().begin() as connection, Database.open(target) as copied, copied.begin() as other:
        assert contents(other) == contents(connection)
        # The keys of new rows come after the copied ones.
        found = store_records(other, logs.config_id, [Record("z", None, False, "z")], utc_now())
        assert found.new_identifiers == 1
        values = {
            "approved": False,
            "run_id": "new",
            "ingest_config_id": logs.config_id,
            "date_created": utc_now(),
        }
        added = other.execute(insert(deletion_decision).values(**values).returning(deletion_decision.c.id))
        assert added.scalar_one() == DECISION + 1
    monkeypatch.setenv("HARVEST_DATABASE_URL", target)
    assert run("db", "check", "--all", "--json").json["violations"] == []


def test_a_copy_to_a_database_with_rows_is_refused(
    small_sources: Sources, tmp_path: Path, migrated_sqlite: Path
) -> None:
    """It would mix two databases."""
    fill(small_sources)
    url = f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'other.db')}"
    assert run("db", "copy", url).status == 0
    done = run("db", "copy", url)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "is not empty" in done.err
    assert run("db", "copy", small_sources.url).status == 1


def test_a_copy_that_fails_leaves_the_target_empty(
    small_sources: Sources, tmp_path: Path, monkeypatch
) -> None:
    """A half copy would look like a database."""
    fill(small_sources)
    url = f"sqlite:///{tmp_path / 'target.db'}"
    real = copy._copy_table

    def lose_one(reader: Connection, writer: Connection, table) -> int:
        rows = real(reader, writer, table)
        if table.name == "quarantine":
            writer.execute(text("DELETE FROM quarantine"))
        return rows

    monkeypatch.setattr(copy, "_copy_table", lose_one)
    done = run("db", "copy", url)
    assert (done.status, done.err.splitlines()[-1].count("quarantine has 0 of 1 rows")) == (1, 1)
    monkeypatch.setattr(copy, "_copy_table", real)
    assert run("db", "copy", url).status == 0


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance of Dagster that DAGSTER_HOME names."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as instance:
        yield instance


def show_as_materialized(instance: dg.DagsterInstance, label: str, *days: str) -> None:
    """Let Dagster show these days of a source as materialized."""
    for day in days:
        event = dg.AssetMaterialization(dg.AssetKey(["raw", label]), partition=day)
        instance.report_runless_asset_event(event)


def test_check_compares_the_days_with_those_that_dagster_shows(
    small_sources: Sources, instance: dg.DagsterInstance
) -> None:
    """After one database was restored from an older backup, nobody knows which days are lost."""
    small_sources.logs("same").harvest("2024-01-05")
    show_as_materialized(instance, "same", "2024-01-05")
    done = run("db", "check", "--dagster")
    assert (done.status, done.out.splitlines()[-1]) == (
        0,
        "Dagster shows the same days as materialized that are harvested",
    )
    small_sources.logs("older").harvest("2024-01-03")
    show_as_materialized(instance, "older", "2024-01-01", "2024-01-02", "2024-01-03", "2024-01-06")
    small_sources.logs("newer").harvest("2024-01-01", "2024-01-02")
    small_sources.write("never")
    show_as_materialized(instance, "never", "2024-01-01")
    assert run("db", "check", "--json").json["differences"] is None
    done = run("db", "check", "--dagster", "--json")
    assert done.status == 1
    assert done.json["differences"] == [
        {"label": "never", "lost": [["2024-01-01", "2024-01-02"]], "unreported": []},
        {"label": "newer", "lost": [], "unreported": [["2024-01-01", "2024-01-03"]]},
        {
            "label": "older",
            "lost": [["2024-01-01", "2024-01-03"], ["2024-01-06", "2024-01-07"]],
            "unreported": [],
        },
    ]
    printed = run("db", "check", "--dagster").out
    assert "lost: 3 days of older." in printed
    assert "  harvest run older --from 2024-01-01 --until 2024-01-03\n" in printed
    assert "unreported: 2 days of newer, from 2024-01-01 to 2024-01-02." in printed


def test_days_that_no_longer_count_as_harvested_are_not_lost(
    small_sources: Sources, instance: dg.DagsterInstance
) -> None:
    """A new version of the harvester, or other arguments, harvest the days again. No backup was restored."""
    small_sources.logs("a").harvest("2024-01-01")
    with small_sources.database().begin() as connection:
        connection.execute(update(harvest_log).values(harvester_version=harvest_log.c.harvester_version - 1))
    show_as_materialized(instance, "a", "2024-01-01")
    done = run("db", "check", "--dagster", "--json")
    assert (done.status, done.json["differences"]) == (0, [])


def test_the_comparison_needs_an_instance_and_creates_none(
    small_sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new instance shows no day as materialized. Every harvested day would be unreported."""
    monkeypatch.chdir(tmp_path)
    small_sources.logs("a")
    done = run("db", "check", "--dagster")
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert "Set DAGSTER_HOME" in done.err
    assert not (tmp_path / ".dagster").exists()
