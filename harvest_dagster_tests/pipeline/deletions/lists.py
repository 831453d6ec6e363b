"""A source whose complete lists are snapshots of chosen identifiers, and what the database has of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

from sqlalchemy import select, text

from harvest_dagster.pipeline import lease_guard
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.deletions.decisions import Approval, Undoing, approve_held, undo_decision
from harvest_dagster.pipeline.deletions.removal import CompleteList, Removal, conclude
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.pipeline.reconciling.comparison import compare
from harvest_dagster.records import Record, RecordHeader
from harvest_dagster.storage.deletions import decisions
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.raw_data.known_records import stream_known_records
from harvest_dagster.storage.tables import absent_record, deletion, source_unique_identifier
from harvest_dagster_tests.pipeline.fakes import Item
from harvest_dagster_tests.pipeline.world import WINDOW, World

_runs = count(1)
_Result = TypeVar("_Result")


def record(identifier: str, content: str = "A", *, deleted: bool = False) -> Record:
    return Record(identifier, WINDOW.start, deleted, f"{identifier} {content}")


class Lists:
    """Runs of a world whose clock moves."""

    def __init__(self, world: World, **deletions: Any) -> None:
        self.world = world
        world.change(deletions={"by": "snapshot", "most": {"share": 0.5, "count": 100}, **deletions})

    def later(self, **duration: float) -> None:
        self.world.clock.forward(**(duration or {"hours": 1}))

    def harvest(self, *records: Item, is_proven: bool = True, **parameters: Any) -> HarvestLog:
        """Harvest one window that delivers these records. Its list is proven if it has a total."""
        self.later(hours=1)
        world = self.world
        world.source.items, world.source.page_size = list(records), 3
        world.source.total = len(records) if is_proven else None
        harvest = world.harvest(f"run {next(_runs)}", **parameters)
        with lease_guard.hold_lease(harvest) as lease:
            log = world.window(harvest, lease)
            lease_guard.release(harvest, lease)
        self.later(hours=1)
        return log

    def conclude(
        self,
        identifiers: Iterable[str],
        *,
        began: datetime | None = None,
        kind: Any = "snapshot",
        run: str = "",
        **options: Any,
    ) -> Removal:
        """Conclude from a list with these identifiers. If it raises, the run keeps its lease."""
        harvest = self.world.harvest(run or f"run {next(_runs)}")
        listed = [RecordHeader(one, WINDOW.start) for one in sorted(identifiers)]
        the_list = CompleteList(kind, began or self.world.clock(), harvest.run.id)
        with lease_guard.hold_lease(harvest) as lease:
            with self.world.database.read() as connection:
                known = stream_known_records(connection, harvest.config_id)
                absent = (
                    one.known
                    for one in compare(listed, known, the_list.began)
                    if one.kind == "gone" and one.header is None and one.known
                )
                removal = conclude(harvest, lease, the_list, absent, **options)
            lease_guard.release(harvest, lease)
        return removal

    def approve(self, run: str = "") -> Approval:
        return self._with_lease(approve_held, run)

    def undo(self, decision_id: int | None = None) -> Undoing:
        def undo(harvest: HarvestContext, lease: LeaseHandle) -> Undoing:
            with self.world.database.read() as connection:
                decision = decisions.find_decision(connection, harvest.config_id, decision_id)
            assert decision is not None
            return undo_decision(harvest, lease, decision)

        return self._with_lease(undo)

    def _with_lease(self, act: Callable[[HarvestContext, LeaseHandle], _Result], run: str = "") -> _Result:
        harvest = self.world.harvest(run or f"run {next(_runs)}")
        with lease_guard.hold_lease(harvest) as lease:
            result = act(harvest, lease)
            lease_guard.release(harvest, lease)
        return result

    def live(self) -> set[str]:
        return {identifier for identifier, deleted, _ in self.records() if not deleted}

    def records(self) -> list[tuple[str, bool, str]]:
        """Return identifier, deleted and datum of each current record of the source."""
        statement = text(
            "SELECT identifier, deleted, datum FROM current_record WHERE label = :label ORDER BY identifier"
        )
        with self.world.database.read() as connection:
            rows = connection.execute(statement, {"label": self.world.config.label})
            return [(row.identifier, bool(row.deleted), row.datum) for row in rows]

    def absent(self) -> dict[str, tuple[str | None, bool]]:
        """Return the evidence of each absent record, and whether it is held."""
        known, absent = source_unique_identifier.c, absent_record.c
        with self.world.database.read() as connection:
            rows = connection.execute(
                select(known.identifier, absent.evidence, absent.held).join_from(
                    absent_record, source_unique_identifier
                )
            )
            return {row[0]: (row[1], row[2]) for row in rows}

    def deletions(self) -> list[tuple[str, str]]:
        """Return identifier and evidence of each deletion."""
        with self.world.database.read() as connection:
            rows = connection.execute(
                select(source_unique_identifier.c.identifier, deletion.c.evidence)
                .join_from(deletion, source_unique_identifier)
                .order_by(source_unique_identifier.c.identifier, deletion.c.id)
            )
            return [(row[0], row[1]) for row in rows]
