"""How complete each source is, in the UI: the asset check `up_to_date`, evaluated where that changes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.automation.marks import Marks
from harvest_dagster.orchestration.automation.sources import one_by_one, series_of
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
_LAST_ASKED = "last_asked"


@dataclass(frozen=True)
class Standings:
    """How complete all sources are, read for all of them at once."""

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
        coverage = self.coverage.get(series) if series else None
        found = standing(config, coverage, self.broken_of(config), self.now)
        is_raised = series and not coverage and series.ingest_config_id in self._harvested
        return replace(found, raised_to=series.harvester_version) if series and is_raised else found

    @cached_property
    def _harvested(self) -> frozenset[int]:
        """The sources of which something is done, under whatever version."""
        return frozenset(series.ingest_config_id for series in self.coverage)

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
        source = catalog.get(next(iter(context.selected_asset_check_keys)).asset_key.path[-1])
        standings = Standings.read(stores.database(), utc_now(), [source.label])
        return dg.AssetCheckResult(**_verdict(standings.of(source)))

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
    shown = Marks.read(context.cursor)
    standings = Standings.read(stores.database(), utc_now())
    enabled = [config for config in catalog.configs if not config.disabled]
    events: list[dg.AssetCheckEvaluation] = []
    now_shown: list[str] = []
    for config, found in one_by_one(context.log, enabled, standings.of):
        mark = _mark(config, found)
        if mark not in shown:
            if len(events) == _EVENTS_PER_TICK:
                continue
            event = _evaluation(config, found)
            if not _is_told(context.instance, event):
                events.append(event)
        now_shown.append(mark)
    return dg.SensorResult(
        asset_events=events,
        skip_reason=f"{len(events)} sources stand differently than before",
        cursor=str(Marks.of(now_shown)),
    )


def _evaluation(config: IngestConfig, found: Standing) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=asset_key("raw", config.label), check_name=CHECK, **_verdict(found)
    )


def _is_told(instance: dg.DagsterInstance, event: dg.AssetCheckEvaluation) -> bool:
    """Whether the check has said so last: a run evaluates it itself, and its events are many already."""
    last = instance.get_latest_asset_check_evaluation_record(event.asset_check_key)
    told = last.evaluation if last else None
    return isinstance(told, dg.AssetCheckEvaluation) and _words(told) == _words(event)


def _words(event: dg.AssetCheckEvaluation) -> tuple[bool, str | None, dict[str, Any]]:
    """What an evaluation says; when the source was asked last is no part of it."""
    values = {name: value.value for name, value in event.metadata.items() if name != _LAST_ASKED}
    return event.passed, event.description, values


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
        under = f"not yet harvested under version {found.raised_to} of its harvester"
        never = under if found.raised_to else "never harvested"
        return never + (f"; missing: {_listed(found.missing)}" if found.missing else "")
    if found.missing:
        days = "1 day is" if found.missing_days == 1 else f"{found.missing_days} days are"
        return f"{days} missing: {_listed(found.missing)}"
    return f"complete up to {format_instant(found.until)}"


def _metadata(found: Standing) -> Iterator[tuple[str, Any]]:
    yield "missing_days", found.missing_days
    if found.missing:
        yield "missing", _listed(found.missing)
    left = [part for days in found.missing for part in days.without(found.repairable)]
    if left:
        yield "left to a backfill", _listed(left)
    if found.first and found.until and found.newest:
        yield "complete_from", format_instant(found.first)
        yield "complete_until", format_instant(found.until)
        yield "harvested_until", format_instant(found.newest)
    if found.asked:
        yield _LAST_ASKED, dg.MetadataValue.timestamp(found.asked)
    if found.before:
        yield "never asked for", str(found.before)


def _listed(stretches: Sequence[Days]) -> str:
    more = len(stretches) - _MOST_LISTED
    return ", ".join(map(str, stretches[:_MOST_LISTED])) + (f" and {more} more stretches" if more > 0 else "")


def _mark(config: IngestConfig, found: Standing) -> str:
    """What tells a standing from another: not when the source was asked last, nor a history that grows by a day."""
    return repr((config.label, replace(found, asked=None, before=None)))
