"""The logs of one series, a transaction for each call, as the tests of their rows and states need them."""

from __future__ import annotations

from datetime import datetime, timedelta

from harvest_dagster.storage import coverings, harvest_logs, harvest_progress, harvest_states, harvest_tries
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.harvest_logs import Counts, HarvestLog, Series, Strays
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.storage.configs import NOW, new_config

MIDNIGHT = NOW.replace(hour=0)
WINDOW = Window(MIDNIGHT - DAY, MIDNIGHT)
MINUTE = timedelta(minutes=1)
STRAYS = Strays(outside_window=2, undated=1)
SOME = Counts(pages=1, records=5, new_identifiers=4, new_data=3, deleted=2, quarantined=1)


def day(number: int) -> Window:
    return Window(WINDOW.start - number * DAY, WINDOW.end - number * DAY)


class Logs:
    """One series of logs, each call in a transaction of its own, a minute after the last one."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.series = Series(new_config(database), 1)
        self.now = NOW

    def _tick(self) -> datetime:
        self.now += MINUTE
        return self.now

    def start(
        self, window: Window = WINDOW, run: str = "run 1", *, at: datetime | None = None, **more
    ) -> HarvestLog:
        with self.database.begin() as connection:
            now = at or self._tick()
            return harvest_states.start(connection, self.series, window, run_id=run, now=now, **more)

    def succeed(self, log: HarvestLog, *, since: datetime = NOW, **more) -> HarvestLog:
        """End a log well whose list was begun at `since`."""
        with self.database.begin() as connection:
            harvest_states.restart(connection, log.id, since)
            return harvest_states.succeed(
                connection, log.id, now=self._tick(), completeness="complete", **more
            )

    def end(self, log: HarvestLog, status: str = "FAILED", error: str = "no luck") -> HarvestLog:
        with self.database.begin() as connection:
            harvest_states.end(connection, log, status, now=self._tick(), error=error)
            return harvest_logs.get(connection, log.id)

    def half_store(self, window: Window = WINDOW, run: str = "half", *, at: datetime, **more) -> HarvestLog:
        """Begin a list, store a page of it, and break off before anything is launched."""
        log = self.start(window, run, at=at, **more)
        with self.database.begin() as connection:
            harvest_states.restart(connection, log.id, at)
            harvest_progress.advance(connection, log.id, 0, SOME, STRAYS)
        return self.end(log)

    def reschedule(
        self, window: Window = WINDOW, run: str = "run 2", holder: str | None = None
    ) -> HarvestLog:
        with self.database.begin() as connection:
            harvest_states.reschedule(
                connection, self.series, window, run_id=run, holder=holder, error="not free"
            )
        return self.find(window)

    def find(self, window: Window = WINDOW) -> HarvestLog:
        with self.database.read() as connection:
            found = harvest_logs.find(connection, self.series, window)
        assert found is not None
        return found

    def covering(self, window: Window = WINDOW) -> list[int]:
        with self.database.read() as connection:
            return [one.log.id for one in coverings.find(connection, self.series, window)]

    def failures(self) -> int:
        with self.database.read() as connection:
            return len(harvest_tries.failures_in_a_row(connection, self.series))
