"""Which datum is transformed, by whom, how often: on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from harvest_dagster.records import Record
from harvest_dagster.storage import ingest_logs, raw_data
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.ingest_logs import Claimed, Queue
from harvest_dagster.storage.launches import Launch, Launching, launch
from harvest_dagster.storage.tables import ingest_log, raw_datum
from harvest_dagster_tests.storage.configs import NOW, new_config

DAY = date(2024, 4, 30)
DAYS = (DAY, DAY)
MINUTE = timedelta(minutes=1)


class Logs:
    """The ingest logs of one config, a transaction for each call."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = Queue(new_config(database), 1)
        self.now = NOW

    def store(self, *contents: tuple[str, str], deleted: bool = False) -> list[Launch]:
        """Store these (identifier, content) in order and give what is to be launched for them."""
        self.now += MINUTE
        records = [Record(identifier, NOW, deleted, blob) for identifier, blob in contents]
        config = self.queue.ingest_config_id
        with self.database.begin() as connection:
            raw_data.store(connection, config, records, self.now)
            return [Launch(*found, DAY) for found in raw_data.find(connection, config, records)]

    def launch(self, launches: list[Launch], status: str = "PENDING", *, superfluous: bool = False) -> None:
        self.now += MINUTE
        with self.database.begin() as connection:
            launch(connection, Launching(self.queue, status, superfluous, self.now), launches)

    def claim(self, count: int = 100, run: str = "run 1", days: tuple[date, date] = DAYS) -> list[Claimed]:
        with self.database.begin() as connection:
            return ingest_logs.claim(connection, self.queue, days, count=count, run_id=run, now=self.now)

    def mark(self, claimed: list[Claimed], error: str | None = None, run: str = "run 1") -> None:
        with self.database.begin() as connection:
            ingest_logs.mark(connection, run, [(one.log_id, error) for one in claimed], self.now)

    def do(self, function, *arguments):
        with self.database.begin() as connection:
            return function(connection, self.queue, *arguments, self.now)

    def statuses(self) -> dict[str, str]:
        """The status by content, of the present transformer version."""
        with self.database.read() as connection:
            columns = select(raw_datum.c.datum, ingest_log.c.status)
            return dict(
                connection.execute(columns.join_from(ingest_log, raw_datum).where(self.queue.clause)).all()
            )


@pytest.fixture
def logs(database: Database) -> Logs:
    return Logs(database)


def test_a_datum_is_launched_once(logs: Logs) -> None:
    """Lesson 9: launching everything of a window again must cost nothing but the looking."""
    launches = logs.store(("x", "A"), ("y", "B"))
    logs.launch(launches)
    claimed = logs.claim()
    logs.mark(claimed)
    logs.launch(launches)
    logs.launch([])
    assert logs.statuses() == {"A": "SUCCEEDED", "B": "SUCCEEDED"}
    assert [(one.identifier, one.datum, one.deleted) for one in claimed] == [
        ("x", "A", False),
        ("y", "B", False),
    ]


@pytest.mark.parametrize("left", ["PENDING", "STARTED", "SUCCEEDED", "FAILED"])
def test_content_that_comes_back_is_launched_again(logs: Logs, left: str) -> None:
    """Lesson 3: content went A, B, A; the return to A was never delivered, the index stayed at B."""
    logs.launch(logs.store(("x", "A")))
    if left != "PENDING":
        claimed = logs.claim()
        if left != "STARTED":
            logs.mark(claimed, None if left == "SUCCEEDED" else "no title")
    logs.launch(logs.store(("x", "B")))
    logs.mark(logs.claim())
    logs.launch(logs.store(("x", "A")))
    assert logs.statuses()["A"] == "PENDING"
    (again,) = [one for one in logs.claim() if one.datum == "A"]
    logs.mark([again])
    logs.launch(logs.store(("x", "A")))
    assert logs.statuses() == {"A": "SUCCEEDED", "B": "SUCCEEDED"}


def test_what_was_not_to_be_launched_is_left_alone(logs: Logs) -> None:
    """`transform: false` holds until somebody asks for more."""
    launches = logs.store(("x", "A"))
    logs.launch(launches, "CREATED")
    logs.launch(launches)
    assert logs.statuses() == {"A": "CREATED"}
    assert logs.claim() == []
    logs.launch(launches, superfluous=True)
    assert [one.datum for one in logs.claim()] == ["A"]


def test_superfluous_launches_what_has_succeeded(logs: Logs) -> None:
    """Lesson 14: a superfluous one hit a unique constraint."""
    launches = logs.store(("x", "A"), ("y", "B"))
    logs.launch(launches)
    logs.mark(logs.claim(), "no title")
    logs.launch(launches, superfluous=True)
    assert logs.statuses() == {"A": "PENDING", "B": "PENDING"}


def test_a_claim_takes_the_oldest_of_its_days(logs: Logs) -> None:
    """A partition transforms its own data, and nothing waits for ever behind what came later."""
    launches = logs.store(*((f"x{number}", f"A{number}") for number in range(4)))
    other = Launch(launches[0].raw_id, launches[0].revision, DAY + timedelta(days=1))
    logs.launch([other, *launches[1:]])
    assert [one.datum for one in logs.claim(2)] == ["A1", "A2"]
    assert [one.datum for one in logs.claim(2)] == ["A3"]
    assert [one.datum for one in logs.claim(days=(DAY, other.day))] == ["A0"]


