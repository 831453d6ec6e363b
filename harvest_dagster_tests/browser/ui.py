"""The pages of one asset in Dagster's UI. The test finds elements by the texts that a user reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from re import Pattern

from playwright.sync_api import Locator, Page, expect

# Counts the violet pixels of a canvas: Dagster draws the lines of a plot in violet, the rest in grey.
_COLOURED_PIXELS = """canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  let count = 0
  for (let i = 0; i < pixels.length; i += 4)
    if (pixels[i + 3] > 200 && pixels[i + 2] - pixels[i + 1] > 80) count++
  return count
}"""
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"


@dataclass(frozen=True)
class AssetPages:
    """The pages of one asset in a page of the browser.

    Attributes:
        page: the page of the browser.
        address: the address of the UI.
        path: the path of the asset, such as `raw/label`.
    """

    page: Page
    address: str
    path: str

    def open(self, tab: str) -> None:
        """Open a tab of the asset by its name."""
        self.page.goto(f"{self.address}/assets/{self.path}")
        self.page.get_by_role("tab", name=tab, exact=True).click()

    def expect_texts(self, *texts: str | Pattern[str]) -> None:
        """Wait until all of these texts are visible."""
        for text in texts:
            expect(self.page.get_by_text(text).first).to_be_visible()

    def click(self, text: str) -> None:
        """Click on a text."""
        self.page.get_by_text(text, exact=True).first.click()

    def metadata_row(self, key: str) -> Locator:
        """Return the row of a metadata table with this key."""
        name = self.page.get_by_role("cell", name=key, exact=True)
        return self.page.get_by_role("row").filter(has=name)

    def coloured_pixels(self, plot: int) -> int:
        """Return the number of pixels of the lines in a plot."""
        return int(self.page.locator("canvas").nth(plot).evaluate(_COLOURED_PIXELS))

    def save_screenshot(self, name: str) -> None:
        """Save a picture of the page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")
