"""The logs of one scope for tests. Each call is a transaction of its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import counters, coverage_rule, queries, run_attempts, transitions
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.storage.configs import NOW, new_config

MIDNIGHT = NOW.replace(hour=0)
WINDOW = Window(MIDNIGHT - DAY, MIDNIGHT)
MINUTE = timedelta(minutes=1)
SOME = Counts(
    pages=1, records=5, new_identifiers=4, new_data=3, deleted=2, quarantined=1, outside_window=2, undated=1
)


def day(number: int) -> Window:
    return Window(WINDOW.start - number * DAY, WINDOW.end - number * DAY)


class Logs:
    """The logs of one scope. Each call is a transaction of its own, one minute after the previous one."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.scope = LogScope(new_config(database), 1)
        self.now = NOW

    def _tick(self) -> datetime:
        self.now += MINUTE
        return self.now

    def start(
        self, window: Window = WINDOW, run: str = "run 1", *, at: datetime | None = None, **more: Any
    ) -> HarvestLog:
        with self.database.begin() as connection:
            now = at or self._tick()
            return transitions.mark_started(connection, self.scope, window, run_id=run, now=now, **more)

    def succeed(self, log: HarvestLog, *, since: datetime = NOW, **more: Any) -> HarvestLog:
        """Mark a log SUCCEEDED whose list began at `since`."""
        with self.database.begin() as connection:
            transitions.begin_attempt(connection, log.id, since)
            return transitions.mark_succeeded(
                connection, log.id, now=self._tick(), completeness="complete", **more
            )

    def end(self, log: HarvestLog, status: str = "FAILED", error: str = "no luck") -> HarvestLog:
        with self.database.begin() as connection:
            transitions.mark_ended(connection, log, status, now=self._tick(), error=error)
            return queries.get_log(connection, log.id)

    def store_without_launch(
        self, window: Window = WINDOW, run: str = "half", *, at: datetime, **more: Any
    ) -> HarvestLog:
        """Begin a list, store one page of it, and fail before anything is launched."""
        log = self.start(window, run, at=at, **more)
        with self.database.begin() as connection:
            transitions.begin_attempt(connection, log.id, at)
            counters.count_page(connection, log.id, 0, SOME)
        return self.end(log)

    def reschedule(
        self, window: Window = WINDOW, run: str = "run 2", holder: str | None = None
    ) -> HarvestLog:
        with self.database.begin() as connection:
            transitions.mark_rescheduled(
                connection, self.scope, window, run_id=run, holder=holder, error="not free"
            )
        return self.find(window)

    def find(self, window: Window = WINDOW) -> HarvestLog:
        with self.database.read() as connection:
            found = queries.find_log(connection, self.scope, window)
        assert found is not None
        return found

    def covering(self, window: Window = WINDOW) -> list[int]:
        with self.database.read() as connection:
            return [one.log.id for one in coverage_rule.find_coverage(connection, self.scope, window)]

    def failures(self) -> int:
        with self.database.read() as connection:
            return len(run_attempts.find_consecutive_failures(connection, self.scope))
