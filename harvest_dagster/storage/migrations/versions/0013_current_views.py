"""Add the views current_record and current_document, with the instants at which their rows changed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

# The row with the highest revision is the current content. The old rows do not say when older content returned: this
# takes the newest of the contents that were ever current.
_BACKFILL_RECORDS = """
    UPDATE source_unique_identifier SET
        raw_id = (
            SELECT id FROM raw_datum
            WHERE raw_datum.suid_id = source_unique_identifier.id
            ORDER BY raw_datum.revision DESC LIMIT 1
        ),
        changed_at = (
            SELECT max(date_created) FROM raw_datum
            WHERE raw_datum.suid_id = source_unique_identifier.id AND raw_datum.revision > 0
        ),
        first_seen = (
            SELECT min(date_created) FROM raw_datum WHERE raw_datum.suid_id = source_unique_identifier.id
        )
"""
_BACKFILL_DOCUMENTS = "UPDATE normalized_datum SET changed_at = date_modified"

_CURRENT_RECORD = """
    CREATE VIEW current_record AS
    SELECT ingest_config.label AS label,
           known.identifier AS identifier,
           coalesce(known.current_datestamp, datum.datestamp) AS datestamp,
           datum.deleted AS deleted,
           datum.hash AS hash,
           datum.datum AS datum,
           known.first_seen AS first_seen,
           known.changed_at AS changed_at,
           known.raw_id AS raw_id
    FROM ingest_config
    JOIN source_unique_identifier AS known ON known.ingest_config_id = ingest_config.id
    JOIN raw_datum AS datum ON datum.id = known.raw_id
"""
# A document may be older than the record: until the transform has run, or if it failed.
_CURRENT_DOCUMENT = """
    CREATE VIEW current_document AS
    SELECT ingest_config.label AS label,
           known.identifier AS identifier,
           CASE WHEN known.raw_id = made.raw_id THEN coalesce(known.current_datestamp, datum.datestamp)
                ELSE datum.datestamp END AS datestamp,
           made.deleted AS deleted,
           made.document AS document,
           made.changed_at AS changed_at,
           made.transformer_version AS transformer_version
    FROM ingest_config
    JOIN normalized_datum AS made ON made.ingest_config_id = ingest_config.id
    JOIN source_unique_identifier AS known ON known.id = made.suid_id
    JOIN raw_datum AS datum ON datum.id = made.raw_id
"""


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column("source_unique_identifier", sa.Column("raw_id", _big_id()))
    op.add_column("source_unique_identifier", sa.Column("changed_at", sa.DateTime(timezone=True)))
    op.add_column("source_unique_identifier", sa.Column("first_seen", sa.DateTime(timezone=True)))
    op.add_column("normalized_datum", sa.Column("changed_at", sa.DateTime(timezone=True)))
    op.execute(_BACKFILL_RECORDS)
    op.execute(_BACKFILL_DOCUMENTS)
    op.create_index(
        op.f("ix_source_unique_identifier_ingest_config_id_changed_at_raw_id"),
        "source_unique_identifier",
        ["ingest_config_id", "changed_at", "raw_id"],
    )
    op.create_index(
        op.f("ix_normalized_datum_ingest_config_id_changed_at"),
        "normalized_datum",
        ["ingest_config_id", "changed_at"],
    )
    op.drop_index(op.f("ix_normalized_datum_ingest_config_id"), "normalized_datum")
    op.execute(_CURRENT_RECORD)
    op.execute(_CURRENT_DOCUMENT)


def _big_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
