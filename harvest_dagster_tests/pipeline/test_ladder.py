"""Lists of a real server that break, lie, or end too early: all of it comes, or the window fails and says why."""

from __future__ import annotations

from datetime import date

import pytest

from harvest_dagster.errors import IncompleteList
from harvest_dagster.pipeline import walks
from harvest_dagster.simulator import Behaviour, Cut, Html, Repository
from harvest_dagster.simulator.behaviours.changes import Change, Overlap
from harvest_dagster.simulator.behaviours.empty import EmptyPage, EndsInNothing
from harvest_dagster.simulator.behaviours.tokens import Burn, Expire, Repeat
from harvest_dagster.simulator.behaviours.totals import Cap, Depth, Total
from harvest_dagster.simulator.conditions import nth, page
from harvest_dagster.windows import Window, whole_day
from harvest_dagster_tests.pipeline.served import harvest_window, lists, serving
from harvest_dagster_tests.pipeline.world import World

FIRST, LAST = date(2024, 4, 27), date(2024, 4, 30)
WINDOW = Window(whole_day(FIRST).start, whole_day(LAST).end)
RECORDS = 40
REPOSITORY = Repository(first_day=FIRST, days=4, records_per_day=RECORDS // 4, page_size=5)
BY_DAY = Repository(first_day=FIRST, days=4, records_per_day=RECORDS // 4, page_size=5, granularity="day")
SILENT = Repository(first_day=FIRST, days=4, records_per_day=RECORDS // 4, page_size=5, totals=False)

third = nth(3, "ListRecords")


@pytest.mark.parametrize(
    ("behaviour", "rung"),
    [
        pytest.param(Cut(2500, announced=False, when=third), "the same page", id="cut"),
        pytest.param(Html(when=third), "the same page", id="maintenance page"),
        pytest.param(Expire(when=third), "new list from the last safe datestamp", id="badResumptionToken"),
        pytest.param(Cap(limit=15), "new list from the last safe datestamp", id="capped list"),
        pytest.param(Depth(limit=15), "new list from the last safe datestamp", id="no page beyond a depth"),
        pytest.param(
            Repeat(page=3), "new list from the last safe datestamp", id="a token that leads to itself"
        ),
        pytest.param(EmptyPage(page=3), None, id="an empty page with a token"),
        pytest.param(EndsInNothing(), None, id="noRecordsMatch after the last page"),
        pytest.param(Overlap(), None, id="pages that overlap"),
    ],
)
def test_a_list_that_breaks_is_whole_in_the_end(
    small_world: World, behaviour: Behaviour, rung: str | None
) -> None:
    """Lessons 1, 2, 8 and 22: 50 of 100 records and green; an empty page taken for the end; 10,000 of 25,000."""
    with serving(small_world, REPOSITORY, behaviour):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.completeness, log.identifiers) == ("SUCCEEDED", "complete", RECORDS)
    assert {name for name, _ in small_world.stored()} == {REPOSITORY.identifier(n) for n in range(RECORDS)}
    said = [line for line in small_world.said if "Going on:" in line]
    assert log.recoveries == len(said)
    assert (rung is None) == (not said)
    assert all((rung or "") in line for line in said)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(Cap(limit=15), id="capped list"),
        pytest.param(Expire(when=page(3)), id="tokens that last for a page"),
        pytest.param(Cut(2500, announced=False, when=page(3)), id="a page that is always cut"),
    ],
)
def test_where_the_order_of_the_list_is_not_known_the_window_is_halved(
    small_world: World, behaviour: Behaviour
) -> None:
    """Lesson 8, and part 4's windows: halved where a list hits a cap, and on with that length to the end."""
    chosen = REPOSITORY.sets[:2]
    with serving(small_world, REPOSITORY, behaviour, set=[subset.spec for subset in chosen]):
        log = harvest_window(small_world, "run 1", WINDOW)
    theirs = {REPOSITORY.identifier(n) for n in range(RECORDS) if any(n in subset for subset in chosen)}
    assert {name for name, _ in small_world.stored()} == theirs
    # Of a list that is one page long, OAI-PMH has no place for a total: some of these are unverified.
    assert (log.status, log.identifiers) == ("SUCCEEDED", len(theirs))
    steps = [said for said in small_world.said if "Going on:" in said]
    assert any("the first half of it: [2024-04-27, 2024-04-29)" in said for said in steps)
    assert not any("last safe datestamp" in said for said in steps)


