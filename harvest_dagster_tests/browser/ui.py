"""The pages of one asset in Dagster's UI, found by what a user reads, not by how they are built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from re import Pattern

from playwright.sync_api import Locator, Page, expect

# Of the lines of a plot: Dagster's own, some violet. Axes, grid and labels are grey.
_COLOURED_PIXELS = """canvas => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  let found = 0
  for (let i = 0; i < pixels.length; i += 4)
    if (pixels[i + 3] > 200 && pixels[i + 2] - pixels[i + 1] > 80) found++
  return found
}"""
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"


@dataclass(frozen=True)
class AssetPages:
    """One asset's pages in a window of the browser.

    Attributes:
        page: the window.
        address: of the UI.
        path: of the asset: `raw/label`.
    """

    page: Page
    address: str
    path: str

    def open(self, tab: str) -> None:
        """Open a tab of the asset's page by its name."""
        self.page.goto(f"{self.address}/assets/{self.path}")
        self.page.get_by_role("tab", name=tab, exact=True).click()

    def sees(self, *texts: str | Pattern[str]) -> None:
        """Wait until all of these are to be read."""
        for text in texts:
            expect(self.page.get_by_text(text).first).to_be_visible()

    def choose(self, text: str) -> None:
        """Click on it."""
        self.page.get_by_text(text, exact=True).first.click()

    def reads(self, key: str) -> Locator:
        """The row of a table of metadata that begins with a key."""
        name = self.page.get_by_role("cell", name=key, exact=True)
        return self.page.get_by_role("row").filter(has=name)

    def coloured_pixels(self, plot: int) -> int:
        """How much of a line a plot shows."""
        return int(self.page.locator("canvas").nth(plot).evaluate(_COLOURED_PIXELS))

    def keep(self, name: str) -> None:
        """Leave a picture of what is to be seen."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")
