"""Sources that do not keep tombstones of deleted records, at all or for long (OAI-PMH section 2.5.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from harvest_dagster.testing.simulator.behaviours.base import Contract, NamedBehaviour, parameter
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.behaviours.over_time.source_view import SourceView, change_edits
from harvest_dagster.testing.simulator.protocols import oai_xml
from harvest_dagster.testing.simulator.repository.edits import Edit
from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot


@dataclass(frozen=True)
class ForgottenDeletions(SourceView):
    """Shows no tombstone that is older than a number of days."""

    days: float = parameter(0.0, "the number of days for which the server shows a deleted record")
    declared: str = parameter("no", "deletedRecord in Identify", ("no", "transient", "persistent"))
    when: RequestPredicate = every_request

    def view(self, snapshot: RepositorySnapshot) -> RepositorySnapshot:  # noqa: D102
        repository = snapshot.repository
        oldest = (snapshot.now - timedelta(days=self.days) - repository.midnight) // timedelta(seconds=1)

        def forget(index: int, edit: Edit) -> Edit:
            datestamp = repository.datestamp(index) if edit.datestamp is None else edit.datestamp
            if edit.hidden or (self.days and datestamp > oldest):
                return edit
            is_deleted = oai_xml.is_deleted(repository, {index: edit}, index)
            return replace(edit, hidden=True) if is_deleted else edit

        shown = change_edits(snapshot, forget)
        if shown.deleted_record == self.declared:
            return shown
        return replace(shown, deleted_record=self.declared)


ENTRIES = (
    NamedBehaviour(
        "deletions-forgotten",
        ForgottenDeletions,
        "The server shows no deleted records: a record that is removed vanishes.",
        Contract.CONVERGES,
        "A harvester must compare its records with a complete list of the source, and must not delete a live record.",
        condition="",
        failures=("source-ignores-dates",),
        preset={"days": 0.0},
    ),
    NamedBehaviour(
        "deletions-transient",
        ForgottenDeletions,
        "The server shows deleted records for some days only.",
        Contract.CONVERGES,
        "A harvester must compare its records with a complete list of the source if its last harvest is too old.",
        condition="",
        failures=("source-ignores-dates",),
        defaults={"days": 7.0, "declared": "transient"},
    ),
)
