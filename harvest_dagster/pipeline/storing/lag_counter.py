"""Count how late the records of a window come (`coverage.lag`), page by page."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from harvest_dagster.coverage.lag import EarlierList, LagRule
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.storage import record_lags
from harvest_dagster.storage.harvest_log import coverage_rule
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.raw_data.store import StoreCounts


@dataclass(frozen=True)
class LagCounter:
    """Adds the records of a window to the histogram of their source.

    Attributes:
        config_id: the config.
        rule: decides which records count.
    """

    config_id: int
    rule: LagRule

    @classmethod
    def read(cls, harvest: HarvestContext, log: HarvestLog) -> LagCounter:
        """Read what lists that began before the present one have covered."""
        began = log.attempt_began or harvest.run.clock()
        with harvest.run.database.read() as connection:
            listed = coverage_rule.find_listed_windows(connection, harvest.scope, log.window, before=began)
        earlier = [EarlierList(window, list_began) for window, list_began in listed]
        return cls(harvest.config_id, LagRule(log.window, began, harvest.config.settle, earlier))

    def count(self, connection: Connection, stored: StoreCounts) -> None:
        """Count the records of a page that are new, or have a new datestamp, in the transaction that stores them.

        After a crash, a page that is stored again has no new record. A record that changed under the same datestamp
        is not late: some sources change their records with each request.
        """
        if not stored.newly_dated or not self.rule.can_count:
            return
        datestamps = {
            change.record.identifier: change.record.datestamp
            for change in stored.changed
            if change.record.identifier in stored.newly_dated
        }
        counts = self.rule.count(datestamps.values())
        record_lags.add_lags(connection, self.config_id, self.rule.began.date(), counts)
