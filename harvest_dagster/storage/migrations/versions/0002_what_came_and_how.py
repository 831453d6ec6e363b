"""Add counts of distinct, out-of-window and undated records and of recovery steps; index quarantine by identifier."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column("harvest_log", sa.Column("identifiers", sa.Integer(), nullable=True))
    for name in ("outside_window", "undated", "recoveries"):
        op.add_column("harvest_log", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_quarantine_identifier", "quarantine", ["identifier"])
