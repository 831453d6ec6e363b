"""Conclude from a complete list which records the source has removed, and mark them as deleted.

Each batch is one transaction under the lease. A run that is killed may do the same again with the same list: the result
is the same (docs/decisions/0067-delete-only-what-two-complete-lists-lack.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.deletions.rule import (
    ListKind,
    Requirement,
    find_exceeded_bound,
    find_requirement,
)
from harvest_dagster.pipeline.deletions.tombstones import TOMBSTONE, store_revisions
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.records import Record
from harvest_dagster.storage.deletions import absences, decisions
from harvest_dagster.storage.deletions.absences import AbsentRecord
from harvest_dagster.storage.deletions.decisions import NewDeletion
from harvest_dagster.storage.raw_data.known_records import KnownRecord, count_live
from harvest_dagster.windows import format_instant

BATCH = 500
_EXAMPLES = 5

CountDeleted = Callable[[Connection, int], None]
"""Called in the transaction that deletes records, with their number."""


@dataclass(frozen=True)
class CompleteList:
    """A complete list of the whole source.

    Attributes:
        kind: a snapshot, or a sweep.
        began: when its first page was requested.
        run_id: the run that compared it.
    """

    kind: ListKind
    began: datetime
    run_id: str


@dataclass(frozen=True)
class Removal:
    """The result of a list.

    Attributes:
        deleted: number of records that were marked as deleted.
        held: number of records whose deletion waits for an approval.
        waiting: number of absent records without sufficient evidence.
        examples: a few identifiers of the deleted records, or else of the held ones.
    """

    deleted: int = 0
    held: int = 0
    waiting: int = 0
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.deleted:,} deleted, {self.held:,} held, {self.waiting:,} waiting"


def conclude(
    harvest: HarvestContext,
    lease: LeaseHandle,
    the_list: CompleteList,
    absent: Iterable[KnownRecord],
    *,
    ask: Callable[[str], bool | None] | None = None,
    approve: bool = False,
    count: CountDeleted | None = None,
) -> Removal:
    """Record which records a complete list does not contain, and delete those whose evidence suffices.

    Args:
        harvest: the harvest.
        lease: the lease of the source.
        the_list: the list. It must be complete, proven and not empty, and have no limit.
        absent: the live records that it does not contain and that did not change here since it began, as the database
            has them now. A stream; it is read once.
        ask: asks the source for a record by its identifier. It returns True if the record does not exist, False if it
            exists, None if the answer is not clear. It is used only with `by: reconcile`, after a sweep, and if the
            number of absent records is within the bounds.
        approve: whether a person has permitted to exceed the bounds.
        count: called in the transaction of each batch with the number of its deleted records.

    Raises:
        LeaseLost: another run took the lease; the present batch was not written.
    """
    config_id, began = harvest.config_id, the_list.began
    if not _begin_conclusion(harvest, lease, began):
        return Removal()
    _add_absences(harvest, lease, the_list, absent)
    requirement = find_requirement(harvest.config.deletions, the_list.kind, began)
    _set_evidence(harvest, lease, began, requirement)
    removal = _Remover(harvest, lease, the_list, ask, approve, count).remove(requirement)
    with lease.begin() as connection:
        absences.end_list(connection, config_id, began)
        decisions.complete_decisions(connection, config_id, harvest.run.clock())
    return removal


def end_absences(
    harvest: HarvestContext, lease: LeaseHandle, run_id: str, absent: Iterable[KnownRecord]
) -> None:
    """Record that a list without proof contains records: they are not absent. About the others it says nothing.

    Args:
        harvest: the harvest.
        lease: the lease of the source.
        run_id: the run that compared the list.
        absent: the live records that it does not contain, as in `conclude`.

    Raises:
        LeaseLost: another run took the lease; the present batch was not written.
    """
    with harvest.run.database.read() as connection:
        if not absences.has_absences(connection, harvest.config_id):
            return
    stream = (record.suid_id for record in absent)
    while suid_ids := list(islice(stream, BATCH)):
        with lease.begin() as connection:
            absences.mark_still_absent(connection, harvest.config_id, suid_ids, run_id)
    with lease.begin() as connection:
        absences.remove_unmarked(connection, harvest.config_id, run_id)


def _begin_conclusion(harvest: HarvestContext, lease: LeaseHandle, began: datetime) -> bool:
    """Record that absent records are concluded from a list. Return False if a newer list was compared before."""
    with lease.begin() as connection:
        is_newest = absences.begin_list(connection, harvest.config_id, began)
        if is_newest:  # otherwise an interrupted decision about another list would be continued
            decisions.complete_decisions(connection, harvest.config_id, harvest.run.clock(), before=began)
    if not is_newest:
        harvest.logger.warning(
            f"nothing is concluded from the list that began at {format_instant(began)}: a newer one was compared before"
        )
    return is_newest


def _add_absences(
    harvest: HarvestContext, lease: LeaseHandle, the_list: CompleteList, absent: Iterable[KnownRecord]
) -> None:
    stream = (record.suid_id for record in absent if not record.deleted)
    while suid_ids := list(islice(stream, BATCH)):
        with lease.begin() as connection:
            absences.add_absences(connection, harvest.config_id, suid_ids, the_list.began, the_list.run_id)


def _set_evidence(
    harvest: HarvestContext, lease: LeaseHandle, began: datetime, requirement: Requirement | None
) -> None:
    """End the absences of the records that the list contains, and set the evidence of the others."""
    with lease.begin() as connection:
        absences.remove_listed(connection, harvest.config_id, began)
        if requirement is None:
            absences.clear_evidence(connection, harvest.config_id)
        else:
            absences.set_evidence(
                connection,
                harvest.config_id,
                requirement.evidence,
                requirement.until,
                keep_not_found=harvest.config.deletions.by == "reconcile",
            )


@dataclass(frozen=True)
class _Remover:
    """Holds or deletes the absent records of a source. See `conclude` for the attributes."""

    harvest: HarvestContext
    lease: LeaseHandle
    the_list: CompleteList
    ask: Callable[[str], bool | None] | None
    approve: bool
    count: CountDeleted | None

    def remove(self, requirement: Requirement | None) -> Removal:
        absent = self._count_absent()
        if requirement is None or not absent:
            return Removal(waiting=absent)
        bound = self._find_exceeded_bound(absent)
        if bound is not None and not self.approve:
            return self._hold(bound)
        with self.lease.begin() as connection:
            if bound is None:
                absences.restart_absences(connection, self.harvest.config_id, self.the_list.began)
            else:
                absences.hold_all(connection, self.harvest.config_id)  # gives all of them their evidence
            absences.release_held(connection, self.harvest.config_id)
        if self.ask is not None and requirement.may_ask and bound is None:
            self._ask_source(self.ask)
        return self._delete()

    def _count_absent(self) -> int:
        with self.harvest.run.database.read() as connection:
            return absences.count_absences(connection, self.harvest.config_id).absent

    def _find_exceeded_bound(self, absent: int) -> str | None:
        """Return the bound that so many absent records exceed.

        The records that this list brings do not count as live: a source that shows others instead has lost the share of
        these.
        """
        with self.harvest.run.database.read() as connection:
            live = count_live(connection, self.harvest.config_id, self.the_list.began)
        return find_exceeded_bound(absent, live, self.harvest.config.deletions.most)

    def _delete(self) -> Removal:
        with self.harvest.run.database.read() as connection:
            decision_id = decisions.find_unfinished(connection, self.harvest.config_id)
        deleted, examples = delete_proven(
            self.harvest,
            self.lease,
            self.the_list.run_id,
            decision_id,
            approved=self.approve,
            count=self.count,
        )
        return Removal(deleted=deleted, waiting=self._count_absent(), examples=examples)

    def _hold(self, bound: str) -> Removal:
        """Hold all deletions, because the list shows too many records as removed."""
        config_id = self.harvest.config_id
        with self.lease.begin() as connection:
            absences.mark_exceeding(connection, config_id, self.the_list.began)
            absences.hold_all(connection, config_id)
            held = absences.count_absences(connection, config_id).held
            found = absences.find_proven(connection, config_id, 0, _EXAMPLES)
        examples = tuple(record.identifier for record in found)
        self.harvest.logger.warning(
            f"the source no longer lists {held:,} live records, {bound}, such as {', '.join(examples)}. None of them "
            f"is deleted. They wait for `harvest deletions approve {self.harvest.config.label}`."
        )
        return Removal(held=held, examples=examples)

    def _ask_source(self, ask: Callable[[str], bool | None]) -> None:
        """Ask the source for each absent record. One that it has is not deleted. No transaction is open meanwhile."""
        after = 0
        while True:
            with self.harvest.run.database.read() as connection:
                batch = absences.find_absent(connection, self.harvest.config_id, after, BATCH)
            if not batch:
                return
            for record in batch:
                not_found = ask(record.identifier)
                if not_found is None:
                    continue
                with self.lease.begin() as connection:
                    if not_found:
                        absences.mark_not_found(connection, [record.suid_id])
                    else:
                        absences.remove_absences(connection, [record.suid_id])
            after = batch[-1].suid_id


def delete_proven(
    harvest: HarvestContext,
    lease: LeaseHandle,
    run_id: str,
    decision_id: int | None,
    *,
    approved: bool,
    only_held: bool = False,
    count: CountDeleted | None = None,
) -> tuple[int, tuple[str, ...]]:
    """Mark the absent records whose evidence suffices as deleted, in batches. Return their number and some of them.

    Args:
        harvest: the harvest.
        lease: the lease of the source.
        run_id: the run or the command.
        decision_id: the decision to which they belong; None to create one with the first batch.
        approved: whether a person has approved the decision.
        only_held: only those that were held.
        count: see `conclude`.
    """
    examples: list[str] = []
    deleted = after = 0
    while True:
        now = harvest.run.clock()
        with lease.begin() as connection:
            batch = absences.find_proven(connection, harvest.config_id, after, BATCH, only_held=only_held)
            live = [record for record in batch if record.is_live]
            if live:
                decision_id = decision_id or decisions.create_decision(
                    connection, harvest.config_id, run_id, approved=approved, now=now
                )
                decisions.add_deletions(
                    connection, decision_id, _delete(connection, harvest, live, now), run_id, now
                )
                if count is not None:
                    count(connection, len(live))
            absences.remove_absences(connection, [record.suid_id for record in batch])
        if not batch:
            return deleted, tuple(examples)
        deleted, after = deleted + len(live), batch[-1].suid_id
        examples.extend(record.identifier for record in live[: _EXAMPLES - len(examples)])
        lease.raise_if_lost()


def _delete(
    connection: Connection, harvest: HarvestContext, live: Sequence[AbsentRecord], now: datetime
) -> list[NewDeletion]:
    tombstones = [Record(record.identifier, record.datestamp, True, TOMBSTONE) for record in live]
    stored = store_revisions(connection, harvest, tombstones, now)
    return [
        NewDeletion(record.suid_id, record.evidence or "", datum.raw_id, record.raw_id, record.since)
        for record, datum in zip(live, stored, strict=True)
    ]
