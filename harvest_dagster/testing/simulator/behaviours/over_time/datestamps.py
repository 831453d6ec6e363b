"""Sources that ignore dates, publish records late, or give all records a new datestamp."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from harvest_dagster.testing.simulator.behaviours.base import Contract, NamedBehaviour, parameter
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.behaviours.over_time.source_view import SourceView, change_edits
from harvest_dagster.testing.simulator.repository.edits import Edit
from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot


@dataclass(frozen=True)
class IgnoredDates(SourceView):
    """Answers each list request with all records, whatever `from` and `until` are."""

    when: RequestPredicate = every_request

    def view(self, snapshot: RepositorySnapshot) -> RepositorySnapshot:  # noqa: D102
        return replace(snapshot, ignores_dates=True)


@dataclass(frozen=True)
class LatePublication(SourceView):
    """Shows each record some days after its datestamp. A record that was edited since is shown at once."""

    days: float = parameter(3.0, "the number of days between the datestamp and the publication")
    when: RequestPredicate = every_request

    def view(self, snapshot: RepositorySnapshot) -> RepositorySnapshot:  # noqa: D102
        repository = snapshot.repository
        newest = (snapshot.now - timedelta(days=self.days) - repository.midnight) // timedelta(seconds=1)

        def hide(index: int, edit: Edit) -> Edit:
            is_late = edit.datestamp is None and repository.datestamp(index) > newest
            return replace(edit, hidden=True) if is_late else edit

        return change_edits(snapshot, hide)


@dataclass(frozen=True)
class NewDatestamps(SourceView):
    """Shows all records with the time of the first selected request as their datestamp, unless theirs is later."""

    when: RequestPredicate = every_request
    _stamps: list[datetime] = field(default_factory=list, init=False, repr=False)

    def view(self, snapshot: RepositorySnapshot) -> RepositorySnapshot:  # noqa: D102
        if not self._stamps:
            self._stamps.append(snapshot.now)
        repository = snapshot.repository
        stamp = repository.to_instant(self._stamps[0])

        def change(index: int, edit: Edit) -> Edit:
            datestamp = repository.datestamp(index) if edit.datestamp is None else edit.datestamp
            return replace(edit, datestamp=stamp) if datestamp < stamp else edit

        return change_edits(snapshot, change)


ENTRIES = (
    NamedBehaviour(
        "dates-ignored",
        IgnoredDates,
        "The server ignores `from` and `until`, and lists all records.",
        Contract.COMPLETE,
        "A harvester must accept records outside the window.",
        condition="list",
        failures=("source-ignores-dates",),
        needs=("dates",),
    ),
    NamedBehaviour(
        "published-late",
        LatePublication,
        "The server shows a record only some days after its datestamp.",
        Contract.CONVERGES,
        "A harvester must harvest earlier days again.",
        condition="",
        failures=("late-records",),
    ),
    NamedBehaviour(
        "all-restamped",
        NewDatestamps,
        "The server gives all records a new datestamp without a change of their content.",
        Contract.CONVERGES,
        "A harvester must compare the content, and must not treat a new datestamp as a change.",
        condition="",
        failures=("noise-counts-as-change",),
    ),
)
