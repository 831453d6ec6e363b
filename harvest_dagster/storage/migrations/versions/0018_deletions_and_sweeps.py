"""Add what the source no longer has: absent records, deletions, sweeps, and how late records come."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"

_DELETION_EVIDENCE = "evidence IN ('protocol', 'absent_once', 'absent_twice', 'not_found')"
_EVIDENCE = "evidence IN ('total', 'single_response', 'reconciled', 'none')"
_COMPLETENESS = "completeness IN ('complete', 'unverified')"
_PROBLEMS = "'none', 'incomplete', 'differs', 'fails', 'refused'"
_STATUSES = "status IN ('STARTED', 'SUCCEEDED', 'FAILED', 'CANCELLED')"
_DIFFERENCES = ("listed", "known", "missing", "changed", "gone", "duplicates", "sets_differ", "repaired")


def upgrade() -> None:
    """Migrate to this revision."""
    op.add_column("raw_datum", sa.Column("sets_digest", sa.BigInteger()))
    _allow_the_problem_differs()
    op.add_column("harvest_log", sa.Column("covered_until", sa.DateTime(timezone=True)))
    for name in ("last_complete_list", "list_in_conclusion", "last_exceeding_list"):
        op.add_column("ingest_config", sa.Column(name, sa.DateTime(timezone=True)))
    _create_absent_record()
    _create_deletions()
    _create_sweep()
    op.create_table(
        "record_lag",
        _config_id("record_lag", autoincrement=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("days", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ingest_config_id", "month", "days", name=op.f("pk_record_lag")),
    )


def _create_absent_record() -> None:
    op.create_table(
        "absent_record",
        _suid_id("absent_record", autoincrement=False),
        _config_id("absent_record"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_list", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", sa.String(16)),
        sa.Column("held", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("run_id", sa.String(255)),
        sa.CheckConstraint(_DELETION_EVIDENCE, name=op.f("ck_absent_record_evidence")),
        sa.PrimaryKeyConstraint("suid_id", name=op.f("pk_absent_record")),
    )
    _create_index("absent_record", "ingest_config_id", "held")


def _create_deletions() -> None:
    op.create_table(
        "deletion_decision",
        sa.Column("id", sa.Integer(), nullable=False),
        _config_id("deletion_decision"),
        sa.Column("run_id", sa.String(255), nullable=False),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("records", sa.Integer(), server_default="0", nullable=False),
        sa.Column("date_created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("date_completed", sa.DateTime(timezone=True)),
        sa.Column("date_undone", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletion_decision")),
    )
    _create_index("deletion_decision", "ingest_config_id", "date_created")
    decision = sa.ForeignKey("deletion_decision.id", name=op.f("fk_deletion_decision_id_deletion_decision"))
    datum = sa.ForeignKey("raw_datum.id", name=op.f("fk_deletion_raw_id_raw_datum"))
    op.create_table(
        "deletion",
        sa.Column("id", _big_id(), nullable=False),
        _suid_id("deletion"),
        sa.Column("decision_id", sa.Integer(), decision),
        sa.Column("evidence", sa.String(16), nullable=False),
        sa.Column("raw_id", _big_id(), datum, nullable=False),
        sa.Column("previous_raw_id", _big_id()),
        sa.Column("since", sa.DateTime(timezone=True)),
        sa.Column("run_id", sa.String(255), nullable=False),
        sa.Column("date_created", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(_DELETION_EVIDENCE, name=op.f("ck_deletion_evidence")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deletion")),
    )
    _create_index("deletion", "decision_id", "id")
    _create_index("deletion", "raw_id")
    _create_index("deletion", "suid_id")


def _create_sweep() -> None:
    op.create_table(
        "sweep",
        sa.Column("id", sa.Integer(), nullable=False),
        _config_id("sweep"),
        sa.Column("run_id", sa.String(255), nullable=False),
        sa.Column("run_began", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True)),
        sa.Column("host", sa.Text()),
        sa.Column("process_id", sa.Integer()),
        sa.Column("process_started", sa.Text()),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("date_started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("date_completed", sa.DateTime(timezone=True)),
        sa.Column("error", sa.Text()),
        sa.Column("arguments_digest", sa.String(64)),
        sa.Column("windows", _json()),
        sa.Column("completeness", sa.String(16)),
        sa.Column("evidence", sa.String(16)),
        sa.Column("doubt", sa.Text()),
        _count("pages", sa.Integer()),
        _count("requests", sa.Integer()),
        _count("bytes"),
        _count("seconds_waited", sa.Double()),
        *(_count(name) for name in _DIFFERENCES),
        sa.Column("lists_everything", sa.Boolean(), server_default=sa.true(), nullable=False),
        _count("quarantined"),
        _count("deleted"),
        _count("held"),
        _count("reconciled_days", sa.Integer()),
        sa.Column("examples", _json()),
        sa.CheckConstraint(_COMPLETENESS, name=op.f("ck_sweep_completeness")),
        sa.CheckConstraint(_EVIDENCE, name=op.f("ck_sweep_evidence")),
        sa.CheckConstraint(_STATUSES, name=op.f("ck_sweep_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweep")),
    )
    _create_index("sweep", "ingest_config_id", "date_started")


def _allow_the_problem_differs() -> None:
    name, condition = "ck_reported_state_problem", f"problem IN ({_PROBLEMS})"
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f(name), "reported_state")
        op.create_check_constraint(op.f(name), "reported_state", condition)
        return
    # SQLite cannot change a constraint.
    columns = "label, target, problem, quarantined, date_modified"
    op.create_table(
        "new_reported_state",
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("problem", sa.String(16), nullable=False),
        sa.Column("quarantined", sa.Integer(), nullable=False),
        sa.Column("date_modified", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(condition, name=op.f(name)),
        sa.PrimaryKeyConstraint("label", "target", name=op.f("pk_reported_state")),
    )
    op.execute(f"INSERT INTO new_reported_state ({columns}) SELECT {columns} FROM reported_state")  # noqa: S608
    op.drop_table("reported_state")
    op.rename_table("new_reported_state", "reported_state")


def _config_id(table: str, **options: Any) -> sa.Column[int]:
    name = op.f(f"fk_{table}_ingest_config_id_ingest_config")
    reference = sa.ForeignKey("ingest_config.id", name=name)
    return sa.Column("ingest_config_id", sa.Integer(), reference, nullable=False, **options)


def _suid_id(table: str, **options: Any) -> sa.Column[int]:
    name = op.f(f"fk_{table}_suid_id_source_unique_identifier")
    reference = sa.ForeignKey("source_unique_identifier.id", name=name)
    return sa.Column("suid_id", _big_id(), reference, nullable=False, **options)


def _count(name: str, kind: Any = None) -> sa.Column[Any]:
    return sa.Column(name, kind or sa.BigInteger(), server_default="0", nullable=False)


def _create_index(table: str, *columns: str) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def _big_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _json() -> sa.types.TypeEngine[object]:
    return sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
