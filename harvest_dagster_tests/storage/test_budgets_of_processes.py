"""Processes that nap before any lock, commit and look at the clock, freeze, die and lose commits: the limits hold."""

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

from harvest_dagster.limits import Limit
from harvest_dagster.storage import request_hosts
from harvest_dagster.storage.budgets import DatabaseBudget
from harvest_dagster.storage.engine import Database
from harvest_dagster.storage.sights import Sight

EXAMPLES = {"sqlite": 20, "postgresql": 3}

LIMITS = st.builds(Limit, st.integers(1, 4), st.sampled_from([0.1, 1.0, 3.0]))
MOMENTS = st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 1.1, 5.0])
NAPS = st.lists(MOMENTS, max_size=12)
WHICH = st.integers(0, 2)
OTHERS = st.lists(WHICH, max_size=6)

_hosts = (f"process{number}.example" for number in count())


class CommitLost(Exception):
    """The connection broke before the commit."""


@dataclass
class NappingClock:
    """Time that passes in naps, one of them before each look at it."""

    now: float = 1000.0
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        self.nap()
        return self.now

    def nap(self, *_: object) -> None:
        if self.naps:
            self.now += self.naps.pop()


class Processes(RuleBasedStateMachine):
    """Three processes that ask one host."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.host = next(_hosts)
        self.clock = NappingClock()
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
        note, freezes = budget._note, count()

        def freeze(host: str, sight: Sight) -> None:
            if next(freezes) == 0:  # each time would be for ever
                self.pass_without(which, others, seconds)
            note(host, sight)

        with patch.object(budget, "_note", freeze):
            self.request(budget, naps)

    @rule(which=WHICH, others=OTHERS, seconds=MOMENTS)
    def freeze_before_the_request_leaves(self, which: int, others: list[int], seconds: float) -> None:
        """Nothing can hold it back: it may be one too many, and no more than itself."""
        budget = self.processes[which]
        if budget.reserve(self.host, self.limits[0]) == 0:
            self.pass_without(which, others, seconds)
            budget.left(self.host)

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
            budget.left(self.host)

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
def test_no_stall_of_any_process_lets_one_request_too_many_leave(
    database: Database, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """Lesson 18: the limit must hold on machines as they are, whose processes stand still at the worst moment."""
    monkeypatch.setattr(request_hosts, "CHUNK", 16 if late else 2)
    run_state_machine_as_test(
        lambda: Processes(database),
        settings=settings(max_examples=EXAMPLES[database.dialect], stateful_step_count=25, deadline=None),
    )
