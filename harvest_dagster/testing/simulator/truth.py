"""The truth about a source: the records that it really has at an instant, whatever it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from harvest_dagster.testing.simulator.protocols.rest import RecordContent, record_content
from harvest_dagster.testing.simulator.repository.edits import Edit
from harvest_dagster.testing.simulator.repository.repository import Repository


@dataclass(frozen=True)
class Truth:
    """The records that the source really has.

    Attributes:
        at: the instant.
        live: the records by identifier, with their content, true datestamps and sets.
        deleted: when each removed record was removed, by identifier, in the granularity of the repository. It does not
            matter whether the source left a tombstone. `Edits.hide` does not say when, so its records are absent here.
    """

    at: datetime
    live: Mapping[str, RecordContent]
    deleted: Mapping[str, str]


def true_records(
    repository: Repository, edits: Mapping[int, Edit], removals: Mapping[int, int], at: datetime
) -> Truth:
    """Return the truth that follows from edits.

    Args:
        repository: the repository.
        edits: the true edits by record number; hidden records do not exist.
        removals: when hidden records were removed, by record number, as instants of the repository.
        at: the instant.
    """
    deleted = {
        repository.identifier(index): repository.format_instant(instant)
        for index, instant in removals.items()
    }
    live: dict[str, RecordContent] = {}
    for index in range(repository.size):
        if index in edits and edits[index].hidden:
            continue
        record = record_content(repository, edits, index)
        if record.deleted:
            deleted[record.identifier] = record.datestamp
        else:
            live[record.identifier] = record
    return Truth(at, live, deleted)
