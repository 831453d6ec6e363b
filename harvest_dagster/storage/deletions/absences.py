"""The absent records of a source: stored as live, and missing in all complete lists since an instant.

A row exists only as long as no complete list and no window contains the record. So its `since` and its `last_list` are
the first and the last of the lists in a row that do not contain it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    ScalarSelect,
    Text,
    any_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    literal,
    null,
    select,
    true,
    update,
)

from harvest_dagster.storage.tables import (
    Instant,
    absent_record,
    ingest_config,
    raw_datum,
    source_unique_identifier,
)
from harvest_dagster.storage.upsert import dialect_insert

_ABSENT, _KNOWN, _DATUM = absent_record.c, source_unique_identifier.c, raw_datum.c


class AbsentRecord(NamedTuple):
    """A row with its record.

    Attributes:
        suid_id: the key of the identifier.
        raw_id: the key of the current content.
        identifier: the identifier.
        datestamp: the newest datestamp of the current content, None if it has none.
        is_live: whether the current content is still live.
        evidence: one of `tables.DELETION_EVIDENCE`; None if it does not suffice.
        since: start of the first list that did not contain it.
    """

    suid_id: int
    raw_id: int
    identifier: str
    datestamp: datetime | None
    is_live: bool
    evidence: str | None
    since: datetime


class AbsenceCounts(NamedTuple):
    """The live records of a source that its last complete list did not contain.

    Attributes:
        absent: their number.
        held: those of them whose deletion waits for an approval.
    """

    absent: int = 0
    held: int = 0


NO_ABSENCES = AbsenceCounts()


def begin_list(connection: Connection, ingest_config_id: int, began: datetime) -> bool:
    """Record that absent records are concluded from a list. Return False if a newer list was used before.

    If a run died while it concluded from an older list, the rows that this list did not reach are deleted: the list may
    have contained these records.

    Args:
        connection: a transaction under the lease.
        ingest_config_id: the source.
        began: the start of the list.
    """
    row = connection.execute(
        select(ingest_config.c.last_complete_list, ingest_config.c.list_in_conclusion).where(
            ingest_config.c.id == ingest_config_id
        )
    ).one()
    if any(other is not None and other > began for other in row):
        return False
    if row.list_in_conclusion is not None and row.list_in_conclusion < began:
        remove_listed(connection, ingest_config_id, row.list_in_conclusion)
    _set_lists(connection, ingest_config_id, list_in_conclusion=began)
    return True


def end_list(connection: Connection, ingest_config_id: int, began: datetime) -> None:
    """Record that a list was used completely."""
    _set_lists(connection, ingest_config_id, last_complete_list=began, list_in_conclusion=None)


def mark_exceeding(connection: Connection, ingest_config_id: int, began: datetime) -> None:
    """Record that a list lacks more records than the bounds allow."""
    _set_lists(connection, ingest_config_id, last_exceeding_list=began)


def restart_absences(connection: Connection, ingest_config_id: int, began: datetime) -> None:
    """Let those absences begin with this list that began with a list above the bounds, or before one.

    A list above the bounds proves no removal: a source that recovers slowly lacks many records, and then a few of them.

    Args:
        connection: a transaction under the lease.
        ingest_config_id: the source.
        began: the start of a list within the bounds.
    """
    exceeding = select(ingest_config.c.last_exceeding_list).where(ingest_config.c.id == ingest_config_id)
    evidence = case((_ABSENT.evidence == "absent_twice", null()), else_=_ABSENT.evidence)
    connection.execute(
        update(absent_record)
        .where(_of(ingest_config_id), _ABSENT.since <= exceeding.scalar_subquery())
        .values(since=began, evidence=evidence)
    )


def _set_lists(connection: Connection, ingest_config_id: int, **values: datetime | None) -> None:
    connection.execute(update(ingest_config).where(ingest_config.c.id == ingest_config_id).values(**values))


def add_absences(
    connection: Connection, ingest_config_id: int, suid_ids: Sequence[int], began: datetime, run_id: str
) -> None:
    """Insert or extend the rows of records that a list does not contain. Doing it again changes nothing."""
    if not suid_ids:
        return
    added = dialect_insert(connection, absent_record)
    connection.execute(
        added.on_conflict_do_update(
            index_elements=["suid_id"],
            set_={"last_list": added.excluded.last_list, "run_id": added.excluded.run_id},
        ),
        [
            {
                "suid_id": suid_id,
                "ingest_config_id": ingest_config_id,
                "since": began,
                "last_list": began,
                "run_id": run_id,
            }
            for suid_id in suid_ids
        ],
    )


def remove_listed(connection: Connection, ingest_config_id: int, began: datetime) -> None:
    """Delete the rows of records that a complete list contains, after `add_absences` for all that it does not."""
    connection.execute(delete(absent_record).where(_of(ingest_config_id), _ABSENT.last_list < began))


def mark_still_absent(
    connection: Connection, ingest_config_id: int, suid_ids: Sequence[int], run_id: str
) -> None:
    """Set the run of the rows of records that a list without proof does not contain. Insert none."""
    if suid_ids:
        connection.execute(
            update(absent_record)
            .where(_of(ingest_config_id), _ABSENT.suid_id.in_(list(suid_ids)))
            .values(run_id=run_id)
        )


def remove_unmarked(connection: Connection, ingest_config_id: int, run_id: str) -> None:
    """Delete the rows of records that a list without proof contains, after `mark_still_absent` for the others."""
    connection.execute(delete(absent_record).where(_of(ingest_config_id), _ABSENT.run_id != run_id))


def remove_absences(connection: Connection, suid_ids: Sequence[int]) -> None:
    """Delete the rows of these records."""
    if suid_ids:
        connection.execute(delete(absent_record).where(_ABSENT.suid_id.in_(list(suid_ids))))


def has_absences(connection: Connection, ingest_config_id: int) -> bool:
    """Return whether a source has absent records."""
    return connection.scalar(select(exists().where(_of(ingest_config_id)))) or False


def remove_arrived(connection: Connection, ingest_config_id: int, identifiers: Sequence[str]) -> None:
    """Delete the rows of records that the source has delivered, by their identifiers."""
    if not identifiers:
        return
    arrived = select(_KNOWN.id).where(
        _KNOWN.ingest_config_id == ingest_config_id, is_one_of(connection, identifiers)
    )
    connection.execute(delete(absent_record).where(_of(ingest_config_id), _ABSENT.suid_id.in_(arrived)))


def is_one_of(connection: Connection, identifiers: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a row of source_unique_identifier has one of these identifiers."""
    if connection.dialect.name == "postgresql":
        return _KNOWN.identifier == any_(bindparam("identifiers", list(identifiers), ARRAY(Text)))
    # One JSON array: there may be more identifiers than SQLite accepts parameters.
    listed = func.json_each(json.dumps(list(identifiers))).table_valued("value")
    return _KNOWN.identifier.in_(select(listed.c.value))


