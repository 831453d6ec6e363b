"""The tables, as SQLAlchemy knows them. Other programs read them: a column may come, none may go.

What changes here needs a migration (`make migration`); a test compares the two.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from harvest_dagster.storage.error_text import ErrorText

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

HARVEST_STATUSES = ("STARTED", "SUCCEEDED", "FAILED", "SPLIT", "RESCHEDULED", "CANCELLED")
INGEST_STATUSES = ("CREATED", "PENDING", "STARTED", "SUCCEEDED", "FAILED")
COMPLETENESS = ("complete", "unverified")

# SQLite gives rowids to INTEGER PRIMARY KEY only.
BigId = BigInteger().with_variant(Integer, "sqlite")
# Bytes in order: quick to compare, and an index that survives a new version of the C library's collations.
ExactText = Text().with_variant(Text(collation="C"), "postgresql")
_JsonOrText = Text().with_variant(JSON(), "postgresql")
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, `timestamptz` on PostgreSQL, text in UTC on SQLite. Refuses naive ones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To the database: UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"a naive datetime, {value}, has no place in the database"
            raise ValueError(message)
        return value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From the database: aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default="0")


COUNTS = ("pages", "records", "new_identifiers", "new_data", "deleted", "quarantined")

# One JSON object of the count columns, for those who want them together. PostgreSQL's own functions for it
# are not immutable, so that the text is put together by hand.
_COUNTS_AS_TEXT = (
    "('{'||"
    + "||', '||".join(f"'\"{name}\": '||CAST({name} AS VARCHAR)" for name in COUNTS)
    + "||', \"expected\": '||coalesce(CAST(expected AS VARCHAR), 'null')||'}')"
)


ingest_config = Table(
    "ingest_config",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("label", String(255), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("home_page", Text),
    Column("harvester", String(255), nullable=False),
    Column("transformer", String(255)),
    Column("disabled", Boolean, nullable=False),
    # The whole document as it was read, ${NAME} unresolved.
    Column("definition", Json, nullable=False),
    Column("date_modified", Instant, nullable=False),
)

# One row for each IngestConfig that was ever locked; it stays, so that the fencing token only grows.
lease = Table(
    "lease",
    metadata,
    Column("ingest_config_id", ForeignKey("ingest_config.id"), primary_key=True, autoincrement=False),
    Column("token", BigInteger, nullable=False),
    Column("owner", String(255)),  # the run id; null where it is free
    Column("host", Text),
    Column("process_id", Integer),
    Column("process_started", Text),
    Column("acquired", Instant),
    Column("expires", Instant),
)

# Every acquisition: a run gets the lease of a config once, so that one that lost it cannot take it back.
lease_grant = Table(
    "lease_grant",
    metadata,
    Column("ingest_config_id", ForeignKey("ingest_config.id"), primary_key=True, autoincrement=False),
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", String(255), nullable=False),
    Column("acquired", Instant, nullable=False),
    UniqueConstraint("ingest_config_id", "run_id"),
)

harvest_log = Table(
    "harvest_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    Column("harvester_version", Integer, nullable=False),
    Column("start_date", Instant, nullable=False),
    Column("end_date", Instant, nullable=False),
    Column("status", String(16), nullable=False),
    Column("date_started", Instant),
    Column("date_completed", Instant),
    Column("error", ErrorText),
    Column("completions", Integer, nullable=False, server_default="0"),
    Column("completeness", String(16)),
    Column("run_id", String(255)),
    Column("parent_id", ForeignKey("harvest_log.id", ondelete="SET NULL")),
    *(_count(name) for name in COUNTS),
    Column("expected", Integer),
    Column("counts", JSON, Computed(literal_column(_COUNTS_AS_TEXT).cast(_JsonOrText), persisted=True)),
    # When a harvest began that this row still covers its window by, though its status may be a later
    # failure's: that never erases that a window succeeded before.
    Column("covered_since", Instant),
    # The `limit` of the last harvest: a success that was cut short covers nothing.
    Column("record_limit", Integer),
    # Counts the lists begun for this window: the spool's pages and `pages_stored` belong to one of them.
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("attempt_began", Instant),
    # Pages of this attempt that store has committed: where it goes on after a crash.
    Column("pages_stored", Integer, nullable=False, server_default="0"),
    # What the attempt cost, over all the runs that worked on it.
    Column("requests", Integer, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("seconds_waited", Float, nullable=False, server_default="0"),
    # Distinct identifiers of the present attempt's lists: the proof that pages neither repeat nor skip.
    Column("identifiers", Integer),
    # Records whose datestamp lies outside of the window, and those that have none: stored, and told.
    _count("outside_window"),
    _count("undated"),
    # How often a list that broke was gone on with in another way.
    _count("recoveries"),
    # When the list was begun of which pages are stored and not all launched: until that is done, or a list begun
    # later has brought the same, no older success covers this window.
    Column("unlaunched_since", Instant),
    UniqueConstraint("ingest_config_id", "harvester_version", "start_date", "end_date"),
    _one_of("status", HARVEST_STATUSES),
    _one_of("completeness", COMPLETENESS),
    # preflight: the newest finished logs of a config and version
    Index(None, "ingest_config_id", "harvester_version", "date_completed"),
    # settling asks for what is STARTED
    Index(None, "status", "run_id"),
    Index(None, "run_id"),
    Index(None, "parent_id"),
)
# the few that are half stored
Index(
    None,
    harvest_log.c.ingest_config_id,
    harvest_log.c.unlaunched_since,
    postgresql_where=harvest_log.c.unlaunched_since.is_not(None),
    sqlite_where=harvest_log.c.unlaunched_since.is_not(None),
)

# Every run that worked at a log, and how that ended; the log itself has the last one.
harvest_log_run = Table(
    "harvest_log_run",
    metadata,
    Column("harvest_log_id", ForeignKey("harvest_log.id"), primary_key=True, autoincrement=False),
    Column("run_id", String(255), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("date_started", Instant, nullable=False),
    Column("date_completed", Instant),
    Column("error", ErrorText),
    # The run was killed, or gone, before it could end the log: that says nothing against the source.
    Column("broken_off", Boolean, nullable=False, server_default=false()),
    _one_of("status", HARVEST_STATUSES),
    Index(None, "run_id"),
)

source_unique_identifier = Table(
    "source_unique_identifier",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    Column("identifier", ExactText, nullable=False),
    UniqueConstraint("ingest_config_id", "identifier"),
)

raw_datum = Table(
    "raw_datum",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("suid_id", BigId, ForeignKey("source_unique_identifier.id"), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("datum", Text, nullable=False),
    Column("datestamp", Instant),
    Column("deleted", Boolean, nullable=False),
    Column("date_created", Instant, nullable=False),
    # Counts how often the identifier's content changed: the row with the highest is what the source says now.
    # Content that comes back (A, B, A) gets a new number, not a new row.
    Column("revision", Integer, nullable=False, server_default="1"),
    UniqueConstraint("suid_id", "hash"),
)

ingest_log = Table(
    "ingest_log",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("raw_id", BigId, ForeignKey("raw_datum.id"), nullable=False),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    # 0 where the config names no transformer.
    Column("transformer_version", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("error", ErrorText),
    # The UTC day of the partition it belongs to: the record's datestamp where it lies in the window harvested,
    # else the window's first day.
    Column("partition_date", Date, nullable=False),
    # raw_datum.revision that was launched last: lower than the datum's means that the content came back.
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("run_id", String(255)),
    Column("date_created", Instant, nullable=False),
    Column("date_modified", Instant, nullable=False),
    UniqueConstraint("raw_id", "ingest_config_id", "transformer_version"),
    _one_of("status", INGEST_STATUSES),
    # transform: what is PENDING or STARTED, by partition
    Index(None, "ingest_config_id", "transformer_version", "status", "partition_date"),
)
# its sensor, which looks every half minute: all from the index
Index(
    "ix_ingest_log_pending",
    ingest_log.c.ingest_config_id,
    ingest_log.c.transformer_version,
    ingest_log.c.partition_date,
    ingest_log.c.date_modified,
    ingest_log.c.raw_id,
    postgresql_where=ingest_log.c.status == "PENDING",
    sqlite_where=ingest_log.c.status == "PENDING",
)

# Where a run that claims ingest logs is at work, so that what it claimed is claimed again once it is gone.
transform_run = Table(
    "transform_run",
    metadata,
    Column("run_id", String(255), primary_key=True),
    Column("host", Text, nullable=False),
    Column("process_id", Integer, nullable=False),
    Column("process_started", Text, nullable=False),
    Column("last_seen", Instant, nullable=False),
)

normalized_datum = Table(
    "normalized_datum",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("suid_id", BigId, ForeignKey("source_unique_identifier.id"), nullable=False, unique=True),
    Column("raw_id", BigId, ForeignKey("raw_datum.id"), nullable=False),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    Column("transformer_version", Integer, nullable=False),
    # raw_datum.revision it was made from: an older one never replaces a newer.
    Column("revision", Integer, nullable=False),
    # See harvest_dagster.transformers.document; null where the record is deleted.
    Column("document", Json),
    Column("deleted", Boolean, nullable=False),
    Column("date_modified", Instant, nullable=False),
    Index(None, "ingest_config_id"),
    Index(None, "raw_id"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("harvest_log_id", ForeignKey("harvest_log.id"), nullable=False),
    Column("identifier", Text),
    Column("datum", LargeBinary, nullable=False),
    Column("error", ErrorText, nullable=False),
    Column("page", Integer, nullable=False),
    Column("date_created", Instant, nullable=False),
    # harvest_log.attempt whose list it came by
    Column("attempt", Integer, nullable=False, server_default="0"),
    Index(None, "harvest_log_id"),
    # store: a good version of a record clears what was set aside of it
    Index(None, "identifier"),
)

# The request budget of each host, over all runs and processes (`budgets`). Instants are seconds of the clock
# that the budget goes by, which on SQLite is none of the calendar's.
request_host = Table(
    "request_host",
    metadata,
    Column("id", Integer, primary_key=True),
    # SHA-256 of its name, which may come out of the environment.
    Column("host", String(64), nullable=False, unique=True),
    # Departures are numbered; those from this one on are kept.
    Column("oldest", BigInteger, nullable=False),
    Column("touched", Double, nullable=False),
    Column("paused_until", Double, nullable=False),
    # limits.Slowdown
    Column("slowdown", Integer, nullable=False),
    Column("refused_at", Double, nullable=False),
    Column("good_answers", Integer, nullable=False),
    # [calls, period, until] of each that holds
    Column("limits", Json, nullable=False),
)

request_departure = Table(
    "request_departure",
    metadata,
    Column("host_id", ForeignKey("request_host.id"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("departed", Double, nullable=False),
    sqlite_with_rowid=False,
)

Row = dict[str, Any]
