"""Dagster's UI in a real browser: what a failed week looks like, and how it is repaired by clicking.

It leaves its pictures in build/screenshots; two of them are in the README.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from harvest_dagster.orchestration.ops import EVERY_OP
from harvest_dagster.windows import DAY
from harvest_dagster_tests.browser.library import DAYS, WEEK, Library
from harvest_dagster_tests.browser.ui import AssetPages
from harvest_dagster_tests.crash.test_daemon import wait_until

pytestmark = pytest.mark.browser
DONE = DAYS - WEEK


def or_one_more(days: int) -> str:
    """A pattern: where midnight passes while the test runs, there is a new day, which is missing."""
    return f"({days}|{days + 1})"


def test_a_failed_week_is_seen_and_repaired_by_clicking(ui: AssetPages, library: Library) -> None:
    """Lessons 4 and 34: nobody sees what is missing, and what is done starts over. The UI is where people look."""
    overview_tells_what_it_is(ui, library)
    partitions_that_failed_are_told_from_those_done(ui, library)
    records_are_plotted(ui)
    the_check_says_why(ui, library)
    the_graphs_show_source_and_steps(ui)
    library.is_broken = False
    a_backfill_by_clicking_repairs_it(ui)
    its_run_tells_what_it_did(ui, library)


def overview_tells_what_it_is(ui: AssetPages, library: Library) -> None:
    ui.open("Overview")
    ui.sees(library.name, "The records as the source sent them", "Latest materialization")
    expect(ui.reads("rate limit")).to_contain_text("requests in 1 s")
    ui.keep("overview")


def partitions_that_failed_are_told_from_those_done(ui: AssetPages, library: Library) -> None:
    ui.open("Partitions")
    ui.sees(f"Failed ({WEEK})", f"Materialized ({DONE})")
    day = library.first + 2 * DAY  # the first and the last are the labels of the bar, too
    ui.choose(str(day))
    expect(ui.reads("records")).to_contain_text(re.compile(rf"records{library.records[day]}$"))
    ui.keep("partitions")


def records_are_plotted(ui: AssetPages) -> None:
    ui.open("Overview")
    ui.choose("Plots")
    ui.sees("deleted", "records")
    for plot in range(2):
        wait_until(lambda plot=plot: ui.coloured_pixels(plot) > DONE)
    expect(ui.page.get_by_text("harvest_log", exact=True)).to_have_count(0)
    ui.keep("plots")


def the_check_says_why(ui: AssetPages, library: Library) -> None:
    ui.open("Checks")
    ui.sees("up_to_date", "complete", "Is each day harvested to its end, and is that proven?")
    ui.page.get_by_role("tab", name="Partitions").last.click()
    ui.sees(f"Failed ({WEEK})", f"Passed ({DONE})")
    ui.choose(str(library.broken_week[3]))
    ui.sees("Its harvest failed.")
    ui.keep("check")
    ui.choose("[Show Markdown]")
    ui.sees("this week is not served")
    ui.keep("check-why")


def the_graphs_show_source_and_steps(ui: AssetPages) -> None:
    ui.open("Lineage")
    ui.sees("raw", "transformed", f"({WEEK} failed)")
    ui.keep("lineage")
    ui.page.goto(f"{ui.address}/locations/harvest_dagster.definitions/jobs/harvest")
    ui.sees(*EVERY_OP)
    ui.keep("job")


def a_backfill_by_clicking_repairs_it(ui: AssetPages) -> None:
    ui.open("Overview")
    ui.page.get_by_role("button", name="Materialize…").first.click()
    ui.choose("Failed and missing")
    ui.sees(re.compile(rf"\b{or_one_more(WEEK)} partitions"), "Backfills all partitions in a single run.")
    ui.keep("dialog")
    ui.page.get_by_role("button", name="Launch backfill").click()
    ui.sees("Created backfill")
    ui.open("Partitions")
    ui.sees("Failed (0)", re.compile(rf"Materialized \({or_one_more(DAYS)}\)"))


def its_run_tells_what_it_did(ui: AssetPages, library: Library) -> None:
    first, end = library.broken_week[0], library.broken_week[-1] + DAY
    ui.choose(str(first))
    expect(ui.reads("records")).to_contain_text(re.compile(rf"records{library.records[first]}$"))
    ui.keep("repaired")
    ui.page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).click()
    ui.sees("Success", "STEP_SUCCESS", "Succeeded (")
    ui.keep("run")
    ui.page.get_by_placeholder("Filter…").fill("to harvest")
    ui.sees(f"to harvest: [{first}, {end})")
    ui.keep("run-log")
