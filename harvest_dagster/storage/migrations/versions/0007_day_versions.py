"""Add the data version of each day."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Migrate to this revision."""
    op.create_table(
        "day_version",
        sa.Column(
            "ingest_config_id",
            sa.Integer(),
            sa.ForeignKey("ingest_config.id", name=op.f("fk_day_version_ingest_config_id_ingest_config")),
            nullable=False,
            autoincrement=False,
        ),
        sa.Column("asset", sa.String(16), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("digest", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("asset IN ('raw', 'transformed')", name=op.f("ck_day_version_asset")),
        sa.PrimaryKeyConstraint("ingest_config_id", "asset", "day", name=op.f("pk_day_version")),
    )
