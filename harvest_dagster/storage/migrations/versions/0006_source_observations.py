"""Add the table of what harvests observed about a source."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Migrate to this revision."""
    op.create_table(
        "source_observation",
        sa.Column("ingest_config_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("value", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["ingest_config_id"],
            ["ingest_config.id"],
            name="fk_source_observation_ingest_config_id_ingest_config",
        ),
        sa.PrimaryKeyConstraint("ingest_config_id", "name", name="pk_source_observation"),
    )
