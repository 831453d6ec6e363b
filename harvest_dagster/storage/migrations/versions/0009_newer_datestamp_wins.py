"""Keep the datestamp of the current content; count outdated records; mark outdated documents."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_OF_THE_CURRENT_CONTENT = """
    UPDATE source_unique_identifier SET current_datestamp = (
        SELECT datestamp FROM raw_datum
        WHERE raw_datum.suid_id = source_unique_identifier.id
        ORDER BY raw_datum.revision DESC LIMIT 1
    )
"""


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column("source_unique_identifier", sa.Column("current_datestamp", sa.DateTime(timezone=True)))
    op.execute(_OF_THE_CURRENT_CONTENT)
    op.add_column("harvest_log", sa.Column("outdated", sa.Integer(), server_default="0", nullable=False))
    op.add_column("normalized_datum", sa.Column("error", sa.Text()))
