"""Approve the held deletions of a source, and undo a decision."""

from __future__ import annotations

from dataclasses import dataclass

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.deletions.removal import delete_proven
from harvest_dagster.pipeline.deletions.tombstones import store_revisions
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.records import Record
from harvest_dagster.storage.deletions import absences, decisions
from harvest_dagster.storage.deletions.decisions import Decision, Deletion

_BATCH = 100  # contents in memory


@dataclass(frozen=True)
class Approval:
    """The result of an approval.

    Attributes:
        decision_id: the decision; None if nothing was held.
        deleted: number of records that this call marked as deleted.
    """

    decision_id: int | None
    deleted: int


@dataclass(frozen=True)
class Undoing:
    """The result of undoing a decision.

    Attributes:
        restored: number of records that are live again.
        unchanged: number of records that changed after their deletion: the source delivered them again, or marked them
            as deleted itself.
        lost: number of records whose earlier content was pruned. They stay deleted.
    """

    restored: int = 0
    unchanged: int = 0
    lost: int = 0

    def __add__(self, other: Undoing) -> Undoing:
        return Undoing(
            self.restored + other.restored, self.unchanged + other.unchanged, self.lost + other.lost
        )


def approve_held(harvest: HarvestContext, lease: LeaseHandle) -> Approval:
    """Mark all held records as deleted, as one decision. An approval that was killed is continued.

    Raises:
        LeaseLost: another run took the lease; the present batch was not written.
    """
    with harvest.run.database.read() as connection:
        unfinished = decisions.find_unfinished(connection, harvest.config_id)
    deleted, _ = delete_proven(harvest, lease, harvest.run.id, unfinished, approved=True, only_held=True)
    with lease.begin() as connection:
        decision_id = decisions.find_unfinished(connection, harvest.config_id)
        decisions.complete_decisions(connection, harvest.config_id, harvest.run.clock())
    return Approval(decision_id, deleted)


def undo_decision(harvest: HarvestContext, lease: LeaseHandle, decision: Decision) -> Undoing:
    """Make the records of a decision live again, with their earlier contents. Their absences begin again.

    A record that has changed since stays as it is. An undoing that was killed may be repeated.

    Raises:
        LeaseLost: another run took the lease; the present batch was not written.
    """
    undoing, after = Undoing(), 0
    while True:
        with lease.begin() as connection:
            batch = decisions.find_deletions(connection, decision.id, after, _BATCH)
            deleted = [one for one in batch if one.is_current]
            contents = decisions.find_contents(
                connection, [one.previous_raw_id for one in deleted if one.previous_raw_id is not None]
            )
            records = [record for one in deleted if (record := _record(one, contents)) is not None]
            store_revisions(connection, harvest, records, harvest.run.clock())
            absences.remove_arrived(connection, harvest.config_id, [record.identifier for record in records])
            if not batch:
                decisions.mark_undone(connection, decision.id, harvest.run.clock())
                return undoing
        undoing += Undoing(len(records), len(batch) - len(deleted), len(deleted) - len(records))
        after = batch[-1].id
        lease.raise_if_lost()


def _record(deletion: Deletion, contents: dict[int, str]) -> Record | None:
    """Return the record as it was before its deletion, None if its content was pruned."""
    blob = None if deletion.previous_raw_id is None else contents.get(deletion.previous_raw_id)
    return None if blob is None else Record(deletion.identifier, deletion.datestamp, False, blob)
