"""A sweep finds what differs, harvests what is missing, and proves what agrees."""

from __future__ import annotations

from harvest_dagster.records import Record
from harvest_dagster_tests.pipeline.reconciling.sweep_world import run_sweep
from harvest_dagster_tests.pipeline.world import WINDOW, World, records


def test_a_missing_record_is_harvested_and_the_window_is_proven(world: World) -> None:
    """Otherwise a record that was published late under an old date is lost."""
    world.source.items = [*records(3)]
    world.run("run 1")
    assert world.logs()[WINDOW].evidence == "none"
    world.clock.forward(hours=1)
    world.source.items = [*records(3), Record("late", WINDOW.start, False, "late")]
    world.source.total = 4
    sweep = run_sweep(world)
    found = sweep.findings
    assert (found.listed, found.known, found.missing, found.repaired) == (4, 3, 1, 1)
    assert found.examples == {"missing": ["late"]}
    assert (sweep.status, sweep.completeness, sweep.evidence) == ("SUCCEEDED", "complete", "total")
    assert "late" in {identifier for identifier, _ in world.stored()}
    assert world.logs()[WINDOW].completeness == "complete"
