"""A sweep finds what differs, harvests what is missing, and proves what agrees."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from harvest_dagster.coverage.sweep_status import SweepStatus, describe_sweep
from harvest_dagster.errors import HarvestError, SourceUnreachable
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.records import InvalidRecord, Page, Record, RecordHeader
from harvest_dagster.storage.tables import absent_record
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.fakes import FakeClient, FakeParser
from harvest_dagster_tests.pipeline.reconciling.sweep_world import last_sweep, run_sweep
from harvest_dagster_tests.pipeline.world import WINDOW, World, records

LATE = Record("late", WINDOW.start, False, "late")
NEXT_DAY = Record("next", WINDOW.end + timedelta(hours=1), False, "next")


def harvested(world: World, *items: Record | InvalidRecord) -> None:
    """Harvest a source with these records, in a list without a total. Then a day passes."""
    world.source.items = [*items]
    world.run("run 1")
    assert world.logs()[WINDOW].evidence == "none"
    world.clock.forward(days=1)


def stored(world: World) -> set[str]:
    """Return the stored identifiers."""
    return {identifier for identifier, _ in world.stored()}


def test_a_missing_record_is_harvested(world: World) -> None:
    """Otherwise a record that was published late under an old date is lost."""
    harvested(world, *records(3))
    world.source.items = [*records(3), LATE]
    world.source.total = 4
    sweep = run_sweep(world)
    found = sweep.findings
    assert (found.listed, found.known, found.missing, found.repaired) == (4, 3, 1, 1)
    assert found.examples == {"missing": ["late"]}
    assert (sweep.status, sweep.completeness, sweep.evidence) == ("SUCCEEDED", "complete", "total")
    assert "late" in stored(world)


def test_a_changed_record_is_harvested(world: World) -> None:
    """Otherwise its old content stays, if the change came late."""
    morning, evening = WINDOW.start + timedelta(hours=8), WINDOW.start + timedelta(hours=20)
    harvested(world, *records(2, stamp=morning))
    world.source.items = [records(1, stamp=morning)[0], Record("x1", evening, False, "new")]
    found = run_sweep(world).findings
    assert (found.missing, found.changed, found.repaired) == (0, 1, 1)
    assert ("x1", "new") in world.stored()


def test_a_day_that_agrees_is_proven(world: World) -> None:
    """Otherwise a source without totals never has a proof."""
    harvested(world, *records(3))
    world.source.total = 3
    sweep = run_sweep(world)
    assert sweep.findings.reconciled_days == 1
    log = world.logs()[WINDOW]
    assert (log.completeness, log.evidence, log.status) == ("complete", "reconciled", "SUCCEEDED")


def test_a_day_with_records_is_proven_by_a_list_without_a_total(world: World) -> None:
    """Most sources without totals have none in their lists of identifiers either."""
    harvested(world, *records(3), NEXT_DAY)
    sweep = run_sweep(world)
    assert (sweep.completeness, sweep.evidence) == ("unverified", "none")
    assert world.logs()[WINDOW].evidence == "reconciled"


def test_the_day_with_which_a_list_without_a_proof_ends_is_not_proven(world: World) -> None:
    """A source that ends every list after three records ends both lists at the same record of the day."""
    harvested(world, *records(3))
    sweep = run_sweep(world)
    assert (sweep.findings.missing, sweep.findings.reconciled_days) == (0, 0)
    assert world.logs()[WINDOW].evidence == "none"


def test_a_harvest_after_the_list_of_identifiers_is_not_proven_by_it(world: World) -> None:
    """A run that continues a sweep after days would prove a list that is younger than the list of identifiers."""
    harvested(world, *records(3), NEXT_DAY)

    def harvest_again() -> None:
        world.clock.forward(hours=1)
        world.outcomes["run 1"] = RunOutcome("SUCCEEDED", "")
        world.run("run 2", superfluous=True)
        world.outcomes["run 2"] = RunOutcome("SUCCEEDED", "")

    run_sweep(world, between=harvest_again)
    assert world.logs()[WINDOW].evidence == "none"
    run_sweep(world, "sweep 2")
    assert world.logs()[WINDOW].evidence == "reconciled"


def test_a_day_is_not_proven_by_a_list_with_an_invalid_header(world: World) -> None:
    """It may be the header of a record of the day that is missing."""
    harvested(world, *records(3), NEXT_DAY)
    world.source.items = [*records(3), InvalidRecord(b"?", "no identifier"), NEXT_DAY]
    assert run_sweep(world).findings.reconciled_days == 0
    assert world.logs()[WINDOW].evidence == "none"


def test_a_day_with_a_record_that_the_source_does_not_list_is_not_proven(world: World) -> None:
    """The source may have dropped more than this record."""
    harvested(world, *records(3))
    world.source.items, world.source.total = [*records(2)], 2
    sweep = run_sweep(world)
    assert (sweep.findings.gone, sweep.findings.reconciled_days) == (1, 0)
    assert sweep.findings.examples == {"gone": ["x2"]}
    assert world.logs()[WINDOW].evidence == "none"


def test_a_day_is_not_proven_if_the_source_lists_one_of_its_records_on_an_older_day(world: World) -> None:
    """The record is not out of date, but the days of the two sides differ."""
    harvested(world, *records(3))
    older = Record("x2", WINDOW.start - DAY, False, "A2")
    world.source.items, world.source.total = [*records(2), older], 3
    sweep = run_sweep(world)
    assert (sweep.findings.changed, sweep.findings.reconciled_days) == (0, 0)
    assert world.logs()[WINDOW].evidence == "none"


def test_a_window_that_reaches_beyond_the_agreeing_days_is_not_proven(world: World) -> None:
    """Its other day may lack records."""
    both = Window(WINDOW.start - DAY, WINDOW.end)
    world.source.items = [*records(3), Record("before", both.start, False, "before")]
    world.run("run 1", both)
    world.clock.forward(days=1)
    world.source.items = [*records(3)]
    world.source.total = 3
    assert run_sweep(world).findings.reconciled_days == 1
    assert world.logs()[both].evidence == "none"


def test_a_doubtful_window_counts_once_a_sweep_has_found_the_same(world: World) -> None:
    """Otherwise a window that was cut at a thousand records by chance is harvested for ever."""
    world.source.page_size = 1000
    world.source.items = [*records(1000)]
    world.run("run 1")
    before = world.logs()[WINDOW]
    assert before.doubt is not None
    assert before.covered_since is None
    world.clock.forward(days=1)
    world.source.total = 1000
    run_sweep(world)
    after = world.logs()[WINDOW]
    assert (after.evidence, after.doubt, after.covered_since) == ("reconciled", None, before.attempt_began)


@pytest.mark.parametrize("listed", ["nothing", "too few", "an invalid header"])
def test_an_incomplete_list_deletes_and_proves_nothing(world: World, listed: str) -> None:
    """A source that is broken for an hour would lose all its records here."""
    harvested(world, *records(3))
    world.change(deletions={"by": "reconcile", "wait": "0s", "most": {"share": 1, "count": 100}})
    world.source.total = {"nothing": 0, "too few": 4, "an invalid header": 3}[listed]
    invalid = InvalidRecord(b"?", "no identifier")
    world.source.items = [] if listed == "nothing" else [*records(2), invalid]
    if listed == "too few":
        world.source.items = [*records(2)]
    sweep = run_sweep(world)
    assert (sweep.status, sweep.completeness, sweep.evidence) == ("SUCCEEDED", "unverified", "none")
    assert (sweep.findings.deleted, sweep.findings.held, sweep.findings.reconciled_days) == (0, 0, 0)
    with world.database.read() as connection:
        assert connection.execute(absent_record.select()).all() == []
    assert world.logs()[WINDOW].evidence == "none"


def test_a_record_older_than_the_first_day_is_not_missing(world: World) -> None:
    """A sweep of a file with twenty years would store all of them, although the source begins last year."""
    world.change(earliest_date=WINDOW.start.date())
    harvested(world, *records(3))
    world.source.items = [*records(3), Record("old", WINDOW.start - 9 * DAY, False, "old")]
    world.source.total = 4
    assert run_sweep(world).findings.missing == 0
    assert "old" not in stored(world)


def test_a_record_that_is_only_listed_is_reported(world: World) -> None:
    """The source lists a header that its lists of records do not deliver: nobody else notices."""
    harvested(world, *records(2))
    world.source.items, world.source.total = [*records(2), LATE], 3

    def stop_listing() -> None:
        world.source.items, world.source.total = [*records(2)], None

    sweep = run_sweep(world, between=stop_listing)
    assert (sweep.status, sweep.findings.missing, sweep.findings.repaired) == ("SUCCEEDED", 1, 0)
    assert any("1 records that the source lists did not come" in line for line in world.log_lines)


def list_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the source list valid headers of invalid records."""

    def headers(parser: FakeParser, page: Page, window: Window) -> Iterator[RecordHeader]:
        for item in parser.records(page, window):
            yield RecordHeader(item.identifier or "", getattr(item, "datestamp", WINDOW.start))

    monkeypatch.setattr(FakeParser, "headers", headers)


