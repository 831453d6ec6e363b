"""Each IngestConfig has at most one writer, even if runs stall, die and resume. On both databases."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, text

from harvest_dagster.errors import LeaseHeld, LeaseLost
from harvest_dagster.processes import Process
from harvest_dagster.storage import clock
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.lease import history, leases
from harvest_dagster.storage.lease.leases import TTL, Lease, LeaseOwner
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.storage.configs import NOW, new_config
from harvest_dagster_tests.storage.lease.frozen_writer import frozen_in_copy

RUNS = ("run 1", "run 2", "run 3", "run 4")
runs = st.sampled_from(RUNS)
PROCESS = Process("here boot namespace", 4711, "99")


@pytest.fixture
def config_id(database: Database) -> int:
    return new_config(database)


def acquire(database: Database, config_id: int, run: str, now=NOW, dead: int | None = None) -> Lease:
    with at(database, now).begin() as connection:
        return leases.acquire(connection, config_id, LeaseOwner(run, PROCESS), dead)


def at(database: Database, now: datetime) -> Database:
    """Return the database with a clock that shows this time."""
    return database.with_clock(lambda: now)


def may_write(database: Database, held: Lease) -> bool:
    try:
        with database.begin() as connection:
            leases.verify_token(connection, held)
    except LeaseLost:
        return False
    return True


class Runs(RuleBasedStateMachine):
    """Several runs compete for one lease. The state machine compares the database with the rules."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.config_id = new_config(database)
        self.now = NOW
        self.owner: str | None = None
        self.expires = NOW
        self.granted: list[Lease] = []

    @property
    def newest(self) -> int:
        return self.granted[-1].token if self.granted else 0

    def lease_of(self, run: str) -> Lease:
        """Return the lease that the run has acquired, or one that it never had."""
        fake = Lease(self.config_id, run, self.newest)
        return next((lease for lease in self.granted if lease.run_id == run), fake)

    def holds(self, lease: Lease) -> bool:
        return self.owner == lease.run_id and lease.token == self.newest

    @rule(seconds=st.integers(1, 90))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(run=runs, holder_is_dead=st.booleans())
    def acquire(self, run: str, holder_is_dead: bool) -> None:
        free = self.owner is None or self.expires <= self.now or holder_is_dead
        had_it = any(lease.run_id == run for lease in self.granted)
        dead = self.newest if holder_is_dead else None
        if free and not had_it:
            lease = acquire(self.database, self.config_id, run, self.now, dead)
            assert lease.token > self.newest
            self.granted.append(lease)
            self.owner, self.expires = run, self.now + TTL
        else:
            with pytest.raises(LeaseLost if had_it else LeaseHeld):
                acquire(self.database, self.config_id, run, self.now, dead)

    @rule(run=runs, behind=st.integers(1, 3))
    def take_over_with_an_old_token(self, run: str, behind: int) -> None:
        """The death of an earlier holder must not affect the present one."""
        if self.owner is not None and self.expires > self.now:
            with pytest.raises((LeaseHeld, LeaseLost)):
                acquire(self.database, self.config_id, run, self.now, self.newest - behind)

    @rule(run=runs)
    def adopt(self, run: str) -> None:
        with at(self.database, self.now).begin() as connection:
            adopted = leases.adopt(connection, self.config_id, LeaseOwner(run, None))
        assert adopted == (self.lease_of(run) if self.owner == run else None)
        if adopted:
            self.expires = self.now + TTL

    @rule(run=runs)
    def renew(self, run: str) -> None:
        lease = self.lease_of(run)
        if self.holds(lease):
            with at(self.database, self.now).begin() as connection:
                leases.renew(connection, lease)
            self.expires = self.now + TTL
        else:
            with pytest.raises(LeaseLost), self.database.begin() as connection:
                leases.renew(connection, lease)

    @rule(run=runs)
    def release(self, run: str) -> None:
        lease = self.lease_of(run)
        with self.database.begin() as connection:
            assert leases.release(connection, lease) == self.holds(lease)
        if self.holds(lease):
            self.owner = None

    @invariant()
    def only_the_holder_may_write(self) -> None:
        writers = [lease for lease in self.granted if may_write(self.database, lease)]
        assert writers == [lease for lease in self.granted if self.holds(lease)]
        assert len(writers) <= 1

    @invariant()
    def the_database_says_who_holds_it(self) -> None:
        with self.database.read() as connection:
            held = leases.find_lease(connection, self.config_id)
            before = {run for run in RUNS if history.find_token(connection, self.config_id, run)}
        found = held and (held.token, held.holder.run_id, held.expires)
        assert found == (self.owner and (self.newest, self.owner, self.expires))
        assert before == {lease.run_id for lease in self.granted}