def set_evidence(
    connection: Connection, ingest_config_id: int, evidence: str, until: datetime, *, keep_not_found: bool
) -> None:
    """Set the evidence of all absent records of a source.

    Args:
        connection: a transaction under the lease.
        ingest_config_id: the source.
        evidence: the evidence of records that are absent since `until` or earlier. The others have none.
        until: see above.
        keep_not_found: whether records keep the evidence `not_found`, however long they are absent.
    """
    is_due = _ABSENT.since <= literal(until, Instant())
    found = case((is_due, literal(evidence)), else_=null())
    if keep_not_found:
        found = case(
            (_ABSENT.evidence == "not_found", literal("not_found")), (is_due, literal(evidence)), else_=null()
        )
    connection.execute(update(absent_record).where(_of(ingest_config_id)).values(evidence=found))


def mark_not_found(connection: Connection, suid_ids: Sequence[int]) -> None:
    """Set the evidence of records that the source says do not exist."""
    if suid_ids:
        connection.execute(
            update(absent_record).where(_ABSENT.suid_id.in_(list(suid_ids))).values(evidence="not_found")
        )


def clear_evidence(connection: Connection, ingest_config_id: int) -> None:
    """Remove the evidence of all absent records of a source: nothing is concluded from lists."""
    values: dict[str, Any] = {"evidence": None, "held": False}
    connection.execute(update(absent_record).where(_of(ingest_config_id)).values(**values))


