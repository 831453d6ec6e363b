"""Add the merged covered windows of each scope, and triggers that record which logs have changed."""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

# The rule of `storage.harvest_log.coverage_rule` at the time of this migration.
_COVERS = """
    NOT has_other_values
    AND coalesce(covered_until, end_date) > start_date
    AND (
        covered_since IS NOT NULL
        OR (attempt_began IS NULL AND record_limit IS NULL AND status = 'SUCCEEDED' AND date_started >= end_date)
    )
"""
_FILL_SCOPES = f"""
    INSERT INTO coverage_scope (ingest_config_id, harvester_version, arguments_digest, last_began)
    SELECT ingest_config_id, harvester_version, coalesce(arguments_digest, ''),
           max(coalesce(covered_since, date_started))
    FROM harvest_log
    WHERE {_COVERS}
    GROUP BY ingest_config_id, harvester_version, coalesce(arguments_digest, '')
    ORDER BY ingest_config_id, harvester_version, coalesce(arguments_digest, '')
"""  # noqa: S608
# A merged window begins at each log that starts after the ends of all logs before it.
_FILL_WINDOWS = f"""
    WITH covering AS (
        SELECT coverage_scope.id AS scope_id, harvest_log.start_date, harvest_log.end_date,
               coalesce(harvest_log.covered_until, harvest_log.end_date) AS until
        FROM harvest_log
        JOIN coverage_scope ON coverage_scope.ingest_config_id = harvest_log.ingest_config_id
            AND coverage_scope.harvester_version = harvest_log.harvester_version
            AND coverage_scope.arguments_digest = coalesce(harvest_log.arguments_digest, '')
        WHERE {_COVERS}
    ), ordered AS (
        SELECT scope_id, start_date,
               max(until) OVER (PARTITION BY scope_id ORDER BY start_date, until
                                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
               max(until) OVER (PARTITION BY scope_id) AS last
        FROM covering
    ), begins AS (
        SELECT scope_id, start_date, last,
               lead(before) OVER (PARTITION BY scope_id ORDER BY start_date) AS next_before
        FROM ordered
        WHERE before IS NULL OR start_date > before
    )
    INSERT INTO covered_window (scope_id, start_date, end_date)
    SELECT scope_id, start_date, coalesce(next_before, last) FROM begins
"""  # noqa: S608

# A superset of the rows that cover anything, so that a change of the rule needs no other triggers.
_MAY_COVER = "({0}.covered_since IS NOT NULL OR {0}.status = 'SUCCEEDED')"
_ALWAYS_DECIDING = (
    "ingest_config_id",
    "harvester_version",
    "start_date",
    "end_date",
    "covered_since",
    "covered_until",
    "arguments_digest",
    "has_other_values",
)
# They decide only about a log without `covered_since`.
_DECIDING_WITHOUT_LIST = ("status", "date_started", "attempt_began", "record_limit")
_COLUMNS = "ingest_config_id, harvester_version, arguments_digest, start_date, end_date, began"
_VALUES = (
    "{0}.ingest_config_id, {0}.harvester_version, coalesce({0}.arguments_digest, ''), {0}.start_date, {0}.end_date, "
    "coalesce({0}.covered_since, {0}.date_started)"
)
# The owner of the tables owns the function, so another program needs no permission on coverage_change.
_FUNCTION = f"""
    CREATE FUNCTION record_coverage_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO coverage_change ({_COLUMNS}) VALUES ({_VALUES.format("OLD")});
        END IF;
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO coverage_change ({_COLUMNS}) VALUES ({_VALUES.format("NEW")});
        END IF;
        RETURN NULL;
    END
    $$
"""  # noqa: S608


def upgrade() -> None:
    """Migrate to this revision."""
    _create_tables()
    op.execute(_FILL_SCOPES)
    op.execute(_FILL_WINDOWS)
    _create_triggers()
    doubtful = sa.text("doubt IS NOT NULL AND covered_since IS NULL")
    op.create_index(
        "ix_harvest_log_doubtful",
        "harvest_log",
        ["ingest_config_id"],
        postgresql_where=doubtful,
        sqlite_where=doubtful,
    )


def _create_tables() -> None:
    config = sa.ForeignKey("ingest_config.id", name=op.f("fk_coverage_scope_ingest_config_id_ingest_config"))
    op.create_table(
        "coverage_scope",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ingest_config_id", sa.Integer(), config, nullable=False),
        sa.Column("harvester_version", sa.Integer(), nullable=False),
        sa.Column("arguments_digest", sa.String(64), nullable=False),
        sa.Column("last_began", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coverage_scope")),
        sa.UniqueConstraint(
            "ingest_config_id",
            "harvester_version",
            "arguments_digest",
            name=op.f("uq_coverage_scope_ingest_config_id_harvester_version_arguments_digest"),
        ),
    )
    scope = sa.ForeignKey("coverage_scope.id", name=op.f("fk_covered_window_scope_id_coverage_scope"))
    op.create_table(
        "covered_window",
        sa.Column("scope_id", sa.Integer(), scope, autoincrement=False, nullable=False),
        sa.Column("start_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_date", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("scope_id", "start_date", name=op.f("pk_covered_window")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "coverage_change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ingest_config_id", sa.Integer(), nullable=False),
        sa.Column("harvester_version", sa.Integer(), nullable=False),
        sa.Column("arguments_digest", sa.String(64), nullable=False),
        sa.Column("start_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coverage_change")),
    )
    op.create_index(op.f("ix_coverage_change_ingest_config_id"), "coverage_change", ["ingest_config_id"])


def _create_triggers() -> None:
    conditions = {
        "insert": _MAY_COVER.format("NEW"),
        "update": f"({_MAY_COVER.format('OLD')} OR {_MAY_COVER.format('NEW')}) AND {_has_changed()}",
        "delete": _MAY_COVER.format("OLD"),
    }
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
    for event, condition in conditions.items():
        head = (
            f"CREATE TRIGGER harvest_log_coverage_{event} AFTER {event} ON harvest_log "
            f"FOR EACH ROW WHEN ({condition})"
        )
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"{head} EXECUTE FUNCTION record_coverage_change()")
        else:
            op.execute(f"{head} BEGIN {_sqlite_statements(event)} END")


def _has_changed() -> str:
    always, without_list = map(_differs, (_ALWAYS_DECIDING, _DECIDING_WITHOUT_LIST))
    return f"({always} OR (OLD.covered_since IS NULL AND NEW.covered_since IS NULL AND ({without_list})))"


def _differs(columns: Iterable[str]) -> str:
    operator = "IS DISTINCT FROM" if op.get_bind().dialect.name == "postgresql" else "IS NOT"
    return " OR ".join(f"OLD.{column} {operator} NEW.{column}" for column in columns)


def _sqlite_statements(event: str) -> str:
    rows = {"insert": ("NEW",), "update": ("OLD", "NEW"), "delete": ("OLD",)}[event]
    return " ".join(
        f"INSERT INTO coverage_change ({_COLUMNS}) VALUES ({_VALUES.format(row)});"  # noqa: S608
        for row in rows
    )
