"""The tables. Other programs read them: columns may be added, but never removed or renamed.

Each change needs a migration (`make migration`). A test compares the tables with the migrations. `partial_indexes` adds
the indexes that have a condition.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime, timezone

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
    text,
    true,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from harvest_dagster.storage.column_types import ErrorText, Jsonb
from harvest_dagster.storage.counts import COUNT_NAMES_IN_JSON, Counts

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
VERSIONED_ASSETS = ("raw", "transformed")
COMPLETENESS = ("complete", "unverified")
PROBLEMS = ("none", "incomplete", "differs", "fails", "refused")
EVIDENCE = ("total", "single_response", "reconciled", "none")
# Why a record counts as deleted: the source marks it; one complete list, or two, do not contain it; the source says
# that it does not exist.
DELETION_EVIDENCE = ("protocol", "absent_once", "absent_twice", "not_found")
SWEEP_STATUSES = ("STARTED", "SUCCEEDED", "FAILED", "CANCELLED")

# SQLite uses the rowid only for INTEGER PRIMARY KEY.
BigId = BigInteger().with_variant(Integer, "sqlite")
# Byte order: fast to compare, and the index stays valid when the collations of the C library change.
ExactText = Text().with_variant(Text(collation="C"), "postgresql")
_JsonOrText = Text().with_variant(JSON(), "postgresql")
Json = Jsonb()


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant: `timestamptz` on PostgreSQL, text in UTC on SQLite.

    Raises:
        ValueError: a naive datetime is to be stored.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the instant in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"the naive datetime {value} cannot be stored; give it a time zone"
            raise ValueError(message)
        return value.astimezone(timezone.utc)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the instant of the database, aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


# One JSON object of the main counts, for programs that read them together. The text is concatenated by hand: the
# functions of PostgreSQL that build JSON are not immutable, and a generated column allows no others.
_COUNTS_AS_TEXT = (
    "('{'||"
    + "||', '||".join(f"'\"{name}\": '||CAST({name} AS VARCHAR)" for name in COUNT_NAMES_IN_JSON)
    + "||', \"expected\": '||coalesce(CAST(expected AS VARCHAR), 'null')||'}')"
)


# The sources, as they were last read from their YAML.
ingest_config = Table(
    "ingest_config",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("label", String(255), nullable=False, unique=True),  # the key of its assets
    Column("name", Text, nullable=False),
    Column("home_page", Text),
    Column("harvester", String(255), nullable=False),
    Column("transformer", String(255)),
    Column("disabled", Boolean, nullable=False),
    # The whole document as it was read, with unresolved ${NAME}.
    Column("definition", Json, nullable=False),
    Column("date_modified", Instant, nullable=False),
    # When preflight first refused a run of this config since one has passed, and the last reason. Null if the last run
    # has passed.
    Column("refused_since", Instant),
    Column("refusal", ErrorText),
    # Added to the VERSION of the transformer. It grows when the YAML names another transformer or other arguments.
    Column("transform_base", Integer, nullable=False, server_default=text("0")),
    # Of the transformer and its arguments, SHA-256. Null until a run or the sensor `transform_pending` sees the source.
    Column("transform_digest", String(64)),
    # The transformer version for which all data of older versions were queued.
    Column("requeued_version", Integer, nullable=False, server_default=text("0")),
    # Start of the last complete list of the whole source from which absent records were concluded.
    Column("last_complete_list", Instant),
    # Start of the list from which they are concluded now, or were when a run died; null otherwise.
    Column("list_in_conclusion", Instant),
    # Start of the last complete list that lacked more records than `deletions.most` allows.
    Column("last_exceeding_list", Instant),
)

# What the sensor `notify` has reported about a source to each place that it reports to.
reported_state = Table(
    "reported_state",
    metadata,
    # Not a foreign key: a source that was never harvested has no row in ingest_config, and may still be late.
    Column("label", String(255), primary_key=True),
    # A number, such as "HARVEST_NOTIFY 1": an address contains secrets.
    Column("target", String(64), primary_key=True),
    Column("problem", String(16), nullable=False),
    # Number of quarantined records that was reported.
    Column("quarantined", Integer, nullable=False),
    Column("date_modified", Instant, nullable=False),
    _one_of("problem", PROBLEMS),
)

# One row for each IngestConfig that was ever locked. The row stays, so that the fencing token only increases.
lease = Table(
    "lease",
    metadata,
    Column("ingest_config_id", ForeignKey("ingest_config.id"), primary_key=True, autoincrement=False),
    Column("token", BigInteger, nullable=False),
    Column("owner", String(255)),  # the run id; null if the lease is free
    Column("host", Text),
    Column("process_id", Integer),
    Column("process_started", Text),
    Column("acquired", Instant),
    Column("expires", Instant),
)

# History of lease acquisitions. A run acquires the lease of a config only once: if it lost it, it cannot get it again.
lease_grant = Table(
    "lease_grant",
    metadata,
    Column("ingest_config_id", ForeignKey("ingest_config.id"), primary_key=True, autoincrement=False),
    Column("token", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", String(255), nullable=False),
    Column("acquired", Instant, nullable=False),
    UniqueConstraint("ingest_config_id", "run_id"),
)

# Each window and each range: what its harvest is doing or has done, and whether it is complete.
harvest_log = Table(
    "harvest_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    Column("harvester_version", Integer, nullable=False),
    Column("start_date", Instant, nullable=False),  # start of the window, included
    Column("end_date", Instant, nullable=False),  # end of the window, excluded
    Column("status", String(16), nullable=False),
    Column("date_started", Instant),  # when its last run began it
    Column("date_completed", Instant),  # when its last run ended it
    Column("error", ErrorText),  # why it failed or was cancelled, with the stack trace
    Column("completions", Integer, nullable=False, server_default="0"),  # how often it succeeded
    Column("completeness", String(16)),
    Column("run_id", String(255)),  # the last run
    Column(
        "parent_id", ForeignKey("harvest_log.id", ondelete="SET NULL")
    ),  # the log of the range, if it was split into windows
    *(
        Column(count.name, count.metadata["column_type"], nullable=False, server_default="0")
        for count in fields(Counts)
    ),
    Column("expected", Integer),  # the source's own total, null if it gives none
    Column(
        "counts", JSON, Computed(literal_column(_COUNTS_AS_TEXT).cast(_JsonOrText), persisted=True)
    ),  # the main counts, as one object
    # Start of the list that made this row cover its window. A later failure does not change it.
    Column("covered_since", Instant),
    # The end of what this row covers, if that is before `end_date`: the clock of the source showed that the list of a
    # snapshot began before it. Otherwise null.
    Column("covered_until", Instant),
    # The `limit` of the last harvest. A success with a limit covers nothing.
    Column("record_limit", Integer),
    # Number of the present fetch attempt. The pages in the spool and `pages_stored` belong to it.
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("attempt_began", Instant),
    # Pages of this attempt that store has committed. After a crash, store continues here.
    Column("pages_stored", Integer, nullable=False, server_default="0"),
    # Number of different identifiers in the lists of this attempt. It proves that pages neither repeat nor skip.
    Column("identifiers", Integer),
    # Start of a list whose data are stored, but not all launched. Until all are launched, the success of an
    # earlier list does not cover this window.
    Column("unlaunched_since", Instant),
    # Why the window is complete: the source's total was reached; one response was the whole list; a later sweep found
    # the same identifiers. `none` means unverified.
    Column("evidence", String(16)),
    # Why an empty answer, or the end of a list, may be wrong. Null if there is no doubt.
    Column("doubt", ErrorText),
    # Start of the first of the lists in a row that were doubtful.
    Column("doubted_since", Instant),
    # Number of records of the last harvest of this window that had some. An empty answer is then doubtful.
    Column("records_before", Integer),
    # The arguments that decide what the source is asked, as SHA-256 and as JSON with unresolved ${NAME}.
    # `covered_since` holds only for them. Null in rows from before the upgrade: they count for any arguments.
    Column("arguments_digest", String(64)),
    Column("arguments", Json),
    # A short digest of the value behind each ${NAME} in these arguments (`storage.harvest_log.value_digests`), and
    # whether the last run of the source found other values. Such a row covers nothing.
    Column("values_digest", Text),
    Column("has_other_values", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("ingest_config_id", "harvester_version", "start_date", "end_date"),
    _one_of("status", HARVEST_STATUSES),
    _one_of("completeness", COMPLETENESS),
    _one_of("evidence", EVIDENCE),
    # preflight: the newest finished logs of a config and version
    Index(None, "ingest_config_id", "harvester_version", "date_completed"),
    # orphaned logs: all STARTED logs
    Index(None, "status", "run_id"),
    Index(None, "run_id"),
    Index(None, "parent_id"),
)

# The logs of a source that cover anything for the same arguments, under one harvester version.
coverage_scope = Table(
    "coverage_scope",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    Column("harvester_version", Integer, nullable=False),
    # Of the arguments of these logs; empty for logs without a digest.
    Column("arguments_digest", String(64), nullable=False),
    # Start of the last list by which a log covers anything; null if none does.
    Column("last_began", Instant),
    UniqueConstraint("ingest_config_id", "harvester_version", "arguments_digest"),
)

# The time that the logs of a scope cover. Windows that overlap or touch are merged. Derived from harvest_log: the
# transaction that changes a log changes these rows, too (`storage.harvest_log.coverage_changes`).
covered_window = Table(
    "covered_window",
    metadata,
    Column("scope_id", ForeignKey("coverage_scope.id"), primary_key=True, autoincrement=False),
    Column("start_date", Instant, primary_key=True),
    Column("end_date", Instant, nullable=False),
    sqlite_with_rowid=False,
)

# The changes of harvest_log that are not in covered_window yet. Triggers of harvest_log write them, also if another
# program changes a log. A log that covered time before and after a change has two rows.
coverage_change = Table(
    "coverage_change",
    metadata,
    Column("id", BigId, primary_key=True),
    # Not a foreign key: the row of a deleted log may be the last one that refers to its source.
    Column("ingest_config_id", Integer, nullable=False),
    Column("harvester_version", Integer, nullable=False),
    Column("arguments_digest", String(64), nullable=False),  # as in coverage_scope
    Column("start_date", Instant, nullable=False),  # of the log
    Column("end_date", Instant, nullable=False),
    Column("began", Instant),  # start of the list by which the log may cover its window
    Index(None, "ingest_config_id"),
)

# The random key of the digests in harvest_log.values_digest: one row.
digest_key = Table(
    "digest_key",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String(64), nullable=False),
)

# Every run that worked on a log, and how its work ended. The log itself has only the last run.
harvest_log_run = Table(
    "harvest_log_run",
    metadata,
    Column("harvest_log_id", ForeignKey("harvest_log.id"), primary_key=True, autoincrement=False),
    Column("run_id", String(255), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("date_started", Instant, nullable=False),
    Column("date_completed", Instant),
    Column("error", ErrorText),
    # The run was killed before it could end the log. This is not a failure of the source.
    Column("broken_off", Boolean, nullable=False, server_default=false()),
    # The run failed because it could not connect to the host of the source.
    Column("host_unreachable", Boolean, nullable=False, server_default=false()),
    _one_of("status", HARVEST_STATUSES),
    Index(None, "run_id"),
)

# What harvests observed about a source (`harvest_dagster.observations`), one row for each name.
source_observation = Table(
    "source_observation",
    metadata,
    Column("ingest_config_id", ForeignKey("ingest_config.id"), primary_key=True, autoincrement=False),
    Column("name", String(255), primary_key=True),
    # Of the arguments with which it was observed. Under other arguments the row does not count.
    Column("request_digest", String(64), nullable=False),
    Column("value", Json),
    Column("observed_at", Instant, nullable=False),
)

# Each identifier of each source, once.
source_unique_identifier = Table(
    "source_unique_identifier",
    metadata,
    Column("id", BigId, primary_key=True),
    # The source. Without a foreign key, for speed: its lease has one, and is checked in each transaction that writes.
    Column("ingest_config_id", Integer, nullable=False),
    Column("identifier", ExactText, nullable=False),  # as the source writes it
    # The newest datestamp of the current content, null if it has none. An older version of the record that arrives
    # later does not become the current content.
    Column("current_datestamp", Instant),
    # The datum of the current content. Without a foreign key: the two tables would refer to each other.
    Column("raw_id", BigId),
    Column("changed_at", Instant),  # when the current content became that (`storage.change_instants`)
    Column("first_seen", Instant),  # when the identifier was first stored
    UniqueConstraint("ingest_config_id", "identifier"),
    # readers that follow the changes
    Index(None, "ingest_config_id", "changed_at", "raw_id"),
)

# Each different content of an identifier.
raw_datum = Table(
    "raw_datum",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("suid_id", BigId, ForeignKey("source_unique_identifier.id"), nullable=False),
    # SHA-256 of the datum: 32 bytes. The view current_record shows them as 64 hexadecimal digits.
    Column("hash", LargeBinary, nullable=False),
    Column("datum", Text, nullable=False),  # the content in canonical form: XML or JSON
    Column("datestamp", Instant),  # when the source changed the record; null if it does not say
    Column("deleted", Boolean, nullable=False),  # whether the source reports the record as deleted
    Column("date_created", Instant, nullable=False),  # when it was stored
    # Counts the changes of the identifier's content. The row with the highest revision is the current content.
    # Content that returns (A, B, A) gets a new revision, not a new row. 0: it was never the current content.
    Column("revision", Integer, nullable=False, server_default="1"),
    # A digest of the sets that the source names for the record; null if it names none, or if the row is from before
    # the upgrade.
    Column("sets_digest", BigInteger),
    UniqueConstraint("suid_id", "hash"),
)

# The live records that the last complete list of their source did not contain.
absent_record = Table(
    "absent_record",
    metadata,
    Column(
        "suid_id", BigId, ForeignKey("source_unique_identifier.id"), primary_key=True, autoincrement=False
    ),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    Column(
        "since", Instant, nullable=False
    ),  # start of the first list of those in a row that did not contain it
    Column("last_list", Instant, nullable=False),  # start of the last one
    # The evidence that the record was removed. Null as long as it does not suffice.
    Column("evidence", String(16)),
    # Whether the evidence suffices and the deletion waits for an approval.
    Column("held", Boolean, nullable=False, server_default=false()),
    Column("run_id", String(255)),  # the run of the last list
    _one_of("evidence", DELETION_EVIDENCE),
    Index(None, "ingest_config_id", "held"),
)

# The decisions to delete records that the source itself does not mark as deleted. Each can be undone as a whole.
deletion_decision = Table(
    "deletion_decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    Column("run_id", String(255), nullable=False),
    Column("approved", Boolean, nullable=False),  # whether a person approved it
    Column("records", Integer, nullable=False, server_default="0"),
    Column("date_created", Instant, nullable=False),
    Column("date_completed", Instant),  # null while it is carried out, or if that was interrupted
    Column("date_undone", Instant),
    Index(None, "ingest_config_id", "date_created"),
)

# Each deletion of a record, with its evidence.
deletion = Table(
    "deletion",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("suid_id", BigId, ForeignKey("source_unique_identifier.id"), nullable=False),
    # Null if the source itself marks the record as deleted.
    Column("decision_id", ForeignKey("deletion_decision.id")),
    Column("evidence", String(16), nullable=False),
    Column("raw_id", BigId, ForeignKey("raw_datum.id"), nullable=False),  # the content of the deleted record
    Column("previous_raw_id", BigId),  # the content that it replaced
    Column("since", Instant),  # start of the first list that did not contain the record
    Column("run_id", String(255), nullable=False),
    Column("date_created", Instant, nullable=False),
    _one_of("evidence", DELETION_EVIDENCE),
    Index(None, "suid_id"),
    Index(None, "decision_id", "id"),
    # the foreign key, when `harvest db prune` deletes contents
    Index(None, "raw_id"),
)

# Each comparison of all identifiers of a source with the stored ones.
sweep = Table(
    "sweep",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    Column("run_id", String(255), nullable=False),  # the last run that worked on it
    Column("run_began", Instant, nullable=False),  # when that run began or continued it
    Column("expires", Instant),  # until when that run owns it without a renewal
    # The process of its op that works now, as in `lease`.
    Column("host", Text),
    Column("process_id", Integer),
    Column("process_started", Text),
    Column("status", String(16), nullable=False),
    Column("date_started", Instant, nullable=False),
    Column("date_completed", Instant),
    Column("error", ErrorText),
    # Of the arguments with which the source was asked. With other arguments, the sweep begins again.
    Column("arguments_digest", String(64)),
    Column("windows", Json),  # the windows that are listed, as [start, end]
    # Whether the lists prove that they are complete, and how (harvest_log.completeness and harvest_log.evidence).
    Column("completeness", String(16)),
    Column("evidence", String(16)),
    Column("pages", Integer, nullable=False, server_default="0"),
    Column("requests", Integer, nullable=False, server_default="0"),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("seconds_waited", Double, nullable=False, server_default="0"),
    Column(
        "listed", BigInteger, nullable=False, server_default="0"
    ),  # different live identifiers in the lists
    Column("known", BigInteger, nullable=False, server_default="0"),  # live records that were stored
    Column(
        "missing", BigInteger, nullable=False, server_default="0"
    ),  # listed as live, and not stored as live
    Column("changed", BigInteger, nullable=False, server_default="0"),  # listed with a newer datestamp
    Column("gone", BigInteger, nullable=False, server_default="0"),  # stored as live, and not listed as live
    # Why one of its lists may be wrong. Null if there is no doubt.
    Column("doubt", ErrorText),
    # Whether the lists have all records of the source. Those of a feed cannot show what is gone.
    Column("lists_everything", Boolean, nullable=False, server_default=true()),
    Column("duplicates", BigInteger, nullable=False, server_default="0"),  # listed more than once
    Column("sets_differ", BigInteger, nullable=False, server_default="0"),  # listed with other sets
    Column(
        "repaired", BigInteger, nullable=False, server_default="0"
    ),  # missing or changed, and harvested then
    # Missing or changed as well, but known to be invalid. They do not count as missing or changed.
    Column("quarantined", BigInteger, nullable=False, server_default="0"),
    Column("deleted", BigInteger, nullable=False, server_default="0"),
    Column("held", BigInteger, nullable=False, server_default="0"),  # deletions that wait for an approval
    Column("reconciled_days", Integer, nullable=False, server_default="0"),
    Column("examples", Json),  # a few identifiers of each difference, by its name
    _one_of("status", SWEEP_STATUSES),
    _one_of("completeness", COMPLETENESS),
    _one_of("evidence", EVIDENCE),
    Index(None, "ingest_config_id", "date_started"),
)

# How late records come: the shortest lag that is possible for each new or newly dated record, counted by month
# (`coverage.lag`).
record_lag = Table(
    "record_lag",
    metadata,
    Column("ingest_config_id", ForeignKey("ingest_config.id"), primary_key=True, autoincrement=False),
    Column("month", Date, primary_key=True),  # its first day: when the records were harvested
    Column("days", Integer, primary_key=True, autoincrement=False),  # upper bound of the lag, in days
    Column("records", BigInteger, nullable=False),
)

# The own bytes of a record, as the source sent them last, for sources with `keep_original`. A table of its own, so that
# nobody who reads raw_datum reads them.
raw_original = Table(
    "raw_original",
    metadata,
    Column("raw_id", BigId, ForeignKey("raw_datum.id"), primary_key=True, autoincrement=False),
    # Compressed with Zstandard.
    Column("original", LargeBinary, nullable=False),
    # The datestamp of the record with these bytes. raw_datum keeps the first one.
    Column("datestamp", Instant),
    Column("date_modified", Instant, nullable=False),
)

# For each content and version of the transformer: whether it is transformed, or with which error not.
ingest_log = Table(
    "ingest_log",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("raw_id", BigId, ForeignKey("raw_datum.id"), nullable=False),
    # The source of the datum. Without a foreign key, as in source_unique_identifier.
    Column("ingest_config_id", Integer, nullable=False),
    # 0 if the config names no transformer.
    Column("transformer_version", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("error", ErrorText),  # why the transformer gave no document
    # The UTC day of its partition: the record's datestamp if that is in the harvested window, otherwise the window's
    # first day.
    Column("partition_date", Date, nullable=False),
    # The raw_datum.revision that was queued last. If the datum's revision is higher, the content has returned.
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("run_id", String(255)),
    Column("date_created", Instant, nullable=False),
    Column("date_modified", Instant, nullable=False),
    UniqueConstraint("raw_id", "ingest_config_id", "transformer_version"),
    _one_of("status", INGEST_STATUSES),
    # transform: PENDING and STARTED logs by partition
    Index(None, "ingest_config_id", "transformer_version", "status", "partition_date"),
)
# The process of each run that works, and when it last reported itself. If a process has ended, other runs claim the
# ingest logs of its run, and a sensor ends the run.
transform_run = Table(
    "transform_run",
    metadata,
    Column("run_id", String(255), primary_key=True),
    Column("host", Text, nullable=False),
    Column("process_id", Integer, nullable=False),
    Column("process_started", Text, nullable=False),
    Column("last_seen", Instant, nullable=False),
)

# The document of each identifier.
normalized_datum = Table(
    "normalized_datum",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("suid_id", BigId, ForeignKey("source_unique_identifier.id"), nullable=False, unique=True),
    Column("raw_id", BigId, ForeignKey("raw_datum.id"), nullable=False),
    Column("ingest_config_id", ForeignKey("ingest_config.id"), nullable=False),
    Column("transformer_version", Integer, nullable=False),
    # The raw_datum.revision from which the document was made. A lower revision never replaces a higher one.
    Column("revision", Integer, nullable=False),
    # See harvest_dagster.transformers.document. Null if the record is deleted.
    Column("document", Json),
    Column("deleted", Boolean, nullable=False),
    Column("date_modified", Instant, nullable=False),
    # Why newer content, or a newer version of the transformer, gave no document. The document is then outdated.
    # Null if the last transform succeeded.
    Column("error", ErrorText),
    # When document, deleted or transformer_version changed (`storage.change_instants`).
    Column("changed_at", Instant),
    # readers that follow the changes
    Index(None, "ingest_config_id", "changed_at"),
    Index(None, "raw_id"),
)

# The data version of each partition of an asset. It changes only with the data of the day (`storage.day_versions`).
day_version = Table(
    "day_version",
    metadata,
    Column("ingest_config_id", ForeignKey("ingest_config.id"), primary_key=True, autoincrement=False),
    Column("asset", String(16), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("digest", BigInteger, nullable=False),
    _one_of("asset", VERSIONED_ASSETS),
)

# Invalid records, until a valid version of the record arrives.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("harvest_log_id", ForeignKey("harvest_log.id"), nullable=False),
    Column("identifier", Text),  # null if it cannot be read
    Column("datum", LargeBinary, nullable=False),  # the bytes as they arrived
    Column("error", ErrorText, nullable=False),  # why the record is invalid
    Column("page", Integer, nullable=False),  # the number of its page in the list
    Column("date_created", Instant, nullable=False),
    # harvest_log.attempt of the list that contained the record
    Column("attempt", Integer, nullable=False, server_default="0"),
    Index(None, "harvest_log_id"),
    # store: a valid version of a record deletes its quarantined versions
    Index(None, "identifier"),
)

# The request budget of each host (`storage.rate_limit.database_budget`). Times are seconds: since 1970 on PostgreSQL,
# of the machine's monotonic clock on SQLite.
request_host = Table(
    "request_host",
    metadata,
    Column("id", Integer, primary_key=True),
    # SHA-256 of the name, because the name may come from the environment.
    Column("host", String(64), nullable=False, unique=True),
    # Number of the oldest row of the host in request_departure. Older rows have been deleted.
    Column("oldest", BigInteger, nullable=False),
    # When this row was last written.
    Column("touched", Double, nullable=False),
    Column("paused_until", Double, nullable=False),
    # The next three columns are the fields of `limits.Slowdown`.
    Column("slowdown", Integer, nullable=False),
    Column("refused_at", Double, nullable=False),
    Column("good_answers", Integer, nullable=False),
    # [calls, period, until] of each limit
    Column("limits", Json, nullable=False),
)

# The requests of the last period to each host.
request_departure = Table(
    "request_departure",
    metadata,
    Column("host_id", ForeignKey("request_host.id"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("departed", Double, nullable=False),
    sqlite_with_rowid=False,
)

# The columns on which other programs may rely: also their meaning stays. docs/reference/database.md marks them.
CONTRACT_COLUMNS = {
    "ingest_config": ("id", "label"),
    "harvest_log": (
        "id",
        "ingest_config_id",
        "harvester_version",
        "start_date",
        "end_date",
        "status",
        "date_started",
        "date_completed",
        "error",
        "completions",
        "completeness",
        "run_id",
        "parent_id",
        "counts",
        *COUNT_NAMES_IN_JSON,
        "expected",
    ),
    "source_unique_identifier": ("id", "ingest_config_id", "identifier"),
    "raw_datum": ("id", "suid_id", "hash", "datum", "datestamp", "deleted", "date_created"),
    "ingest_log": ("id", "raw_id", "ingest_config_id", "transformer_version", "status", "error"),
    "quarantine": ("id", "harvest_log_id", "identifier", "datum", "error"),
}
