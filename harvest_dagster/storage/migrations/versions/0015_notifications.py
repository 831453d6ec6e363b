"""Add what was reported about each source, and why a source was refused."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column("ingest_config", sa.Column("refused_since", sa.DateTime(timezone=True)))
    op.add_column("ingest_config", sa.Column("refusal", sa.Text()))
    op.create_table(
        "reported_state",
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("problem", sa.String(16), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("date_modified", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "problem IN ('none', 'incomplete', 'fails', 'refused')", name=op.f("ck_reported_state_problem")
        ),
        sa.PrimaryKeyConstraint("label", "target", name=op.f("pk_reported_state")),
    )
