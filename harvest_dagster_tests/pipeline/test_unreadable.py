"""How many unreadable records are too many, and what a window that fails by them leaves: on both databases."""

from __future__ import annotations

import pytest

from harvest_dagster.catalog.schema import Quarantine
from harvest_dagster.errors import SourceUnreachable, TooManyUnreadable
from harvest_dagster.pipeline import store, unreadable
from harvest_dagster.pipeline.unreadable import are_too_many
from harvest_dagster.records import Record, Unreadable
from harvest_dagster.spool import Taken
from harvest_dagster.storage.harvest_logs import Counts
from harvest_dagster.storage.tables import ingest_log, quarantine
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records

STRICT = Quarantine(records=2, share=0.1)


def bad(count: int, first: int = 0, content: str = "<") -> list[Unreadable]:
    return [
        Unreadable(f"{content}{number}".encode(), f"no end of {number}", f"bad{number}")
        for number in range(first, first + count)
    ]


def culprits(world: World) -> list[str]:
    return sorted(identifier for (identifier,) in world.rows(quarantine, "identifier"))


@pytest.mark.parametrize(
    ("good", "wrong", "fails"),
    [
        (1000, 10, False),  # at the number
        (89, 11, True),  # above both
        (5000, 50, False),  # above the number, below the share
        (4950, 50, False),  # at the share
        (4949, 51, True),
        (3, 10, False),  # a large share of very few
        (0, 1, False),  # one record that nobody can read is that, and no change of format
        (0, 2, True),
        (0, 0, False),
        (1, 2, False),
    ],
)
def test_both_bounds_must_be_exceeded_or_nothing_be_readable(good: int, wrong: int, fails: bool) -> None:
    """Either alone would fail every large window, or every small one."""
    assert are_too_many(Counts(records=good, quarantined=wrong), Quarantine()) == fails


def test_nothing_that_can_be_read_is_no_success(small_world: World) -> None:
    """Lesson 1: "SUCCESS; 0 harvested, 117 failed"."""
    world = small_world
    world.source.items = list(bad(117))
    with pytest.raises(TooManyUnreadable, match="none of the 117 records"):
        world.run("run 1")
    (log,) = world.logs().values()
    assert (log.status, log.counts.records, log.counts.quarantined) == ("FAILED", 0, 117)
    assert len(culprits(world)) == 117


def test_a_window_that_exceeds_its_bounds_fails_with_all_that_could_be_read_stored(world: World) -> None:
    """The error tells the numbers, the first culprits and the remedy; nobody has to look for them in a traceback."""
    world.change(quarantine=STRICT.model_dump())
    world.source.items = [*records(7), *bad(3)]
    with pytest.raises(TooManyUnreadable) as raised:
        world.run("run 1")
    message = str(raised.value)
    assert "3 of the 10 records of [2024-04-30, 2024-05-01)" in message
    assert "2, and 10.00% of them" in message
    assert "bad0 on page 3, no end of 0; bad1" in message
    assert message.endswith("raise `quarantine` in its YAML.")
    assert (len(world.stored()), culprits(world)) == (7, ["bad0", "bad1", "bad2"])
    assert world.rows(ingest_log, "id") == []


def test_the_next_run_asks_the_source_anew_and_launches_all(world: World) -> None:
    """The same spooled pages, split again, would fail again for as long as they are kept."""
    world.change(quarantine=STRICT.model_dump())
    world.source.items = [*records(7), *bad(3)]
    with pytest.raises(TooManyUnreadable):
        world.run("run 1")
    world.source.items = [*records(7), *(Record(f"bad{number}", None, False, "well") for number in range(3))]
    world.source.asked.clear()
    (log,) = world.run("run 2")
    assert world.source.asked[0] == 0
    assert (log.status, log.counts.records, log.counts.quarantined) == ("SUCCEEDED", 10, 0)
    assert (len(world.stored()), culprits(world)) == (10, [])
    assert len(world.rows(ingest_log, "id")) == 10


def test_with_wider_bounds_the_same_pages_are_gone_on_with(small_world: World) -> None:
    """Who has looked and accepts what cannot be read need not ask for ten thousand pages again."""
    world = small_world
    world.change(quarantine=STRICT.model_dump())
    world.source.items = [*records(7), *bad(3)]
    with pytest.raises(TooManyUnreadable):
        world.run("run 1")
    world.change(quarantine={"records": 5})
    world.source.asked.clear()
    (log,) = world.run("run 2")
    assert (world.source.asked, log.status, len(culprits(world))) == ([], "SUCCEEDED", 3)


