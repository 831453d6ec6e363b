"""How many invalid records a window may have, and what a window with too many leaves: on both databases."""

from __future__ import annotations

import pytest

from harvest_dagster.catalog.schema import Quarantine
from harvest_dagster.errors import QuarantineLimitExceeded, SourceUnreachable
from harvest_dagster.pipeline.steps import store
from harvest_dagster.pipeline.storing import quarantine_policy
from harvest_dagster.pipeline.storing.quarantine_policy import exceeds_limits
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.spool import ParsedPage
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.tables import ingest_log, quarantine
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records

STRICT = Quarantine(records=2, share=0.1)


def bad(count: int, first: int = 0, content: str = "<") -> list[InvalidRecord]:
    return [
        InvalidRecord(f"{content}{number}".encode(), f"no end of {number}", f"bad{number}")
        for number in range(first, first + count)
    ]


def quarantined(world: World) -> list[str]:
    return sorted(identifier for (identifier,) in world.rows(quarantine, "identifier"))


@pytest.mark.parametrize(
    ("good", "wrong", "fails"),
    [
        (1000, 10, False),  # at the number
        (89, 11, True),  # above both
        (5000, 50, False),  # above the number, below the share
        (4950, 50, False),  # at the share
        (4949, 51, True),
        (3, 10, False),  # a large share of a few records
        (0, 1, False),  # one invalid record is no change of the format
        (0, 2, True),
        (0, 0, False),
        (1, 2, False),
    ],
)
def test_a_window_fails_if_it_exceeds_both_limits_or_has_no_valid_record(
    good: int, wrong: int, fails: bool
) -> None:
    """One limit alone would fail every large window, or every small one."""
    assert exceeds_limits(Counts(records=good, quarantined=wrong), Quarantine()) == fails


def test_a_window_without_a_valid_record_fails(small_world: World) -> None:
    """Another harvester reported "SUCCESS; 0 harvested, 117 failed" (docs/failures.md#truncated-page)."""
    world = small_world
    world.source.items = list(bad(117))
    with pytest.raises(QuarantineLimitExceeded, match="none of the 117 records"):
        world.run("run 1")
    (log,) = world.logs().values()
    assert (log.status, log.counts.records, log.counts.quarantined) == ("FAILED", 0, 117)
    assert len(quarantined(world)) == 117


def test_a_window_that_exceeds_its_limits_fails_and_stores_the_valid_records(world: World) -> None:
    """The error contains the numbers, the first invalid records and the remedy."""
    world.change(quarantine=STRICT.model_dump())
    world.source.items = [*records(7), *bad(3)]
    with pytest.raises(QuarantineLimitExceeded) as raised:
        world.run("run 1")
    message = str(raised.value)
    assert "3 of the 10 records of [2024-04-30, 2024-05-01)" in message
    assert "`quarantine` allows 2 records or 10.00%, whichever is more" in message
    assert "bad0 on page 3, no end of 0; bad1" in message
    assert message.endswith("raise `quarantine` in its YAML.")
    assert (len(world.stored()), quarantined(world)) == (7, ["bad0", "bad1", "bad2"])
    assert world.rows(ingest_log, "id") == []


def test_the_next_run_fetches_the_window_again_and_launches_everything(world: World) -> None:
    """The spooled pages would fail again as long as they are kept."""
    world.change(quarantine=STRICT.model_dump())
    world.source.items = [*records(7), *bad(3)]
    with pytest.raises(QuarantineLimitExceeded):
        world.run("run 1")
    world.source.items = [*records(7), *(Record(f"bad{number}", None, False, "well") for number in range(3))]
    world.source.asked.clear()
    (log,) = world.run("run 2")
    assert world.source.asked[0] == 0
    assert (log.status, log.counts.records, log.counts.quarantined) == ("SUCCEEDED", 10, 0)
    assert (len(world.stored()), quarantined(world)) == (10, [])
    assert len(world.rows(ingest_log, "id")) == 10


def test_with_higher_limits_the_next_run_uses_the_same_pages(small_world: World) -> None:
    """A user who accepts the invalid records does not have to fetch ten thousand pages again."""
    world = small_world
    world.change(quarantine=STRICT.model_dump())
    world.source.items = [*records(7), *bad(3)]
    with pytest.raises(QuarantineLimitExceeded):
        world.run("run 1")
    world.change(quarantine={"records": 5})
    world.source.asked.clear()
    (log,) = world.run("run 2")
    assert (world.source.asked, log.status, len(quarantined(world))) == ([], "SUCCEEDED", 3)


