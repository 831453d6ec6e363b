"""Recognize the missing and changed records of a sweep that cannot be stored: a harvest of their days does not help.

Such a record is in the quarantine of the source, or its identifier cannot be stored. Otherwise each sweep would harvest
its day again, and report it as missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.reconciling.comparison import Difference
from harvest_dagster.pipeline.steps.split import find_identifier_problem
from harvest_dagster.storage.harvest_log import quarantine

_BATCH = 500  # differences that are looked up at once


def mark_invalid(harvest: HarvestContext, differences: Iterable[Difference]) -> Iterator[Difference]:
    """Yield the differences. The kind of a missing or changed record that is known to be invalid is `quarantined`."""
    stream = iter(differences)
    while batch := list(islice(stream, _BATCH)):
        times = _find_list_times(harvest, batch)
        for difference in batch:
            yield difference._replace(kind="quarantined") if _is_invalid(difference, times) else difference


def _find_list_times(harvest: HarvestContext, batch: Sequence[Difference]) -> dict[str, datetime]:
    identifiers = [one.identifier for one in batch if one.kind in ("missing", "changed")]
    if not identifiers:
        return {}
    with harvest.run.database.read() as connection:
        return quarantine.find_list_times(connection, harvest.scope, identifiers)


def _is_invalid(difference: Difference, times: dict[str, datetime]) -> bool:
    if difference.kind not in ("missing", "changed"):
        return False
    if find_identifier_problem(difference.identifier) is not None:
        return True
    listed, header = times.get(difference.identifier), difference.header
    if listed is None or header is None:
        return False
    # A change after that list may have made the record valid. A datestamp may be only a day, so compare days.
    return header.datestamp is None or header.datestamp.date() < listed.date()
