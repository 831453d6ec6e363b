"""A client whose lists cannot be divided by date."""

from __future__ import annotations

from datetime import timedelta

from harvest_dagster.harvesters.interface import Client

_LONGER_THAN_ANY_WINDOW = timedelta(days=36_500)


class UndividedClient(Client):
    """A client that reads the whole source for each list, and keeps the records of the window.

    No recovery step may request a part of a window. The list of a part would count records that it does not keep. They
    would hide that records are missing in the list before.
    """

    @property
    def smallest_window(self) -> timedelta:
        """Longer than any window, so that no recovery step requests a part of one."""
        return _LONGER_THAN_ANY_WINDOW

    @property
    def list_count(self) -> None:
        """Unknown, so that no recovery step continues from the last datestamp."""
        return