def test_a_record_that_cannot_be_stored_is_not_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sweep harvested its day again, and the check failed. The quarantine shows such records."""
    list_all(monkeypatch)
    names = ["a\0b", "bad", "y" * 5000]
    invalid = [
        InvalidRecord(b"?", "broken", "bad"),
        *(Record(one, WINDOW.start, False, "x") for one in names[::2]),
    ]
    harvested(world, *records(9), *invalid)
    world.source.total = 12
    sweep = run_sweep(world)
    found = sweep.findings
    assert (found.missing, found.quarantined, found.repaired, found.reconciled_days) == (0, 3, 0, 0)
    assert set(found.examples) == {"quarantined"}
    assert [one[:1] for one in found.examples["quarantined"]] == ["a", "b", "y"]
    assert world.logs()[WINDOW].completions == 1
    assert "0 missing, 0 changed" in world.log_lines[-1]
    assert "3 quarantined" in world.log_lines[-1]
    status = SweepStatus(world.config, last=sweep)
    assert (status.problem, "3 quarantined" in describe_sweep(status)) == ("none", True)


def test_a_record_that_the_repair_quarantines_is_not_repaired(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day is harvested once, and once more when the source has changed the record."""
    list_all(monkeypatch)
    harvested(small_world, *records(9))
    small_world.source.items = [*records(9), InvalidRecord(b"?", "broken", "bad")]
    small_world.source.total = 10
    for run in ("sweep 1", "sweep 2"):
        sweep = run_sweep(small_world, run)
        found = sweep.findings
        assert (found.missing, found.quarantined, found.repaired) == (0, 1, 0)
        assert found.examples == {"quarantined": ["bad"]}
        assert SweepStatus(small_world.config, last=sweep).problem == "none"
        small_world.clock.forward(days=1)
    assert small_world.logs()[WINDOW].completions == 2
    changed = Record("bad", small_world.clock(), False, "good")
    small_world.clock.forward(hours=1)
    small_world.source.items[-1] = changed
    found = run_sweep(small_world, "sweep 3").findings
    assert (found.missing, found.quarantined, found.repaired) == (1, 0, 1)
    assert "bad" in stored(small_world)


