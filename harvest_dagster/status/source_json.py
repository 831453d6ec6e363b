"""The state of a source as values for JSON. The keys are documented in docs/cli.md and stay stable."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.lag import habit_change, lookback_days
from harvest_dagster.status.source_state import SourceState
from harvest_dagster.status.sweep_json import comparison_as_json
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.lease.leases import LeaseRow
from harvest_dagster.windows import Window, format_bounds


def state_as_json(state: SourceState, now: datetime) -> dict[str, Any]:
    """Return the state of a source. `unverified` and `calendar` are null if no calendar was read."""
    status = state.status
    return {
        "label": state.config.label,
        "complete_up_to": status.complete_until if status else None,
        "is_late": status.is_late if status else None,
        "complete": pairs(state.complete),
        "gaps": pairs(state.gaps),
        "before_first_harvest": _before(state),
        "unverified": pairs(state.unverified) if state.calendar else None,
        "failed": [
            {
                "window": format_bounds(failed.window),
                "failed_runs": failed.failed_runs,
                "last_failure": failed.last_failure,
                "error": failed.error,
            }
            for failed in state.failed
        ],
        "active": [_active(log) for log in state.active],
        "interrupted": [_active(log) for log in state.interrupted],
        "lease": _lease(state.lease),
        "waits": _waits(state),
        "hours": _hours(state, now),
        "lag": _lag(state),
        "quarantined": state.quarantined,
        "transforms": {name: state.transforms.get(name, 0) for name in ("PENDING", "STARTED", "FAILED")},
        "calendar": {day.isoformat(): name for day, name in state.calendar.days} if state.calendar else None,
        **comparison_as_json(state.sweep),
    }


def pairs(windows: Iterable[Window]) -> list[list[str]]:
    """Return `[from, until]` of each window."""
    return [format_bounds(window) for window in windows]


def _before(state: SourceState) -> list[str] | None:
    days = state.status.before_first_harvest if state.status else None
    return format_bounds(days.window) if days else None


def _active(log: HarvestLog) -> dict[str, Any]:
    return {
        "window": format_bounds(log.window),
        "status": log.status,
        "run_id": log.run_id,
        "since": log.date_started,
        "pages": log.counts.pages,
        "records": log.counts.records,
        "expected": log.expected,
    }


def _lease(lease: LeaseRow | None) -> dict[str, Any] | None:
    if lease is None:
        return None
    process = lease.holder.process
    return {
        "run_id": lease.holder.run_id,
        "host": process.host.split()[0] if process else None,
        "process_id": process.id if process else None,
        "acquired": lease.acquired,
        "expires": lease.expires,
        "expired": lease.is_expired,
    }


def opening_of(config: IngestConfig, now: datetime) -> datetime | None:
    """Return when the hours of a source begin; None if it may be asked now."""
    return None if config.hours is None or config.hours.is_open(now) else config.hours.next_opening(now)


def _hours(state: SourceState, now: datetime) -> dict[str, Any] | None:
    hours = state.config.hours
    if hours is None:
        return None
    return {"hours": hours.texts, "open": hours.is_open(now), "opens": opening_of(state.config, now)}


def _lag(state: SourceState) -> dict[str, Any]:
    """Return how late records come, in days; null if no record is counted."""
    lags, change = state.lags, habit_change(state.lags)
    days = lookback_days(state.config, lags) if state.config.selective else None
    return {
        "p50": lags.bound(0.5),
        "p99": lags.bound(0.99),
        "p999": lags.bound(0.999),
        "records": lags.records,
        "late_records": 0 if days is None else lags.late_records(days),
        "lookback_days": days,
        "habit_change": {"before": change.before, "recent": change.recent} if change else None,
    }


def _waits(state: SourceState) -> dict[str, Any] | None:
    budget = state.budget
    if budget is None:
        return None
    return {"seconds": round(budget.pause, 1), "slowdown": budget.slowdown, "requests": budget.requests}
