"""Add the request budget of each host, which all runs and processes share."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Migrate to this revision."""
    json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
    op.create_table(
        "request_host",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("oldest", sa.BigInteger(), nullable=False),
        sa.Column("touched", sa.Double(), nullable=False),
        sa.Column("paused_until", sa.Double(), nullable=False),
        sa.Column("slowdown", sa.Integer(), nullable=False),
        sa.Column("refused_at", sa.Double(), nullable=False),
        sa.Column("good_answers", sa.Integer(), nullable=False),
        sa.Column("limits", json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_request_host")),
        sa.UniqueConstraint("host", name=op.f("uq_request_host_host")),
    )
    op.create_table(
        "request_departure",
        sa.Column("host_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("departed", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["host_id"], ["request_host.id"], name=op.f("fk_request_departure_host_id_request_host")
        ),
        sa.PrimaryKeyConstraint("host_id", "number", name=op.f("pk_request_departure")),
        sqlite_with_rowid=False,
    )
