"""Records that could not be read, with their bytes and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert

from harvest_dagster.records import Unreadable
from harvest_dagster.storage.tables import quarantine


def set_aside(
    connection: Connection, harvest_log_id: int, page: int, unreadable: Sequence[Unreadable], now: datetime
) -> None:
    """Keep the unreadable pieces of a page; the caller's transaction stores its good records."""
    if not unreadable:
        return
    connection.execute(
        insert(quarantine),
        [
            {
                "harvest_log_id": harvest_log_id,
                "identifier": piece.identifier,
                "datum": piece.datum,
                "error": piece.error,
                "page": page,
                "date_created": now,
            }
            for piece in unreadable
        ],
    )
