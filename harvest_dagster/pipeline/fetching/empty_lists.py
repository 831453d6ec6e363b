"""Decides whether an empty list may be believed.

An empty list proves nothing: one transient empty answer made a window complete forever (docs/failures.md#empty-answer).
If there is a reason to doubt it, the source is asked again after a pause. If the second list is empty, too, the window
keeps a doubt, unless the source itself resolves it: records may legitimately move to newer datestamps, so a window may
become empty. docs/decisions/0030 explains the rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from harvest_dagster.errors import IncompleteList, SourceError
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.fetching.completeness import NONE
from harvest_dagster.pipeline.snapshots import list_window
from harvest_dagster.storage.harvest_log import coverage_rule, queries, transitions
from harvest_dagster.storage.harvest_log.queries import HarvestLog, LogScope
from harvest_dagster.storage.raw_data import current_records
from harvest_dagster.storage.tables import harvest_log
from harvest_dagster.windows import SECOND, Window

# Neighbours are the windows within this time before and after a window, or within its own length.
_NEIGHBOURHOOD = timedelta(days=14)
# If the neighbours let us expect this many records, an empty window is unlikely: 5 % for records at random times.
_EXPECTED_RECORDS = 3
_SAMPLE = 3  # records of the window that GetRecord is sent for


@dataclass(frozen=True)
class EmptyList:
    """An empty list of a window.

    Attributes:
        harvest: the harvest.
        log: the log of the window.
        client: asks the source about single records and sets.
    """

    harvest: HarvestContext
    log: HarvestLog
    client: Client

    def reasons_to_ask_again(self) -> list[str]:
        """Return why the source is asked again, one clause each; nothing for most empty lists.

        If nothing near the window is harvested yet, no reason to doubt the list can be found. The source is then asked
        again as well: that is one request for the first window of a source, if that is empty.
        """
        logs = self._logs_nearby()
        return self.doubts(logs) or ([] if logs else [_NOTHING_KNOWN])

    def doubts(self, logs: list[HarvestLog]) -> list[str]:
        """Return the reasons to doubt the empty list, one clause each."""
        full = full_neighbours(self.log.window, logs)
        found = (self._records_before(logs), full, self.client.doubt_of_empty_list())
        return [doubt for doubt in found if doubt is not None]

    def remaining_doubts(self, sub_window: int) -> list[str]:
        """Return the doubts that remain after the source was asked again.

        Args:
            sub_window: the number of the sub-window of the second list.

        Raises:
            IncompleteList: the source still has records of the window that its list does not contain.
        """
        doubts = self.doubts(self._logs_nearby())
        had_records = any(doubt.startswith(_HAD_RECORDS) for doubt in doubts)
        known = self._known_identifiers() if had_records else []
        answers = [self._has_record(identifier) for identifier in known]
        if True in answers:
            identifier = known[answers.index(True)]
            message = (
                f"the list of {self.log.window} is empty, but the source still has record {identifier} with a "
                "datestamp in this window. Run again. If the error persists, tell the operator of the source."
            )
            raise IncompleteList(message, sub_window=sub_window, announced=len(known), received=0)
        has_moved = all(answer is False for answer in answers)
        return [doubt for doubt in doubts if not (has_moved and doubt.startswith(_HAD_RECORDS))]

    def _has_record(self, identifier: str) -> bool | None:
        """Return whether the source still has a record of the list; None if it gives no answer now."""
        try:
            return self.client.has_record(identifier, list_window(self.harvest.config, self.log.window))
        except SourceError:  # raised only for a snapshot; for a window, the answer is None
            return None

    def _logs_nearby(self) -> list[HarvestLog]:
        with self.harvest.run.database.read() as connection:
            return _find_logs_nearby(connection, self.harvest.scope, self.log)

    def _records_before(self, logs: list[HarvestLog]) -> str | None:
        parts = [log.counts.records for log in logs if self.log.window.encloses(log.window)]
        records = max([self.log.records_before or 0, *parts])
        return f"{_HAD_RECORDS} {records} records before" if records else None

    def _known_identifiers(self) -> list[str]:
        """Return a few stored records whose current datestamp is in the window."""
        with self.harvest.run.database.read() as connection:
            return current_records.sample_identifiers(
                connection, self.log.ingest_config_id, self.log.window, count=_SAMPLE
            )


def full_neighbours(window: Window, logs: Iterable[HarvestLog]) -> str | None:
    """Return the doubt about an empty window if its neighbours let us expect records, and none of them is empty.

    A source that is quiet at weekends has empty neighbours, so its Saturdays are believed.

    Args:
        window: the empty window.
        logs: the logs near it.
    """
    neighbours = [log for log in logs if not window.encloses(log.window)]
    if not neighbours or any(log.counts.records == 0 for log in neighbours):
        return None
    time = sum((log.window.length for log in neighbours), start=timedelta())
    expected = sum(log.counts.records for log in neighbours) * (window.length / time)
    if expected < _EXPECTED_RECORDS:
        return None
    around = (
        f"the {len(neighbours)} windows around it have"
        if len(neighbours) > 1
        else "the window next to it has"
    )
    return f"{around} {expected:.0f} records in the same time, on average"


def doubt_empty_neighbours(connection: Connection, scope: LogScope, log: HarvestLog) -> list[HarvestLog]:
    """Doubt the empty windows that touch a full one and were believed before it was harvested. Return their logs.

    They count as done again after another harvest. The first window of a source has no neighbours when it is harvested,
    so no reason to doubt its empty list was found. Each window is doubted at most once: only after its first harvest.

    Args:
        connection: a transaction under the lease.
        scope: the logs of the source.
        log: the log of a window that has just succeeded.
    """
    if log.counts.records == 0:
        return []
    touching = Window(log.window.start - SECOND, log.window.end + SECOND)
    empty = [
        other
        for other in queries.find_overlapping(connection, scope, touching, harvest_log.c.records == 0)
        if other.evidence == NONE
        and other.doubt is None
        and other.completions == 1
        and not other.window.intersection(log.window)
        and coverage_rule.covers_window(other, scope.arguments_digest)
    ]
    doubts = [(one, full_neighbours(one.window, _find_logs_nearby(connection, scope, one))) for one in empty]
    return [
        transitions.mark_doubtful(connection, one.id, doubt) for one, doubt in doubts if doubt is not None
    ]


def _find_logs_nearby(connection: Connection, scope: LogScope, log: HarvestLog) -> list[HarvestLog]:
    """Return the other logs that cover time near a window, or within it."""
    span = max(_NEIGHBOURHOOD, log.window.length)
    window = Window(log.window.start - span, log.window.end + span)
    coverage = coverage_rule.find_coverage(connection, scope, window)
    return [one.log for one in coverage if one.log.id != log.id and one.log.status != "SPLIT"]


_HAD_RECORDS = "the window had"
_NOTHING_KNOWN = "nothing near it is harvested yet"
