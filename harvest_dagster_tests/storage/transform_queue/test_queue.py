"""Which datum is transformed, by which run, and how often. On both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from harvest_dagster.records import Record
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data.store import find_data, store_records
from harvest_dagster.storage.tables import ingest_log, raw_datum
from harvest_dagster.storage.transform_queue.enqueue import EnqueueOptions, QueueEntry, enqueue_data
from harvest_dagster.storage.transform_queue.queue import (
    ClaimedDatum,
    TransformQueue,
    claim_pending,
    enqueue_older_versions,
    find_claiming_runs,
    mark_transformed,
    requeue_days,
    requeue_orphans,
)
from harvest_dagster_tests.storage.configs import NOW, new_config

DAY = date(2024, 4, 30)
DAYS = (DAY, DAY)
MINUTE = timedelta(minutes=1)


class Logs:
    """The ingest logs of one config, a transaction for each call."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = TransformQueue(new_config(database), 1)
        self.now = NOW

    def store(self, *contents: tuple[str, str], deleted: bool = False) -> list[QueueEntry]:
        """Store these (identifier, content) pairs in order, and return their queue entries."""
        self.now += MINUTE
        records = [Record(identifier, NOW, deleted, blob) for identifier, blob in contents]
        config = self.queue.ingest_config_id
        with self.database.begin() as connection:
            store_records(connection, config, records, self.now)
            return [
                QueueEntry(found.raw_id, found.revision, DAY, found.is_current)
                for found in find_data(connection, config, records)
            ]

    def enqueue(
        self, launches: list[QueueEntry], status: str = "PENDING", *, superfluous: bool = False
    ) -> None:
        self.now += MINUTE
        with self.database.begin() as connection:
            enqueue_data(connection, EnqueueOptions(self.queue, status, superfluous, self.now), launches)

    def claim(
        self, count: int = 100, run: str = "run 1", days: tuple[date, date] = DAYS
    ) -> list[ClaimedDatum]:
        with self.database.begin() as connection:
            return claim_pending(connection, self.queue, days, count=count, run_id=run, now=self.now)

    def mark(self, claimed: list[ClaimedDatum], error: str | None = None, run: str = "run 1") -> None:
        with self.database.begin() as connection:
            mark_transformed(
                connection, run, [(claimed_datum.log_id, error) for claimed_datum in claimed], self.now
            )

    def do(self, function, *arguments):
        with self.database.begin() as connection:
            return function(connection, self.queue, *arguments, self.now)

    def statuses(self) -> dict[str, str]:
        """Return the status by content, for the present transformer version."""
        with self.database.read() as connection:
            columns = select(raw_datum.c.datum, ingest_log.c.status)
            return dict(
                connection.execute(columns.join_from(ingest_log, raw_datum).where(self.queue.clause)).all()
            )


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def test_a_datum_is_queued_once(logs: Logs) -> None:
    """All data of a window are queued again after a crash (docs/failures.md#stored-but-not-launched)."""
    launches = logs.store(("x", "A"), ("y", "B"))
    logs.enqueue(launches)
    claimed = logs.claim()
    logs.mark(claimed)
    logs.enqueue(launches)
    logs.enqueue([])
    assert logs.statuses() == {"A": "SUCCEEDED", "B": "SUCCEEDED"}
    assert [
        (claimed_datum.identifier, claimed_datum.datum, claimed_datum.deleted) for claimed_datum in claimed
    ] == [
        ("x", "A", False),
        ("y", "B", False),
    ]


@pytest.mark.parametrize("left", ["PENDING", "STARTED", "SUCCEEDED", "FAILED"])
def test_returned_content_is_queued_again(logs: Logs, left: str) -> None:
    """After A, B, A the return to A was never delivered (docs/failures.md#content-returns)."""
    logs.enqueue(logs.store(("x", "A")))
    if left != "PENDING":
        claimed = logs.claim()
        if left != "STARTED":
            logs.mark(claimed, None if left == "SUCCEEDED" else "no title")
    logs.enqueue(logs.store(("x", "B")))
    logs.mark(logs.claim())
    logs.enqueue(logs.store(("x", "A")))
    assert logs.statuses()["A"] == "PENDING"
    (again,) = [claimed_datum for claimed_datum in logs.claim() if claimed_datum.datum == "A"]
    logs.mark([again])
    logs.enqueue(logs.store(("x", "A")))
    assert logs.statuses() == {"A": "SUCCEEDED", "B": "SUCCEEDED"}


