"""preflight: everything that can refuse a harvest, before anything is touched.

It mirrors the config, settles logs that dead runs left STARTED, and refuses what is disabled or keeps failing.
A refusal writes no log, so that it cannot feed itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from harvest_dagster.errors import ConfigDisabled, TooManyFailures
from harvest_dagster.pipeline.harvest import Harvest
from harvest_dagster.pipeline.settle import settle
from harvest_dagster.storage import harvest_logs, harvest_tries, leases
from harvest_dagster.storage.harvest_logs import HarvestLog
from harvest_dagster.storage.harvest_tries import Try
from harvest_dagster.storage.leases import Lease
from harvest_dagster.windows import format_instant

_FIRST_PAUSE = timedelta(hours=1)
_LONGEST_PAUSE = timedelta(hours=24)


def check(harvest: Harvest) -> None:
    """Settle what dead runs left, then refuse or let through.

    Raises:
        ConfigDisabled: and neither `force` nor `ignore_disabled` was given.
        TooManyFailures: and `force` was not given.
        MissingSecret: the environment lacks a `${NAME}` of the config.
        UnknownPlugin: the harvester or transformer cannot be loaded.
        CatalogError: the harvester refuses its arguments.
        BadInput: HARVEST_CONTACT is no address.
    """
    parameters = harvest.parameters
    if harvest.config.disabled and not (parameters.force or parameters.ignore_disabled):
        remedy = "Run with ignore_disabled: true, or remove `disabled` from its YAML."
        message = f"{harvest.config.label} is disabled. {remedy}"
        raise ConfigDisabled(message)
    # A missing secret and a plug-in that cannot be loaded are found here, before anything is touched.
    _ = harvest.harvester_arguments, harvest.transformer_version, harvest.contact
    _settle(harvest)
    if not parameters.force:
        _refuse_repeated_failure(harvest)


def check_again(harvest: Harvest, lease: Lease) -> None:
    """The check of repeated failures once the lease is held: while this run waited for it, others may have failed.

    Raises:
        TooManyFailures: and `force` was not given; the lease is given back.
    """
    if harvest.parameters.force:
        return
    try:
        _refuse_repeated_failure(harvest)
    except TooManyFailures:
        with harvest.database.begin() as connection:
            leases.release(connection, lease)
        raise


def _settle(harvest: Harvest) -> None:
    settled = settle(
        harvest.database,
        harvest.runner.runs,
        harvest.clock,
        config_id=harvest.config_id,
        own_run=harvest.runner.run_id,
    )
    for one in settled:
        harvest.say(str(one))


def _refuse_repeated_failure(harvest: Harvest) -> None:
    threshold = harvest.config.failure_threshold
    with harvest.database.read() as connection:
        logs = harvest_logs.last_finished(connection, harvest.series, threshold)
        failures = harvest_tries.failures_in_a_row(connection, harvest.series)
        if not (_all_failed(logs, threshold) or len(failures) >= threshold):
            return
        reasons = _reasons(connection, logs, failures[-threshold:])
    again = _last_end(logs, failures, harvest.clock()) + pause(failed_probes(failures, threshold))
    if harvest.clock() >= again:
        harvest.say(f"the last {threshold} harvests failed: this run is the probe after the pause")
        return
    raise TooManyFailures(_refusal(harvest.config.label, reasons, again))


def _all_failed(logs: Sequence[HarvestLog], threshold: int) -> bool:
    return len(logs) >= threshold and all(log.status == "FAILED" for log in logs)


def _reasons(connection: Connection, logs: Sequence[HarvestLog], failures: Sequence[Try]) -> list[str]:
    """A line for each failure: the same window may have failed several times."""
    if not failures:
        return [f"log {log.id}, {log.window}: {_first_line(log.error)}" for log in logs]
    windows = {
        log_id: harvest_logs.get(connection, log_id).window for log_id in {f.harvest_log_id for f in failures}
    }
    return [f"log {f.harvest_log_id}, {windows[f.harvest_log_id]}: {_first_line(f.error)}" for f in failures]


def _last_end(logs: Sequence[HarvestLog], failures: Sequence[Try], now: datetime) -> datetime:
    ends = [log.date_completed for log in logs] + [failure.date_completed for failure in failures]
    return max((end for end in ends if end is not None), default=now)


def failed_probes(failures: Sequence[Try], threshold: int) -> int:
    """How many runs failed after the threshold was reached; a run that failed at several windows counts once."""
    if len(failures) < threshold:
        return 0
    reached_by = failures[threshold - 1].run_id
    return len({failure.run_id for failure in failures[threshold:]} - {reached_by})


def pause(failed_probes: int) -> timedelta:
    """How long to wait for the next probe: an hour, doubled by each probe that failed, a day at most."""
    return min(_FIRST_PAUSE * int(2 ** min(failed_probes, 10)), _LONGEST_PAUSE)


def _refusal(label: str, reasons: Sequence[str], again: datetime) -> str:
    lines = "\n".join(f"  {reason}" for reason in reasons)
    return (
        f"the last {len(reasons)} harvests of {label} failed:\n{lines}\n"
        f"One probe is let through at {format_instant(again.replace(microsecond=0))}. "
        "Mend the cause, then run with force: true."
    )


def _first_line(error: str | None) -> str:
    return (error or "no error noted").strip().splitlines()[0]
