"""The limits hold even if processes are delayed at any lock or commit, freeze, die or lose commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from unittest.mock import patch

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import event

from harvest_dagster.rate_limits import Limit
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.rate_limit import rows
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget
from harvest_dagster.storage.rate_limit.host_state import HostRateState

EXAMPLES = {"sqlite": 20, "postgresql": 3}

LIMITS = st.builds(Limit, st.integers(1, 4), st.sampled_from([0.1, 1.0, 3.0]))
MOMENTS = st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 1.1, 5.0])
NAPS = st.lists(MOMENTS, max_size=12)
WHICH = st.integers(0, 2)
OTHERS = st.lists(WHICH, max_size=6)

_hosts = (f"process{number}.example" for number in count())


class CommitLost(Exception):
    """The connection was lost before the commit."""


@dataclass
class DelayedClock:
    """A clock with a delay before each reading."""

    now: float = 1000.0
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.nap()
        return self.now

    def nap(self, *_: object) -> None:
        if self.naps:
            self.now += self.naps.pop()


class Processes(RuleBasedStateMachine):
    """Three processes that send requests to one host."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.host = next(_hosts)
        self.clock = DelayedClock()
        self.departures: list[float] = []
        for name in ("begin", "commit"):
            event.listen(database.engine, name, self.clock.nap)

    @initialize(limits=st.lists(LIMITS, min_size=1, max_size=2, unique=True))
    def start(self, limits: list[Limit]) -> None:
        self.limits = limits
        self.processes = [self.new_process() for _ in range(3)]

    def new_process(self) -> DatabaseBudget:
        return DatabaseBudget(self.database, {self.host: self.limits}, self.clock)

    @rule(seconds=MOMENTS)
    def sleep(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(which=WHICH, naps=NAPS)
    def ask(self, which: int, naps: list[float]) -> None:
        self.request(self.processes[which], naps)

    @rule(others=st.lists(WHICH, min_size=5, max_size=20))
    def all_ask(self, others: list[int]) -> None:
        for which in others:
            self.request(self.processes[which])

    @rule(which=WHICH, others=OTHERS, seconds=MOMENTS, naps=NAPS)
    def freeze_in_the_reservation(
        self, which: int, others: list[int], seconds: float, naps: list[float]
    ) -> None:
        budget = self.processes[which]
        note, freezes = budget._after_reservation, count()

        def freeze(host: str, state: HostRateState) -> None:
            if next(freezes) == 0:  # only once, otherwise it would freeze forever
                self.pass_without(which, others, seconds)
            note(host, state)

        with patch.object(budget, "_after_reservation", freeze):
            self.request(budget, naps)

    @rule(which=WHICH, others=OTHERS, seconds=MOMENTS)
    def freeze_before_the_request_leaves(self, which: int, others: list[int], seconds: float) -> None:
        """Nothing can hold it back. This request may exceed the limit, but no other request may."""
        budget = self.processes[which]
        if budget.reserve(self.host, self.limits[0]) == 0:
            self.pass_without(which, others, seconds)
            budget.record_departure(self.host)

    @rule(which=WHICH)
    def lose_a_commit(self, which: int) -> None:
        with self.failing(), suppress(CommitLost):
            self.request(self.processes[which])

    @rule(which=WHICH)
    def die(self, which: int) -> None:
        self.processes[which].reserve(self.host, self.limits[0])
        self.processes[which] = self.new_process()

    def request(self, budget: DatabaseBudget, naps: list[float] | None = None) -> None:
        self.clock.naps = list(naps or [])
        seconds = budget.reserve(self.host, self.limits[0])
        self.clock.naps.clear()
        if seconds == 0:
            self.departures.append(self.clock.now)
            budget.record_departure(self.host)

    def pass_without(self, which: int, others: list[int], seconds: float) -> None:
        left = self.clock.naps
        for other in others:
            self.clock.now += seconds
            if other != which:
                self.request(self.processes[other])
        self.clock.naps = left

    @contextmanager
    def failing(self) -> Iterator[None]:
        def lose(_connection: object) -> None:
            raise CommitLost

        event.listen(self.database.engine, "commit", lose)
        try:
            yield
        finally:
            event.remove(self.database.engine, "commit", lose)

    def teardown(self) -> None:
        for name in ("begin", "commit"):
            event.remove(self.database.engine, name, self.clock.nap)
        for limit in getattr(self, "limits", []):
            for start in self.departures:
                end = start + limit.period
                assert sum(start <= other < end for other in self.departures) <= limit.calls


@pytest.mark.parametrize("late", [False, True], ids=["few kept", "many kept"])
def test_no_delay_of_any_process_breaks_a_limit(
    database: Database, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """Processes stop at the worst moment (docs/failures.md#budget-per-process)."""
    monkeypatch.setattr(rows, "CHUNK", 16 if late else 2)
    run_state_machine_as_test(
        lambda: Processes(database),
        settings=settings(max_examples=EXAMPLES[database.dialect], stateful_step_count=25, deadline=None),
    )