def test_runs_that_claim_at_once_get_different_ones(logs: Logs) -> None:
    """Lesson 17: each datum is transformed by one run, however many the sensor started."""
    logs.launch(logs.store(*((f"x{number}", f"A{number}") for number in range(60))))

    def claim_all(run: str) -> list[int]:
        batches = iter(lambda: logs.claim(7, run), [])
        return [one.log_id for batch in batches for one in batch]

    with ThreadPoolExecutor(4) as threads:
        claimed = [log_id for found in threads.map(claim_all, "abcd") for log_id in found]
    assert len(claimed) == len(set(claimed)) == 60


def test_what_a_dead_run_had_claimed_waits_again(logs: Logs) -> None:
    """Lesson 13: jobs stuck in "running" for ever."""
    logs.launch(logs.store(("x", "A"), ("y", "B"), ("z", "C")))
    logs.mark(logs.claim(1, "dead"), run="dead")
    logs.claim(1, "dead")
    logs.claim(1, "alive")
    assert set(logs.do(lambda connection, queue, _: ingest_logs.runs_at_work(connection, queue))) == {
        "dead",
        "alive",
    }
    logs.do(ingest_logs.return_orphans, ["dead"])
    assert logs.statuses() == {"A": "SUCCEEDED", "B": "PENDING", "C": "STARTED"}


def test_a_datum_fails_whatever_its_transformer_says(logs: Logs) -> None:
    """One that nobody could mark failed would hold up the batch with all others, again and again."""
    logs.launch(logs.store(("a", "A0")))
    logs.mark(logs.claim(), "no \0 title \ud800")
    assert logs.statuses() == {"A0": "FAILED"}


def test_a_run_marks_only_what_is_its_own(logs: Logs) -> None:
    """Lesson 12: a run that was thought dead comes back; what it claimed is another's by now."""
    logs.launch(logs.store(("x", "A"), ("y", "B")))
    claimed = logs.claim(run="late")
    logs.do(ingest_logs.return_orphans, ["late"])
    logs.claim(run="alive")
    logs.mark(claimed[:1], run="late")
    logs.mark(claimed[1:], "no title", run="late")
    assert logs.statuses() == {"A": "STARTED", "B": "STARTED"}


def test_an_error_stays_with_its_datum(logs: Logs) -> None:
    """Lesson 31: no idea which record."""
    logs.launch(logs.store(("x", "A"), ("y", "B")))
    first, second = logs.claim()
    with logs.database.begin() as connection:
        ingest_logs.mark(connection, "run 1", [(first.log_id, "no title"), (second.log_id, None)], logs.now)
        errors = dict(connection.execute(select(ingest_log.c.id, ingest_log.c.error)).all())
    assert errors == {first.log_id: "no title", second.log_id: None}
    assert logs.statuses() == {"A": "FAILED", "B": "SUCCEEDED"}


def test_a_raised_transformer_version_transforms_everything_again_but_what_was_never_to_be(
    logs: Logs,
) -> None:
    """A mended transformer would only ever see what changes at the source."""
    logs.launch(logs.store(("x", "A"), ("y", "B")))
    logs.mark(logs.claim())
    logs.launch(logs.store(("z", "C")), "CREATED")
    logs.queue = Queue(logs.queue.ingest_config_id, 2)
    elsewhere = (DAY + timedelta(days=1), DAY + timedelta(days=2))
    logs.do(ingest_logs.renew_for_version, elsewhere)
    assert logs.statuses() == {}
    for version in (2, 3):
        logs.queue = Queue(logs.queue.ingest_config_id, version)
        logs.do(ingest_logs.renew_for_version, DAYS)
        assert logs.statuses() == {"A": "PENDING", "B": "PENDING"}
    logs.mark(logs.claim())
    logs.do(ingest_logs.renew_for_version, DAYS)
    assert logs.statuses() == {"A": "SUCCEEDED", "B": "SUCCEEDED"}


def test_a_renewed_datum_comes_back_like_any_other(logs: Logs) -> None:
    """Lesson 3, over a new transformer version: the revision goes along."""
    logs.launch(logs.store(("x", "A")))
    logs.mark(logs.claim())
    logs.queue = Queue(logs.queue.ingest_config_id, 2)
    logs.do(ingest_logs.renew_for_version, DAYS)
    logs.mark(logs.claim())
    logs.launch(logs.store(("x", "A")))
    assert logs.statuses() == {"A": "SUCCEEDED"}
    logs.store(("x", "B"))
    logs.launch(logs.store(("x", "A")))
    assert logs.statuses()["A"] == "PENDING"


def test_runs_that_renew_for_a_version_at_once_do_not_trip_over_each_other(logs: Logs) -> None:
    """The sensor starts several transform runs, and the first thing each of them does is this."""
    logs.launch(logs.store(*((f"x{number}", f"A{number}") for number in range(300))))
    logs.mark(logs.claim(300))
    logs.queue = Queue(logs.queue.ingest_config_id, 2)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: logs.do(ingest_logs.renew_for_version, DAYS), range(4)))
    assert list(logs.statuses().values()) == ["PENDING"] * 300


def test_relaunching_days_leaves_alone_what_runs_and_what_was_never_to_be(logs: Logs) -> None:
    """`superfluous` on the transform asset: done again, and nothing taken from a run at work."""
    logs.launch(logs.store(("x", "A")))
    logs.mark(logs.claim())
    logs.launch(logs.store(("y", "B")))
    logs.mark(logs.claim(), "no title")
    logs.launch(logs.store(("z", "C")))
    logs.claim(run="alive")
    logs.launch(logs.store(("w", "D")), "CREATED")
    logs.do(ingest_logs.relaunch, DAYS)
    assert logs.statuses() == {"A": "PENDING", "B": "PENDING", "C": "STARTED", "D": "CREATED"}
