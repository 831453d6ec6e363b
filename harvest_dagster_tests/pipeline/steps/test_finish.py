"""How windows and runs end: what they report, keep and release."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from harvest_dagster.coverage.day_status import day_statuses
from harvest_dagster.errors import SourceError, SourceUnreachable, SpoolError
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.completed_days import covered_days
from harvest_dagster.pipeline.steps import finish
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.tables import harvest_log
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


def test_a_finished_run_releases_its_lease_and_empties_the_spool(world: World) -> None:
    """Otherwise the next run would have to wait."""
    world.source.items = records(3)
    world.run("run 1")
    harvest = world.harvest("run 2")
    with world.database.read() as connection:
        assert leases.find_lease(connection, harvest.config_id) is None
    assert [path for path in world.folder.rglob("*") if path.is_file()] == []


def test_a_failed_window_keeps_its_pages_for_two_weeks(world: World) -> None:
    """The next run and a person who debugs the failure need them, but not forever."""
    world.source.items = records(6)
    world.source.breaks_at = 2
    with pytest.raises(SourceUnreachable):
        world.run("run 1")
    world.source.breaks_at = None
    other = Window(WINDOW.start - DAY, WINDOW.start)
    for age, pages in ((13, 2), (15, 0)):
        written = (world.clock() - timedelta(days=age)).timestamp()
        for path in world.folder.rglob("*.*"):
            os.utime(path, (written, written))
        world.run(f"run after {age} days", other, superfluous=True)
        assert len(list(world.folder.rglob("*.zst"))) == pages


def test_an_error_is_kept_with_the_log_and_without_secrets(world: World) -> None:
    """A secret in a query string must not reach the log (docs/failures.md#secret-in-log)."""
    world.config = world.config.model_copy(update={"harvester_kwargs": {"key": "${KEY}"}})
    harvest = world.harvest("run 1")
    harvest = replace(harvest, source=replace(harvest.source, environ={"KEY": "swordfish"}))
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, until="fetch")
        finish.end_window(harvest, log.id, lease, "FAILED", "https://x.org?key=swordfish did not answer")
    ended = world.log(log.id)
    assert ended.status == "FAILED"
    assert "did not answer" in (ended.error or "")
    assert "swordfish" not in (ended.error or "")


def test_a_run_that_continues_the_window_of_another_run_takes_over_its_log(world: World) -> None:
    """A re-execution starts with the op that failed. The log must not stay with the dead run."""
    world.source.items = records(3)
    first = world.harvest("run 1")
    with lease_guard.hold_lease(first) as lease:
        log = world.window(first, lease, until="split")
        finish.end_window(first, log.id, lease, "FAILED", "the disk was full")
    world.clock.forward(minutes=2)
    second = world.harvest("run 2")
    with lease_guard.hold_lease(second) as lease:
        resumed = finish.take_over_log(second, log.id, lease)
        assert (resumed.status, resumed.run_id, resumed.date_started) == (
            "STARTED",
            "run 2",
            log.date_started,
        )
        assert finish.take_over_log(second, log.id, lease) == resumed
        for step in ("store", "launch", "finish"):
            world.step(step, second, log.id, lease)
        assert finish.take_over_log(second, log.id, lease).status == "SUCCEEDED"
    assert len(world.stored()) == 3


def test_a_summary_is_the_sum_of_the_windows(world: World) -> None:
    """If one window has no total, the sum has none (docs/failures.md#report-without-numbers)."""
    world.source.items = records(3)
    world.source.total = 3
    (log,) = world.run("run 1")
    later = replace(log, date_completed=(log.date_completed or log.date_started) + timedelta(seconds=90))
    both = finish.summarize([log, later])
    assert both.counts == Counts(pages=4, records=6, new_identifiers=6, new_data=6)
    assert (both.expected, both.completeness, both.seconds) == (6, "complete", 90.0)
    mixed = finish.summarize([log, replace(log, expected=None, completeness="unverified")])
    assert (mixed.expected, mixed.completeness) == (None, "unverified")
    nothing = finish.summarize([])
    assert (nothing.counts, nothing.expected, nothing.completeness) == (Counts(), None, None)
    assert log.window == WINDOW


@pytest.mark.parametrize("column", ["records", "quarantined"])
def test_a_window_does_not_succeed_if_its_counts_differ(world: World, column: str) -> None:
    """Records that were parsed and not stored would be lost, and the window would be done."""
    world.source.items = records(3)
    harvest = world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, until="launch")
        with world.database.begin() as connection:
            connection.execute(update(harvest_log).values({column: harvest_log.c[column] + 1}))
        with pytest.raises(SpoolError, match=r"3 and 0 were parsed. Start a new run"):
            world.step("finish", harvest, log.id, lease)
    assert world.log(log.id).status == "STARTED"


@pytest.mark.parametrize("breaks_at", [None, 0, 1])
@pytest.mark.parametrize("wanted", [WINDOW, Window(WINDOW.start - DAY, WINDOW.end)], ids=["day", "days"])
def test_a_limited_repetition_of_a_finished_day_leaves_its_completeness(
    world: World, wanted: Window, breaks_at: int | None
) -> None:
    """The day was proven to be complete. A look at three of its records made it `unverified`, without evidence."""
    world.source.items, world.source.total = records(30), 30
    world.run("run 1", wanted)
    before = _results(world, wanted)
    assert {(state, evidence) for state, evidence, *_ in before} == {("complete", "total")}
    world.change(max_window="1d")
    world.source.breaks_at = breaks_at
    limit = 3 if wanted == WINDOW else 33  # a run has one limit for all its windows
    with nullcontext() if breaks_at is None else suppress(SourceError):
        world.run("run 2", wanted, limit=limit, superfluous=True)
    assert _results(world, wanted) == before
    world.source.breaks_at = None
    assert world.run("run 3", wanted) == []


def test_a_limited_repetition_of_a_doubtful_day_leaves_its_doubt(world: World) -> None:
    """Its three records did not end the doubt about the list of the whole day."""
    world.source.items, world.source.total = records(30), 30
    (log,) = world.run("run 1")
    with world.database.begin() as connection:
        connection.execute(update(harvest_log).values(evidence="none", doubt="it is short"))
    world.run("run 2", limit=3, superfluous=True)
    again = world.log(log.id)
    assert (again.evidence, again.doubt, again.covered_since) == ("none", "it is short", log.covered_since)


def test_the_counts_of_a_limited_repetition_are_not_those_of_the_day(world: World) -> None:
    """The day would be shown with 3 of its 30 records, and the limited run as complete."""
    world.source.items, world.source.total = records(30), 30
    world.run("run 1")
    logs = world.run("run 2", limit=3, superfluous=True)
    assert covered_days(world.harvest("reader"), WINDOW) == {WINDOW.start.date(): None}
    assert finish.summarize(logs).completeness == "unverified"


def _results(world: World, window: Window) -> list[tuple[Any, ...]]:
    """Return the state and the result of each day."""
    scope = world.harvest("reader").scope
    with world.database.read() as connection:
        days = day_statuses(connection, scope, window)
    return [
        (day.state, log.evidence, log.completeness, log.doubt, log.covered_since)
        for day in days
        for log in day.covering
    ]