def test_at_most_one_run_may_write(database: Database) -> None:
    """A run without its lease continued to write (docs/failures.md#lost-lock-keeps-writing)."""
    run_state_machine_as_test(
        lambda: Runs(database), settings=settings(max_examples=30, stateful_step_count=25, deadline=None)
    )


@pytest.mark.parametrize("state", ["never held", "expired", "released"])
def test_exactly_one_of_several_simultaneous_runs_acquires_the_lease(
    database: Database, config_id: int, state: str
) -> None:
    """With two separate statements, both could succeed (docs/failures.md#same-source-twice)."""
    if state != "never held":
        first = acquire(database, config_id, "the first", NOW - TTL)
        if state == "released":
            with database.begin() as connection:
                leases.release(connection, first)

    def ask(number: int) -> Lease | None:
        try:
            return acquire(database, config_id, f"run {number}")
        except LeaseHeld:
            return None

    with ThreadPoolExecutor(8) as threads:
        granted = [lease for lease in threads.map(ask, range(8)) if lease]
    assert len(granted) == 1
    assert may_write(database, granted[0])


@contextmanager
def impatient(database: Database) -> Iterator[Connection]:
    """Yield a transaction in which waiting for a lock is an error, so that the test cannot hang."""
    with database.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = '5s'"))
        yield connection


