"""The deployment for the browser test, and the browser: Debian's Chromium, not a download of Playwright."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import harvest_dagster
from harvest_dagster_tests.browser.library import Library, open_library
from harvest_dagster_tests.crash.commands import TIMEOUT
from harvest_dagster_tests.daemon import dagster_dev, wait_until
from harvest_dagster_tests.end_to_end.deployment import Deployment

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from harvest_dagster_tests.browser.ui import AssetPages

# Without Playwright, which `make test-browser` installs, these tests cannot be imported.
collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]

LABEL = "commons"
_SETTINGS = Path(harvest_dagster.__file__).parent / "demo" / "dagster.yaml"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium has no sandbox when root runs it, and /dev/shm is small in containers.
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


class DeploymentWithSettings(Deployment):
    """A deployment with the shipped settings: queue, pools, and no welcome dialog over the page."""

    @property
    def environment(self) -> dict[str, str]:
        environment = super().environment
        shutil.copyfile(_SETTINGS, self.folder / "dagster" / "dagster.yaml")
        return environment


@pytest.fixture
def library() -> Iterator[Library]:
    with open_library() as library:
        yield library


@pytest.fixture
def deployment(tmp_path: Path, library: Library) -> Deployment:
    deployment = DeploymentWithSettings(tmp_path, f"sqlite:///{tmp_path / 'harvest.db'}")
    deployment.source(
        LABEL,
        library.url,
        name=library.name,
        home_page="https://commons.mla.org" if "MLA" in library.name else "https://pubmed.ncbi.nlm.nih.gov",
        description="Deposits of scholars; titles, abstracts and subjects.",
        earliest_date=library.first.isoformat(),
        max_window="7d",
    )
    return deployment


@pytest.fixture
def harvested(deployment: Deployment, library: Library) -> Deployment:
    """The deployment after a harvest of all days. One week has failed."""
    days = ("--partition-range", f"{library.first}...{library.last}")
    with pytest.raises(AssertionError, match="this week is not served"):
        deployment.dagster(
            "asset", "materialize", "-m", "harvest_dagster.definitions", "--select", f"raw/{LABEL}", *days
        )
    return deployment


@pytest.fixture
def address(harvested: Deployment) -> Iterator[str]:
    """The address of the UI, while webserver and daemon are running."""
    output = harvested.folder / "dev"
    with dagster_dev(harvested):
        wait_until(lambda: "Serving dagster-webserver" in output.read_text())
        (port,) = re.findall(r"Serving dagster-webserver on http://127.0.0.1:(\d+)", output.read_text())
        wait_until(lambda: _is_open(int(port)))  # it prints the line just before it listens
        yield f"http://127.0.0.1:{port}"


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of the browser."""
    chromium = next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        pytest.skip(f"no Chromium here, none of {', '.join(_NAMES)}: THE UI IS NOT TESTED")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(TIMEOUT * 1000)
        yield page
        browser.close()


@pytest.fixture
def ui(page: Page, address: str) -> AssetPages:
    """The pages of the source in the browser."""
    from harvest_dagster_tests.browser.ui import AssetPages

    return AssetPages(page, address, f"raw/{LABEL}")
