"""Reports that a run is alive, as long as one of its processes has the harvest database open.

With Dagster's executor in one process, this is the whole run, also between two ops and while an op waits for its retry.
Otherwise it is each op. `lost_runs` reads the reports.
"""

import threading
from contextlib import suppress

from harvest_dagster.processes import Process
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.transform_queue import workers

INTERVAL = 15.0  # seconds; as often as a lease is renewed


class LifeSigns:
    """The thread of a process that reports a run.

    Args:
        database: the harvest database.
        run_id: the run.
        process: this process.
    """

    def __init__(self, database: Database, run_id: str, process: Process) -> None:
        self._database = database
        self._run_id = run_id
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._report, name="life signs", daemon=True)

    def start(self) -> None:
        """Report the run now, and then from the thread until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and delete the report: this process no longer works for the run."""
        self._stop.set()
        self._thread.join()
        with (
            suppress(Exception),
            self._database.begin() as connection,
        ):  # a report that stays counts for minutes only
            workers.remove_process(connection, self._run_id, self._process)

    def _report(self) -> None:
        while True:
            with suppress(Exception), self._database.begin() as connection:  # the next report may succeed
                workers.record_worker(connection, self._run_id, self._process)
            if self._stop.wait(INTERVAL):
                return
