"""Add since when the lists of a window are doubtful."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column("harvest_log", sa.Column("doubted_since", sa.DateTime(timezone=True)))