def test_created_logs_stay_created(logs: Logs) -> None:
    """`transform: false` holds until a run asks for more."""
    launches = logs.store(("x", "A"))
    logs.enqueue(launches, "CREATED")
    logs.enqueue(launches)
    assert logs.statuses() == {"A": "CREATED"}
    assert logs.claim() == []
    logs.enqueue(launches, superfluous=True)
    assert [claimed_datum.datum for claimed_datum in logs.claim()] == ["A"]


def test_superfluous_queues_succeeded_data_again(logs: Logs) -> None:
    """A superfluous run failed on a unique constraint (docs/failures.md#second-run-breaks-job)."""
    launches = logs.store(("x", "A"), ("y", "B"))
    logs.enqueue(launches)
    logs.mark(logs.claim(), "no title")
    logs.enqueue(launches, superfluous=True)
    assert logs.statuses() == {"A": "PENDING", "B": "PENDING"}


def test_a_claim_takes_the_oldest_logs_of_its_days(logs: Logs) -> None:
    """A partition transforms its own data, and no log waits forever behind newer ones."""
    launches = logs.store(*((f"x{number}", f"A{number}") for number in range(4)))
    other = QueueEntry(launches[0].raw_id, launches[0].revision, DAY + timedelta(days=1))
    logs.enqueue([other, *launches[1:]])
    assert [claimed_datum.datum for claimed_datum in logs.claim(2)] == ["A1", "A2"]
    assert [claimed_datum.datum for claimed_datum in logs.claim(2)] == ["A3"]
    assert [claimed_datum.datum for claimed_datum in logs.claim(days=(DAY, other.day))] == ["A0"]


def test_simultaneous_claims_get_different_logs(logs: Logs) -> None:
    """One run transforms each datum, however many runs the sensor starts."""
    logs.enqueue(logs.store(*((f"x{number}", f"A{number}") for number in range(60))))

    def claim_all(run: str) -> list[int]:
        batches = iter(lambda: logs.claim(7, run), [])
        return [claimed_datum.log_id for batch in batches for claimed_datum in batch]

    with ThreadPoolExecutor(4) as threads:
        claimed = [log_id for found in threads.map(claim_all, "abcd") for log_id in found]
    assert len(claimed) == len(set(claimed)) == 60


def test_the_logs_of_a_dead_run_are_pending_again(logs: Logs) -> None:
    """Jobs of dead runs stayed in the status running (docs/failures.md#running-forever)."""
    logs.enqueue(logs.store(("x", "A"), ("y", "B"), ("z", "C")))
    logs.mark(logs.claim(1, "dead"), run="dead")
    logs.claim(1, "dead")
    logs.claim(1, "alive")
    assert set(logs.do(lambda connection, queue, _: find_claiming_runs(connection, queue))) == {
        "dead",
        "alive",
    }
    logs.do(requeue_orphans, ["dead"])
    assert logs.statuses() == {"A": "SUCCEEDED", "B": "PENDING", "C": "STARTED"}


def test_a_datum_can_fail_with_any_error_text(logs: Logs) -> None:
    """A datum that cannot be marked FAILED would block its batch again and again."""
    logs.enqueue(logs.store(("a", "A0")))
    logs.mark(logs.claim(), "no \0 title \ud800")
    assert logs.statuses() == {"A0": "FAILED"}


