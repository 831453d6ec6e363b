"""Count the known identifiers whose content changed. Logs from before the upgrade keep zero."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column("harvest_log", sa.Column("changed", sa.Integer(), server_default="0", nullable=False))
