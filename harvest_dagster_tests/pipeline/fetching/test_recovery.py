"""Lists of a real server that break, have wrong totals, or end too early.

All records arrive, or the window fails and says why.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from harvest_dagster.errors import HttpStatusError, IncompleteList, UnexpectedResponse
from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.fetching import list_progress
from harvest_dagster.pipeline.fetching.recovery_limits import LIMITS
from harvest_dagster.pipeline.run_window import WindowRun, run_window
from harvest_dagster.testing.simulator import Behaviour, HtmlPage, Repository, TruncatedBody
from harvest_dagster.testing.simulator.behaviours.conditions import has_verb, nth, on_page
from harvest_dagster.testing.simulator.behaviours.content.records import CorruptRecord
from harvest_dagster.testing.simulator.behaviours.content.wrong_content import OtherFormat
from harvest_dagster.testing.simulator.behaviours.lists.changes import (
    OverlappingPages,
    RepeatedPage,
    RepositoryChange,
    RowTotal,
)
from harvest_dagster.testing.simulator.behaviours.lists.tokens import (
    EmptyPage,
    ExpiringToken,
    RepeatedToken,
    SingleUseToken,
    TokenOnLastPage,
)
from harvest_dagster.testing.simulator.behaviours.lists.totals import (
    ListLengthLimit,
    PagingDepthLimit,
    ResultCap,
    WrongTotal,
)
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
    ("behaviour", "step"),
    [
        pytest.param(TruncatedBody(2500, announced=False, when=third), "the same page", id="cut"),
        pytest.param(HtmlPage(when=third), "the same page", id="maintenance page"),
        pytest.param(
            ExpiringToken(when=third), "new list from the last safe datestamp", id="badResumptionToken"
        ),
        pytest.param(ResultCap(limit=15), "new list from the last safe datestamp", id="capped list"),
        pytest.param(
            PagingDepthLimit(limit=15), "new list from the last safe datestamp", id="no page beyond a depth"
        ),
        pytest.param(
            RepeatedToken(page=3), "new list from the last safe datestamp", id="a token that leads to itself"
        ),
        pytest.param(EmptyPage(page=3), None, id="an empty page with a token"),
        pytest.param(TokenOnLastPage(), None, id="noRecordsMatch after the last page"),
        pytest.param(OverlappingPages(), None, id="pages that overlap"),
    ],
)
def test_all_records_of_a_broken_list_arrive(
    small_world: World, behaviour: Behaviour, step: str | None
) -> None:
    """Other harvesters stored 50 of 100 records, stopped at an empty page, or stored 10,000 of 25,000, with success."""
    with serving(small_world, REPOSITORY, behaviour):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.completeness, log.identifiers) == ("SUCCEEDED", "complete", RECORDS)
    assert {name for name, _ in small_world.stored()} == {REPOSITORY.identifier(n) for n in range(RECORDS)}
    recoveries = [line for line in small_world.log_lines if "Recovery:" in line]
    assert log.counts.recoveries == len(recoveries)
    assert (step is None) == (not recoveries)
    assert all((step or "") in line for line in recoveries)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(ResultCap(limit=15), id="capped list"),
        pytest.param(ExpiringToken(when=on_page(3)), id="tokens that last for a page"),
        pytest.param(TruncatedBody(2500, announced=False, when=on_page(3)), id="a page that is always cut"),
    ],
)
def test_the_window_is_halved_if_the_order_of_its_list_is_unknown(
    small_world: World, behaviour: Behaviour
) -> None:
    """A window whose list reaches a cap is halved, and the following sub-windows keep that length."""
    chosen = REPOSITORY.sets[:2]
    with serving(small_world, REPOSITORY, behaviour, set=[subset.spec for subset in chosen]):
        log = harvest_window(small_world, "run 1", WINDOW)
    theirs = {REPOSITORY.identifier(n) for n in range(RECORDS) if any(n in subset for subset in chosen)}
    assert {name for name, _ in small_world.stored()} == theirs
    # OAI-PMH gives no total for a list of one page, so some of these are unverified.
    assert (log.status, log.identifiers) == ("SUCCEEDED", len(theirs))
    steps = [line for line in small_world.log_lines if "Recovery:" in line]
    assert any("request the first half: [2024-04-27, 2024-04-29)" in line for line in steps)
    assert not any("last safe datestamp" in line for line in steps)


def test_the_records_of_a_neighbour_on_a_page_do_not_fail_the_window(small_world: World) -> None:
    """The source is asked for one second more, whose record belongs to the next window.

    The window failed, because its parser found one record less than its page had.
    """
    window = Window(whole_day(FIRST).start, REPOSITORY.midnight + timedelta(seconds=REPOSITORY.datestamp(4)))
    with serving(small_world, REPOSITORY):
        log = harvest_window(small_world, "run 1", window)
    assert (log.status, log.counts.records, len(small_world.stored())) == ("SUCCEEDED", 4, 4)


DAY = Window(whole_day(FIRST).start, whole_day(FIRST).end)


@pytest.mark.parametrize("names_format", [True, False], ids=["named in request", "only in the records"])
def test_a_list_that_changes_its_format_after_a_token_fails(small_world: World, names_format: bool) -> None:
    """Half of the records were stored in another format, green (docs/failures.md#format-changes-after-token)."""
    with (
        serving(small_world, BY_DAY, OtherFormat(names_format=names_format, when=on_page(2))),
        pytest.raises(UnexpectedResponse, match="metadataPrefix" if names_format else "in the format"),
    ):
        harvest_window(small_world, "run 1", DAY)
    assert small_world.stored() == []
    (log,) = small_world.logs().values()
    assert log.status == "FAILED"


@pytest.mark.parametrize("names_format", [True, False])
def test_lists_of_one_page_replace_a_list_that_changes_its_format(
    small_world: World, names_format: bool
) -> None:
    """Only pages after a token are in the other format, so shorter windows are whole."""
    with serving(small_world, REPOSITORY, OtherFormat(names_format=names_format, when=on_page(2))):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.identifiers) == ("SUCCEEDED", RECORDS)
    assert not any("OAI/2.0/other/" in datum for _, datum in small_world.stored())


