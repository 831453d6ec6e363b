"""Keep whether a run failed because it could not connect to the host of its source."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column(
        "harvest_log_run",
        sa.Column("host_unreachable", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
