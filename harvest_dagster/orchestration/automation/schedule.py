"""`schedule`: what is due of each source is harvested, and what was missed while nothing ran."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

import dagster as dg

from harvest_dagster.catalog.cron import last_due
from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.automation import requests
from harvest_dagster.orchestration.automation.requests import UnderWay
from harvest_dagster.orchestration.automation.sources import OneByOne, series_of
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.step import utc_now
from harvest_dagster.pipeline.due import due
from harvest_dagster.storage import overview
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import Series
from harvest_dagster.storage.overview import Coverage

NAME = "harvest_by_schedule"


@dataclass(frozen=True)
class Served:
    """The sensor's cursor: all times up to `until` were served, but for those of a few sources.

    Attributes:
        until: None before the first tick: then every source's last time counts, so that what was missed is made
            up for.
        left: the times that still are to be served, by label.
    """

    until: datetime | None = None
    left: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None) -> "Served":
        """From the cursor; nothing was served where there is none, or somebody set it to something else."""
        try:
            read = json.loads(cursor or "")
            left = {label: _instant(stamp) for label, stamp in read["left"].items()}
            return cls(_instant(read["until"]), left)
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def __str__(self) -> str:
        left = {label: int(at.timestamp()) for label, at in sorted(self.left.items())}
        until = int(self.until.timestamp()) if self.until else None
        return json.dumps({"until": until, "left": left}, separators=(",", ":"))

    def unserved(self, config: IngestConfig, now: datetime) -> datetime | None:
        """The time of a source's schedule that is to be served now; None where there is none."""
        if config.schedule is None or config.disabled:
            return None
        last = last_due(config.schedule, now)
        return last if self.until is None or last > self.until else self.left.get(config.label)


@dg.sensor(
    name=NAME,
    description="Harvests what the `schedule` of each source makes due: days that are not done, up to 30 back.",
    asset_selection=dg.AssetSelection.all(),
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def harvest_by_schedule(
    context: dg.SensorEvaluationContext, stores: Stores, catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """One switch for all sources: a schedule of Dagster's own for each would be a thousand."""
    now, served = utc_now(), Served.read(context.cursor)
    one_by_one = OneByOne(context.log)
    times = {
        config.label: time
        for config, time in one_by_one.of(catalog.configs, lambda config: served.unserved(config, now))
        if time is not None
    }
    if not times:
        return dg.SensorResult(skip_reason="no source is due", cursor=str(Served(now)))
    look = _Look.at(stores.database(), times, UnderWay.look(context.instance), now)
    wanted = sorted(
        (config for config in catalog.configs if config.label in times), key=lambda c: times[c.label]
    )
    asked: list[dg.RunRequest] = []
    left: dict[str, datetime] = {}
    for config, runs in one_by_one.of(wanted, lambda config: look.runs(config, times[config.label])):
        room = requests.RUNS_PER_TICK - len(asked)
        if runs is None or len(runs) > room:
            left[config.label] = times[config.label]
        asked += (runs or [])[:room]
    reason = (
        None if asked else f"{len(times)} sources are due; nothing is missing of them, or it is under way"
    )
    return dg.SensorResult(run_requests=asked, skip_reason=reason, cursor=str(Served(now, left)))


@dataclass(frozen=True)
class _Look:
    """What a tick knows of all sources."""

    ids: Mapping[str, int]
    coverage: Mapping[Series, Coverage]
    under_way: UnderWay
    now: datetime

    @classmethod
    def at(cls, database: Database, due: Iterable[str], under_way: UnderWay, now: datetime) -> "_Look":
        with database.read() as connection:
            ids = overview.config_ids(connection)
            coverage = overview.coverage(connection, [ids[label] for label in due if label in ids])
        return cls(ids, coverage, under_way, now)

    def runs(self, config: IngestConfig, time: datetime) -> list[dg.RunRequest] | None:
        """What is to be launched for a source; None where it has to wait for its last run by the schedule."""
        if self.under_way.is_at_work(NAME, config.label):
            return None
        return list(self._runs(config, time))

    def _runs(self, config: IngestConfig, time: datetime) -> Iterator[dg.RunRequest]:
        series = series_of(config, self.ids)
        coverage = self.coverage.get(series) if series else None
        # Beside the harvest, so that a source costs one process a day and not two.
        kinds = ["raw"] if config.transformer is None else ["raw", "transformed"]
        for one in due(config, coverage.windows if coverage else (), self.now):
            for days in one.days.without(self.under_way.of("raw", config.label)):
                yield requests.request(
                    config.label,
                    kinds,
                    days,
                    key=f"{config.label} {days} due {time:%Y-%m-%dT%H:%MZ}",
                    priority=requests.SCHEDULE,
                    # Not superfluous: what has not changed is not transformed again.
                    config={"optimize": False} if one.again else None,
                )


def _instant(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp, timezone.utc)
