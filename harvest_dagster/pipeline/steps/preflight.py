"""The step preflight: everything that can refuse a harvest before anything is touched.

It closes the logs of dead runs, and refuses a source that is disabled or keeps failing. A refusal writes no log, so
that refusals do not count as failures.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from harvest_dagster.catalog.bundled import BundledCatalog
from harvest_dagster.errors import ConfigDisabled, TooManyFailures
from harvest_dagster.pipeline.backoff import count_failed_probes, pause_before_retry
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.orphaned_logs import close_logs_of_dead_runs
from harvest_dagster.storage.harvest_log import queries, run_attempts
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.harvest_log.run_attempts import RunAttempt
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import Lease
from harvest_dagster.texts import NO_ERROR, first_line
from harvest_dagster.windows import format_instant


def validate_preconditions(harvest: HarvestContext) -> None:
    """Close the logs of dead runs, and raise if the source must not be harvested now.

    Raises:
        ConfigDisabled: the config is disabled, and neither `force` nor `ignore_disabled` is set.
        TooManyFailures: the last harvests failed, and `force` is not set.
        MissingSecret: the environment lacks a `${NAME}` of the config.
        UnknownPlugin: the harvester or transformer cannot be loaded.
        CatalogError: the harvester rejects its arguments.
        BadInput: HARVEST_CONTACT is not an address.
    """
    parameters = harvest.parameters
    if harvest.config.disabled and not (parameters.force or parameters.ignore_disabled):
        remedy = "Run with ignore_disabled: true, or remove `disabled` from its YAML."
        if harvest.config.label in BundledCatalog().labels:
            remedy += f" To enable a bundled source: harvest add --bundled {harvest.config.label}."
        message = f"{harvest.config.label} is disabled. {remedy}"
        raise ConfigDisabled(message)
    # These properties raise if a secret is missing or a plug-in cannot be loaded.
    _ = harvest.source.harvester, harvest.transformer_version, harvest.source.contact
    closed = close_logs_of_dead_runs(
        harvest.run.database,
        harvest.run.history,
        harvest.run.clock,
        config_id=harvest.config_id,
        spared={harvest.run.id},
    )
    for log in closed:
        harvest.logger.warning(str(log))
    if not parameters.force:
        _raise_after_repeated_failures(harvest)


def refuse_repeated_failures(harvest: HarvestContext, lease: Lease) -> None:
    """Raise TooManyFailures if other runs failed while this run waited for its lease.

    Raises:
        TooManyFailures: the last harvests failed, and `force` is not set; the lease is released.
    """
    if harvest.parameters.force:
        return
    try:
        _raise_after_repeated_failures(harvest)
    except TooManyFailures:
        with harvest.run.database.begin() as connection:
            leases.release(connection, lease)
        raise


def _raise_after_repeated_failures(harvest: HarvestContext) -> None:
    threshold = harvest.config.failure_threshold
    now = harvest.run.clock()
    with harvest.run.database.read() as connection:
        logs = queries.find_last_finished(connection, harvest.scope, threshold)
        failures = run_attempts.find_consecutive_failures(connection, harvest.scope)
        all_failed = len(logs) >= threshold and all(log.status == "FAILED" for log in logs)
        if not all_failed and len(failures) < threshold:
            return
        reasons = _reasons(connection, logs, failures[-threshold:])
    pause = pause_before_retry(count_failed_probes(failures, threshold))
    next_probe = _last_end(logs, failures, now) + pause
    if now < next_probe:
        raise TooManyFailures(_refusal(harvest.config.label, reasons, next_probe))
    harvest.logger.warning(f"the last {threshold} harvests failed: this run is the probe after the pause")


def _reasons(connection: Connection, logs: Sequence[HarvestLog], failures: Sequence[RunAttempt]) -> list[str]:
    """Return one line for each failure. The same window may have failed several times."""
    if not failures:
        return [f"log {log.id}, {log.window}: {first_line(log.error or NO_ERROR)}" for log in logs]
    log_ids = {failure.harvest_log_id for failure in failures}
    windows = {log_id: queries.get_log(connection, log_id).window for log_id in log_ids}
    return [
        f"log {f.harvest_log_id}, {windows[f.harvest_log_id]}: {first_line(f.error or NO_ERROR)}"
        for f in failures
    ]


def _last_end(logs: Sequence[HarvestLog], failures: Sequence[RunAttempt], now: datetime) -> datetime:
    ends = [log.date_completed for log in logs] + [failure.date_completed for failure in failures]
    return max((end for end in ends if end is not None), default=now)


def _refusal(label: str, reasons: Sequence[str], next_probe: datetime) -> str:
    lines = "\n".join(f"  {reason}" for reason in reasons)
    return (
        f"the last {len(reasons)} harvests of {label} failed:\n{lines}\n"
        f"One probe may run at {format_instant(next_probe.replace(microsecond=0))}. "
        "Remove the cause, then run with force: true."
    )
