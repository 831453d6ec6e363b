"""`schedule`: what is due of each source is harvested, and what was missed while nothing ran."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone

import dagster as dg

from harvest_dagster.catalog.cron import last_due
from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.automation import requests
from harvest_dagster.orchestration.automation.marks import Marks
from harvest_dagster.orchestration.automation.requests import UnderWay
from harvest_dagster.orchestration.automation.sources import one_by_one, series_of
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.step import utc_now
from harvest_dagster.pipeline.due import Due, due
from harvest_dagster.storage import overview
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import Series
from harvest_dagster.storage.overview import Coverage
from harvest_dagster.windows import DAY

NAME = "harvest_by_schedule"


@dataclass(frozen=True)
class Left:
    """A time of a source's schedule that is not served, or not wholly.

    Attributes:
        time: when it was due.
        before: what was due from this day on was asked for; the newest days come first. None where nothing was.
    """

    time: datetime
    before: date | None = None

    @property
    def turn(self) -> tuple[bool, datetime]:
        """Sources of which nothing was asked for come first, and those that are due the longest."""
        return self.before is not None, self.time


@dataclass(frozen=True)
class Served:
    """The sensor's cursor. A source it does not know is served its last time, so that what was missed is made up for.

    Attributes:
        until: up to when times were looked at.
        labels: of the sources whose times until then were served.
        left: of others what was asked for of their last time.
    """

    until: datetime
    labels: Marks = field(default_factory=Marks)
    left: Mapping[str, Left] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: str | None, now: datetime) -> "Served":
        """From the cursor; nothing was served where there is none that makes sense."""
        try:
            read = json.loads(cursor or "")
            left = {label: _left(*row) for label, row in read["left"].items()}
            served = cls(_instant(read["until"]), Marks.read(read["served"]), left)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
            return cls(now)
        # A clock that was ahead for a while would silence the schedule until then. What was asked for has its run key.
        return served if served.until <= now else cls(now)

    @classmethod
    def after(
        cls, now: datetime, done: Collection[str], wanted: Mapping[str, Left] | None = None
    ) -> "Served":
        """After a tick: these are done, the others were wanted."""
        left = {label: time for label, time in (wanted or {}).items() if time.before and label not in done}
        return cls(now, Marks.of(done), left)

    def __str__(self) -> str:
        left = {
            label: [int(one.time.timestamp()), str(one.before)] for label, one in sorted(self.left.items())
        }
        read = {"until": int(self.until.timestamp()), "served": str(self.labels), "left": left}
        return json.dumps(read, separators=(",", ":"))

    def unserved(self, config: IngestConfig, now: datetime) -> Left | None:
        """The time of a source's schedule that is to be served now; None where there is none."""
        last = last_due(config.schedule or "", now)
        if config.label in self.labels and last <= self.until:
            return None
        left = self.left.get(config.label)
        return left if left and left.time == last else Left(last)


@dg.sensor(
    name=NAME,
    description="Harvests what the `schedule` of each source makes due: days that are not done, 30 back or more.",
    asset_selection=dg.AssetSelection.all(),
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def harvest_by_schedule(
    context: dg.SensorEvaluationContext, stores: Stores, catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """One switch for all sources: a schedule of Dagster's own for each would be a thousand."""
    now = utc_now()
    served = Served.read(context.cursor, now)
    scheduled = [config for config in catalog.configs if config.schedule and not config.disabled]
    looked_at = one_by_one(context.log, scheduled, lambda config: served.unserved(config, now))
    times = {config.label: time for config, time in looked_at}
    done = {label for label, time in times.items() if time is None}
    wanted = {label: time for label, time in times.items() if time}
    if not wanted:
        return dg.SensorResult(skip_reason="no source is due", cursor=str(Served.after(now, done)))
    look = _Look.at(stores.database(), wanted, UnderWay.look(context.instance), now)
    in_turn = sorted((c for c in scheduled if c.label in wanted), key=lambda c: wanted[c.label].turn)
    asked: list[dg.RunRequest] = []
    for config, found in one_by_one(context.log, in_turn, lambda c: look.due(c, wanted[c.label])):
        time = wanted[config.label]
        now_asked = found[: requests.room(asked)]
        asked += [_request(config, one, time) for one in now_asked]
        if now_asked:
            wanted[config.label] = replace(time, before=now_asked[-1].days.first)
        if len(now_asked) == len(found) and not look.is_at_work(config):
            done.add(config.label)
    reason = f"{len(wanted)} sources are due; nothing is missing of them, or it is under way"
    cursor = str(Served.after(now, done, wanted))
    return dg.SensorResult(run_requests=asked, skip_reason=None if asked else reason, cursor=cursor)


@dataclass(frozen=True)
class _Look:
    """What a tick knows of all sources."""

    ids: Mapping[str, int]
    coverage: Mapping[Series, Coverage]
    under_way: UnderWay
    now: datetime

    @classmethod
    def at(cls, database: Database, labels: Iterable[str], under_way: UnderWay, now: datetime) -> "_Look":
        with database.read() as connection:
            ids = overview.config_ids(connection)
            coverage = overview.coverage(connection, [ids[label] for label in labels if label in ids])
        return cls(ids, coverage, under_way, now)

    def is_at_work(self, config: IngestConfig) -> bool:
        """Whether a source's last run by the schedule goes on; the next would wait behind it."""
        return self.under_way.is_at_work(NAME, config.label)

    def due(self, config: IngestConfig, left: Left) -> list[Due]:
        """What is to be asked for now of a source, the newest first: older days may have failed for long."""
        if self.is_at_work(config):
            return []
        series = series_of(config, self.ids)
        coverage = self.coverage.get(series) if series else None
        end = left.before - DAY if left.before else date.max
        found = [
            replace(one, days=days)
            for one in due(config, coverage.windows if coverage else (), self.now)
            if (earlier := one.days.within(date.min, end))
            for days in earlier.without(self.under_way.of("raw", config.label))
        ]
        return found[::-1]


def _request(config: IngestConfig, one: Due, left: Left) -> dg.RunRequest:
    return requests.harvest(
        config,
        one.days,
        key=f"{config.label} {one.days} due {left.time:%Y-%m-%dT%H:%MZ}",
        priority=requests.SCHEDULE,
        # Not superfluous: what has not changed is not transformed again.
        config={"optimize": False} if one.again else None,
    )


def _left(time: int, before: str) -> Left:
    return Left(_instant(time), date.fromisoformat(before))


def _instant(stamp: int) -> datetime:
    return datetime.fromtimestamp(stamp, timezone.utc)
