"""A sweep from its first list to its end: list, compare, repair, delete, prove.

`list_headers` needs no lease of the source. `reconcile` and `finish_sweep` need it. All steps can be repeated after a
kill: the pages are in the spool, the first comparison is in the row of the sweep, and each repair is a harvest.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from harvest_dagster.errors import (
    DatabaseUnreachable,
    HarvestError,
    LeaseHeld,
    LeaseLost,
    RetryLater,
    SpoolUnreachable,
)
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.deletions import removal
from harvest_dagster.pipeline.fetching.completeness import NONE
from harvest_dagster.pipeline.lease_guard import LeaseHandle, release
from harvest_dagster.pipeline.reconciling import proof, repair
from harvest_dagster.pipeline.reconciling.listed_headers import Comparison, ListedHeaders, sort_headers
from harvest_dagster.pipeline.reconciling.listing import (
    HeaderOpener,
    clear_spool,
    list_headers,
    open_header_client,
    summaries,
)
from harvest_dagster.pipeline.reconciling.repair import Repair
from harvest_dagster.pipeline.reconciling.sweep_guard import COMPARED_TOO_OLD, SweepGuard
from harvest_dagster.pipeline.run_window import WindowRun
from harvest_dagster.storage import sweeps
from harvest_dagster.storage.sweeps import Findings, Sweep
from harvest_dagster.windows import ALL_TIME, Window

__all__ = ["Reconciliation", "end_on_failure", "finish_sweep", "list_headers", "reconcile"]

# These errors do not end a sweep: the op is tried again, or another run continues.
_NOT_AN_END = (LeaseLost, LeaseHeld, DatabaseUnreachable, RetryLater, SpoolUnreachable)


@dataclass(frozen=True)
class Reconciliation:
    """What `reconcile` did.

    Attributes:
        sweep: the sweep with its findings.
        harvested: the windows that were harvested again.
        reconciled: the windows of the harvest logs that are proven complete now.
    """

    sweep: Sweep
    harvested: tuple[Window, ...] = ()
    reconciled: tuple[Window, ...] = ()

    @property
    def days(self) -> set[date]:
        """The days of these windows: what Dagster shows about them may have changed."""
        return {day for window in (*self.harvested, *self.reconciled) for day in window.days}


@dataclass
class _Work:
    """One call of `reconcile`."""

    run: WindowRun
    guard: SweepGuard
    repair: Repair = field(default_factory=Repair)

    @property
    def harvest(self) -> HarvestContext:
        return self.run.harvest


def reconcile(
    run: WindowRun,
    guard: SweepGuard,
    *,
    approve: bool = False,
    open_headers: HeaderOpener = open_header_client,
) -> Reconciliation:
    """Compare the lists of a sweep with the stored records, and repair what differs.

    Args:
        run: the steps of a window, with the harvest and the lease of the source. It harvests days again.
        guard: the sweep, whose lists are fetched.
        approve: whether deletions above `deletions.most` are approved.
        open_headers: opens a client that can be asked for single records.

    Raises:
        HarvestError: a window could not be harvested again. What follows from the lists for the other days is done. The
            next run continues the sweep.
        SpoolError: pages of the lists are missing or damaged. The next run requests them again.
        LeaseLost: another run has the lease or the sweep.
    """
    work = _Work(run, guard)
    with sort_headers(work.harvest, guard.read()) as listed:
        _doubt_invalid_headers(work, listed)
        comparison = listed.compare()
        _record_first_comparison(work, comparison)
        comparison = _repair(work, listed, comparison)
        if _remove(work, listed, comparison, open_headers, approve=approve):
            comparison = listed.compare()
        agreeing = proof.AgreeingDays(
            work.harvest, guard.read(), summaries(work.harvest, guard.read()), listed, comparison
        )
        proven = proof.mark_reconciled_logs(work.harvest, run.lease, agreeing)
    _record(work, reconciled_days=agreeing.count())
    sweep = guard.read()
    work.harvest.logger.info(sweep_line(work.harvest, sweep))
    if work.repair.failure is not None:
        raise HarvestError(work.repair.failure)
    return Reconciliation(sweep, work.repair.harvested, tuple(log.window for log in proven))


def finish_sweep(harvest: HarvestContext, guard: SweepGuard, lease: LeaseHandle) -> Sweep:
    """Mark a sweep SUCCEEDED, delete its pages, and release the lease of the source.

    Raises:
        LeaseLost: another run has taken over the sweep.
    """
    with guard.database.begin() as connection:
        sweep = sweeps.end(connection, guard.sweep_id, guard.run_id, "SUCCEEDED", now=harvest.run.clock())
    try:
        clear_spool(harvest, sweep)
    except OSError as error:
        harvest.logger.warning(f"the spool could not be cleared: {error}")
    release(harvest, lease)
    return sweep


@contextmanager
def end_on_failure(
    harvest: HarvestContext, guard: SweepGuard, cancelled_by: tuple[type[BaseException], ...] = ()
) -> Iterator[None]:
    """End the sweep if the block raises: FAILED, or CANCELLED. A later run can continue it.

    If the lease or the database is lost, this run must not or cannot write. If the op is tried again, the sweep stays
    STARTED.
    """
    try:
        yield
    except LeaseHeld:
        guard.extend(harvest.run.longest_start)
        raise
    except _NOT_AN_END:
        raise
    except cancelled_by:
        _end(harvest, guard, "CANCELLED", "the run was cancelled. The next run continues the sweep.")
        raise
    except Exception as error:
        trace = "".join(traceback.format_exception(error))
        _end(harvest, guard, "FAILED", f"{type(error).__name__}: {error}\n\n{trace}")
        raise


def _end(harvest: HarvestContext, guard: SweepGuard, status: str, error: str) -> None:
    with suppress(HarvestError), guard.database.begin() as connection:  # the first error matters more
        sweeps.end(
            connection,
            guard.sweep_id,
            guard.run_id,
            status,
            now=harvest.run.clock(),
            error=harvest.source.redact(error),
        )


def sweep_line(harvest: HarvestContext, sweep: Sweep) -> str:
    """Return the line about a sweep in the log of its run."""
    found = sweep.findings
    not_shown = (
        "" if sweep.lists_everything else "; the source lists only its newest records, so none counts as gone"
    )
    return (
        f"{harvest.config.label}: {found.listed} identifiers listed, {found.known} known, {found.missing} missing, "
        f"{found.changed} changed, {found.gone} gone, {found.duplicates} duplicates, {found.sets_differ} with other "
        f"sets, {found.repaired} repaired, {found.quarantined} quarantined, "
        f"{found.deleted} deleted, {found.held} held, {found.reconciled_days} days "
        f"reconciled, {sweep.pages} pages, {sweep.requests} requests; {sweep.completeness}, evidence: {sweep.evidence}"
        f"{not_shown}"
    )


def _doubt_invalid_headers(work: _Work, listed: ListedHeaders) -> None:
    """Make the sweep unverified if a header cannot be read: its record would seem to be gone."""
    if not listed.invalid:
        return
    work.harvest.logger.warning(
        f"{listed.invalid} headers cannot be read, so nothing is deleted: their records would seem to be gone"
    )
    with work.guard.begin() as connection:
        sweeps.record_lists(
            connection,
            work.guard.sweep_id,
            work.guard.run_id,
            pages=listed.sweep.pages,
            completeness="unverified",
            evidence=NONE,
            doubt=f"{listed.invalid} headers cannot be read",
            lists_everything=listed.sweep.lists_everything,
        )


def _record_first_comparison(work: _Work, comparison: Comparison) -> None:
    """Record what differed before the repair. A run that continues the sweep keeps these numbers."""
    if not work.guard.read().is_compared:
        found = Findings(
            listed=comparison.counts.live,
            known=comparison.counts.known,
            missing=comparison.count("missing"),
            changed=comparison.count("changed"),
            gone=comparison.count("gone"),
            duplicates=comparison.count("duplicate"),
            sets_differ=comparison.count("sets"),
            quarantined=comparison.count("quarantined"),
            examples=comparison.examples,
        )
        with work.guard.begin() as connection:
            sweeps.record_findings(connection, work.guard.sweep_id, work.guard.run_id, found)


def _repair(work: _Work, listed: ListedHeaders, comparison: Comparison) -> Comparison:
    """Harvest the days of missing and changed records again. Return the comparison after it."""
    harvest = work.harvest
    windows = repair.repair_windows(
        harvest.config,
        comparison.days_to_harvest,
        harvest.run.clock(),
        one_list=harvest.source.has_open_end,
    )
    if comparison.undated:
        harvest.logger.warning(
            f"{comparison.undated} missing or changed records have no datestamp, so no harvest of a day brings them"
        )
    half_stored = repair.half_stored_windows(harvest, listed.sweep.date_started)
    work.repair = repair.harvest_windows(work.run, list(dict.fromkeys([*half_stored, *windows])))
    if work.repair.harvested:
        comparison = listed.compare()
    remaining = comparison.count("missing", "changed")
    _record(work, **_findings_after_repair(work.guard.read().findings, comparison))
    if remaining and work.repair.failure is None:
        shown = ", ".join(
            [*comparison.examples.get("missing", ()), *comparison.examples.get("changed", ())][:10]
        )
        harvest.logger.warning(
            f"{remaining} records that the source lists did not come with a harvest of their days: {shown}"
        )
    return comparison


def _findings_after_repair(first: Findings, comparison: Comparison) -> dict[str, Any]:
    """Return the counts and examples that change with the repair.

    A missing record that the repair has quarantined counts as quarantined. Otherwise it would seem to be repaired.
    """
    invalid = comparison.count("quarantined")
    newly = max(0, invalid - first.quarantined)
    missing = max(0, first.missing - newly)
    changed = max(0, first.changed - max(0, newly - first.missing))
    shown = comparison.examples.get("quarantined", [])
    kept = {kind: [one for one in found if one not in shown] for kind, found in first.examples.items()}
    examples = {kind: found for kind, found in {**kept, "quarantined": shown}.items() if found}
    return {
        "missing": missing,
        "changed": changed,
        "repaired": max(0, missing + changed - comparison.count("missing", "changed")),
        "quarantined": invalid,
        "examples": examples,
    }


def _remove(
    work: _Work,
    listed: ListedHeaders,
    comparison: Comparison,
    open_headers: HeaderOpener,
    *,
    approve: bool,
) -> int:
    """Conclude which records the source has removed, if the lists are complete. Return how many were deleted."""
    harvest, guard = work.harvest, work.guard
    sweep = guard.read()
    if not _proves_removals(harvest, sweep, comparison):
        removal.end_absences(harvest, work.run.lease, harvest.run.id, listed.absent(comparison))
        return 0

    def count(connection: Connection, deleted: int) -> None:
        sweeps.add_deleted(connection, guard.sweep_id, guard.run_id, deleted)

    with ExitStack() as stack:
        ask = None
        if harvest.config.deletions.by == "reconcile" and comparison.absent_count:
            client = stack.enter_context(open_headers(harvest, guard)).client
            ask = _ask_for(client) if _answers_rightly(work, listed, client) else None
        result = removal.conclude(
            harvest,
            work.run.lease,
            removal.CompleteList("sweep", sweep.date_started, harvest.run.id),
            listed.absent(comparison),
            ask=ask,
            approve=approve,
            count=count,
        )
    _record(work, held=result.held)
    return result.deleted


def _proves_removals(harvest: HarvestContext, sweep: Sweep, comparison: Comparison) -> bool:
    """Return whether the lists are proven, contain anything, and are new enough to show what the source has removed."""
    if _is_outdated(sweep, harvest.run.clock()):
        harvest.logger.warning(
            "another run began this sweep more than a day ago, so nothing is concluded about removed records: they may "
            "have returned since"
        )
        return False
    return sweep.is_complete and sweep.lists_everything and comparison.counts.live > 0


def _is_outdated(sweep: Sweep, now: datetime) -> bool:
    """Return whether this run compares the lists of another run that are too old to delete a record.

    A long sweep of one run may take days.
    """
    return sweep.run_began > sweep.date_started and now - sweep.date_started > COMPARED_TOO_OLD


def _answers_rightly(work: _Work, listed: ListedHeaders, client: Client) -> bool:
    """Return whether the source says of a record that it lists that it has it.

    A source whose GetRecord fails with idDoesNotExist, or a wrong `url` of details, would say of no record that it
    exists.
    """
    example = listed.find_live()
    answer = None if example is None else client.has_record(example, ALL_TIME)
    if answer is False:
        work.harvest.logger.warning(
            f"the source lists the record {example}, but says that it does not exist. So the source is not asked for "
            "the records that it no longer lists."
        )
    return answer is True


def _ask_for(client: Client) -> Callable[[str], bool | None]:
    """Return a function that asks the source whether a record does not exist. None: the answer is not clear."""

    def does_not_exist(identifier: str) -> bool | None:
        answer = client.has_record(identifier, ALL_TIME)
        return None if answer is None else not answer

    return does_not_exist


def _record(work: _Work, **changes: Any) -> None:
    with work.guard.begin() as connection:
        found = replace(sweeps.get_sweep(connection, work.guard.sweep_id).findings, **changes)
        sweeps.record_findings(connection, work.guard.sweep_id, work.guard.run_id, found)
