"""What Dagster knows about runs, for tools outside of Dagster. `run_history` has it for runs of the code location."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timezone

import dagster as dg

from harvest_dagster.errors import BadInput

_RUNS_AT_A_TIME = 200


@dataclass(frozen=True)
class DagsterRunInfo:
    """A run in Dagster.

    Attributes:
        status: such as SUCCESS or FAILURE.
        job: the name of its job.
        started: when its process began; None before.
        ended: when it ended; None while it is active.
    """

    status: str
    job: str
    started: datetime | None
    ended: datetime | None


def find_dagster_runs(run_ids: Collection[str]) -> dict[str, DagsterRunInfo]:
    """Return what the instance of DAGSTER_HOME knows about these runs. A run that it does not know is missing.

    Raises:
        BadInput: DAGSTER_HOME is not the home of an instance.
    """
    try:
        with dg.DagsterInstance.get() as instance:
            return _find(instance, sorted(run_ids))
    except dg.DagsterInvariantViolationError as error:
        message = f"Dagster's instance cannot be opened: {error}. Correct DAGSTER_HOME, or unset it."
        raise BadInput(message) from error


def _find(instance: dg.DagsterInstance, run_ids: list[str]) -> dict[str, DagsterRunInfo]:
    found = {}
    for start in range(0, len(run_ids), _RUNS_AT_A_TIME):
        some = dg.RunsFilter(run_ids=run_ids[start : start + _RUNS_AT_A_TIME])
        for record in instance.get_run_records(filters=some):
            run = record.dagster_run
            found[run.run_id] = DagsterRunInfo(
                run.status.value, run.job_name, _instant(record.start_time), _instant(record.end_time)
            )
    return found


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