def test_a_page_that_has_another_format_once_is_requested_again(small_world: World) -> None:
    """A cache or a proxy confused two responses. The second answer is right."""
    with serving(small_world, REPOSITORY, OtherFormat(when=third)) as server:
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.completeness) == ("SUCCEEDED", "complete")
    assert len(lists(server)) == 9
    assert not any("OAI/2.0/other/" in datum for _, datum in small_world.stored())


def test_a_list_with_several_formats_is_stored_if_the_source_confirms_them(small_world: World) -> None:
    """Sources have two versions of a format under one prefix. GetRecord returns the same format as the list."""
    mixed = OtherFormat(when=on_page(2) | has_verb("GetRecord"))
    with serving(small_world, REPOSITORY, mixed) as server:
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.completeness, log.identifiers) == ("SUCCEEDED", "complete", RECORDS)
    assert sum("OAI/2.0/other/" in datum for _, datum in small_world.stored()) == RECORDS - 5
    assert [request.verb for request in server.requests].count("GetRecord") == 1


def test_a_list_with_one_format_costs_no_question(small_world: World) -> None:
    """A healthy source pays nothing, and a deleted record has no format that could differ."""
    repository = replace(REPOSITORY, deleted=0.4)
    with serving(small_world, repository) as server:
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.identifiers) == ("SUCCEEDED", RECORDS)
    assert {request.verb for request in server.requests} == {"Identify", "ListRecords"}


def test_another_format_is_noticed_after_a_kill_between_two_pages(small_world: World) -> None:
    """The run that continues the list knows the format of the earlier pages only from the manifest."""

    def stop() -> None:
        raise KeyboardInterrupt

    with serving(small_world, BY_DAY, OtherFormat(when=on_page(2))):
        harvest = small_world.harvest("run 1")
        with lease_guard.hold_lease(harvest) as lease:
            with pytest.raises(KeyboardInterrupt):
                run_window(WindowRun(harvest, lease, keep_going=stop), DAY)
            lease_guard.release(harvest, lease)
        with pytest.raises(UnexpectedResponse, match="in the format"):
            harvest_window(small_world, "run 2", DAY)
    assert any("1 pages of an earlier run" in line for line in small_world.log_lines)
    assert small_world.stored() == []


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_list_that_the_source_calls_too_long_is_requested_in_shorter_windows(
    small_world: World, status: int
) -> None:
    """The error was final, so the window never succeeded (docs/failures.md#list-too-long)."""
    with serving(small_world, REPOSITORY, ListLengthLimit(limit=6, status=status)) as server:
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.identifiers) == ("SUCCEEDED", RECORDS)
    assert {name for name, _ in small_world.stored()} == {REPOSITORY.identifier(n) for n in range(RECORDS)}
    assert len(lists(server)) < 40


