"""Pages into records: what no database keeps is set aside, and everything else goes on."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import SpoolError
from harvest_dagster.pipeline import lock
from harvest_dagster.pipeline.split import LONGEST_IDENTIFIER
from harvest_dagster.records import Record, Unreadable
from harvest_dagster.storage.tables import quarantine
from harvest_dagster_tests.pipeline.fakes import Item
from harvest_dagster_tests.pipeline.world import MIDNIGHT, WINDOW, World, records

GOOD = records(3)
LONGEST = "ü" * (LONGEST_IDENTIFIER // 2)


def record(identifier: str, blob: str = "A") -> Record:
    return Record(identifier, WINDOW.start, False, blob)


@pytest.mark.parametrize(
    ("bad", "why", "identifier"),
    [
        (record(LONGEST + "x"), "longer than 2000 bytes", LONGEST[:200]),
        (record(""), "identifier is empty", ""),
        (record("x\0y"), "NUL", "x\ufffdy"),
        (record("good", "A\0B"), "NUL", "good"),
        (record("x\ud800y"), "surrogate", "x\ufffdy"),
        (record("good", "A\udfffB"), "surrogate", "good"),
        (Unreadable(b"<\x00\xff", "not well-formed", "x\0y\ud800"), "not well-formed", "x\ufffdy\ufffd"),
        (Unreadable(b"<", "not well-formed", LONGEST + "x"), "not well-formed", LONGEST[:200]),
        (Unreadable(b"<", "not well-formed", "\0" * 1500), "not well-formed", "\ufffd" * 200),
        (Unreadable(b"<", "an error with \0 and \ud800 in it"), "an error with", None),
    ],
)
def test_a_record_that_no_database_keeps_is_set_aside_and_the_others_go_on(
    world: World, bad: Item, why: str, identifier: str | None
) -> None:
    """Lesson 10: control characters in one record ended a harvest; others drop it without a trace."""
    world.source.items = [GOOD[0], bad, *GOOD[1:]]
    (log,) = world.run("run 1")
    assert world.stored() == [(good.identifier, good.blob) for good in GOOD]
    assert (log.counts.records, log.counts.quarantined) == (3, 1)
    ((found, error, datum, page),) = world.rows(quarantine, "identifier", "error", "datum", "page")
    assert (found, page) == (identifier, 0)
    assert why in error
    text = bad.blob if isinstance(bad, Record) else None
    assert datum == (bad.datum if text is None else text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "good", [record(LONGEST), record("x", ""), record("😀", "😀\n\t"), record("x " * 200)]
)
def test_a_record_that_is_only_unusual_is_kept(world: World, good: Record) -> None:
    """A quarantine that takes more than it must is loss with a receipt."""
    world.source.items = [good]
    world.run("run 1")
    assert world.stored() == [(good.identifier, good.blob)]


def test_a_record_without_a_datestamp_or_outside_of_the_window_is_kept(world: World) -> None:
    """Lesson 10: "breaks that day's harvest. This happens often"."""
    world.source.items = [
        Record("x", None, False, "A"),
        Record("y", MIDNIGHT.replace(year=1999), False, "B"),
        Record("z", MIDNIGHT.replace(year=2030), True, "C"),
    ]
    (log,) = world.run("run 1")
    assert world.stored() == [("x", "A"), ("y", "B"), ("z", "C")]
    assert (log.counts.deleted, log.counts.quarantined) == (1, 0)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
def test_a_limit_cuts_exactly(small_world: World, limit: int) -> None:
    """A limit of three over pages of two is three records."""
    small_world.source.items = records(7)
    (log,) = small_world.run("run 1", limit=limit)
    assert len(small_world.stored()) == log.counts.records == min(limit, 7)


@pytest.mark.parametrize("limit", [None, 5])
def test_killed_between_two_pages_it_splits_the_others(small_world: World, limit: int | None) -> None:
    """The same command again: no page twice, and a limit counts what was split before."""
    small_world.source.items = records(8)
    harvest = small_world.harvest("run 1", limit=limit)
    with lock.holding(harvest) as grip:
        log = small_world.window(harvest, grip, until="fetch")
        spool = harvest.attempt(log)

        def killed() -> None:
            if spool.split_count() == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            small_world.step("split", harvest, log.id, grip, killed)
        first = [spool.read_records(number) for number in range(2)]
        for _ in range(2):
            small_world.step("split", harvest, log.id, grip)
        taken = [spool.read_records(number) for number in range(spool.split_count())]
    assert taken[:2] == first
    assert [record for one in taken for record in one.records] == records(8)[:limit]


@pytest.mark.parametrize("limit", [None, 5])
def test_records_that_are_damaged_are_split_again(small_world: World, limit: int | None) -> None:
    """A power cut leaves the last files empty: store would fail over them in each run."""
    small_world.source.items = records(8)
    harvest = small_world.harvest("run 1", limit=limit)
    with lock.holding(harvest) as grip:
        log = small_world.window(harvest, grip, until="split")
        (damaged,) = small_world.folder.rglob("records/000001.zst")
        damaged.write_bytes(b"")
        small_world.step("split", harvest, log.id, grip)
        small_world.step("store", harvest, log.id, grip)
    assert len(small_world.stored()) == (limit or 8)


def test_pages_that_are_gone_are_no_empty_list(small_world: World) -> None:
    """A re-execution from split after the spool was cleared would find nothing and call it a success."""
    harvest = small_world.harvest("run 1")
    with lock.holding(harvest) as grip:
        log = small_world.window(harvest, grip, until="fetch")
        harvest.spool.clear(*harvest.spool_of(WINDOW))
        with pytest.raises(SpoolError, match="pages are missing in the spool"):
            small_world.step("split", harvest, log.id, grip)