def test_a_new_fetch_attempt_that_fails_at_once_keeps_the_quarantined_records(small_world: World) -> None:
    """They show what is wrong until a complete list arrives without them."""
    world = small_world
    world.source.items = list(bad(2))
    with pytest.raises(QuarantineLimitExceeded):
        world.run("run 1")
    world.clock.forward(minutes=5)
    world.source.breaks_at = 0
    with pytest.raises(SourceUnreachable):
        world.run("run 2")
    assert quarantined(world) == ["bad0", "bad1"]
    world.source.breaks_at = None
    world.source.items = [*records(2), *bad(1)]
    world.run("run 3")
    assert quarantined(world) == ["bad0"]


def test_the_same_bytes_are_quarantined_once(world: World) -> None:
    """A source whose one invalid record arrives every night would fill the table with copies."""
    world.source.items = [*records(3), *bad(1), *records(1), *bad(1), InvalidRecord(b"?", "who?")]
    for number in range(3):
        (log,) = world.run(f"run {number}", superfluous=True)
        # The list repeats a record and has no total, so it is requested again: three invalid records come twice.
        assert log.counts.quarantined == 2
        world.clock.forward(minutes=5)
    assert world.rows(quarantine, "identifier", "datum") == [("bad0", b"<0"), (None, b"?")]


def test_a_valid_version_in_any_window_removes_a_record_from_quarantine(world: World) -> None:
    """Otherwise the quarantine of a source that was repaired years ago would still show its errors."""
    world.source.items = [*records(3), *bad(3)]
    world.run("run 1")
    before = Window(WINDOW.start - DAY, WINDOW.start)
    world.source.items = [Record("bad1", before.start, False, "well"), *bad(1, first=7)]
    world.run("run 2", before)
    assert quarantined(world) == ["bad0", "bad2", "bad7"]


def test_a_valid_version_on_a_later_page_removes_a_quarantined_record_and_one_on_the_same_page_does_not(
    small_world: World,
) -> None:
    """The order of two records on one page is unknown, so the error stays visible."""
    world = small_world
    well = [Record(f"bad{number}", WINDOW.start, False, "well") for number in range(3)]
    world.source.items = [bad(1)[0], records(1)[0], well[0], bad(1, first=1)[0], well[2], bad(1, first=2)[0]]
    world.run("run 1")
    assert quarantined(world) == ["bad1", "bad2"]


def test_a_valid_version_removes_a_record_even_if_too_many_are_quarantined_to_remember(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory stays constant: if there are many, the database is asked for each page."""
    monkeypatch.setattr("harvest_dagster.pipeline.steps.store._MOST_REMEMBERED", 2)
    world.source.items = [*records(2), *bad(4)]
    world.run("run 1")
    world.source.items = [Record("bad1", None, False, "well"), *records(2), *bad(1, first=5)]
    world.run("run 2", Window(WINDOW.start - DAY, WINDOW.start))
    assert quarantined(world) == ["bad0", "bad2", "bad3", "bad5"]


def test_the_remembered_identifiers_stay_bounded_while_the_quarantine_grows(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window with only invalid records would keep all their identifiers in memory (docs/decisions/0015)."""
    monkeypatch.setattr("harvest_dagster.pipeline.steps.store._MOST_REMEMBERED", 3)
    remembered = store._QuarantinedIdentifiers(1, set())
    with small_world.database.begin() as connection:
        for number in range(4):
            remembered.remove_valid(connection, ParsedPage([], [InvalidRecord(b"", "bad", f"bad{number}")]))
            assert remembered.identifiers is None or len(remembered.identifiers) <= 3
    assert remembered.identifiers is None


def test_a_window_without_valid_records_is_quarantined_only_up_to_a_limit(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million records in a new format would be kept, every night."""
    monkeypatch.setattr(quarantine_policy, "_ENOUGH_INVALID", 4)
    small_world.source.items = list(bad(20))
    with pytest.raises(QuarantineLimitExceeded, match="none of the 4 records"):
        small_world.run("run 1")
    assert len(quarantined(small_world)) == 4


def test_no_record_is_quarantined_after_a_limit_is_reached(small_world: World) -> None:
    """The limit cuts off valid records, so the share of invalid ones would be wrong."""
    small_world.change(quarantine={"records": 0, "share": 0.1})
    small_world.source.page_size = 20
    small_world.source.items = [*records(3), *bad(15)]
    (log,) = small_world.run("run 1", limit=3)
    assert (log.status, log.counts.records, log.counts.quarantined) == ("SUCCEEDED", 3, 0)
