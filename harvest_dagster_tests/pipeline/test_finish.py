"""How windows and runs end: what they say, what they keep, what they give back."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta

import pytest

from harvest_dagster.errors import SourceUnreachable
from harvest_dagster.pipeline import finish, lock
from harvest_dagster.storage import leases
from harvest_dagster.storage.harvest_logs import Counts
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


def test_a_run_that_is_done_leaves_a_free_lease_and_an_empty_spool(world: World) -> None:
    """Lesson 16, of ours: what is not given back is waited for."""
    world.source.items = records(3)
    world.run("run 1")
    harvest = world.harvest("run 2")
    with world.database.read() as connection:
        assert leases.find(connection, harvest.config_id) is None
    assert [path for path in world.folder.rglob("*") if path.is_file()] == []


def test_a_failed_window_keeps_its_pages_for_two_weeks(world: World) -> None:
    """For the next run, and for whoever looks into it; not for ever."""
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
    """Lesson 32: secrets in the query string reach the log."""
    harvest = replace(world.harvest("run 1"), environ={"KEY": "swordfish"})
    kwargs = {"harvester_kwargs": {"key": "${KEY}"}}
    harvest = replace(harvest, config=harvest.config.model_copy(update=kwargs))
    with lock.holding(harvest) as grip:
        log = world.window(harvest, grip, until="fetch")
        finish.end_window(harvest, log.id, grip, "FAILED", "https://x.org?key=swordfish did not answer")
    ended = world.log(log.id)
    assert ended.status == "FAILED"
    assert "did not answer" in (ended.error or "")
    assert "swordfish" not in (ended.error or "")


def test_a_run_that_goes_on_with_another_s_window_makes_the_log_its_own(world: World) -> None:
    """ "Re-execute from failure" goes on with the op that failed; the log must not stay the dead run's."""
    world.source.items = records(3)
    first = world.harvest("run 1")
    with lock.holding(first) as grip:
        log = world.window(first, grip, until="split")
        finish.end_window(first, log.id, grip, "FAILED", "the disk was full")
    world.clock.forward(minutes=2)
    second = world.harvest("run 2")
    with lock.holding(second) as grip:
        taken = finish.take_up(second, log.id, grip)
        assert (taken.status, taken.run_id, taken.date_started) == ("STARTED", "run 2", log.date_started)
        assert finish.take_up(second, log.id, grip) == taken
        for step in ("store", "launch", "finish"):
            world.step(step, second, log.id, grip)
        assert finish.take_up(second, log.id, grip).status == "SUCCEEDED"
    assert len(world.stored()) == 3


def test_a_summary_adds_up_what_the_windows_brought(world: World) -> None:
    """Lesson 31: no counts. A total that one window does not know is known of none."""
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
