"""Follow a harvest from the process that runs it, and stop it after a page.

A run of Dagster has no monitor: the methods of `Monitor` do nothing. The command line passes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harvest_dagster.spool import PageManifest
from harvest_dagster.windows import Window


class Monitor:
    """Receives what a harvest does, and may stop it. Its methods are called in the thread of the harvest."""

    def begin_run(self, run_id: str) -> None:
        """Receive the id of the run. Each op calls this when it begins."""

    def plan(self, windows: Sequence[Window]) -> None:
        """Receive the windows that the run will harvest, or whose identifiers it will list."""

    def add_page(self, window: Window, page: PageManifest, *, is_resumed: bool = False) -> None:
        """Receive the manifest of a page. The pages of an earlier run (`is_resumed`) come first."""

    def end_window(self, window: Window) -> None:
        """Receive a window that has succeeded or failed, or whose identifiers are listed."""

    def wait(self, seconds: float, reason: str) -> None:
        """Receive the length of a wait that begins, and its reason."""

    def defer(self, seconds: float) -> None:
        """Receive the seconds until Dagster retries the current op. The op ends now."""

    def raise_if_stopped(self) -> None:
        """Raise an exception if the harvest has to stop. Called after each page, and in each wait."""


NO_MONITOR = Monitor()


def and_not_stopped(monitor: Monitor, keep_going: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls `keep_going`, and then raises if the monitor stops the harvest."""

    def check() -> None:
        keep_going()
        monitor.raise_if_stopped()

    return check
