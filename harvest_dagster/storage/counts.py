"""The list of the counts of a harvest log.

`Counts` is the only list. Everything else derives from its fields: the columns of `harvest_log`, the statements that
add to them and reset them, the values that are read from a row, and what Dagster shows of an op and a run. A new
count needs a field here, the place that counts it, and a migration (`make migration`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from sqlalchemy import BigInteger, Float, Integer
from sqlalchemy.types import TypeEngine

Step = Literal["fetch", "store"]


def _count(
    description: str, step: Step, column_type: type[TypeEngine[Any]] = Integer, *, is_in_json: bool = False
) -> Any:
    """Return a dataclass field that starts from zero.

    Args:
        description: what is counted, for people who read the tables.
        step: the step that counts it.
        column_type: of its column in `harvest_log`.
        is_in_json: whether the generated column `harvest_log.counts` contains it, too.
    """
    metadata = {
        "description": description,
        "step": step,
        "column_type": column_type,
        "is_in_json": is_in_json,
    }
    return field(default=0, metadata=metadata)


@dataclass(frozen=True)
class Counts:
    """What the present fetch attempt of a window has counted so far. A new fetch attempt starts from zero."""

    pages: int = _count("pages that are stored", "store", is_in_json=True)
    records: int = _count("valid records of these pages", "store", is_in_json=True)
    new_identifiers: int = _count("rows added to source_unique_identifier", "store", is_in_json=True)
    new_data: int = _count("rows added to raw_datum", "store", is_in_json=True)
    changed: int = _count("known identifiers whose current content is a new one", "store")
    deleted: int = _count(
        "records that the source marks as deleted, or no longer lists", "store", is_in_json=True
    )
    quarantined: int = _count("invalid records", "store", is_in_json=True)
    outside_window: int = _count("stored records whose datestamp is outside the window", "store")
    undated: int = _count("stored records without a datestamp", "store")
    outdated: int = _count("records that are older than the current content of their identifier", "store")
    recoveries: int = _count("recovery steps: a list failed and was continued in another way", "fetch")
    requests: int = _count("requests sent to the source", "fetch")
    bytes: int = _count("bytes received from the source", "fetch", BigInteger)
    seconds_waited: float = _count("seconds that requests waited for the rate limit", "fetch", Float)

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in COUNT_NAMES})


COUNT_NAMES = tuple(count.name for count in fields(Counts))
COUNT_NAMES_IN_JSON = tuple(count.name for count in fields(Counts) if count.metadata["is_in_json"])


def total(counts: Iterable[Counts]) -> Counts:
    """Return the sum."""
    return sum(counts, start=Counts())


def as_numbers(counts: Counts, step: Step | None = None) -> dict[str, int | float]:
    """Return the counts by name, or only those of a step. Fractions are rounded to milliseconds."""
    return {
        count.name: round(getattr(counts, count.name), 3)
        for count in fields(Counts)
        if step in (None, count.metadata["step"])
    }
