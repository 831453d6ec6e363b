"""A code location over a simulated source, a database and a spool; functions that run it and read the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import Row, Table, func, select

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import RetrySettings, Stores
from harvest_dagster.storage import tables
from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import Repository, Request

LABEL = "demo"
RAW = dg.AssetKey(["raw", LABEL])
TRANSFORMED = dg.AssetKey(["transformed", LABEL])
REPOSITORY = Repository(first_day=date(2024, 3, 1), days=4, records_per_day=6, page_size=4, deleted=0.2)
DAYS = ("2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04")


def config(base_url: str, **changes: Any) -> IngestConfig:
    """Return an IngestConfig of the simulated source."""
    return IngestConfig.model_validate(
        {
            "label": LABEL,
            "harvester": "oai",
            "harvester_kwargs": {"base_url": base_url},
            "transformer": "oai_dc",
            "rate_limit": {"calls": 1000, "period": 1},
            "earliest_date": date(2024, 3, 1),
            "settle": "0s",
            "lookback": "0s",
            **changes,
        }
    )


@dataclass
class Deployment:
    """A code location: its definitions, its instance, its database and its spool."""

    catalog: Catalog
    database_url: str
    spool: Path
    instance: dg.DagsterInstance
    waiting: RetrySettings = field(default_factory=RetrySettings)

    @property
    def defs(self) -> dg.Definitions:
        stores = Stores(database_url=self.database_url, spool_url=str(self.spool), waiting=self.waiting)
        return build_defs(self.catalog, resources={"harvest_stores": stores})

    def materialize(
        self,
        first: str = DAYS[0],
        last: str | None = None,
        *,
        assets: Sequence[dg.AssetKey] = (RAW,),
        transformation: dict[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        **parameters: Any,
    ) -> dg.ExecuteInProcessResult:
        """Run assets for one partition or a range, as the UI does. Errors are in the result."""
        label = assets[0].path[-1]
        configs = {f"raw__{label}": parameters, f"transformed__{label}": transformation}
        ends = {"start": first, "end": last}
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"ops": {op: {"config": value} for op, value in configs.items() if value}},
            asset_selection=list(assets),
            partition_key=None if last else first,
            tags={
                **(
                    {f"dagster/asset_partition_range_{end}": str(day) for end, day in ends.items()}
                    if last
                    else {}
                ),
                **(tags or {}),
            },
            instance=self.instance,
            raise_on_error=False,
        )

    def harvest(self, **parameters: Any) -> dg.ExecuteInProcessResult:
        """Run the job `harvest` with these parameters."""
        job = self.defs.resolve_job_def("harvest")
        return job.execute_in_process(run_config=parameters, instance=self.instance, raise_on_error=False)

    def rows(self, table: Table) -> list[Row[Any]]:
        """Return all rows of a table, in the order of their primary keys."""
        with Database.open(self.database_url) as database, database.read() as connection:
            return list(connection.execute(select(table).order_by(table.c.id)))

    def logs(self) -> list[tuple[str, str, str, int]]:
        """Return start, end, status and number of records of every harvest log, by window."""
        return sorted(
            (
                (
                    row.start_date.strftime("%m-%dT%H"),
                    row.end_date.strftime("%m-%dT%H"),
                    row.status,
                    row.records,
                )
                for row in self.rows(tables.harvest_log)
            ),
        )

    def is_untouched(self) -> bool:
        """Return whether no table has a row and the spool does not exist."""
        with Database.open(self.database_url) as database, database.read() as connection:
            counts = [
                connection.scalar(select(func.count()).select_from(table))
                for table in tables.metadata.sorted_tables
            ]
        return not any(counts) and not self.spool.exists()

    def materialized(self, key: dg.AssetKey = RAW) -> set[str]:
        """Return the partitions of an asset that Dagster shows as materialized."""
        return self.instance.get_materialized_partitions(key)


def reasons(deployment: Deployment) -> dict[str, str]:
    """Return the newest observation of each day, as its page shows it."""
    found = deployment.instance.fetch_observations(RAW, limit=100).records
    shown = {record.partition_key: record.asset_observation for record in reversed(found)}
    return {day: str(one.description) for day, one in shown.items() if day and one is not None}


def asked_day(request: Request) -> str:
    """Return the day that a list of one day asks for; an empty text for other requests.

    A harvest may ask for a second more than the day at both ends.
    """
    bounds = [request.parameters.get(name) for name in ("from", "until")]
    start, end = (datetime.fromisoformat(bound.replace("Z", "+00:00")) if bound else None for bound in bounds)
    return (start + (end - start) / 2).date().isoformat() if start and end else ""


def reason(result: dg.ExecuteInProcessResult) -> str:
    """Return the error message of the first failed step."""
    assert not result.success
    failed = next(event for event in result.all_events if event.event_type_value == "STEP_FAILURE")
    error = failed.step_failure_data.error
    assert error is not None
    return error.cause.message if error.cause else error.message


def messages(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> str:
    """Return the messages of the run's log."""
    return "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))
