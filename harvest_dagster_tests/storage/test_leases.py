"""One writer for each IngestConfig, however its runs come, stall, die and come back: on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, text

from harvest_dagster.errors import LeaseHeld, LeaseLost
from harvest_dagster.processes import Process
from harvest_dagster.storage import lease_grants, leases
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.leases import TTL, Holder, Lease
from harvest_dagster_tests.storage.configs import NOW, new_config

RUNS = ("run 1", "run 2", "run 3", "run 4")
runs = st.sampled_from(RUNS)
PROCESS = Process("here boot namespace", 4711, "99")


@pytest.fixture
def config_id(database: Database) -> int:
    return new_config(database)


def acquire(database: Database, config_id: int, run: str, now=NOW, dead: int | None = None) -> Lease:
    with database.begin() as connection:
        return leases.acquire(connection, config_id, Holder(run, PROCESS), now, dead)


def may_write(database: Database, held: Lease) -> bool:
    try:
        with database.begin() as connection:
            leases.check(connection, held)
    except LeaseLost:
        return False
    return True


class Runs(RuleBasedStateMachine):
    """Several runs that want one lease, against what the rules say of it."""

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
        """What the run was granted, or believes it was."""
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
    def take_over_with_old_news(self, run: str, behind: int) -> None:
        """That an earlier holder is dead says nothing of the present one."""
        if self.owner is not None and self.expires > self.now:
            with pytest.raises((LeaseHeld, LeaseLost)):
                acquire(self.database, self.config_id, run, self.now, self.newest - behind)

    @rule(run=runs)
    def adopt(self, run: str) -> None:
        with self.database.begin() as connection:
            adopted = leases.adopt(connection, self.config_id, Holder(run, None), self.now)
        assert adopted == (self.lease_of(run) if self.owner == run else None)
        if adopted:
            self.expires = self.now + TTL

    @rule(run=runs)
    def renew(self, run: str) -> None:
        lease = self.lease_of(run)
        if self.holds(lease):
            with self.database.begin() as connection:
                leases.renew(connection, lease, self.now)
            self.expires = self.now + TTL
        else:
            with pytest.raises(LeaseLost), self.database.begin() as connection:
                leases.renew(connection, lease, self.now)

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
            held = leases.find(connection, self.config_id)
            before = {run for run in RUNS if lease_grants.held_before(connection, self.config_id, run)}
        said = held and (held.token, held.holder.run_id, held.expires)
        assert said == (self.owner and (self.newest, self.owner, self.expires))
        assert before == {lease.run_id for lease in self.granted}


def test_whatever_several_runs_do_one_at_most_may_write(database: Database) -> None:
    """Lessons 11 and 17: a holder that lost its lease went on writing, and one source was harvested twice at once."""
    run_state_machine_as_test(
        lambda: Runs(database), settings=settings(max_examples=30, stateful_step_count=25, deadline=None)
    )


@pytest.mark.parametrize("state", ["never held", "expired", "released"])
def test_of_runs_that_ask_at_once_exactly_one_gets_it(database: Database, config_id: int, state: str) -> None:
    """Lesson 17: what two statements decide, two runs may both win."""
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
    """A transaction in which a wait is an error, and not a test that hangs."""
    with database.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = '5s'"))
        yield connection


def test_a_long_write_keeps_nobody_waiting(database: Database, config_id: int) -> None:
    """A COPY of minutes: its own run renews meanwhile, others are told at once and block nobody."""
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time, whose writes are short")
    held = acquire(database, config_id, "run 1")
    with database.begin() as writing:
        leases.check(writing, held)
        with impatient(database) as connection:
            leases.renew(connection, held, NOW + TTL / 2)
        busy = pytest.raises(LeaseHeld, match="writing for this source at this moment")
        with busy, impatient(database) as connection:
            leases.acquire(connection, config_id, Holder("run 2", None), NOW + 2 * TTL)
        with impatient(database) as connection:
            leases.check(connection, held)
    taken = acquire(database, config_id, "run 2", NOW + 2 * TTL)
    assert taken.token == held.token + 1


def test_what_a_run_wrote_before_it_lost_its_lease_is_committed_or_not_at_all(
    database: Database, config_id: int
) -> None:
    """Lesson 11: the check stands in the transaction that writes; one before it would be out of date."""
    held = acquire(database, config_id, "run 1")
    acquire(database, config_id, "run 2", NOW + TTL)
    change = text("UPDATE ingest_config SET name = 'written by a run that lost its lease'")
    with pytest.raises(LeaseLost), database.begin() as connection:  # noqa: PT012 - both in one transaction
        connection.execute(change)
        leases.check(connection, held)
    with database.read() as connection:
        name = connection.scalar(text("SELECT name FROM ingest_config WHERE id = :id"), {"id": config_id})
    assert name != "written by a run that lost its lease"


def test_a_run_that_lost_its_lease_never_gets_it_back(database: Database, config_id: int) -> None:
    """Its pages in memory are from before the other run; it would write them after what that one wrote."""
    acquire(database, config_id, "run 1")
    second = acquire(database, config_id, "run 2", NOW + TTL)
    with database.begin() as connection:
        leases.release(connection, second)
    with pytest.raises(LeaseLost, match=r"run run 1 lost its lease .* Start a new run"):
        acquire(database, config_id, "run 1", NOW + 2 * TTL)
    third = acquire(database, config_id, "run 3", NOW + 2 * TTL)
    assert third.token == second.token + 1


def test_whoever_is_told_no_is_told_whom_to_wait_for(database: Database, config_id: int) -> None:
    """Lesson 31: "locked" alone sends people to the database."""
    acquire(database, config_id, "run 1")
    with pytest.raises(
        LeaseHeld, match=r"run run 1 \(host here, process 4711\) is harvesting .* since 2024-05-01"
    ):
        acquire(database, config_id, "run 2")
    lost = Lease(config_id, "run 0", 0)
    with (
        pytest.raises(LeaseLost, match=r"run run 0 lost its lease .*: run run 1 took over"),
        database.begin() as c,
    ):
        leases.check(c, lost)


def test_leases_of_different_sources_know_nothing_of_each_other(database: Database) -> None:
    """A shared token or lock would have one slow source hold up all."""
    one, other = new_config(database), new_config(database)
    assert may_write(database, acquire(database, one, "run 1"))
    assert may_write(database, acquire(database, other, "run 1"))