def test_records_of_neighbouring_windows_and_repeated_invalid_records_do_not_count(
    small_world: World,
) -> None:
    """The list of each half contains a day of the other one, and a day outside of the window."""
    around = Repository(
        first_day=FIRST - timedelta(days=2), days=8, records_per_day=10, page_size=20, granularity="day"
    )
    with serving(small_world, around, ListLengthLimit(limit=45), CorruptRecord(record=35)):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert log.status == "SUCCEEDED"
    assert (log.counts.records, log.counts.quarantined, log.identifiers) == (RECORDS - 1, 1, RECORDS)


def test_a_list_that_is_too_long_at_any_length_fails_with_the_reason_of_the_source(
    small_world: World,
) -> None:
    """A window of one day cannot be shorter at a source with day granularity. It is requested with its neighbours."""
    with (
        serving(small_world, BY_DAY, ListLengthLimit(limit=6)) as server,
        pytest.raises(HttpStatusError, match=r"413.*Too many records match \(20, 6 are allowed\)"),
    ):
        harvest_window(small_world, "run 1", WINDOW)
    assert len(lists(server)) == 3


def test_a_source_with_day_granularity_is_halved_down_to_a_day_and_then_fails(small_world: World) -> None:
    """At the smallest length it fails, with both numbers. No request is shorter (docs/failures.md#dates-only)."""
    with (
        serving(small_world, BY_DAY, ResultCap(limit=6)) as server,
        pytest.raises(
            IncompleteList, match=r"announced 20 records for \[2024-04-27, 2024-04-28\), but delivered 6\. "
        ),
    ):
        harvest_window(small_world, "run 1", WINDOW)
    (log,) = small_world.logs().values()
    assert (log.status, log.completeness) == ("FAILED", None)
    assert len(lists(server)) <= 10


@pytest.mark.parametrize("what", ["delete", "update"])
@pytest.mark.parametrize("repository", [REPOSITORY, BY_DAY], ids=["seconds", "days"])
def test_a_second_list_fetches_a_record_that_a_changing_list_skipped(
    small_world: World, what: str, repository: Repository
) -> None:
    """A record leaves an earlier page, all others move up, and one that stays is then on no page."""
    with serving(small_world, repository, RepositoryChange(kind=what, record=1, when=third)):
        log = harvest_window(small_world, "run 1", WINDOW)
    stayed = {repository.identifier(number) for number in range(RECORDS)} - {repository.identifier(1)}
    assert stayed <= {name for name, _ in small_world.stored()}
    assert log.status == "SUCCEEDED"


def test_a_total_that_counts_rows_does_not_fail_a_day(small_world: World) -> None:
    """The window failed forever: announced 11, delivered 10 (docs/failures.md#total-counts-rows)."""
    with serving(small_world, BY_DAY, RowTotal()):
        log = harvest_window(small_world, "run 1", DAY)
    assert (log.status, log.completeness, len(small_world.stored())) == ("SUCCEEDED", "unverified", 10)
    assert (log.counts.recoveries, log.counts.pages) == (1, 6)


def test_a_page_in_the_place_of_another_is_replaced_by_shorter_lists(small_world: World) -> None:
    """The rows reach the total, and five records are missing. It is not taken for a total that counts rows."""
    with serving(small_world, REPOSITORY, RepeatedPage()):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.identifiers) == ("SUCCEEDED", RECORDS)


@pytest.mark.parametrize(
    ("lie", "kwargs", "expected"),
    [("lower", {}, RECORDS - 1), ("none", {}, None), ("higher", {"trust_total": False}, None)],
)
def test_a_wrong_total_proves_nothing(
    small_world: World, lie: str, kwargs: dict[str, bool], expected: int | None
) -> None:
    """The total is lower than the number of records, missing, or not trusted: the window is unverified."""
    with serving(small_world, REPOSITORY, WrongTotal(kind=lie), **kwargs):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.completeness) == ("SUCCEEDED", "unverified")
    assert (log.identifiers, log.expected, log.counts.recoveries) == (RECORDS, expected, 0)


