"""Check what must always be true of the rows. Each rule is one statement over all rows; hashes are computed here."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    inspect,
    literal,
    or_,
    select,
    text,
)

from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import coverage_changes
from harvest_dagster.storage.tables import (
    absent_record,
    deletion,
    deletion_decision,
    harvest_log,
    ingest_config,
    ingest_log,
    metadata,
    normalized_datum,
    raw_datum,
    record_lag,
    source_unique_identifier,
    sweep,
)

EXAMPLES = 5
_ROWS_AT_A_TIME = 500


@dataclass(frozen=True)
class Violation:
    """A rule that rows violate.

    Attributes:
        rule: what must be true.
        rows: the number of rows that violate it.
        examples: the primary keys of some of them.
    """

    rule: str
    rows: int
    examples: tuple[str, ...]


def check_schema(connection: Connection) -> list[Violation]:
    """Return the tables and columns that are missing."""
    inspector = inspect(connection)
    present = set(inspector.get_table_names())
    missing = [table.name for table in metadata.sorted_tables if table.name not in present]
    for table in metadata.sorted_tables:
        if table.name in present:
            columns = {column["name"] for column in inspector.get_columns(table.name)}
            missing += [
                f"{table.name}.{column.name}" for column in table.columns if column.name not in columns
            ]
    return (
        [Violation("all tables and columns exist", len(missing), tuple(missing[:EXAMPLES]))]
        if missing
        else []
    )


def check_rows(connection: Connection) -> Iterator[Violation]:
    """Yield the violations of the rules that SQL can verify."""
    for rule, keys in _rules():
        rows = connection.scalar(select(func.count()).select_from(keys.subquery())) or 0
        if rows:
            found = connection.execute(keys.limit(EXAMPLES))
            yield Violation(rule, rows, tuple(" ".join(map(str, row)) for row in found))
    yield from _check_coverage(connection)


def _check_coverage(connection: Connection) -> Iterator[Violation]:
    """Yield the scopes whose covered windows differ from those of the logs, and the triggers that are missing."""
    if missing := coverage_changes.find_missing_triggers(connection):
        rule = "the triggers of harvest_log exist and are enabled; restore the schema from a backup"
        yield Violation(rule, len(missing), tuple(missing))
    different = set(coverage_changes.find_differences(connection))
    if different:
        # A run may have ended a window between two statements. A scope with a real difference differs again.
        different &= set(coverage_changes.find_differences(connection))
    if different:
        rule = "covered_window has the windows of the logs; `harvest db check --repair` computes them again"
        examples = (f"{one.ingest_config_id} {one.harvester_version}" for one in sorted(different)[:EXAMPLES])
        yield Violation(rule, len(different), tuple(examples))


def check_file(connection: Connection) -> Iterator[Violation]:
    """Yield what SQLite finds wrong with its file. PostgreSQL has its own tools (amcheck, pg_amcheck)."""
    if connection.dialect.name == "sqlite":
        lines = [str(line) for line in connection.scalars(text("PRAGMA quick_check(100)"))]
        if lines != ["ok"]:
            yield Violation("SQLite can read its file", len(lines), tuple(lines[:EXAMPLES]))


def check_hashes(database: Database, sample: int | None) -> tuple[int, list[Violation]]:
    """Compare the hash of data with their content. Return the number of compared data, and the violations.

    Args:
        database: the database.
        sample: the approximate number of data, chosen at random; None for all.
    """
    checked, wrong = 0, []
    with database.read() as connection:
        for statement in _data(connection, sample):
            streamed = statement.execution_options(yield_per=_ROWS_AT_A_TIME)
            for key, expected, datum in connection.execute(streamed):
                checked += 1
                if hashlib.sha256(datum.encode()).digest() != expected:
                    wrong.append(str(key))
    rule = "the hash of a datum is the SHA-256 of its content"
    return checked, [Violation(rule, len(wrong), tuple(wrong[:EXAMPLES]))] if wrong else []


def _data(connection: Connection, sample: int | None) -> Iterator[Select[tuple[int, bytes, str]]]:
    data = select(raw_datum.c.id, raw_datum.c.hash, raw_datum.c.datum)
    if sample is None:
        yield data
        return
    low, high = connection.execute(select(func.min(raw_datum.c.id), func.max(raw_datum.c.id))).one()
    if low is None:
        return
    keys = range(low, high + 1)
    chosen = sorted(random.sample(keys, min(sample, len(keys))))  # no secret depends on it
    for start in range(0, len(chosen), _ROWS_AT_A_TIME):
        yield data.where(raw_datum.c.id.in_(chosen[start : start + _ROWS_AT_A_TIME]))


_Rule = tuple[str, Select[Any]]
"""What must be true, and the query for the primary keys of the rows that violate it."""


def _rules() -> Iterator[_Rule]:
    yield from _references()
    yield from _revision_rules()
    yield from _owner_rules()
    yield from _log_rules()
    yield from _deletion_rules()
    yield from _sweep_rules()


def _revision_rules() -> Iterator[_Rule]:
    """Yield the rules about the contents of an identifier, and which of them is the current one."""
    suid, datum, newer = source_unique_identifier, raw_datum, raw_datum.alias("newer")
    yield (
        "each identifier has a datum",
        select(suid.c.id).where(~exists().where(datum.c.suid_id == suid.c.id)),
    )
    # The column is null in rows from before the upgrade that nothing has changed since.
    has_newer = exists().where(datum.c.suid_id == newer.c.suid_id, datum.c.revision < newer.c.revision)
    is_current = exists().where(datum.c.id == suid.c.raw_id, datum.c.suid_id == suid.c.id, ~has_newer)
    yield (
        "the datum that an identifier names is its current one",
        select(suid.c.id).where(suid.c.raw_id.is_not(None), ~is_current),
    )
    yield (
        "each identifier has a current datum",
        select(datum.c.suid_id).group_by(datum.c.suid_id).having(func.max(datum.c.revision) < 1),
    )
    yield (
        "two data of an identifier have different revisions, except for 0",
        select(datum.c.suid_id)
        .where(datum.c.revision > 0)
        .group_by(datum.c.suid_id, datum.c.revision)
        .having(func.count() > literal(1)),
    )


def _owner_rules() -> Iterator[_Rule]:
    """Yield the rules about the datum that an ingest log or a document refers to."""
    suid, datum = source_unique_identifier, raw_datum
    # The columns ingest_config_id of these tables have no foreign key.
    yield (
        "an identifier belongs to a source",
        select(suid.c.id).where(~exists().where(ingest_config.c.id == suid.c.ingest_config_id)),
    )
    yield (
        "an ingest log belongs to the source of its datum",
        select(ingest_log.c.id)
        .join(datum, datum.c.id == ingest_log.c.raw_id)
        .join(suid, suid.c.id == datum.c.suid_id)
        .where(ingest_log.c.ingest_config_id != suid.c.ingest_config_id),
    )
    yield (
        "an ingest log has no later revision than its datum",
        select(ingest_log.c.id)
        .join(datum, datum.c.id == ingest_log.c.raw_id)
        .where(ingest_log.c.revision > datum.c.revision, datum.c.revision > 0),
    )
    yield (
        "a document belongs to the identifier of its datum",
        select(normalized_datum.c.id)
        .join(datum, datum.c.id == normalized_datum.c.raw_id)
        .where(normalized_datum.c.suid_id != datum.c.suid_id),
    )


def _log_rules() -> Iterator[_Rule]:
    """Yield the rules about harvest logs."""
    yield (
        "the window of a log ends after it starts",
        _logs(harvest_log.c.end_date <= harvest_log.c.start_date),
    )
    yield (
        "a log that has ended has the time of its end",
        _logs(
            and_(harvest_log.c.status.in_(("SUCCEEDED", "FAILED")), harvest_log.c.date_completed.is_(None))
        ),
    )
    yield "counts are not negative", _logs(or_(harvest_log.c.records < 0, harvest_log.c.quarantined < 0))


def _deletion_rules() -> Iterator[_Rule]:
    """Yield the rules about deletions, and about records that the last complete list did not contain."""
    suid, datum = source_unique_identifier, raw_datum
    with_datum = select(deletion.c.id).join(datum, datum.c.id == deletion.c.raw_id)
    yield (
        "a deletion belongs to the identifier of its datum, which is deleted",
        with_datum.where(or_(datum.c.suid_id != deletion.c.suid_id, ~datum.c.deleted)),
    )
    yield (
        "a deletion belongs to a decision, unless the source itself marks the record as deleted",
        select(deletion.c.id).where(
            or_(
                and_(deletion.c.decision_id.is_(None), deletion.c.evidence != "protocol"),
                and_(deletion.c.decision_id.is_not(None), deletion.c.evidence == "protocol"),
            )
        ),
    )
    yield (
        "a deletion belongs to the source of its decision",
        select(deletion.c.id)
        .join(deletion_decision, deletion_decision.c.id == deletion.c.decision_id)
        .join(suid, suid.c.id == deletion.c.suid_id)
        .where(deletion_decision.c.ingest_config_id != suid.c.ingest_config_id),
    )
    absent = select(absent_record.c.suid_id).join(suid, suid.c.id == absent_record.c.suid_id)
    yield (
        "an absent record belongs to the source of its identifier",
        absent.where(absent_record.c.ingest_config_id != suid.c.ingest_config_id),
    )
    yield (
        "a record is absent since the last list that did not contain it, or earlier",
        select(absent_record.c.suid_id).where(absent_record.c.since > absent_record.c.last_list),
    )


def _sweep_rules() -> Iterator[_Rule]:
    """Yield the rules about sweeps, and about the counts of late records."""
    yield (
        "a sweep that has ended has the time of its end",
        select(sweep.c.id).where(sweep.c.status != "STARTED", sweep.c.date_completed.is_(None)),
    )
    yield (
        "counts of late records are positive, and those of a whole month",
        select(record_lag.c.ingest_config_id, record_lag.c.month, record_lag.c.days).where(
            or_(record_lag.c.records < 1, func.extract("day", record_lag.c.month) != 1)
        ),
    )


def _logs(condition: ColumnElement[bool]) -> Select[tuple[int]]:
    return select(harvest_log.c.id).where(condition)


def _references() -> Iterator[_Rule]:
    """Yield a rule for each foreign key. SQLite checks foreign keys only for programs that switch this on."""
    for table in metadata.sorted_tables:
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name):
            parent = key.column.table.alias("parent")
            has_parent = exists().where(parent.c[key.column.name] == key.parent)
            keys: Sequence[ColumnElement[object]] = list(table.primary_key.columns)
            yield (
                f"{table.name}.{key.parent.name} refers to a row of {key.column.table.name}",
                select(*keys).where(key.parent.is_not(None), ~has_parent),
            )
