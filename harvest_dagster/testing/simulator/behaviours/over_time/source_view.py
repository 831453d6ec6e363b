"""The base class of behaviours that show another repository than the true one, in every protocol and every verb."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

from harvest_dagster.testing.simulator.behaviours.base import Behaviour, Handler
from harvest_dagster.testing.simulator.repository.edits import Edit
from harvest_dagster.testing.simulator.repository.lists import RepositorySnapshot
from harvest_dagster.testing.simulator.serving.messages import Request, Response

_UNCHANGED = Edit()


class SourceView(Behaviour):
    """Shows a changed repository. Lists, totals, tokens and single records therefore agree with each other."""

    @abstractmethod
    def view(self, snapshot: RepositorySnapshot) -> RepositorySnapshot:
        """Return the repository that the source shows; the same object if nothing changes."""

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        changes: list[bool] = []

        def view(snapshot: RepositorySnapshot) -> RepositorySnapshot:
            shown = self.view(snapshot)
            changes.append(shown is not snapshot)
            return shown

        response = handler(replace(request, views=(*request.views, view)))
        # A new object: the request log then names the behaviour.
        return replace(response) if any(changes) else response


def change_edits(snapshot: RepositorySnapshot, change: Callable[[int, Edit], Edit]) -> RepositorySnapshot:
    """Return the repository with each record changed, which takes time for each record; the same object if none is.

    Args:
        snapshot: the repository.
        change: returns the new edit of a record number and its edit; the same value leaves the record unchanged.
    """
    edits = dict(snapshot.edits)
    for index in range(snapshot.repository.size):
        edit = snapshot.edits.get(index, _UNCHANGED)
        if (changed := change(index, edit)) != edit:
            edits[index] = changed
    return snapshot if edits == snapshot.edits else replace(snapshot, edits=edits)
