"""Read and write what harvests observed about a source.

An observation belongs to the arguments of the harvester with which it was made. After a change of these arguments, such
as `base_url`, the rows of the former arguments are not found, and each is overwritten when it is observed again.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from harvest_dagster.observations import Observation
from harvest_dagster.storage.tables import source_observation
from harvest_dagster.storage.upsert import dialect_insert


def find_observations(
    connection: Connection, ingest_config_id: int, request_digest: str
) -> list[Observation]:
    """Return the observations about a source that were made with these arguments."""
    table = source_observation
    rows = connection.execute(
        select(table.c.name, table.c.value, table.c.observed_at).where(
            table.c.ingest_config_id == ingest_config_id, table.c.request_digest == request_digest
        )
    )
    return [Observation(name, value, observed_at) for name, value, observed_at in rows]


def save_observations(
    connection: Connection, ingest_config_id: int, request_digest: str, observations: Iterable[Observation]
) -> None:
    """Write observations, in a transaction under the lease. An observation replaces an earlier one of its name."""
    for observation in observations:
        values = {
            "request_digest": request_digest,
            "value": observation.value,
            "observed_at": observation.observed_at,
        }
        insert = dialect_insert(connection, source_observation).values(
            ingest_config_id=ingest_config_id, name=observation.name, **values
        )
        connection.execute(
            insert.on_conflict_do_update(index_elements=["ingest_config_id", "name"], set_=values)
        )
