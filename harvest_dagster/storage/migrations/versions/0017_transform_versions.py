"""Keep for each source the version under which its data are transformed."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column(
        "ingest_config",
        sa.Column("transform_base", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column("ingest_config", sa.Column("transform_digest", sa.String(length=64)))
    op.add_column(
        "ingest_config",
        sa.Column("requeued_version", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
