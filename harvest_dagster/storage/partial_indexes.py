"""The indexes of the tables that cover only some rows.

They are apart from `tables`, because SQLAlchemy imports all drivers of PostgreSQL for such an index. This takes 0.03 s,
and a command must not wait for it. Only the migrations need all indexes.
"""

from __future__ import annotations

from sqlalchemy import Index, and_

from harvest_dagster.storage.tables import harvest_log, ingest_log

# the few logs with unlaunched data
Index(
    None,
    harvest_log.c.ingest_config_id,
    harvest_log.c.unlaunched_since,
    postgresql_where=harvest_log.c.unlaunched_since.is_not(None),
    sqlite_where=harvest_log.c.unlaunched_since.is_not(None),
)

# the few logs with a doubt about their list that nothing has confirmed
Index(
    "ix_harvest_log_doubtful",
    harvest_log.c.ingest_config_id,
    postgresql_where=and_(harvest_log.c.doubt.is_not(None), harvest_log.c.covered_since.is_(None)),
    sqlite_where=and_(harvest_log.c.doubt.is_not(None), harvest_log.c.covered_since.is_(None)),
)

# for the sensor of the transforms, which runs every half minute: it reads only the index
Index(
    "ix_ingest_log_pending",
    ingest_log.c.ingest_config_id,
    ingest_log.c.transformer_version,
    ingest_log.c.partition_date,
    ingest_log.c.date_modified,
    ingest_log.c.raw_id,
    postgresql_where=ingest_log.c.status == "PENDING",
    sqlite_where=ingest_log.c.status == "PENDING",
)
