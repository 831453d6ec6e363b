"""The lines that an operator reads: one for each window and one for each run, and warnings."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

import pytest

from harvest_dagster.errors import IncompleteList, SourceUnreachable
from harvest_dagster.pipeline import lease_guard, report_lines
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.pipeline.fetching.source_session import harvest_deadline
from harvest_dagster.records import Cursor, Page
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.pipeline.world import WINDOW, World, records

RANGE = Window(WINDOW.start - 2 * DAY, WINDOW.end)


@pytest.fixture
def printed(small_world: World) -> list[tuple[str, str]]:
    """Level and text of each line that is not routine."""
    lines: list[tuple[str, str]] = []

    class Lines(logging.Handler):
        def emit(self, entry: logging.LogRecord) -> None:
            if "each list has the whole source" not in entry.getMessage():  # once, at the first harvest
                lines.append((entry.levelname, entry.getMessage()))

    small_world.logger.addHandler(Lines(logging.INFO))
    return lines


def test_a_window_that_succeeds_logs_one_line_with_its_numbers(
    small_world: World, printed: list[tuple[str, str]]
) -> None:
    """An operator had to add up the counts of four ops to find out what a run did."""
    small_world.source.items = records(7)
    small_world.source.total = 7
    small_world.run("run 1")
    numbers = "7 records, 7 new, 0 changed, 0 deleted, 4 pages, 0 requests, 0.0 s"
    assert printed == [("INFO", f"fake {WINDOW}: {numbers}; complete, evidence: total")]


def test_new_changed_and_deleted_records_are_counted_apart(
    small_world: World, printed: list[tuple[str, str]]
) -> None:
    """`new_data` counted the first content of a new record and the next content of a known one alike."""
    source = small_world.source
    source.items = records(4)
    small_world.run("run 1")
    first, second, third = records(3, "B")
    returned = records(1)[0]
    source.items = [first, second, replace(third, deleted=True), *records(5)[3:]]
    small_world.run("run 2", superfluous=True)
    assert ": 5 records, 1 new, 3 changed, 1 deleted, " in printed[-1][1]
    source.items = [returned]  # its content is known, and becomes the current one again
    small_world.run("run 3", superfluous=True)
    assert ": 1 record, 0 new, 1 changed, 0 deleted, " in printed[-1][1]


def test_an_unproven_window_names_that_it_has_no_evidence(
    small_world: World, printed: list[tuple[str, str]]
) -> None:
    """`unverified` alone does not say whether something speaks against the window."""
    small_world.source.items = records(5)
    small_world.run("run 1")
    assert printed[0][1].endswith("; unverified, evidence: none")


def test_the_error_of_a_short_window_begins_with_its_two_numbers(
    small_world: World, printed: list[tuple[str, str]]
) -> None:
    """The error named the numbers of a part of the window, so nobody saw how much of the window was missing."""
    small_world.source.items = records(5)
    small_world.source.total = 9
    with pytest.raises(
        IncompleteList, match=rf"^5 of 9 records of {re.escape(str(WINDOW))} were delivered. Run again"
    ):
        small_world.run("run 1")
    (log,) = small_world.logs().values()
    assert log.error is not None
    assert log.error.startswith(f"IncompleteList: 5 of 9 records of {WINDOW} were delivered. Run again. ")
    level, line = printed[-1]
    assert level == "INFO"
    assert line.startswith(f"fake {WINDOW}: 0 records, ")
    assert "; failed after " in line


def test_the_error_of_a_broken_window_begins_with_its_two_numbers_if_they_are_known(
    small_world: World,
) -> None:
    """The error may be about a request in a small part of the window."""
    small_world.source.items = records(10)
    small_world.source.total = 10
    small_world.source.breaks_at = 2
    message = rf"^4 of 10 records of {re.escape(str(WINDOW))} were delivered: the connection broke"
    with pytest.raises(SourceUnreachable, match=message):
        small_world.run("run 1")


def test_a_recovery_is_one_warning(small_world: World, printed: list[tuple[str, str]]) -> None:
    """At INFO, recoveries were lost among routine lines."""
    small_world.source.items = records(5)
    small_world.source.breaks_at = 1
    with pytest.raises(SourceUnreachable):
        small_world.run("run 1")
    recoveries = [(level, line) for level, line in printed if "Recovery:" in line]
    assert recoveries
    assert {level for level, _ in recoveries} == {"WARNING"}
    assert len(recoveries) == len(set(recoveries)) == small_world.log(1).counts.recoveries


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        (0, "before the first page of {window}. The next run starts there."),
        (2, "after page 2 of {window}. The next run continues there."),
    ],
)
def test_a_cancelled_fetch_says_after_which_page_it_stopped_and_the_next_run_continues_there(
    small_world: World, printed: list[tuple[str, str]], pages: int, reason: str
) -> None:
    """`the run was cancelled` did not say whether hours of work were lost."""
    source = small_world.source
    source.items = records(10)
    answer = source.page

    def cancel_in_request(cursor: Cursor | None) -> Page:
        if len(source.asked) == pages:
            raise KeyboardInterrupt
        return answer(cursor)

    source.page = cancel_in_request  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        small_world.run("run 1")
    expected = f"the run was cancelled {reason.format(window=WINDOW)}"
    assert printed == [("WARNING", expected)]
    (log,) = small_world.logs().values()
    assert (log.status, log.error) == ("CANCELLED", expected)
    source.page = answer  # type: ignore[method-assign]
    small_world.outcomes["run 1"] = RunOutcome("CANCELLED", "cancelled")
    small_world.run("run 2")
    assert source.asked == [0, 2, 4, 6, 8]


def test_a_run_that_is_cancelled_while_it_stores_says_how_many_pages_are_stored(
    small_world: World, printed: list[tuple[str, str]]
) -> None:
    """All pages were fetched, so the number of fetched pages says nothing."""
    small_world.source.items = records(10)
    harvest = small_world.harvest("run 1")
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    with lease_guard.hold_lease(harvest) as lease:
        log = small_world.window(harvest, lease, until="split")
        run = small_world.window_run(harvest, lease, keep_going=interrupt)
        with pytest.raises(KeyboardInterrupt), run.resume(log.id) as resumed:
            run.store(resumed)
    reason = (
        f"the run was cancelled after 1 of the 5 pages of {WINDOW} were stored. The next run continues there."
    )
    assert printed == [("WARNING", reason)]


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_wait_for_the_rate_limit_is_routine_and_a_pause_after_a_failure_is_a_warning(
    small_world: World, printed: list[tuple[str, str]]
) -> None:
    """With one request in three seconds, each page logged a line about a wait, which hid refused requests."""
    harvest = small_world.harvest("run 1")
    lease_guard.acquire(harvest, WINDOW, single_process=True)
    with lease_guard.hold_lease(harvest) as lease:
        on_wait = harvest_deadline(harvest, lease).on_wait
    on_wait(3.0, "it is not our turn", True)
    on_wait(0.5, "HTTP 503", False)
    assert printed == []
    on_wait(4.0, "HTTP 503", False)
    on_wait(600.0, "the source asked for a pause", True)
    assert printed == [
        ("WARNING", "waiting 4 s: HTTP 503"),
        ("WARNING", "waiting 600 s: the source asked for a pause"),
    ]


def test_a_run_logs_one_line_over_all_its_windows(small_world: World, printed: list[tuple[str, str]]) -> None:
    """The command line ends with this line."""
    small_world.source.items = records(3)
    small_world.change(max_window="1d")
    logs = small_world.run("run 1", RANGE)
    printed.clear()
    report_lines.log_run(small_world.harvest("run 1"), [log.id for log in logs])
    (line,) = printed
    numbers = "9 records, 3 new, 0 changed, 0 deleted, 6 pages, 0 requests, 0.0 s"
    assert line == ("INFO", f"fake: 3 windows, {numbers}; unverified, evidence: none")


def test_a_run_without_work_says_so(small_world: World, printed: list[tuple[str, str]]) -> None:
    """A run that ends without a line looks as if it was killed."""
    report_lines.log_run(small_world.harvest("run 1"), [])
    assert printed == [("INFO", "fake: nothing to do, the whole range is covered")]


def test_a_failed_run_logs_its_line_after_its_last_window(
    small_world: World, printed: list[tuple[str, str]]
) -> None:
    """Dagster skips the op `finish` if a window failed. Such a run ended without its numbers."""
    small_world.source.items = records(3)
    harvest = small_world.harvest("run 1")
    lease_guard.acquire(harvest, RANGE, single_process=True)
    with lease_guard.hold_lease(harvest) as lease:
        small_world.window(harvest, lease, Window(RANGE.start, WINDOW.start))
        report_lines.log_failed_run(harvest, RANGE)
        assert len(printed) == 1  # the line of the window: no window has failed
        small_world.source.total = 9
        with pytest.raises(IncompleteList):
            small_world.window(harvest, lease)
    printed.clear()
    report_lines.log_failed_run(harvest, Window(RANGE.start - DAY, RANGE.end))
    assert printed == []  # a window is left
    report_lines.log_failed_run(harvest, RANGE)
    (line,) = printed
    assert line[1].startswith("fake: 2 windows, 3 records, ")
    assert line[1].endswith("; 1 of 2 windows failed")
