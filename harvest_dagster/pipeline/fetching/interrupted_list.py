"""Check that a list is still the same before it is continued after a pause.

The tokens of most sources are positions in a list that the source computes again for each request. If a record leaves
the list while no run fetches it, all later records move forward, and the page after the pause lacks one of them
(docs/failures.md#list-changes-during-a-pause). Without a total, nothing else shows this. So the last page is requested
again and compared: the records before it have not moved if it has the same identifiers.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.pipeline.fetching.list_progress import ListProgress
from harvest_dagster.pipeline.fetching.recovery_limits import LIMITS
from harvest_dagster.spool import PageManifest
from harvest_dagster.spool.manifest import fingerprints


def find_change(
    client: Client, progress: ListProgress, manifests: Iterable[PageManifest], now: datetime
) -> str | None:
    """Return why a list must be requested again from its start; None if it can be continued.

    Args:
        client: asks the source.
        progress: how far the list was fetched. It has a next cursor.
        manifests: the pages of the fetch attempt, in order.
        now: the time.
    """
    last = _last_list_page(progress, manifests)
    if last is None or not client.cursors_are_reusable or now - last.page.received < LIMITS.harmless_pause:
        return None
    minutes = (now - last.page.received) // timedelta(minutes=1)
    pause = f"the list of {progress.window} was interrupted for {minutes} minutes"
    try:
        again = next(client.list_pages(progress.window, last.page.cursor))
    except (SourceError, StopIteration) as error:
        # A total shows missing records. Without one, nobody knows whether the list is the same.
        return None if progress.total is not None else f"{pause}, and its last page is not available: {error}"
    if fingerprints(again.identifiers) == last.fingerprints:
        return None
    return f"{pause}, and its last page has other records now."


def _last_list_page(progress: ListProgress, manifests: Iterable[PageManifest]) -> PageManifest | None:
    """Return the last page of the present list; None if it has none, or if its records are requested one by one."""
    cursor, found = progress.next_cursor, None
    if cursor is None or cursor.one_by_one:
        return None
    for manifest in manifests:
        is_of_list = manifest.page.cursor.list_number == cursor.list_number
        if manifest.number in progress.page_numbers and is_of_list and manifest.page.single_record is None:
            found = manifest
    return found
