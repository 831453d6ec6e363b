"""Gaps are found from coverage, and repaired: windows that failed, days between that were never harvested."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.orchestration.automation import requests
from harvest_dagster.orchestration.automation.ledger import Asked, Ledger, may_ask
from harvest_dagster.orchestration.automation.requests import UnderWay
from harvest_dagster.orchestration.automation.sources import one_by_one
from harvest_dagster.orchestration.automation.standing import Standings
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.orchestration.step import utc_now
from harvest_dagster.pipeline import calendar
from harvest_dagster.pipeline.calendar import Days


@dg.sensor(
    name="repair_gaps",
    description="Harvests windows that failed, and days between harvested ones, after a growing pause; "
    "a hole of more than a year and what lies before the first harvest are left to a backfill.",
    asset_selection=dg.AssetSelection.all(),
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def repair_gaps(
    context: dg.SensorEvaluationContext, stores: Stores, catalog: dg.ResourceParam[Catalog]
) -> dg.SensorResult:
    """What is missing is told by the check `up_to_date` of each source, whether this runs or not."""
    now, ledger = utc_now(), Ledger.read(context.cursor)
    standings = Standings.read(stores.database(), now)
    enabled = [config for config in catalog.configs if not config.disabled]
    found = {
        config.label: standing.repairable
        for config, standing in one_by_one(context.log, enabled, standings.of)
        if standing.repairable
    }
    ledger.keep(found)
    repair = _Repair(standings, UnderWay.look(context.instance) if found else UnderWay(), ledger)
    broken = [config for config in enabled if config.label in found]
    asked: list[dg.RunRequest] = []
    for config, gaps in one_by_one(
        context.log, broken, lambda config: list(repair.possible(config, found[config.label]))
    ):
        asked += [repair.ask(config, days) for days in gaps[: requests.room(asked)]]
    reason = None if asked else _reason(list(found))
    return dg.SensorResult(run_requests=asked, skip_reason=reason, cursor=str(ledger))


def _reason(labels: Sequence[str]) -> str:
    if not labels:
        return "no source has a gap to repair"
    return f"gaps of {len(labels)} sources are under way, or paused after failures: {', '.join(labels[:20])}"


@dataclass(frozen=True)
class _Repair:
    """What a tick knows of gaps and of the tries at them."""

    standings: Standings
    under_way: UnderWay
    ledger: Ledger

    def possible(self, config: IngestConfig, repairable: Sequence[Days]) -> Iterator[Days]:
        """The gaps of a source that no run has at work, and whose pause is over."""
        for gap in repairable:
            for days in gap.without(self.under_way.of("raw", config.label)):
                if may_ask(self.standings.now, self._tries(config, days)):
                    yield days

    def _tries(self, config: IngestConfig, days: Days) -> Iterator[tuple[int, datetime]]:
        """On record are those that began; of those that a preflight refused only the ledger knows."""
        for broken in self.standings.broken_of(config):
            if calendar.touched(broken.window).overlaps(days):
                yield broken.tries, broken.last
        if asked := self.ledger.find(config.label, days):
            yield asked.tries, asked.at

    def ask(self, config: IngestConfig, days: Days) -> dg.RunRequest:
        """The run for a gap, noted."""
        before = self.ledger.find(config.label, days)
        tries = before.tries + 1 if before else 1
        now = self.standings.now
        self.ledger.note(config.label, Asked(days, tries, now))
        key = f"{config.label} {days} at {now:%Y-%m-%dT%H:%MZ}"
        return requests.harvest(config, days, key=key, priority=requests.REPAIR)
