"""Add why a window is complete, what speaks against an empty window, and for which arguments a window is covered."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

# SQLite can add a column with its constraint, but no constraint to an existing column.
_EVIDENCE = """
    ALTER TABLE harvest_log ADD COLUMN evidence VARCHAR(16) CONSTRAINT ck_harvest_log_evidence
    CHECK (evidence IN ('total', 'single_response', 'reconciled', 'none'))
"""
# Until now, a window was complete only by the totals of its source. A total of zero is an empty answer, which proves
# nothing.
_NOTHING_PROVEN = """
    UPDATE harvest_log SET evidence = 'none', completeness = 'unverified'
    WHERE completeness = 'unverified'
    OR (completeness = 'complete' AND coalesce(expected, records + quarantined) = 0)
"""
_TOTAL_REACHED = "UPDATE harvest_log SET evidence = 'total' WHERE completeness = 'complete'"


def upgrade() -> None:
    """Migrate to this revision."""
    op.execute(_EVIDENCE)
    op.execute(_NOTHING_PROVEN)
    op.execute(_TOTAL_REACHED)
    op.add_column("harvest_log", sa.Column("doubt", sa.Text()))
    op.add_column("harvest_log", sa.Column("records_before", sa.Integer()))
    op.add_column("harvest_log", sa.Column("arguments_digest", sa.String(64)))
    json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    op.add_column("harvest_log", sa.Column("arguments", json))
