"""The asset check `reconciled` of each harvest asset: when all identifiers were compared, and what was found.

A run of the job `reconcile` evaluates the check at its end, and people can run it in the UI. The sensor
`report_source_status` evaluates it with `evaluation_of` when its result changes without a run.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
from sqlalchemy import Connection

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.sweep_overview import SweepOverview
from harvest_dagster.coverage.sweep_status import ERROR, NONE, SweepStatus, describe_sweep
from harvest_dagster.orchestration.asset_keys import AssetKeys
from harvest_dagster.orchestration.op_templates import build_check, catalog_of, stores_of
from harvest_dagster.orchestration.reports.markdown import table
from harvest_dagster.storage import sweeps
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.deletions import absences
from harvest_dagster.storage.sweeps import Sweep
from harvest_dagster.texts import first_line, shorten
from harvest_dagster.windows import format_instant, utc_now

CHECK = "reconciled"
_DESCRIPTION = """\
Do the stored records agree with all identifiers of the source? A sweep, which is a run of the job `reconcile`, compares
them, and harvests what is missing. For a source with `selective: false`, each snapshot compares them, too.

The check has one of three results:

- **passed**: the last comparison was complete, and nothing is missing; or the source was never compared
- **warning**: the last sweep failed or its lists are not proven to be complete, or two scheduled times have passed
- **failed**: deletions are held until a person approves them, or records are missing after the sweep
"""
_MOST_SWEEPS = 5
_MOST_EXAMPLES = 5  # of each difference
_LONGEST_ERROR = 200
# The order of the columns, by the names of the findings.
_COUNTS = {
    "listed": "listed",
    "known": "stored",
    "missing": "missing",
    "changed": "changed",
    "gone": "gone",
    "duplicates": "duplicates",
    "sets_differ": "other sets",
    "repaired": "repaired",
    "quarantined": "quarantined",
    "deleted": "deleted",
    "held": "held",
}


def reconciled(config: IngestConfig, keys: AssetKeys) -> dg.AssetChecksDefinition:
    """Return the check of one source."""
    label = config.label

    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        database = stores_of(context).database()
        return dg.AssetCheckResult(**_read_result(database, catalog_of(context).get(label)))

    return build_check(keys.key_of("raw", label), CHECK, _DESCRIPTION, check)


def evaluation_of(connection: Connection, key: dg.AssetKey, status: SweepStatus) -> dg.AssetCheckEvaluation:
    """Return the check's evaluation for a status, for code that evaluates the check outside of its op."""
    return dg.AssetCheckEvaluation(asset_key=key, check_name=CHECK, **_result(connection, status))


def read_evaluation(database: Database, config: IngestConfig, key: dg.AssetKey) -> dg.AssetCheckEvaluation:
    """Return the check's evaluation of a source as it is now."""
    return dg.AssetCheckEvaluation(asset_key=key, check_name=CHECK, **_read_result(database, config))


def report_reconciled(
    context: dg.OpExecutionContext, database: Database, config: IngestConfig, key: dg.AssetKey
) -> None:
    """Log the evaluation of the check, and an observation with the counts of the last sweep.

    The op of the job `reconcile` that ends a sweep calls this, also if the sweep has failed.

    Args:
        context: the context of the op.
        database: the harvest database.
        config: the source.
        key: its asset raw/<label>.
    """
    evaluation = read_evaluation(database, config, key)
    with database.read() as connection:
        last = SweepOverview.read(connection, utc_now(), [config]).last_ended(config)
    if last is not None:
        context.log_event(observation_of(key, last))
    # `log_event` accepts an evaluation, but its annotation does not name it (Dagster 1.13).
    context.log_event(evaluation)  # type: ignore[arg-type]


def observation_of(key: dg.AssetKey, sweep: Sweep) -> dg.AssetObservation:
    """Return the observation of an asset that shows a sweep.

    Dagster plots its numbers over time, in the order of their names. With the prefix, they come after those of the days
    and the runs.
    """
    # In a plot, a gap is correct for an unknown number, and a zero is not.
    numbers = {name: getattr(sweep.findings, name) for name in _COUNTS if sweep.is_compared}
    seconds = (sweep.date_completed - sweep.date_started).total_seconds() if sweep.date_completed else 0.0
    numbers |= {"requests": sweep.requests, "seconds": round(seconds, 3)}
    texts = {
        "sweep_status": sweep.status,
        "sweep_completeness": sweep.completeness or "unverified",
        "sweep_evidence": sweep.evidence or "none",
    }
    return dg.AssetObservation(
        key, metadata={**{f"sweep_{name}": number for name, number in numbers.items()}, **texts}
    )


def _read_result(database: Database, config: IngestConfig) -> dict[str, Any]:
    with database.read() as connection:
        status = SweepOverview.read(connection, utc_now(), [config]).status_of(config)
        return _result(connection, status)


def _result(connection: Connection, status: SweepStatus) -> dict[str, Any]:
    """Return the arguments that an AssetCheckResult and an AssetCheckEvaluation have in common."""
    return {
        "passed": status.problem == NONE,
        "severity": dg.AssetCheckSeverity.ERROR if status.problem == ERROR else dg.AssetCheckSeverity.WARN,
        "description": describe_sweep(status),
        "metadata": dict(_metadata(connection, status)),
    }


def _metadata(connection: Connection, status: SweepStatus) -> Iterator[tuple[str, Any]]:
    yield "held", status.counts.held
    yield "absent", status.counts.absent
    yield "unrepaired", status.unrepaired
    if status.last_time is not None:
        yield "last_comparison", dg.MetadataValue.timestamp(status.last_time)
    last = status.last
    if last is not None:
        if last.is_compared:
            # Dagster plots them over the evaluations. What is held now is above.
            yield from ((name, getattr(last.findings, name)) for name in _COUNTS if name != "held")
        yield "completeness", last.completeness or "unverified"
        yield "evidence", last.evidence or "none"
        recent = sweeps.find_recent(connection, status.config_id, _MOST_SWEEPS)
        yield "sweeps", dg.MetadataValue.md(_sweep_table([one for one in recent if one.status != "STARTED"]))
    examples = [*_held_examples(connection, status), *(_examples(last) if last else ())]
    if examples:
        yield "examples", dg.MetadataValue.md(table(("difference", "identifier"), examples))


def _held_examples(connection: Connection, status: SweepStatus) -> Iterator[tuple[str, str]]:
    if status.counts.held:
        for record in absences.find_proven(connection, status.config_id, 0, _MOST_EXAMPLES, only_held=True):
            yield "held", record.identifier


def _sweep_table(recent: Sequence[Sweep]) -> str:
    rows = [
        (
            format_instant(one.date_started.replace(microsecond=0)),
            one.status,
            one.completeness or "",
            *(getattr(one.findings, name) if one.is_compared else "" for name in _COUNTS),
            shorten(first_line(one.error), _LONGEST_ERROR) if one.error else "",
        )
        for one in recent
    ]
    return table(("started", "status", "completeness", *_COUNTS.values(), "error"), rows)


def _examples(sweep: Sweep) -> Iterator[tuple[str, str]]:
    for difference, identifiers in sweep.findings.examples.items():
        for identifier in identifiers[:_MOST_EXAMPLES]:
            yield difference, identifier
