"""Deletions with their evidence, and the decisions that can be undone as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    func,
    insert,
    literal,
    null,
    select,
    true,
    update,
)

from harvest_dagster.storage.deletions.absences import is_one_of
from harvest_dagster.storage.tables import (
    Instant,
    deletion,
    deletion_decision,
    raw_datum,
    source_unique_identifier,
)

_DECISION, _DELETION, _KNOWN = deletion_decision.c, deletion.c, source_unique_identifier.c


@dataclass(frozen=True)
class Decision:
    """A decision to delete records that the source itself does not mark as deleted.

    Attributes:
        id: its primary key.
        run_id: the run, or the command, that made it.
        approved: whether a person approved it.
        records: how many records it deleted.
        date_created: when it was made.
        date_undone: when it was undone; None if it holds.
    """

    id: int
    run_id: str
    approved: bool
    records: int
    date_created: datetime
    date_undone: datetime | None


class Deletion(NamedTuple):
    """A deletion that a decision made.

    Attributes:
        id: its primary key.
        identifier: of the record.
        evidence: one of `tables.DELETION_EVIDENCE`.
        since: start of the first list that did not contain the record.
        datestamp: the newest datestamp of the record.
        is_current: whether the record is still deleted by this deletion, and by no later one.
        previous_raw_id: the key of the content that it replaced.
    """

    id: int
    identifier: str
    evidence: str
    since: datetime | None
    datestamp: datetime | None
    is_current: bool
    previous_raw_id: int | None


class NewDeletion(NamedTuple):
    """A deletion to insert."""

    suid_id: int
    evidence: str
    raw_id: int
    previous_raw_id: int
    since: datetime


def create_decision(
    connection: Connection, ingest_config_id: int, run_id: str, *, approved: bool, now: datetime
) -> int:
    """Insert a decision without records. Return its primary key."""
    values = {
        "ingest_config_id": ingest_config_id,
        "run_id": run_id,
        "approved": approved,
        "date_created": now,
    }
    return int(
        connection.execute(insert(deletion_decision).values(**values).returning(_DECISION.id)).scalar_one()
    )


def find_unfinished(connection: Connection, ingest_config_id: int) -> int | None:
    """Return the key of the last decision that is not completed and not undone, None if there is none.

    A repeated call continues an interrupted decision, so that one undo reverts all of it.
    """
    found: int | None = connection.scalar(
        select(func.max(_DECISION.id)).where(
            _is_unfinished(ingest_config_id), _DECISION.date_undone.is_(None)
        )
    )
    return found


def complete_decisions(
    connection: Connection, ingest_config_id: int, now: datetime, *, before: datetime | None = None
) -> None:
    """Mark the decisions of a source as completed: nothing continues them.

    Args:
        connection: a transaction under the lease.
        ingest_config_id: the source.
        now: the time.
        before: only those that were made before this instant.
    """
    is_before = true() if before is None else _DECISION.date_created < literal(before, Instant())
    connection.execute(
        update(deletion_decision)
        .where(_is_unfinished(ingest_config_id), is_before)
        .values(date_completed=now)
    )


def _is_unfinished(ingest_config_id: int) -> ColumnElement[bool]:
    return and_(_DECISION.ingest_config_id == ingest_config_id, _DECISION.date_completed.is_(None))


def find_decision(
    connection: Connection, ingest_config_id: int, decision_id: int | None = None
) -> Decision | None:
    """Return a decision of a source; without a key, the last one that holds. None if there is none."""
    chosen: ColumnElement[bool] = (
        _DECISION.date_undone.is_(None) if decision_id is None else _DECISION.id == decision_id
    )
    row = connection.execute(_decisions(ingest_config_id).where(chosen).limit(1)).first()
    return None if row is None else Decision(*row)


def list_decisions(connection: Connection, ingest_config_id: int, count: int) -> list[Decision]:
    """Return the last decisions of a source, the newest first."""
    return [Decision(*row) for row in connection.execute(_decisions(ingest_config_id).limit(count))]


def mark_undone(connection: Connection, decision_id: int, now: datetime) -> None:
    """Record that a decision was undone."""
    connection.execute(update(deletion_decision).where(_DECISION.id == decision_id).values(date_undone=now))


def add_deletions(
    connection: Connection, decision_id: int, deletions: Sequence[NewDeletion], run_id: str, now: datetime
) -> None:
    """Insert deletions of a decision."""
    if not deletions:
        return
    shared = {"decision_id": decision_id, "run_id": run_id, "date_created": now}
    connection.execute(insert(deletion), [{**one._asdict(), **shared} for one in deletions])
    connection.execute(
        update(deletion_decision)
        .where(_DECISION.id == decision_id)
        .values(records=_DECISION.records + len(deletions))
    )


def find_deletions(connection: Connection, decision_id: int, after: int, count: int) -> list[Deletion]:
    """Return deletions of a decision with a higher key than `after`, ordered by key."""
    other = deletion.alias("other")
    # All deletions of a record by decisions have the same content, so its key alone does not show the last one.
    last = (
        select(func.max(other.c.id))
        .where(other.c.suid_id == _DELETION.suid_id)
        .correlate(deletion)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            _DELETION.id,
            _KNOWN.identifier,
            _DELETION.evidence,
            _DELETION.since,
            _KNOWN.current_datestamp,
            and_(_KNOWN.raw_id == _DELETION.raw_id, _DELETION.id == last),
            _DELETION.previous_raw_id,
        )
        .select_from(deletion)
        .join(source_unique_identifier, _KNOWN.id == _DELETION.suid_id)
        .where(_DELETION.decision_id == decision_id, _DELETION.id > after)
        .order_by(_DELETION.id)
        .limit(count)
    )
    return [Deletion(*row) for row in rows]


def find_contents(connection: Connection, raw_ids: Sequence[int]) -> dict[int, str]:
    """Return contents by their keys. Pruned ones are missing."""
    rows = connection.execute(
        select(raw_datum.c.id, raw_datum.c.datum).where(raw_datum.c.id.in_(list(raw_ids)))
    )
    return {row.id: row.datum for row in rows}


def add_protocol_deletions(
    connection: Connection, ingest_config_id: int, identifiers: Sequence[str], run_id: str, now: datetime
) -> None:
    """Insert a deletion for each of these records that was live before and that the source marks as deleted now.

    Args:
        connection: the transaction that stored their contents.
        ingest_config_id: the source.
        identifiers: records whose current content this transaction changed.
        run_id: the run.
        now: the time.
    """
    if not identifiers:
        return
    # Subqueries for each row, so that PostgreSQL uses the indexes also without statistics of new tables.
    current, before, content = (
        raw_datum.alias("current"),
        raw_datum.alias("before"),
        raw_datum.alias("content"),
    )
    revision = (
        select(current.c.revision)
        .where(current.c.id == _KNOWN.raw_id, current.c.deleted)
        .correlate(source_unique_identifier)
        .scalar_subquery()
    )
    previous = (
        select(before.c.id)
        .where(before.c.suid_id == _KNOWN.id, before.c.revision > 0, before.c.revision < revision)
        .order_by(before.c.revision.desc())
        .limit(1)
        .correlate(source_unique_identifier)
        .scalar_subquery()
    )
    changed = (
        select(_KNOWN.id, _KNOWN.raw_id, previous.label("previous"))
        .where(_KNOWN.ingest_config_id == ingest_config_id, is_one_of(connection, identifiers))
        .subquery()
    )
    was_deleted = (
        select(content.c.deleted)
        .where(content.c.id == changed.c.previous)
        .correlate(changed)
        .scalar_subquery()
    )
    rows = select(
        changed.c.id,
        null(),
        literal("protocol"),
        changed.c.raw_id,
        changed.c.previous,
        null(),
        literal(run_id),
        literal(now, Instant()),
    ).where(was_deleted.is_(False))
    names = (
        "suid_id",
        "decision_id",
        "evidence",
        "raw_id",
        "previous_raw_id",
        "since",
        "run_id",
        "date_created",
    )
    connection.execute(insert(deletion).from_select(names, rows))


def _decisions(ingest_config_id: int) -> Select[Any]:
    return (
        select(
            _DECISION.id,
            _DECISION.run_id,
            _DECISION.approved,
            _DECISION.records,
            _DECISION.date_created,
            _DECISION.date_undone,
        )
        .where(_DECISION.ingest_config_id == ingest_config_id)
        .order_by(_DECISION.id.desc())
    )
