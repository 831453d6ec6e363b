"""Fetch writes the records of a page while its content is in memory, and split finds them, unless they may differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from harvest_dagster.harvesters.oai.parser import OaiParser
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.testing.simulator import Repository
from harvest_dagster.windows import Window, whole_day
from harvest_dagster_tests.pipeline.served import serving
from harvest_dagster_tests.pipeline.world import MIDNIGHT, World

DAY = whole_day(MIDNIGHT.date() - timedelta(days=1))
REPOSITORY = Repository(
    first_day=DAY.start.date(), days=1, records_per_day=7, page_size=3, deleted=0.3, granularity="second"
)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Page]:
    """The pages that were parsed, in order."""
    pages, records = [], OaiParser.records

    def listed(self: OaiParser, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        pages.append(page)
        return records(self, page, window)

    monkeypatch.setattr(OaiParser, "records", listed)
    return pages


def pages_parsed_by_split(
    world: World, parsed: list[Page], *, lists: int = 1, missing: str = "", **parameters: Any
) -> int:
    """Harvest a day. Return how many pages split has parsed.

    Args:
        world: the world.
        parsed: see the fixture.
        lists: how many lists fetch reports.
        missing: a file of records that is missing after fetch.
        parameters: of the run.
    """
    with serving(world, REPOSITORY):
        harvest = world.harvest("run 1", **parameters)
        with lease_guard.hold_lease(harvest) as lease:
            run = WindowRun(harvest, lease)
            log = run.begin(DAY)
            assert log is not None
            summary, _ = run.fetch(log)
            harvest.attempt(log).write_summary(replace(summary, sub_windows=lists))
            for path in world.folder.rglob(missing) if missing else ():
                path.unlink()
            parsed.clear()
            run.split(world.log(log.id))
            count = len(parsed)
            run.store(world.log(log.id))
            lease_guard.release(harvest, lease)
    assert len(world.stored()) == parameters.get("limit", 7)
    return count


def test_split_finds_the_records_of_all_pages(small_world: World, parsed: list[Page]) -> None:
    """To parse a page twice was a third of the processor time of a harvest."""
    assert pages_parsed_by_split(small_world, parsed) == 0


def test_split_parses_pages_whose_records_a_kill_has_prevented(
    small_world: World, parsed: list[Page]
) -> None:
    """Otherwise the records of a page are lost if the process is killed after the page was written."""
    assert pages_parsed_by_split(small_world, parsed, missing="records/000001.zst") == 2
    assert all(page.parsed is None for page in parsed)


def test_with_a_limit_split_parses_all_pages(small_world: World, parsed: list[Page]) -> None:
    """How many records of a page are kept depends on the pages before it."""
    assert pages_parsed_by_split(small_world, parsed, limit=4) == 2


def test_after_several_lists_split_parses_all_pages(small_world: World, parsed: list[Page]) -> None:
    """Which records of the first list are left out depends on the lists after it."""
    assert pages_parsed_by_split(small_world, parsed, lists=2) == 3


def test_a_page_in_memory_gives_the_same_records_as_from_the_spool(
    small_world: World, parsed: list[Page]
) -> None:
    """Otherwise the stored records depend on whether the process was killed."""
    with serving(small_world, REPOSITORY):
        harvest = small_world.harvest("run 1")
        with lease_guard.hold_lease(harvest) as lease:
            run = WindowRun(harvest, lease)
            log = run.begin(DAY)
            assert log is not None
            run.fetch(log)
            lease_guard.release(harvest, lease)
    parser, pages = harvest.source.parser, list(parsed)
    assert len(pages) == 3
    for page in pages:
        assert page.parsed is not None
        assert list(parser.records(page, DAY)) == list(parser.records(replace(page, parsed=None), DAY))
