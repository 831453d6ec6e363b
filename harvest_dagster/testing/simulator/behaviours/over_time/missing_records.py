"""Sources that do not show records that they have: an outage, a lost set, half of the records."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import blake2b

from harvest_dagster.testing.simulator.behaviours.base import Contract, NamedBehaviour, parameter
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.behaviours.over_time.source_view import SourceView, change_edits
from harvest_dagster.testing.simulator.repository.edits import Edit
from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot


@dataclass(frozen=True)
class EmptySource(SourceView):
    """Shows no records for some minutes after the first selected request."""

    minutes: float = parameter(60.0, "the number of minutes without records")
    when: RequestPredicate = every_request
    _starts: list[datetime] = field(default_factory=list, init=False, repr=False)

    def view(self, snapshot: RepositorySnapshot) -> RepositorySnapshot:  # noqa: D102
        if not self._starts:
            self._starts.append(snapshot.now)
        if snapshot.now >= self._starts[0] + timedelta(minutes=self.minutes):
            return snapshot
        return replace(snapshot, is_empty=True)


@dataclass(frozen=True)
class LostSet(SourceView):
    """Shows a repository without one of its sets. The records of the set stay."""

    spec: str = parameter("science", "the spec of the set")
    when: RequestPredicate = every_request

    def view(self, snapshot: RepositorySnapshot) -> RepositorySnapshot:  # noqa: D102
        kept = tuple(each for each in snapshot.repository.sets if each.spec != self.spec)
        if kept == snapshot.repository.sets:
            return snapshot
        return replace(snapshot, repository=replace(snapshot.repository, sets=kept))


@dataclass(frozen=True)
class MissingShare(SourceView):
    """Hides a reproducible share of the records, from lists, totals and requests for single records."""

    share: float = parameter(0.5, "the share of the records that is missing, 0 to 1")
    seed: int = parameter(0, "another seed hides other records")
    when: RequestPredicate = every_request

    def view(self, snapshot: RepositorySnapshot) -> RepositorySnapshot:  # noqa: D102
        def hide(index: int, edit: Edit) -> Edit:
            digest = blake2b(b"%d:%d" % (self.seed, index), digest_size=4).digest()
            is_missing = int.from_bytes(digest, "big") < self.share * 2**32
            return replace(edit, hidden=True) if is_missing else edit

        return change_edits(snapshot, hide)


_NO_DELETION = "A harvester must not delete a record because it is absent from such a list."
ENTRIES = (
    NamedBehaviour(
        "empty-for-an-hour",
        EmptySource,
        "The server answers every list with an empty one for an hour.",
        Contract.CONVERGES,
        _NO_DELETION,
        condition="",
        failures=("empty-catalog-deletes-all",),
    ),
    NamedBehaviour(
        "set-lost",
        LostSet,
        "The server has lost a set; it still has the records of the set.",
        Contract.CONVERGES,
        _NO_DELETION,
        condition="",
        failures=("empty-catalog-deletes-all",),
    ),
    NamedBehaviour(
        "half-missing",
        MissingShare,
        "The server shows half of its records, and a total that agrees with them.",
        Contract.CONVERGES,
        _NO_DELETION,
        condition="",
        failures=("empty-catalog-deletes-all",),
    ),
)
