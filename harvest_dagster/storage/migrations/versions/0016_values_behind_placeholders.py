"""Keep a digest of the values behind the `${NAME}` of each log, and its key."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Migrate to this revision."""
    op.create_table(
        "digest_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_digest_key")),
    )
    op.add_column("harvest_log", sa.Column("values_digest", sa.Text()))
    op.add_column(
        "harvest_log",
        sa.Column("has_other_values", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
