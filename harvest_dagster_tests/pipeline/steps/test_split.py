"""Parsing pages: records that no database can store are quarantined, and all others are stored."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import SpoolError
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.steps.split import LONGEST_IDENTIFIER
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.storage.tables import quarantine
from harvest_dagster_tests.pipeline.fakes import FakeParser, Item
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
        (InvalidRecord(b"<\x00\xff", "not well-formed", "x\0y\ud800"), "not well-formed", "x\ufffdy\ufffd"),
        (InvalidRecord(b"<", "not well-formed", LONGEST + "x"), "not well-formed", LONGEST[:200]),
        (InvalidRecord(b"<", "not well-formed", "\0" * 1500), "not well-formed", "\ufffd" * 200),
        (InvalidRecord(b"<", "an error with \0 and \ud800 in it"), "an error with", None),
    ],
)
def test_a_record_that_no_database_can_store_is_quarantined_and_the_others_are_stored(
    world: World, bad: Item, why: str, identifier: str | None
) -> None:
    """Control characters in one record ended a harvest, or lost it silently (docs/failures.md#one-invalid-record)."""
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
def test_an_unusual_record_is_stored(world: World, good: Record) -> None:
    """A valid record in quarantine is a lost record."""
    world.source.items = [good]
    world.run("run 1")
    assert world.stored() == [(good.identifier, good.blob)]


def test_a_record_without_a_datestamp_or_outside_the_window_is_stored(world: World) -> None:
    """Such records broke the harvest of the day elsewhere (docs/failures.md#one-invalid-record)."""
    world.source.items = [
        Record("x", None, False, "A"),
        Record("y", MIDNIGHT.replace(year=1999), False, "B"),
        Record("z", MIDNIGHT.replace(year=2030), True, "C"),
    ]
    (log,) = world.run("run 1")
    assert world.stored() == [("x", "A"), ("y", "B"), ("z", "C")]
    assert (log.counts.deleted, log.counts.quarantined) == (1, 0)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9])
def test_a_limit_is_exact(small_world: World, limit: int) -> None:
    """A limit of three with pages of two must give three records."""
    small_world.source.items = records(7)
    (log,) = small_world.run("run 1", limit=limit)
    assert len(small_world.stored()) == log.counts.records == min(limit, 7)


@pytest.mark.parametrize("limit", [None, 5])
def test_after_a_kill_only_the_other_pages_are_parsed(small_world: World, limit: int | None) -> None:
    """No page is parsed twice, and a limit includes the pages parsed before."""
    small_world.source.items = records(8)
    harvest = small_world.harvest("run 1", limit=limit)
    with lease_guard.hold_lease(harvest) as lease:
        log = small_world.window(harvest, lease, until="fetch")
        spool = harvest.attempt(log)

        def killed() -> None:
            if spool.find_parsed_pages(1) is not None:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            small_world.step("split", harvest, log.id, lease, killed)
        first = [page for number in range(2) for page in spool.read_parsed_pages(number)]
        for _ in range(2):
            small_world.step("split", harvest, log.id, lease)
        index = spool.require_parsed()
        parsed = [page for number in index.first_pages for page in spool.read_parsed_pages(number)]
    assert parsed[:2] == first
    assert [record for one in parsed for record in one.records] == records(8)[:limit]
    assert [valid for valid, _ in index.counts] == [len(one.records) for one in parsed]


@pytest.mark.parametrize("limit", [None, 5])
def test_a_page_with_damaged_records_is_parsed_again(small_world: World, limit: int | None) -> None:
    """A power cut leaves the last files empty, and store would fail in each run."""
    small_world.source.items = records(8)
    harvest = small_world.harvest("run 1", limit=limit)
    with lease_guard.hold_lease(harvest) as lease:
        log = small_world.window(harvest, lease, until="split")
        (damaged,) = small_world.folder.rglob("records/000001.zst")
        damaged.write_bytes(b"")
        small_world.step("split", harvest, log.id, lease)
        small_world.step("store", harvest, log.id, lease)
    assert len(small_world.stored()) == (limit or 8)


def test_missing_pages_are_not_an_empty_list(small_world: World) -> None:
    """A re-execution from split, after the spool was cleared, would find nothing and succeed."""
    harvest = small_world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        log = small_world.window(harvest, lease, until="fetch")
        harvest.run.spool.clear(*harvest.spool_path(WINDOW))
        with pytest.raises(SpoolError, match="pages are missing in the spool"):
            small_world.step("split", harvest, log.id, lease)


@pytest.mark.parametrize("step", ["store", "launch"])
def test_records_that_are_damaged_after_split_are_parsed_again(world: World, step: str) -> None:
    """The window failed at each retry of this step, although its pages were intact."""
    world.source.items = records(4)
    harvest = world.harvest("run 1")
    with lease_guard.hold_lease(harvest) as lease:
        log = world.window(harvest, lease, until={"store": "split", "launch": "store"}[step])
        spool = harvest.attempt(log)
        spool.write_parsed_file(0, b"a power cut")
        spool.write_result("queued", "damaged")  # otherwise, launch reads no page
        world.step(step, harvest, log.id, lease)
        assert [len(page.records) for page in spool.read_parsed_pages(0)] == [2]
    assert "The page is parsed again" in " ".join(world.log_lines)


def test_a_page_that_gives_fewer_records_than_it_had_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parser that skips a record loses it, and the window would be complete."""
    world.source.items = records(4)
    monkeypatch.setattr(FakeParser, "records", lambda _, page, window: iter(()))  # noqa: ARG005
    with pytest.raises(SpoolError, match="had 2 records when it was fetched, and the parser found 0"):
        world.run("run 1")