def test_a_long_write_blocks_no_other_run(database: Database, config_id: int) -> None:
    """During a COPY of minutes, its run renews the lease, and other runs are refused at once."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time, whose writes are short")
    held = acquire(database, config_id, "run 1")
    with database.begin() as writing:
        leases.verify_token(writing, held)
        with impatient(at(database, NOW + TTL / 2)) as connection:
            leases.renew(connection, held)
        busy = pytest.raises(LeaseHeld, match="writing for this source at this moment")
        with busy, impatient(at(database, NOW + 2 * TTL)) as connection:
            leases.acquire(connection, config_id, LeaseOwner("run 2", None))
        with impatient(database) as connection:
            leases.verify_token(connection, held)
    acquired = acquire(database, config_id, "run 2", NOW + 2 * TTL)
    assert acquired.token == held.token + 1


def test_the_writes_of_a_run_that_loses_its_lease_are_rolled_back(database: Database, config_id: int) -> None:
    """A check outside the writing transaction would be outdated (docs/failures.md#lost-lock-keeps-writing)."""
    held = acquire(database, config_id, "run 1")
    acquire(database, config_id, "run 2", NOW + TTL)
    change = text("UPDATE ingest_config SET name = 'written by a run that lost its lease'")
    with pytest.raises(LeaseLost), database.begin() as connection:  # noqa: PT012 - both in one transaction
        connection.execute(change)
        leases.verify_token(connection, held)
    with database.read() as connection:
        name = connection.scalar(text("SELECT name FROM ingest_config WHERE id = :id"), {"id": config_id})
    assert name != "written by a run that lost its lease"


def test_a_run_that_lost_its_lease_cannot_acquire_it_again(database: Database, config_id: int) -> None:
    """It would overwrite the data of the other run with older pages from its memory."""
    acquire(database, config_id, "run 1")
    second = acquire(database, config_id, "run 2", NOW + TTL)
    with database.begin() as connection:
        leases.release(connection, second)
    with pytest.raises(
        LeaseLost, match=r"run run 1 lost its lease .* run run 2 took over .* Start a new run"
    ):
        acquire(database, config_id, "run 1", NOW + 2 * TTL)
    third = acquire(database, config_id, "run 3", NOW + 2 * TTL)
    assert third.token == second.token + 1


def test_the_error_names_the_holder(database: Database, config_id: int) -> None:
    """Otherwise people must look for it in the database (docs/failures.md#report-without-numbers)."""
    acquire(database, config_id, "run 1")
    with pytest.raises(
        LeaseHeld, match=r"run run 1 \(host here, process 4711\) has been harvesting .* since 2024-05-01"
    ):
        acquire(database, config_id, "run 2")
    lost = Lease(config_id, "run 0", 0)
    with (
        pytest.raises(LeaseLost, match=r"run run 0 lost its lease .*: run run 1 took over"),
        database.begin() as c,
    ):
        leases.verify_token(c, lost)


@pytest.mark.parametrize("end", ["released", "revoked"])
def test_the_error_says_that_no_other_run_has_the_lease(database: Database, config_id: int, end: str) -> None:
    """The error named the run itself, or a run that does not exist."""
    held = acquire(database, config_id, "run 1")
    with at(database, NOW + TTL).begin() as connection:
        found = leases.find_lease(connection, config_id)
        assert found is not None
        if end == "released":
            assert leases.release(connection, held)
        else:
            assert leases.revoke(connection, config_id, found, over=False)
    with pytest.raises(LeaseLost, match="no other run has taken it"):
        acquire(database, config_id, "run 1", NOW + 2 * TTL)
    acquire(database, config_id, "run 2", NOW + 3 * TTL)
    acquire(database, config_id, "run 3", NOW + 9 * TTL)
    for attempt in (lambda c: leases.verify_token(c, held), lambda c: leases.renew(c, held)):
        with (
            pytest.raises(LeaseLost, match="run run 2 took over at 2024-05-01"),
            database.begin() as connection,
        ):
            attempt(connection)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("hours", [-30, 30])
def test_a_machine_with_a_wrong_clock_neither_takes_a_live_lease_nor_loses_its_own(
    database: Database, config_id: int, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """A node whose clock was ahead took the leases of all others; one whose clock was behind lost its own at once."""
    acquire_now(database, config_id, "right")
    wrong = utc_now() + timedelta(hours=hours)
    monkeypatch.setattr(clock, "utc_now", lambda: wrong)
    with pytest.raises(LeaseHeld):
        acquire_now(database, config_id, "wrong")
    other = new_config(database)
    held = acquire_now(database, other, "wrong")
    with database.begin() as connection:
        leases.renew(connection, held)
        assert (
            leases.adopt(connection, other, LeaseOwner("wrong", None), leases.find_lease(connection, other))
            == held
        )
    monkeypatch.undo()
    with database.read() as connection:
        (row,) = leases.find_leases(connection, [other]).values()
    assert not row.is_expired
    assert timedelta(0) < row.expires - utc_now() <= TTL
    assert utc_now() - row.acquired < timedelta(minutes=5)
    with pytest.raises(LeaseHeld):
        acquire_now(database, other, "right")


def acquire_now(database: Database, config_id: int, run: str) -> Lease:
    """Acquire a lease by the clock of the database itself."""
    with database.begin() as connection:
        return leases.acquire(connection, config_id, LeaseOwner(run, PROCESS))


def expiry(database: Database, config_id: int) -> datetime:
    with database.read() as connection:
        found = leases.find_lease(connection, config_id)
    assert found is not None
    return found.expires


def test_a_lease_lasts_long_between_two_ops_and_a_minute_while_an_op_works(
    database: Database, config_id: int
) -> None:
    """A pod took two minutes to start, and the run lost its lease; a dead op blocked its source for long."""
    held, start = acquire(database, config_id, "run 1"), timedelta(minutes=15)
    with at(database, NOW).begin() as connection:
        leases.leave(connection, held, None, start)
    assert expiry(database, config_id) == NOW + start
    later = NOW + timedelta(minutes=10)
    with at(database, later).begin() as connection:
        found = leases.find_lease(connection, config_id)
        assert leases.adopt(connection, config_id, LeaseOwner("run 1", PROCESS), found) == held
    assert expiry(database, config_id) == later + TTL


def test_an_op_does_not_shorten_the_deferral_of_another_window(database: Database, config_id: int) -> None:
    """The run would lose its lease before the source allows the next request."""
    held, start = acquire(database, config_id, "run 1"), timedelta(minutes=15)
    with at(database, NOW).begin() as connection:
        leases.renew(connection, held, pause=timedelta(hours=1))
        before = leases.find_lease(connection, config_id)
        leases.adopt(connection, config_id, LeaseOwner("run 1", PROCESS), before)
    with at(database, NOW + TTL).begin() as connection:
        leases.renew(connection, held)
        leases.leave(connection, held, None, start, before)
    assert expiry(database, config_id) == NOW + timedelta(hours=1) + TTL
    with at(database, NOW).begin() as connection:  # an op of another process defers its window meanwhile
        leases.adopt(connection, config_id, LeaseOwner("run 1", PROCESS), before)
        leases.renew(connection, held, pause=timedelta(hours=2))
        leases.renew(connection, held)
        leases.leave(connection, held, None, start, before)
    assert expiry(database, config_id) == NOW + timedelta(hours=2) + TTL


def test_leases_of_different_sources_are_independent(database: Database) -> None:
    """With a common token or lock, one slow source would block all others."""
    one, other = new_config(database), new_config(database)
    assert may_write(database, acquire(database, one, "run 1"))
    assert may_write(database, acquire(database, other, "run 1"))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_writer_that_is_frozen_within_copy_is_ended_when_its_lease_has_expired(
    database: Database, config_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held the row of the lease forever, because PostgreSQL has no timeout for the data of COPY."""
    monkeypatch.setattr(leases, "LONGEST_WRITE", timedelta())
    with frozen_in_copy(database, acquire(database, config_id, "frozen")) as frozen:
        with pytest.raises(LeaseHeld, match="another run is writing"):
            acquire(database, config_id, "too early")
        with pytest.raises(
            LeaseHeld, match="a dead run was writing for this source; its transaction is ended"
        ):
            acquire(database, config_id, "next", NOW + TTL)
        assert acquire_soon(database, config_id, "next", NOW + TTL).token == 2
        frozen.send_signal(signal.SIGCONT)
        _, errors = frozen.communicate()
    assert frozen.returncode == 1
    assert "DatabaseUnreachable" in errors
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM source_unique_identifier")) == 0


def acquire_soon(database: Database, config_id: int, run: str, now: datetime) -> Lease:
    """Acquire a lease as soon as the server has ended the transaction of the writer."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return acquire(database, config_id, run, now)
        except LeaseHeld:  # noqa: PERF203  # it waits for the server
            assert time.monotonic() < deadline, "the frozen writer still holds the row"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_session_of_a_writer_has_its_usual_name_after_the_transaction(
    database: Database, config_id: int
) -> None:
    """A session that kept the name would be ended while it writes for another source, or for another user of a pool."""
    held = acquire(database, config_id, "run 1")
    show = text("SHOW application_name")
    with database.begin() as connection:
        leases.verify_token(connection, held)
        assert connection.scalar(show) == f"harvest_dagster, writer of source {config_id}, token 1"
    with database.read() as connection:
        assert connection.scalar(show) == "harvest_dagster"
