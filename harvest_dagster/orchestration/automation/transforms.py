"""PENDING ingest logs become runs of the transform assets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from harvest_dagster import plugins
from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.automation import requests
from harvest_dagster.orchestration.automation.ledger import Asked, Ledger, may_ask
from harvest_dagster.orchestration.automation.requests import UnderWay
from harvest_dagster.orchestration.automation.sources import one_by_one, series_of
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.step import utc_now
from harvest_dagster.pipeline.batches import Batch, batches
from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.storage import overview
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import Series
from harvest_dagster.storage.overview import Coverage, WaitingDay
from harvest_dagster.windows import subtract


@dg.sensor(
    name="transform_pending",
    description="Transforms what harvests have left PENDING; what fails is tried again after a growing pause.",
    asset_selection=dg.AssetSelection.all(),
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def transform_pending(
    context: dg.SensorEvaluationContext, stores: Stores, catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """What waits stays PENDING until a run has taken it, so that nothing is lost while no daemon runs."""
    ledger = Ledger.read(context.cursor)
    # Runs before data: what a run has done that ends between is not asked for again.
    under_way = UnderWay.look(context.instance)
    look = _Look.at(stores.database(), ledger, under_way, utc_now())
    if not look.waiting:
        return dg.SensorResult(skip_reason="nothing waits to be transformed", cursor=str(Ledger()))
    asked: list[dg.RunRequest] = []
    configs = [config for config in catalog.configs if config.transformer and config.label in look.waiting]
    ledger.keep({label: [Days(one.day, one.day) for one in days] for label, days in look.waiting.items()})
    found = one_by_one(context.log, configs, look.batches)
    for config, batch in ((config, batch) for config, waiting in found for batch in waiting):
        if len(asked) == requests.RUNS_PER_TICK:
            break
        if look.may_ask(config.label, batch):
            asked.append(look.ask(config.label, batch))
    reason = (
        None if asked else f"{len(configs)} sources wait; their runs are under way, or paused after failures"
    )
    return dg.SensorResult(run_requests=asked, skip_reason=reason, cursor=str(ledger))


@dataclass(frozen=True)
class _Look:
    """What a tick knows of all sources; what it asks for goes into the ledger."""

    ids: Mapping[str, int]
    waiting: Mapping[str, Sequence[WaitingDay]]
    coverage: Mapping[Series, Coverage]
    ledger: Ledger
    under_way: UnderWay
    now: datetime

    @classmethod
    def at(cls, database: Database, ledger: Ledger, under_way: UnderWay, now: datetime) -> "_Look":
        with database.read() as connection:
            waiting: dict[int, list[WaitingDay]] = {}
            for one in overview.waiting(connection):
                waiting.setdefault(one.ingest_config_id, []).append(one)
            ids = overview.config_ids(connection)
            coverage = overview.coverage(connection, waiting.keys()) if waiting else {}
        by_label = {label: waiting[key] for label, key in ids.items() if key in waiting}
        return cls(ids, by_label, coverage, ledger, under_way, now)

    def batches(self, config: IngestConfig) -> list[Batch]:
        """What waits of a source and no run has at work; not what a newer version of its transformer left."""
        version = plugins.load(plugins.TRANSFORMERS, config.transformer or "").VERSION
        series = series_of(config, self.ids)
        coverage = self.coverage.get(series) if series else None
        taken = self.under_way.of("transformed", config.label)
        mine = [
            one
            for one in self.waiting[config.label]
            if one.transformer_version <= version and not any(one.day in days for days in taken)
        ]
        # No batch reaches across days that a run has at work.
        free = [
            piece
            for window in (coverage.windows if coverage else ())
            for piece in subtract(window, [days.window for days in taken])
        ]
        return batches(sorted(mine, key=lambda one: one.day), free)

    def may_ask(self, label: str, batch: Batch) -> bool:
        """Whether a run may be asked for now: not while the pause lasts after one that has left all of it."""
        before = self.ledger.find(label, batch.days, since=batch.since)
        return before is None or may_ask(self.now, [(before.tries, before.at)])

    def ask(self, label: str, batch: Batch) -> dg.RunRequest:
        """The run for a batch, noted."""
        before = self.ledger.find(label, batch.days, since=batch.since)
        tries = before.tries + 1 if before else 1
        self.ledger.note(label, Asked(batch.days, tries, self.now))
        return requests.request(
            label,
            ["transformed"],
            batch.days,
            key=f"{label} {batch.days} since {batch.newest.isoformat()} try {tries}",
            priority=requests.TRANSFORM,
        )