def test_a_window_begun_anew_that_breaks_at_once_keeps_its_culprits(small_world: World) -> None:
    """They are all that people have to look at, until a whole list has come without them."""
    world = small_world
    world.source.items = list(bad(2))
    with pytest.raises(TooManyUnreadable):
        world.run("run 1")
    world.clock.forward(minutes=5)
    world.source.breaks_at = 0
    with pytest.raises(SourceUnreachable):
        world.run("run 2")
    assert culprits(world) == ["bad0", "bad1"]
    world.source.breaks_at = None
    world.source.items = [*records(2), *bad(1)]
    world.run("run 3")
    assert culprits(world) == ["bad0"]


def test_the_same_bytes_do_not_pile_up(world: World) -> None:
    """A source whose one bad record comes every night would fill the table with copies of it."""
    world.source.items = [*records(3), *bad(1), *records(1), *bad(1), Unreadable(b"?", "who?")]
    for number in range(3):
        (log,) = world.run(f"run {number}", superfluous=True)
        assert log.counts.quarantined == 3
        world.clock.forward(minutes=5)
    assert world.rows(quarantine, "identifier", "datum") == [("bad0", b"<0"), (None, b"?")]


def test_a_good_version_in_any_window_clears_a_record(world: World) -> None:
    """Else the quarantine of a source that is mended for years still says what is wrong with it."""
    world.source.items = [*records(3), *bad(3)]
    world.run("run 1")
    before = Window(WINDOW.start - DAY, WINDOW.start)
    world.source.items = [Record("bad1", before.start, False, "well"), *bad(1, first=7)]
    world.run("run 2", before)
    assert culprits(world) == ["bad0", "bad2", "bad7"]


def test_a_good_version_later_in_the_same_list_clears_it_and_one_on_the_same_page_does_not(
    small_world: World,
) -> None:
    """Which of two on a page is the later nobody knows: what is wrong is then still shown."""
    world = small_world
    well = [Record(f"bad{number}", WINDOW.start, False, "well") for number in range(3)]
    world.source.items = [bad(1)[0], records(1)[0], well[0], bad(1, first=1)[0], well[2], bad(1, first=2)[0]]
    world.run("run 1")
    assert culprits(world) == ["bad1", "bad2"]


def test_with_more_in_quarantine_than_is_remembered_a_good_version_still_clears(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory stays flat: of very many the database is asked page by page."""
    monkeypatch.setattr("harvest_dagster.pipeline.store._REMEMBERED", 2)
    world.source.items = [*records(2), *bad(4)]
    world.run("run 1")
    world.source.items = [Record("bad1", None, False, "well"), *records(2), *bad(1, first=5)]
    world.run("run 2", Window(WINDOW.start - DAY, WINDOW.start))
    assert culprits(world) == ["bad0", "bad2", "bad3", "bad5"]


def test_no_more_is_remembered_of_the_quarantine_though_it_grows_meanwhile(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window of nothing but bad records would have all their identifiers in memory (docs/decisions/0015)."""
    monkeypatch.setattr("harvest_dagster.pipeline.store._REMEMBERED", 3)
    held = store._Held(1, set())
    with small_world.database.begin() as connection:
        for number in range(4):
            held.clear(connection, Taken([], [Unreadable(b"", "bad", f"bad{number}")]))
            assert held.identifiers is None or len(held.identifiers) <= 3
    assert held.identifiers is None


def test_a_hopeless_window_does_not_fill_the_quarantine(
    small_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million records in a new format, each of them kept, every night."""
    monkeypatch.setattr(unreadable, "_HOPELESS", 4)
    small_world.source.items = list(bad(20))
    with pytest.raises(TooManyUnreadable, match="none of the 4 records"):
        small_world.run("run 1")
    assert len(culprits(small_world)) == 4


def test_beyond_a_limit_nothing_is_set_aside(small_world: World) -> None:
    """The share of a sample would count bad records of which the good neighbours were cut."""
    small_world.change(quarantine={"records": 0, "share": 0.1})
    small_world.source.page_size = 20
    small_world.source.items = [*records(3), *bad(15)]
    (log,) = small_world.run("run 1", limit=3)
    assert (log.status, log.counts.records, log.counts.quarantined) == ("SUCCEEDED", 3, 0)
