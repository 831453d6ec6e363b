"""Mark windows with stored data that are not launched; index the data that wait for a transform."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_HALF_STORED = """
    UPDATE harvest_log SET unlaunched_since = attempt_began
    WHERE pages_stored > 0 AND status <> 'SUCCEEDED' AND completeness IS NULL
"""
_PENDING = sa.text("status = 'PENDING'")
_MARKED = sa.text("unlaunched_since IS NOT NULL")


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column("harvest_log", sa.Column("unlaunched_since", sa.DateTime(timezone=True)))
    op.execute(_HALF_STORED)
    op.create_index(
        "ix_harvest_log_ingest_config_id_unlaunched_since",
        "harvest_log",
        ["ingest_config_id", "unlaunched_since"],
        postgresql_where=_MARKED,
        sqlite_where=_MARKED,
    )
    # The query for PENDING logs used this index instead of the new one. No other query needs it.
    op.drop_index("ix_ingest_log_status_run_id", "ingest_log")
    op.create_index(
        "ix_ingest_log_pending",
        "ingest_log",
        ["ingest_config_id", "transformer_version", "partition_date", "date_modified", "raw_id"],
        postgresql_where=_PENDING,
        sqlite_where=_PENDING,
    )