@pytest.mark.parametrize("total", [None, 2])
def test_what_has_left_a_feed_is_not_gone(
    small_world: World, monkeypatch: pytest.MonkeyPatch, total: int | None
) -> None:
    """Each sweep of a feed reported all older entries as gone. Its list never shows a removal, whatever it proves."""
    monkeypatch.setattr(FakeClient, "lists_everything", False)
    small_world.change(deletions={"by": "reconcile", "wait": 0, "most": {"share": 1, "count": 9}})
    harvested(small_world, *records(3))
    small_world.source.items, small_world.source.total = [*records(2)], total
    sweep = run_sweep(small_world)
    assert (sweep.lists_everything, sweep.findings.gone, sweep.findings.deleted) == (False, 0, 0)
    assert (sweep.findings.examples, sweep.findings.reconciled_days) == ({}, 0)
    assert "lists only its newest records" in small_world.log_lines[-1]
    status = SweepStatus(small_world.config, last=sweep)
    assert "cannot show which ones it has removed" in describe_sweep(status)


def test_a_window_that_cannot_be_harvested_fails_the_sweep(world: World) -> None:
    """Otherwise nobody notices that its records are still missing. The next run does not list again."""
    harvested(world, *records(2))
    world.source.items, world.source.total = [*records(2), LATE], 3
    with pytest.raises(HarvestError, match="the connection broke"):
        run_sweep(world, between=lambda: setattr(world.source, "breaks_at", 0))
    world.source.breaks_at = None
    failed = last_sweep(world)
    assert (failed.status, failed.findings.missing, failed.findings.repaired) == ("FAILED", 1, 0)
    asked = len(world.source.asked)
    sweep = run_sweep(world, "sweep 2")
    assert (sweep.id, sweep.status) == (failed.id, "SUCCEEDED")
    assert (sweep.findings.missing, sweep.findings.repaired) == (1, 1)
    assert len(world.source.asked) - asked == 2  # the two pages of the window


