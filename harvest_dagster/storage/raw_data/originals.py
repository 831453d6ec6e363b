"""The own bytes of records, beside their canonical form.

Different bytes may have the same canonical form: another order of keys, another prefix, another datestamp. Then the
newest bytes are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import zstandard
from sqlalchemy import Connection, or_

from harvest_dagster.records import Record
from harvest_dagster.storage.raw_data.store import find_data
from harvest_dagster.storage.tables import raw_original
from harvest_dagster.storage.upsert import dialect_insert


def put_originals(
    connection: Connection, ingest_config_id: int, records: Sequence[Record], now: datetime
) -> None:
    """Insert or replace the originals of stored records. Bytes of an older datestamp replace nothing.

    Args:
        connection: the transaction that stored the records.
        ingest_config_id: their source.
        records: in the order of the source. Those without an original are ignored.
        now: the time.
    """
    given = [record for record in records if record.original is not None]
    if not given:
        return
    compressor = zstandard.ZstdCompressor()
    newest: dict[int, dict[str, object]] = {}
    for record, datum in zip(given, find_data(connection, ingest_config_id, given), strict=True):
        values = {"raw_id": datum.raw_id, "datestamp": record.datestamp, "date_modified": now}
        before = newest.get(datum.raw_id)
        if before is None or not _is_older(record.datestamp, before["datestamp"]):
            newest[datum.raw_id] = {**values, "original": compressor.compress(record.original or b"")}
    added = dialect_insert(connection, raw_original)
    stored = raw_original.c
    connection.execute(
        added.on_conflict_do_update(
            index_elements=["raw_id"],
            set_={name: added.excluded[name] for name in ("original", "datestamp", "date_modified")},
            where=(
                (stored.original != added.excluded.original)
                & or_(
                    stored.datestamp.is_(None),
                    added.excluded.datestamp.is_(None),
                    stored.datestamp <= added.excluded.datestamp,
                )
            ),
        ),
        list(newest.values()),
    )


def _is_older(datestamp: datetime | None, other: object) -> bool:
    return datestamp is not None and isinstance(other, datetime) and datestamp < other