def hold_all(connection: Connection, ingest_config_id: int) -> None:
    """Hold all absent records of a source. Those without sufficient evidence get `absent_once`: a person decides."""
    evidence = func.coalesce(_ABSENT.evidence, "absent_once")
    connection.execute(
        update(absent_record).where(_of(ingest_config_id)).values(evidence=evidence, held=true())
    )


def release_held(connection: Connection, ingest_config_id: int) -> None:
    """Hold no absent record of a source any more."""
    connection.execute(update(absent_record).where(_of(ingest_config_id)).values(held=false()))


def find_absent(connection: Connection, ingest_config_id: int, after: int, count: int) -> list[AbsentRecord]:
    """Return absent records with a higher key than `after`, ordered by key."""
    return _find(connection, ingest_config_id, true(), after, count)


def find_proven(
    connection: Connection, ingest_config_id: int, after: int, count: int, *, only_held: bool = False
) -> list[AbsentRecord]:
    """Return absent records with sufficient evidence and with a higher key than `after`, ordered by key."""
    condition = _ABSENT.held if only_held else _ABSENT.evidence.is_not(None)
    return _find(connection, ingest_config_id, condition, after, count)


def count_absences(connection: Connection, ingest_config_id: int) -> AbsenceCounts:
    """Return the numbers of absent records of a source."""
    return count_absences_of_sources(connection, [ingest_config_id]).get(ingest_config_id, NO_ABSENCES)


def count_absences_of_sources(
    connection: Connection, ids: Collection[int] | None = None
) -> dict[int, AbsenceCounts]:
    """Return the numbers of absent records of each of these configs, or of all, with one statement.

    A config without absent records has no entry.
    """
    absent, held = _count_of_config(), _count_of_config(_ABSENT.held)
    statement = select(ingest_config.c.id, absent.label("absent"), held.label("held"))
    if ids is not None:
        statement = statement.where(ingest_config.c.id.in_(ids))
    return {
        row.id: AbsenceCounts(row.absent, row.held) for row in connection.execute(statement) if row.absent
    }


def _count_of_config(*conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    """Return the number of absent records of a row of ingest_config. It reads only the index."""
    return (
        select(func.count())
        .select_from(absent_record)
        .where(_ABSENT.ingest_config_id == ingest_config.c.id, *conditions)
        .correlate(ingest_config)
        .scalar_subquery()
    )


def _of(ingest_config_id: int) -> ColumnElement[bool]:
    return _ABSENT.ingest_config_id == ingest_config_id


def _find(
    connection: Connection, ingest_config_id: int, condition: ColumnElement[bool], after: int, count: int
) -> list[AbsentRecord]:
    rows = connection.execute(
        select(
            _ABSENT.suid_id,
            _KNOWN.raw_id,
            _KNOWN.identifier,
            func.coalesce(_KNOWN.current_datestamp, _DATUM.datestamp, type_=_DATUM.datestamp.type),
            ~_DATUM.deleted,
            _ABSENT.evidence,
            _ABSENT.since,
        )
        .select_from(absent_record)
        .join(source_unique_identifier, _KNOWN.id == _ABSENT.suid_id)
        .join(raw_datum, _DATUM.id == _KNOWN.raw_id)
        .where(_of(ingest_config_id), condition, _ABSENT.suid_id > after)
        .order_by(_ABSENT.suid_id)
        .limit(count)
    )
    return [AbsentRecord(*row) for row in rows]
