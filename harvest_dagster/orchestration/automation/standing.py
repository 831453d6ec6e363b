"""How complete each source is, in the UI: the asset check `up_to_date`, evaluated where that changes."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.automation.sources import OneByOne, series_of
from harvest_dagster.orchestration.reporting import asset_key
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.step import utc_now
from harvest_dagster.pipeline.calendar import Days
from harvest_dagster.pipeline.standing import Standing, standing
from harvest_dagster.storage import overview
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import Series
from harvest_dagster.storage.overview import Broken, Coverage
from harvest_dagster.windows import format_instant

CHECK = "up_to_date"
# With a thousand sources an event takes the daemon up to 170 ms, and the other sensors wait; the rest comes with the
# next tick.
_EVENTS_PER_TICK = 50
_MOST_LISTED = 20


@dataclass(frozen=True)
class Standings:
    """How complete all sources are, from three statements."""

    ids: Mapping[str, int]
    coverage: Mapping[Series, Coverage]
    broken: Mapping[Series, Sequence[Broken]]
    now: datetime

    @classmethod
    def read(cls, database: Database, now: datetime, labels: Sequence[str] | None = None) -> "Standings":
        """Of these sources, or of all."""
        with database.read() as connection:
            ids = overview.config_ids(connection)
            some = None if labels is None else [ids[label] for label in labels if label in ids]
            return cls(ids, overview.coverage(connection, some), overview.broken(connection, some), now)

    def of(self, config: IngestConfig) -> Standing:
        """One source's.

        Raises:
            UnknownPlugin: its harvester cannot be loaded.
        """
        series = series_of(config, self.ids)
        return standing(
            config, self.coverage.get(series) if series else None, self.broken_of(config), self.now
        )

    def broken_of(self, config: IngestConfig) -> Sequence[Broken]:
        """The windows of a source that broke off and are not done."""
        series = series_of(config, self.ids)
        return self.broken.get(series, ()) if series else ()


def up_to_date(config: IngestConfig) -> dg.AssetChecksDefinition:
    """The check of one source; it runs with each harvest, or by itself from the UI."""

    @dg.asset_check(
        asset=asset_key("raw", config.label),
        name=CHECK,
        description="Whether every day that was asked for is done: up to which instant, and what is missing.",
    )
    def check(
        context: dg.AssetCheckExecutionContext, stores: Stores, catalog: dg.ResourceParam[Catalog]
    ) -> dg.AssetCheckResult:
        found = catalog.get(next(iter(context.selected_asset_check_keys)).asset_key.path[-1])
        standings = Standings.read(stores.database(), utc_now(), [found.label])
        return dg.AssetCheckResult(**_verdict(standings.of(found)))

    return check


@dg.sensor(
    name="report_standing",
    description="Shows at each source's check `up_to_date` how complete it is, whenever that has changed.",
    minimum_interval_seconds=120,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def report_standing(
    context: dg.SensorEvaluationContext, stores: Stores, catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """For what changes while nothing runs: a day that is late, a window that failed. It launches nothing."""
    shown = _read(context.cursor)
    standings = Standings.read(stores.database(), utc_now())
    enabled = [config for config in catalog.configs if not config.disabled]
    events: list[dg.AssetCheckEvaluation] = []
    now_shown: dict[str, str] = {}
    for config, found in OneByOne(context.log).of(enabled, standings.of):
        digest = _digest(found)
        if digest == shown.get(config.label) or len(events) == _EVENTS_PER_TICK:
            now_shown[config.label] = shown.get(config.label, "")
            continue
        now_shown[config.label] = digest
        events.append(
            dg.AssetCheckEvaluation(
                asset_key=asset_key("raw", config.label), check_name=CHECK, **_verdict(found)
            )
        )
    return dg.SensorResult(
        asset_events=events,
        skip_reason=f"{len(events)} sources stand differently than before",
        cursor=json.dumps(now_shown, separators=(",", ":")),
    )


def _verdict(found: Standing) -> dict[str, Any]:
    """The arguments of a check's result."""
    return {
        "passed": found.is_complete,
        "severity": dg.AssetCheckSeverity.WARN,
        "description": _sentence(found),
        "metadata": dict(_metadata(found)),
    }


def _sentence(found: Standing) -> str:
    if found.until is None:
        return "never harvested" + (f"; missing: {_listed(found.missing)}" if found.missing else "")
    if found.missing:
        days = "1 day is" if found.missing_days == 1 else f"{found.missing_days} days are"
        return f"{days} missing: {_listed(found.missing)}"
    return f"complete up to {format_instant(found.until)}"


def _metadata(found: Standing) -> Iterator[tuple[str, Any]]:
    yield "missing_days", found.missing_days
    if found.missing:
        yield "missing", _listed(found.missing)
    left = [days for days in found.missing if days not in found.repairable]
    if left:
        yield "left to a backfill", _listed(left)
    if found.first and found.until and found.newest:
        yield "complete_from", format_instant(found.first)
        yield "complete_until", format_instant(found.until)
        yield "harvested_until", format_instant(found.newest)
    if found.asked:
        yield "last_asked", dg.MetadataValue.timestamp(found.asked)
    if found.before:
        yield "never asked for", str(found.before)


def _listed(stretches: Sequence[Days]) -> str:
    more = len(stretches) - _MOST_LISTED
    return ", ".join(map(str, stretches[:_MOST_LISTED])) + (f" and {more} more stretches" if more > 0 else "")


def _digest(found: Standing) -> str:
    """What tells a standing from another; when the source was asked last is no part of it."""
    told = (found.first, found.until, found.newest, found.missing, found.repairable, found.late)
    return hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def _read(cursor: str | None) -> dict[str, str]:
    try:
        read = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
