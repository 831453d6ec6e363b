"""The data versions of the days of a source, for its raw data and for its documents.

A version is the sum of the digests of all changes that were stored for a day. So it is the same after a harvest that
changed nothing, it does not depend on the order of the pages, and no record must be read to compute it. Each change is
added in the transaction that stores it, so a change counts exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from hashlib import blake2b

from sqlalchemy import Connection, select

from harvest_dagster.storage.tables import day_version
from harvest_dagster.storage.upsert import dialect_insert

# The sum of two digests must fit in a signed integer of 64 bits.
_MASK = 2**62 - 1


def digest_of(*parts: object) -> int:
    """Return the digest of one change."""
    text = "\0".join(map(str, parts))
    return (
        int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") & _MASK
    )


def add_changes(
    connection: Connection, ingest_config_id: int, asset: str, changes: Mapping[date, int]
) -> None:
    """Add the changes of some days to their versions.

    Args:
        connection: the transaction that stores the changes.
        ingest_config_id: the config.
        asset: `raw` or `transformed`.
        changes: the sum of the digests of the changes of each day; see `digest_of`.
    """
    if not changes:
        return
    added = dialect_insert(connection, day_version)
    total = (day_version.c.digest + added.excluded.digest).bitwise_and(_MASK)
    connection.execute(
        added.on_conflict_do_update(
            index_elements=["ingest_config_id", "asset", "day"], set_={"digest": total}
        ),
        [
            {"ingest_config_id": ingest_config_id, "asset": asset, "day": day, "digest": digest & _MASK}
            for day, digest in sorted(changes.items())  # sorted: two runs lock the rows in the same order
        ],
    )


def find_versions(
    connection: Connection, ingest_config_id: int, asset: str, first: date, last: date
) -> dict[date, str]:
    """Return the versions of the days from `first` to `last`. A day without a recorded change is missing."""
    rows = connection.execute(
        select(day_version.c.day, day_version.c.digest).where(
            day_version.c.ingest_config_id == ingest_config_id,
            day_version.c.asset == asset,
            day_version.c.day.between(first, last),
        )
    )
    return {row.day: f"{row.digest:016x}" for row in rows}
