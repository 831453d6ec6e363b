"""The result of a run, from its harvest logs: what `harvest run` prints at its end."""

from collections.abc import Sequence
from dataclasses import dataclass

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.scopes import log_scope
from harvest_dagster.pipeline.steps.finish import summarize
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import coverage_rule, queries
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.tables import EVIDENCE
from harvest_dagster.texts import first_line
from harvest_dagster.windows import Window, merged, subtract

_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass(frozen=True)
class RunResult:
    """What runs have done with one source.

    Attributes:
        windows: number of windows that ended.
        failed: those of them that failed or were cancelled, with the first line of their errors.
        counts: the sum of their counts.
        completeness: `complete` or `unverified`; None if nothing is harvested.
        evidence: the kinds of evidence, the weakest last.
        uncovered: the parts of the requested windows that are still to be harvested.
    """

    windows: int
    failed: tuple[tuple[Window, str], ...]
    counts: Counts
    completeness: str | None
    evidence: tuple[str, ...]
    uncovered: tuple[Window, ...]


def read_result(
    database: Database, config: IngestConfig, run_ids: Sequence[str], requested: Sequence[Window]
) -> RunResult:
    """Return the result of some runs that have ended.

    If the runs had nothing to do, completeness and evidence are those of the logs that cover the requested windows.
    """
    with database.read() as connection:
        config_id = ingest_configs.find_id(connection, config.label)
        of_runs = queries.find_by_run(connection, config_id, *run_ids) if config_id is not None else []
        logs = [log for log in of_runs if log.status in _ENDED]
        covering = (
            [
                one
                for window in requested
                for one in coverage_rule.find_coverage(connection, log_scope(config, config_id), window)
            ]
            if config_id is not None
            else []
        )
    covered = coverage_rule.covered_windows(covering)
    shown = [log for log in logs if log.status == "SUCCEEDED"] or (
        [] if logs else [one.log for one in covering]
    )
    found = {log.evidence for log in shown}
    return RunResult(
        windows=len(logs),
        failed=tuple((log.window, _first_line(log)) for log in logs if log.status != "SUCCEEDED"),
        counts=summarize(logs).counts,
        completeness=summarize(shown).completeness,
        evidence=tuple(kind for kind in EVIDENCE if kind in found),
        uncovered=tuple(merged([gap for window in requested for gap in subtract(window, covered)])),
    )


def _first_line(log: HarvestLog) -> str:
    """Return the error of a log without its traceback."""
    return first_line(log.error or log.status.lower())
