"""Sweeps, snapshots and held deletions as values for JSON. The keys are documented in docs/cli.md and stay stable."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from harvest_dagster.coverage.sweep_status import SweepStatus
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.sweeps import Findings, Sweep
from harvest_dagster.texts import first_line

_KEYS = (
    *("started", "ended", "status", "run_id", "error", "completeness", "evidence"),
    *("pages", "requests", "bytes"),
)
_NOTHING_FOUND: dict[str, Any] = dict.fromkeys(one.name for one in fields(Findings))


def sweep_as_json(sweep: Sweep | None) -> dict[str, Any]:
    """Return a sweep: when it ran, what its lists prove, and what the comparison found.

    What the comparison finds is null before it. All values are null if there is no sweep.
    """
    found = asdict(sweep.findings) if sweep and sweep.is_compared else _NOTHING_FOUND
    if sweep is None:
        return {**dict.fromkeys(_KEYS), **found}
    return {
        "started": sweep.date_started,
        "ended": sweep.date_completed,
        "status": sweep.status,
        "run_id": sweep.run_id,
        "error": first_line(sweep.error) if sweep.error else None,
        "completeness": sweep.completeness,
        "evidence": sweep.evidence,
        "pages": sweep.pages,
        "requests": sweep.requests,
        "bytes": sweep.bytes,
        **found,
    }


def comparison_as_json(status: SweepStatus | None) -> dict[str, Any]:
    """Return the state of the comparison of a source with the stored records. Without a database, nothing is known."""
    last = status.last if status else None
    active = status.active if status else None
    return {
        "sweep": sweep_as_json(last) if last else None,
        "active_sweep": sweep_as_json(active) if active else None,
        "snapshot": _snapshot(status.snapshot) if status and status.snapshot else None,
        "next_sweep": status.next_time if status else None,
        "held_deletions": status.counts.held if status else 0,
        "absent": status.counts.absent if status else 0,
        "differs": status.differs if status else None,
    }


def _snapshot(log: HarvestLog) -> dict[str, Any]:
    return {
        "ended": log.date_completed,
        "run_id": log.run_id,
        "completeness": log.completeness,
        "evidence": log.evidence,
        "records": log.counts.records,
    }