def test_a_run_marks_only_its_own_logs(logs: Logs) -> None:
    """A run that seemed dead may resume when others have its logs (docs/failures.md#foreign-row-overwritten)."""
    logs.enqueue(logs.store(("x", "A"), ("y", "B")))
    claimed = logs.claim(run="late")
    logs.do(requeue_orphans, ["late"])
    logs.claim(run="alive")
    logs.mark(claimed[:1], run="late")
    logs.mark(claimed[1:], "no title", run="late")
    assert logs.statuses() == {"A": "STARTED", "B": "STARTED"}


def test_an_error_is_stored_with_its_datum(logs: Logs) -> None:
    """Otherwise nobody knows which record failed (docs/failures.md#report-without-numbers)."""
    logs.enqueue(logs.store(("x", "A"), ("y", "B")))
    first, second = logs.claim()
    with logs.database.begin() as connection:
        mark_transformed(connection, "run 1", [(first.log_id, "no title"), (second.log_id, None)], logs.now)
        errors = dict(connection.execute(select(ingest_log.c.id, ingest_log.c.error)).all())
    assert errors == {first.log_id: "no title", second.log_id: None}
    assert logs.statuses() == {"A": "FAILED", "B": "SUCCEEDED"}


def test_a_higher_transformer_version_transforms_everything_again_except_created_logs(
    logs: Logs,
) -> None:
    """Otherwise a corrected transformer would only see records that change at the source."""
    logs.enqueue(logs.store(("x", "A"), ("y", "B")))
    logs.mark(logs.claim())
    logs.enqueue(logs.store(("z", "C")), "CREATED")
    logs.queue = TransformQueue(logs.queue.ingest_config_id, 2)
    elsewhere = (DAY + timedelta(days=1), DAY + timedelta(days=2))
    logs.do(enqueue_older_versions, elsewhere)
    assert logs.statuses() == {}
    for version in (2, 3):
        logs.queue = TransformQueue(logs.queue.ingest_config_id, version)
        logs.do(enqueue_older_versions, DAYS)
        assert logs.statuses() == {"A": "PENDING", "B": "PENDING"}
    logs.mark(logs.claim())
    logs.do(enqueue_older_versions, DAYS)
    assert logs.statuses() == {"A": "SUCCEEDED", "B": "SUCCEEDED"}


def test_content_returns_under_a_new_transformer_version_too(logs: Logs) -> None:
    """The log of the new version keeps the revision (docs/failures.md#content-returns)."""
    logs.enqueue(logs.store(("x", "A")))
    logs.mark(logs.claim())
    logs.queue = TransformQueue(logs.queue.ingest_config_id, 2)
    logs.do(enqueue_older_versions, DAYS)
    logs.mark(logs.claim())
    logs.enqueue(logs.store(("x", "A")))
    assert logs.statuses() == {"A": "SUCCEEDED"}
    logs.store(("x", "B"))
    logs.enqueue(logs.store(("x", "A")))
    assert logs.statuses()["A"] == "PENDING"


def test_runs_may_queue_for_a_new_version_simultaneously(logs: Logs) -> None:
    """The sensor starts several transform runs, and each of them does this first."""
    logs.enqueue(logs.store(*((f"x{number}", f"A{number}") for number in range(300))))
    logs.mark(logs.claim(300))
    logs.queue = TransformQueue(logs.queue.ingest_config_id, 2)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: logs.do(enqueue_older_versions, DAYS), range(4)))
    assert list(logs.statuses().values()) == ["PENDING"] * 300


def test_queueing_days_again_leaves_started_and_created_logs(logs: Logs) -> None:
    """`superfluous` on the transform asset must not take data from a working run."""
    logs.enqueue(logs.store(("x", "A")))
    logs.mark(logs.claim())
    logs.enqueue(logs.store(("y", "B")))
    logs.mark(logs.claim(), "no title")
    logs.enqueue(logs.store(("z", "C")))
    logs.claim(run="alive")
    logs.enqueue(logs.store(("w", "D")), "CREATED")
    logs.do(requeue_days, DAYS)
    assert logs.statuses() == {"A": "PENDING", "B": "PENDING", "C": "STARTED", "D": "CREATED"}