@pytest.mark.parametrize(("by", "most"), [(2, 16), (40, 25)])
def test_a_total_that_is_too_high_fails_with_both_numbers_and_costs_little(
    small_world: World, by: int, most: int
) -> None:
    """A list of 8 pages must not be harvested ten times because of its total."""
    with (
        serving(small_world, REPOSITORY, WrongTotal(kind="higher", by=by)) as server,
        pytest.raises(IncompleteList, match=r"^\d+ of \d+ records of .* were delivered.*trust_total: false"),
    ):
        harvest_window(small_world, "run 1", WINDOW)
    assert len(lists(server)) <= most
    (log,) = small_world.logs().values()
    assert log.status == "FAILED"
    assert (log.error or "").startswith("IncompleteList")


@pytest.mark.parametrize(("total", "completeness"), [("limit", "complete"), ("none", "unverified")])
def test_a_list_that_is_as_long_as_a_cap_is_questioned_even_if_its_total_agrees(
    small_world: World, total: str, completeness: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source reports 10,000 of 10,000 records, but has 25,000 (docs/failures.md#result-cap).

    Its total is in doubt, so the window is halved. The shorter lists have totals of their own.
    """
    monkeypatch.setattr(list_progress, "LIMITS", replace(LIMITS, result_caps=frozenset({15})))
    with serving(small_world, REPOSITORY, ResultCap(limit=15, total=total)):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.completeness, log.identifiers) == ("SUCCEEDED", completeness, RECORDS)
    assert any("ended after 15 records, where sources cut lists" in line for line in small_world.log_lines)


@pytest.mark.parametrize(("length", "is_doubtful"), [(1_000, True), (999, False)])
def test_a_list_as_long_as_a_page_cap_that_cannot_be_halved_is_a_doubt(
    small_world: World, length: int, is_doubtful: bool
) -> None:
    """Only the log warned about it, and the asset check passed (docs/failures.md#result-cap)."""
    long = Repository(
        first_day=LAST, days=1, records_per_day=length + 1, page_size=500, granularity="day", totals=False
    )
    with serving(small_world, long, ResultCap(limit=length, total="none")):
        log = harvest_window(small_world, "run 1", whole_day(LAST))
    assert (log.status, log.completeness, log.evidence) == ("SUCCEEDED", "unverified", "none")
    assert (f"ended after {length} records, where sources cut lists" in (log.doubt or "")) == is_doubtful
    assert (log.covered_since is None) == is_doubtful


@pytest.mark.parametrize("repository", [REPOSITORY, SILENT], ids=["with totals", "without"])
def test_a_single_use_token_is_not_sent_twice(small_world: World, repository: Repository) -> None:
    """The second use returns the page after, and a page is lost (docs/failures.md#single-use-token)."""
    behaviours = [TruncatedBody(2500, announced=False, when=third), SingleUseToken(second_use="next")]
    with serving(small_world, repository, *behaviours, single_use_tokens=True) as server:
        log = harvest_window(small_world, "run 1", WINDOW)
    used = [token for token in lists(server) if token is not None]
    assert len(used) == len(set(used))
    assert (log.status, log.identifiers) == ("SUCCEEDED", RECORDS)


@pytest.mark.parametrize("repository", [REPOSITORY, SILENT], ids=["with totals", "without"])
def test_a_single_use_token_that_was_sent_twice_is_noticed_by_the_position_of_the_page(
    small_world: World, repository: Repository
) -> None:
    """The config does not declare single-use tokens, and the source answers with the page after the lost one."""
    behaviours = [TruncatedBody(2500, announced=False, when=third), SingleUseToken(second_use="next")]
    with serving(small_world, repository, *behaviours):
        log = harvest_window(small_world, "run 1", WINDOW)
    assert (log.status, log.identifiers) == ("SUCCEEDED", RECORDS)
    assert any("The source accepts each cursor once" in line for line in small_world.log_lines)
