"""A code location over a simulated source, a database and a spool, and runs of it: what these tests look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import Row, Table, func, select

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.resources import Stores, Waiting
from harvest_dagster.simulator import Repository
from harvest_dagster.storage import tables
from harvest_dagster.storage.engine import Database

LABEL = "demo"
RAW = dg.AssetKey(["raw", LABEL])
TRANSFORMED = dg.AssetKey(["transformed", LABEL])
REPOSITORY = Repository(first_day=date(2024, 3, 1), days=4, records_per_day=6, page_size=4, deleted=0.2)
DAYS = ("2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04")


def config(base_url: str, **changes: Any) -> IngestConfig:
    """An IngestConfig of the simulated source."""
    return IngestConfig.model_validate(
        {
            "label": LABEL,
            "harvester": "oai",
            "harvester_kwargs": {"base_url": base_url},
            "transformer": "oai_dc",
            "rate_limit": {"calls": 1000, "period": 1},
            "earliest_date": date(2024, 3, 1),
            **changes,
        }
    )


@dataclass
class Deployment:
    """Definitions, the instance they run on, and where the data go."""

    catalog: Catalog
    database_url: str
    spool: Path
    instance: dg.DagsterInstance
    waiting: Waiting = field(default_factory=Waiting)

    @property
    def defs(self) -> dg.Definitions:
        stores = Stores(database_url=self.database_url, spool_url=str(self.spool), waiting=self.waiting)
        return build_defs(self.catalog, resources={"stores": stores})

    def materialize(
        self,
        first: str = DAYS[0],
        last: str | None = None,
        *,
        assets: Sequence[dg.AssetKey] = (RAW,),
        transformation: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> dg.ExecuteInProcessResult:
        """Run the assets for one partition or a range, as the UI does; errors are in the result."""
        label = assets[0].path[-1]
        given = {f"raw__{label}": parameters, f"transformed__{label}": transformation}
        ends = {"start": first, "end": last}
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"ops": {op: {"config": value} for op, value in given.items() if value}},
            asset_selection=list(assets),
            partition_key=None if last else first,
            tags={f"dagster/asset_partition_range_{end}": day for end, day in ends.items()} if last else None,
            instance=self.instance,
            raise_on_error=False,
        )

    def harvest(self, **parameters: Any) -> dg.ExecuteInProcessResult:
        """Run the job `harvest`; what is flat in its run config is given by name."""
        job = self.defs.resolve_job_def("harvest")
        return job.execute_in_process(run_config=parameters, instance=self.instance, raise_on_error=False)

    def rows(self, table: Table) -> list[Row[Any]]:
        """All rows, in the order of their primary keys."""
        with Database.open(self.database_url) as database, database.read() as connection:
            return list(connection.execute(select(table).order_by(table.c.id)))

    def logs(self) -> list[tuple[str, str, str, int]]:
        """Status, start and end, number of records: of every harvest log, by window."""
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
        """Whether nothing was ever written: no row anywhere, nothing in the spool."""
        with Database.open(self.database_url) as database, database.read() as connection:
            counts = [
                connection.scalar(select(func.count()).select_from(table))
                for table in tables.metadata.sorted_tables
            ]
        return not any(counts) and not self.spool.exists()

    def materialized(self, key: dg.AssetKey = RAW) -> set[str]:
        """The partitions that Dagster shows as done."""
        return self.instance.get_materialized_partitions(key)


def reason(result: dg.ExecuteInProcessResult) -> str:
    """What people read of the first step that failed."""
    assert not result.success
    failed = next(event for event in result.all_events if event.event_type_value == "STEP_FAILURE")
    error = failed.step_failure_data.error
    assert error is not None
    return error.message


def messages(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance) -> str:
    """What the run's log says to people."""
    return "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))
