"""Dagster's UI in a real browser: the UI shows a failed week, and a backfill by clicks repairs it.

The test saves screenshots in build/screenshots. Two of them are in docs/first-harvest.md.
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
    """Return a pattern for a number of days, or one more if midnight passes during the test."""
    return f"({days}|{days + 1})"


def test_the_ui_shows_a_failed_week_and_a_backfill_repairs_it(ui: AssetPages, library: Library) -> None:
    """People look at the UI: gaps must be visible there, and a repair must not start over."""
    overview_describes_the_source(ui, library)
    failed_partitions_differ_from_materialized_ones(ui, library)
    records_are_plotted(ui)
    the_check_names_the_reason(ui, library)
    the_graphs_show_source_and_steps(ui)
    library.is_broken = False
    a_backfill_repairs_the_week(ui)
    the_run_shows_what_it_harvested(ui, library)


def overview_describes_the_source(ui: AssetPages, library: Library) -> None:
    ui.open("Overview")
    ui.expect_texts(library.name, "records as the source sent them", "Latest materialization")
    expect(ui.metadata_row("rate limit")).to_contain_text("requests in 1 s")
    ui.save_screenshot("overview")


def failed_partitions_differ_from_materialized_ones(ui: AssetPages, library: Library) -> None:
    ui.open("Partitions")
    ui.expect_texts(f"Failed ({WEEK})", f"Materialized ({DONE})")
    day = library.first + 2 * DAY  # the bar also shows the first and the last day as labels
    ui.click(str(day))
    expect(ui.metadata_row("records")).to_contain_text(re.compile(rf"records{library.records[day]}$"))
    ui.save_screenshot("partitions")
    ui.click(str(library.broken_week[3]))
    ui.expect_texts("failed, and did not materialize this asset")
    ui.page.get_by_role("button", name="View all historical events").click()
    ui.page.get_by_role("dialog").get_by_text(str(library.broken_week[3])).last.click()
    expect(ui.page.get_by_role("dialog")).to_contain_text("this week is not served")
    ui.save_screenshot("failed-partition")


def records_are_plotted(ui: AssetPages) -> None:
    ui.open("Overview")
    ui.click("Plots")
    ui.expect_texts("deleted", "records")
    for plot in range(2):
        wait_until(lambda plot=plot: ui.coloured_pixels(plot) > DONE)
    expect(ui.page.get_by_text("harvest_log", exact=True)).to_have_count(0)
    ui.save_screenshot("plots")


def the_check_names_the_reason(ui: AssetPages, library: Library) -> None:
    ui.open("Checks")
    ui.expect_texts("up_to_date", "complete", "Is each day harvested to its end?")
    ui.page.get_by_role("tab", name="Partitions").last.click()
    ui.expect_texts(f"Failed ({WEEK})", f"Passed ({DONE})")
    ui.click(str(library.broken_week[3]))
    ui.expect_texts("The harvest failed.")
    ui.save_screenshot("check")
    ui.click("[Show Markdown]")
    ui.expect_texts("this week is not served")
    ui.save_screenshot("check-why")


def the_graphs_show_source_and_steps(ui: AssetPages) -> None:
    ui.open("Lineage")
    ui.expect_texts("Materialize all…", f"({WEEK} failed)", f"{DAYS} partitions")
    ui.save_screenshot("lineage")
    ui.page.goto(f"{ui.address}/locations/harvest_dagster.definitions/jobs/harvest")
    ui.expect_texts(*EVERY_OP)
    ui.save_screenshot("job")


def a_backfill_repairs_the_week(ui: AssetPages) -> None:
    ui.open("Overview")
    ui.page.get_by_role("button", name="Materialize…").first.click()
    ui.click("Failed and missing")
    ui.expect_texts(
        re.compile(rf"\b{or_one_more(WEEK)} partitions"), "Backfills all partitions in a single run."
    )
    ui.save_screenshot("dialog")
    ui.page.get_by_role("button", name="Launch backfill").click()
    ui.expect_texts("Created backfill")
    ui.open("Partitions")
    ui.expect_texts("Failed (0)", re.compile(rf"Materialized \({or_one_more(DAYS)}\)"))


def the_run_shows_what_it_harvested(ui: AssetPages, library: Library) -> None:
    first, end = library.broken_week[0], library.broken_week[-1] + DAY
    ui.click(str(first))
    expect(ui.metadata_row("records")).to_contain_text(re.compile(rf"records{library.records[first]}$"))
    ui.save_screenshot("repaired")
    ui.page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).click()
    ui.expect_texts("Success", "STEP_SUCCESS", "Succeeded (")
    ui.save_screenshot("run")
    log_filter = ui.page.get_by_placeholder("Filter…")
    expect(log_filter).to_have_value(re.compile(rf"launch\[{first:%Y%m%d}_{end:%Y%m%d}\]"))
    # The UI hides the events of other steps. It only highlights the matches of a text.
    log_filter.fill("step:raw__commons.finish")
    ui.expect_texts(re.compile(r"commons: 1 window, \d+ records, .*; complete, evidence: total"))
    ui.save_screenshot("run-log")
