"""What the sensor `notify` has reported about each source, and to whom. A missing row means that all is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from harvest_dagster.storage.tables import reported_state
from harvest_dagster.storage.upsert import dialect_insert


@dataclass(frozen=True)
class ReportKey:
    """A source and a place that it is reported to.

    Attributes:
        label: the source.
        target: where the address is written, such as `HARVEST_NOTIFY 1`. It is not the address: that has secrets.
    """

    label: str
    target: str


@dataclass(frozen=True)
class ReportedState:
    """The state of a source that was reported last.

    Attributes:
        problem: one of `tables.PROBLEMS`.
        quarantined: number of quarantined records.
    """

    problem: str = "none"
    quarantined: int = 0


def find_reported_states(connection: Connection) -> dict[ReportKey, ReportedState]:
    """Return what was reported. For all other keys, nothing was, or all is well."""
    table = reported_state.c
    rows = connection.execute(select(table.label, table.target, table.problem, table.quarantined))
    return {ReportKey(row.label, row.target): ReportedState(row.problem, row.quarantined) for row in rows}


def save_reported_states(
    connection: Connection, states: Mapping[ReportKey, ReportedState], now: datetime
) -> None:
    """Record what was reported, in one statement."""
    if not states:
        return
    statement = dialect_insert(connection, reported_state)
    changed = {name: statement.excluded[name] for name in ("problem", "quarantined", "date_modified")}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["label", "target"], set_=changed),
        [
            {
                "label": key.label,
                "target": key.target,
                "problem": state.problem,
                "quarantined": state.quarantined,
                "date_modified": now,
            }
            for key, state in states.items()
        ],
    )
