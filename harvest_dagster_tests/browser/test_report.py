"""The report in a real browser, with 500 sources: it loads nothing, sorts, searches, and fits a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from harvest_dagster_tests.browser.ui import SCREENSHOTS
from harvest_dagster_tests.status.test_report import page as report_page
from harvest_dagster_tests.status.test_report import state

pytestmark = pytest.mark.browser
SOURCES = 500


def test_people_sort_search_and_read_the_report_on_a_phone(page: Page, tmp_path: Path) -> None:
    """It is for people who run hundreds of sources, wherever they are."""
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    path = tmp_path / "report.html"
    path.write_text(
        report_page(
            *(state(f"source_{number}", failed=number == 250, late=number == 30) for number in range(SOURCES))
        )
    )
    page.goto(path.as_uri())
    rows = page.locator("#sources tbody tr")
    expect(rows).to_have_count(SOURCES)
    sorting(page)
    searching(page)
    reading_on_a_phone(page)
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert errors == []


def sorting(page: Page) -> None:
    first = page.locator("#sources tbody tr").first
    lag = page.get_by_role("button", name="lag in days")
    lag.click()
    expect(page.locator("#sources th[aria-sort=ascending]")).to_have_text("lag in days")
    lag.click()
    expect(first).to_contain_text("source_30")
    page.get_by_role("button", name="source", exact=True).click()
    expect(page.locator("#sources tbody tr").nth(2)).to_contain_text("source_2")  # and not source_10
    page.get_by_role("button", name="failed windows").click()
    page.get_by_role("button", name="failed windows").click()
    expect(first).to_contain_text("source_250")
    first.locator("summary").click()
    expect(first.get_by_text("no luck")).to_be_visible()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "report.png")


def searching(page: Page) -> None:
    search = page.get_by_label("Search")
    search.fill("source_250")
    expect(page.locator("#sources tbody tr:visible")).to_have_count(1)
    search.fill("")
    expect(page.locator("#sources tbody tr:visible")).to_have_count(SOURCES)


def reading_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_label("Sort by").select_option(label="lag in days, descending")
    expect(page.locator("#sources tbody tr").first).to_contain_text("source_30")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    expect(page.locator("#sources tbody tr").first.locator("svg")).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "report-phone.png")
