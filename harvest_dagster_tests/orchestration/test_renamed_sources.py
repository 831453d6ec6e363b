"""A renamed source (`former_labels`) keeps its history."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import update

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.errors import BadInput, LeaseHeld
from harvest_dagster.orchestration.renamed_sources import rename_source, rename_sources
from harvest_dagster.storage import ingest_configs, tables
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.reported_states import (
    ReportedState,
    ReportKey,
    find_reported_states,
    save_reported_states,
)
from harvest_dagster.testing.simulator import Server
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, Deployment, config, reason
from harvest_dagster_tests.storage.configs import NOW, definition

KEYS = {kind: dg.AssetKey([kind, "new"]) for kind in ("raw", "transformed")}
LOG = logging.getLogger("test")


def renamed(deployment: Deployment, url: str, **changes: Any) -> Deployment:
    """Return the deployment with the source under the label `new`, formerly `demo`."""
    source = config(url, label="new", former_labels=["older", "demo"], **changes)
    return replace(deployment, catalog=Catalog((source,)))


def test_a_renamed_source_is_reported_from_its_logs_without_a_request(
    source: Server, deploy: Deploy, instance: dg.DagsterInstance
) -> None:
    """Otherwise a better name costs a harvest of everything, and identifiers exist twice."""
    old = deploy(source.url)
    both = (dg.AssetKey(["raw", "demo"]), dg.AssetKey(["transformed", "demo"]))
    assert old.materialize(DAYS[0], DAYS[3], assets=both).success
    before = {table: len(old.rows(table)) for table in (tables.harvest_log, tables.raw_datum)}
    requests = len(source.requests)
    new = renamed(old, source.url)
    assert new.materialize(DAYS[0], DAYS[3], assets=tuple(KEYS.values())).success
    assert len(source.requests) == requests
    (row,) = new.rows(tables.ingest_config)
    assert row.label == row.definition["label"] == "new"
    assert {table: len(new.rows(table)) for table in before} == before
    for key in KEYS.values():
        assert instance.get_materialized_partitions(key) == set(DAYS)
    versions = {
        record.asset_materialization.tags["dagster/data_version"]
        for key in (KEYS["raw"], dg.AssetKey(["raw", "demo"]))
        for record in instance.fetch_materializations(key, limit=10).records
        if record.asset_materialization and record.asset_materialization.tags
    }
    assert len(versions) == len(DAYS)  # the days have the same data versions under both keys


def test_the_job_finds_a_renamed_source_by_its_primary_key(source: Server, on_sqlite: Deploy) -> None:
    """A scheduled command that names the primary key must survive a rename."""
    old = on_sqlite(source.url)
    assert old.materialize(DAYS[0]).success
    new = renamed(old, source.url)
    assert new.harvest(ingest_config_id=1, start_date=DAYS[0], end_date=DAYS[1]).success
    assert [row.label for row in new.rows(tables.ingest_config)] == ["new"]


def test_a_run_refuses_a_label_if_both_labels_have_data(source: Server, deploy: Deploy) -> None:
    """Two rows with logs cannot become one: the same window would have two logs."""
    old = deploy(source.url)
    assert old.materialize(DAYS[0]).success
    without = replace(old, catalog=Catalog((config(source.url, label="new"),)))
    assert without.materialize(DAYS[0], assets=[KEYS["raw"]]).success
    failed = reason(renamed(old, source.url).materialize(DAYS[1], assets=[KEYS["raw"]]))
    assert "have data in the database: demo, new. Remove from former_labels" in failed
    assert sorted(row.label for row in old.rows(tables.ingest_config)) == ["demo", "new"]


def test_a_row_without_data_gives_way(source: Server, deploy: Deploy) -> None:
    """Who adds former_labels after a first run was refused must not be stopped by the row of that run."""
    old = deploy(source.url)
    assert old.materialize(DAYS[0]).success
    refused = replace(old, catalog=Catalog((config(source.url, label="new", disabled=True),)))
    assert not refused.materialize(DAYS[0], assets=[KEYS["raw"]]).success
    assert len(old.rows(tables.ingest_config)) == 2
    requests = len(source.requests)
    assert renamed(old, source.url).materialize(DAYS[0], assets=[KEYS["raw"]]).success
    assert [row.label for row in old.rows(tables.ingest_config)] == ["new"]
    assert len(source.requests) == requests


def test_a_row_is_not_renamed_while_a_run_holds_its_lease(database: Database) -> None:
    """The run would write a second row under the former label, and harvest everything into it."""
    with database.begin() as connection:
        key = ingest_configs.save_config(connection, definition("demo"), NOW)
        values = {"ingest_config_id": key, "token": 1, "owner": "run", "expires": utc_now()}
        connection.execute(tables.lease.insert().values(**values))
    new = config("http://x/", label="new", former_labels=["demo"])
    with database.begin() as connection:
        connection.execute(update(tables.lease).values(expires=utc_now().replace(year=2999)))
    with pytest.raises(LeaseHeld, match="the run run still harvests the source under its former label demo"):
        rename_source(database, new, LOG)
    with database.begin() as connection:
        connection.execute(update(tables.lease).values(expires=NOW.replace(year=2001)))
    rename_source(database, new, LOG)
    with database.read() as connection:
        assert ingest_configs.find_label(connection, key) == "new"


def test_sensors_rename_all_sources_that_they_can(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """A conflict of one source must not stop the sensors for the others."""
    with database.begin() as connection:
        for label in ("a", "b", "c"):
            key = ingest_configs.save_config(connection, definition(label), NOW)
            suid = {"ingest_config_id": key, "identifier": "x"}
            connection.execute(tables.source_unique_identifier.insert().values(**suid))
        save_reported_states(connection, {ReportKey("c", "notify 1"): ReportedState("fails")}, NOW)
    both = config("http://x/", label="ab", former_labels=["a", "b"])
    rename_sources(database, [both, config("http://x/", label="d", former_labels=["c"])], LOG)
    with database.read() as connection:
        assert [ingest_configs.find_id(connection, label) for label in ("a", "b", "ab", "c")] == [
            1,
            2,
            None,
            None,
        ]
        assert ingest_configs.find_id(connection, "d") == 3
        assert find_reported_states(connection) == {ReportKey("d", "notify 1"): ReportedState("fails")}
    assert "several of them have data in the database: a, b." in caplog.text
    with pytest.raises(BadInput):
        rename_source(database, both, LOG)