def test_a_window_that_cannot_be_harvested_does_not_stop_the_rest(small_world: World) -> None:
    """A source with one day that fails for weeks would otherwise never lose a removed record."""
    small_world.change(deletions={"by": "snapshot", "wait": 0, "most": {"share": 1, "count": 9}})
    harvested(small_world, *records(2))
    small_world.source.items, small_world.source.total = [records(2)[0], LATE], 2
    with pytest.raises(HarvestError, match="the connection broke"):
        run_sweep(small_world, between=lambda: setattr(small_world.source, "breaks_at", 0))
    failed = last_sweep(small_world)
    assert (failed.status, failed.findings.missing, failed.findings.deleted) == ("FAILED", 1, 1)
    assert "late" not in stored(small_world)


def test_a_sweep_that_another_run_began_two_days_ago_deletes_nothing(small_world: World) -> None:
    """A record may have returned since. A list of the same run may take days, and counts."""
    small_world.change(deletions={"by": "snapshot", "wait": 0, "most": {"share": 1, "count": 9}})
    harvested(small_world, *records(6))
    small_world.source.items, small_world.source.total = records(6)[:5], 5
    small_world.source.breaks_at = 2
    with pytest.raises(SourceUnreachable):
        run_sweep(small_world, "sweep 1")
    small_world.source.breaks_at = None
    small_world.clock.forward(days=2)
    continued = run_sweep(small_world, "sweep 2")
    assert (continued.completeness, continued.findings.gone, continued.findings.deleted) == ("complete", 1, 0)
    assert run_sweep(small_world, "sweep 3").findings.deleted == 1


def test_a_sweep_that_failed_after_its_comparison_lists_again_after_a_day(small_world: World) -> None:
    """A weekly sweep would otherwise compare the lists of the week before."""
    harvested(small_world, *records(2))
    small_world.source.items, small_world.source.total = [*records(2), LATE], 3
    with pytest.raises(HarvestError, match="the connection broke"):
        run_sweep(small_world, between=lambda: setattr(small_world.source, "breaks_at", 0))
    small_world.source.breaks_at = None
    failed = last_sweep(small_world)
    small_world.clock.forward(days=1)
    assert run_sweep(small_world, "sweep 2").id != failed.id
