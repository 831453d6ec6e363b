"""The sizes of the records of a source in the harvest database, from a sample."""

from __future__ import annotations

import json
from dataclasses import dataclass

from sqlalchemy import Connection, select

from harvest_dagster.storage.tables import normalized_datum, raw_datum, source_unique_identifier

_SAMPLE = 200


@dataclass(frozen=True)
class RecordSizes:
    """The mean size of what is stored for one record of a source, in bytes, without rows and indexes.

    Attributes:
        datum: of a raw datum.
        document: of a document; 0 if there is none.
    """

    datum: float
    document: float


def find_record_sizes(connection: Connection, ingest_config_id: int) -> RecordSizes | None:
    """Return the sizes of a few hundred records; None if the source has no record."""
    sample = (
        select(source_unique_identifier.c.id)
        .where(source_unique_identifier.c.ingest_config_id == ingest_config_id)
        .limit(_SAMPLE)
    )
    suids = list(connection.scalars(sample))
    data = list(connection.scalars(select(raw_datum.c.datum).where(raw_datum.c.suid_id.in_(suids))))
    if not data:
        return None
    documents = select(normalized_datum.c.document).where(normalized_datum.c.suid_id.in_(suids))
    texts = [json.dumps(found, ensure_ascii=False) for found in connection.scalars(documents) if found]
    return RecordSizes(_mean(data), _mean(texts))


def _mean(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / len(texts) if texts else 0.0
