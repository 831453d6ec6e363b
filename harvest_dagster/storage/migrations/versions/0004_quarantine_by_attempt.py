"""Add the number of the fetch attempt to quarantined records, instead of comparing times."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_OF_THE_LAST_LIST = """
    UPDATE quarantine
    SET attempt = (SELECT attempt FROM harvest_log WHERE harvest_log.id = quarantine.harvest_log_id)
    WHERE EXISTS (
        SELECT 1 FROM harvest_log
        WHERE harvest_log.id = quarantine.harvest_log_id AND harvest_log.attempt_began <= quarantine.date_created
    )
"""


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column("quarantine", sa.Column("attempt", sa.Integer(), server_default="0", nullable=False))
    op.execute(_OF_THE_LAST_LIST)
