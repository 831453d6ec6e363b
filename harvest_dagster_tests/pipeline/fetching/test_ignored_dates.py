"""Warnings about sources that ignore dates: over HTTP, with the line of the YAML that ends the repeated downloads."""

from __future__ import annotations

from datetime import date

from harvest_dagster.pipeline.fetching.identifier_index import SeenIdentifiers
from harvest_dagster.spool import fingerprints
from harvest_dagster.testing.simulator import Repository
from harvest_dagster.testing.simulator.scenario import parse_behaviours
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline import list_api
from harvest_dagster_tests.pipeline.list_api import ListApi
from harvest_dagster_tests.pipeline.served import harvest_window, serving
from harvest_dagster_tests.pipeline.world import World

REPOSITORY = Repository(first_day=date(2024, 4, 1), days=20, records_per_day=3, page_size=20)
LINE = "add this line to its YAML: `selective: false`"


def warnings(world: World) -> list[str]:
    return [line for line in world.log_lines if LINE in line]


def test_most_records_are_outside_of_the_window(world: World) -> None:
    """Ten years were 122 downloads of everything, and only a count in the database showed it."""
    with serving(world, REPOSITORY, *parse_behaviours(["dates-ignored"])):
        harvest_window(world, "run 1", whole_day(date(2024, 4, 3)))
        (warning,) = warnings(world)
        harvest_window(world, "run 2", whole_day(date(2024, 4, 4)))
    assert warning.startswith("56 of 59 records of [2024-04-03, 2024-04-04) have a datestamp outside of it")
    assert len(warnings(world)) == 1, "once a day for each source"


def test_two_windows_return_the_same_list(small_world: World) -> None:
    """Without datestamps, no count shows that the records are outside of the window."""
    with list_api.serving(ListApi([f"name {number}" for number in range(12)])) as api:
        list_api.configure(small_world, api, datestamp=None)
        list_api.harvest(small_world, "run 1", window=whole_day(date(2024, 4, 3)))
        assert warnings(small_world) == []
        list_api.harvest(small_world, "run 2", window=whole_day(date(2024, 4, 9)))
    (warning,) = warnings(small_world)
    assert "the same list of 12 records for [2024-04-09, 2024-04-10) and for [2024-04-03" in warning


def test_a_source_that_obeys_dates_causes_no_warning(small_world: World) -> None:
    """A false alarm would make people download everything each day."""
    repository = Repository(first_day=date(2024, 4, 1), days=20, records_per_day=12, page_size=20)
    with serving(small_world, repository):
        for number, day in enumerate((3, 4, 5, 4, 6, 7, 8, 9)):
            harvest_window(small_world, f"run {number}", whole_day(date(2024, 4, day)))
    assert warnings(small_world) == []


def test_the_digest_of_a_list_does_not_depend_on_its_order() -> None:
    with SeenIdentifiers() as one, SeenIdentifiers() as other, SeenIdentifiers() as third:
        one.add(0, fingerprints(["a", "b", "c"]))
        other.add(0, fingerprints(["c", "a"]))
        other.add(1, fingerprints(["b", "a"]))
        third.add(0, fingerprints(["a", "b"]))
        assert one.digest() == other.digest() != third.digest()