def test_a_day_granular_source_is_halved_down_to_a_day_and_then_fails_loudly(small_world: World) -> None:
    """Part 4: at the smallest length it fails, with both numbers; Lesson 24: no window shorter than a day."""
    with (
        serving(small_world, BY_DAY, Cap(limit=6)) as server,
        pytest.raises(IncompleteList, match=r"\[2024-04-27, 2024-04-28\) holds 10 records, and gave 6\. "),
    ):
        harvest_window(small_world, "run 1", WINDOW)
    (log,) = small_world.logs().values()
    assert (log.status, log.completeness) == ("FAILED", None)
    assert len(lists(server)) <= 10


@pytest.mark.parametrize("what", ["delete", "update"])
@pytest.mark.parametrize("repository", [REPOSITORY, BY_DAY], ids=["seconds", "days"])
def test_a_record_skipped_since_the_list_changed_is_fetched_by_a_second_list(
    small_world: World, what: str, repository: Repository
) -> None:
    """A record leaves an earlier page, all others move up, and one that stays is on no page."""
    with serving(small_world, repository, Change(what=what, record=1, when=third)):
        log = harvest_window(small_world, "run 1", WINDOW)
    stayed = {repository.identifier(number) for number in range(RECORDS)} - {repository.identifier(1)}
    assert stayed <= {name for name, _ in small_world.stored()}
    assert log.status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("lie", "kwargs", "told"),
    [("lower", {}, RECORDS - 1), ("none", {}, None), ("higher", {"trust_total": False}, None)],
)
def test_a_total_that_cannot_be_right_proves_nothing(
    small_world: World, lie: str, kwargs: dict[str, bool], told: int | None
) -> None:
    """More came than was announced, or nothing was, or nothing that is to be believed: unverified."""
    with serving(small_world, REPOSITORY, Total(lie=lie), **kwargs):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.completeness) == ("SUCCEEDED", "unverified")
    assert (log.identifiers, log.expected, log.recoveries) == (RECORDS, told, 0)


@pytest.mark.parametrize(("by", "most"), [(2, 16), (40, 24)])
def test_a_total_that_is_simply_wrong_fails_with_both_numbers_and_costs_little(
    small_world: World, by: int, most: int
) -> None:
    """Lesson 1, and the price of doubting: a list of 8 pages is not harvested ten times for its total."""
    with (
        serving(small_world, REPOSITORY, Total(lie="higher", by=by)) as server,
        pytest.raises(IncompleteList, match=r"holds \d+ records, and gave \d+\. .*trust_total: false"),
    ):
        harvest_window(small_world, "run 1", WINDOW)
    assert len(lists(server)) <= most
    (log,) = small_world.logs().values()
    assert log.status == "FAILED"
    assert (log.error or "").startswith("IncompleteList")


@pytest.mark.parametrize("total", ["limit", "none"])
def test_a_list_as_long_as_a_cap_is_doubted_though_the_source_says_that_it_is_all(
    small_world: World, total: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lesson 8: 10,000 of 10,000, says the source, which has 25,000."""
    monkeypatch.setattr(walks, "CAPS", {15})
    with serving(small_world, REPOSITORY, Cap(limit=15, total=total)):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.completeness, log.identifiers) == ("SUCCEEDED", "unverified", RECORDS)
    assert any("ended after 15 records, where sources cut their lists" in said for said in small_world.said)


@pytest.mark.parametrize("repository", [REPOSITORY, SILENT], ids=["with totals", "without"])
def test_a_token_that_may_be_used_once_is_not_sent_twice(small_world: World, repository: Repository) -> None:
    """Lesson 23: the second use gives the page after, and the page between is lost."""
    behaviours = [Cut(2500, announced=False, when=third), Burn(again="next")]
    with serving(small_world, repository, *behaviours, single_use_tokens=True) as server:
        log = harvest_window(small_world, "run 1", WINDOW)
    used = [token for token in lists(server) if token is not None]
    assert len(used) == len(set(used))
    assert (log.status, log.identifiers) == ("SUCCEEDED", RECORDS)


@pytest.mark.parametrize("repository", [REPOSITORY, SILENT], ids=["with totals", "without"])
def test_a_burned_token_that_was_sent_twice_is_noticed_by_the_page_s_place(
    small_world: World, repository: Repository
) -> None:
    """Lesson 23, where the config does not say it: the page after comes in place of the one that was lost."""
    behaviours = [Cut(2500, announced=False, when=third), Burn(again="next")]
    with serving(small_world, repository, *behaviours):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.identifiers) == ("SUCCEEDED", RECORDS)
    assert any("its cursors can be used once" in said for said in small_world.said)
