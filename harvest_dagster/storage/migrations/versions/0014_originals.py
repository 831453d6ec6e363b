"""Add a table for the own bytes of records."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Migrate to this revision."""
    op.create_table(
        "raw_original",
        sa.Column(
            "raw_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("original", sa.LargeBinary(), nullable=False),
        sa.Column("datestamp", sa.DateTime(timezone=True)),
        sa.Column("date_modified", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["raw_id"], ["raw_datum.id"], name=op.f("fk_raw_original_raw_id_raw_datum")),
        sa.PrimaryKeyConstraint("raw_id", name=op.f("pk_raw_original")),
    )
