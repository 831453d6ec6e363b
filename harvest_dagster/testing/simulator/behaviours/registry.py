"""The registry of named behaviours: help, documentation, scenarios and the conformance suite use this list.

REGISTRY["cut"](length=1000, when=nth(2, "list"))
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvest_dagster.testing.simulator.behaviours.base import NamedBehaviour
from harvest_dagster.testing.simulator.behaviours.content import documents, encodings, records, wrong_content
from harvest_dagster.testing.simulator.behaviours.delivery import delivery_faults, http_errors, redirects
from harvest_dagster.testing.simulator.behaviours.lists import changes, dates, tokens, totals
from harvest_dagster.testing.simulator.behaviours.over_time import datestamps, deletions, missing_records

GROUPS: Mapping[str, tuple[NamedBehaviour, ...]] = MappingProxyType(
    {
        "Transport": delivery_faults.ENTRIES,
        "Wrong bodies": wrong_content.ENTRIES,
        "HTTP errors and rate limits": http_errors.ENTRIES,
        "Totals and truncated lists": totals.ENTRIES,
        "Tokens and empty pages": tokens.ENTRIES,
        "Lists that change, and duplicates": changes.ENTRIES,
        "Dates of requests": dates.ENTRIES,
        "Single records": records.ENTRIES,
        "Compression, size and character encodings": encodings.ENTRIES,
        "XML documents and clocks": documents.ENTRIES,
        "Redirects and cookies": redirects.ENTRIES,
        "What the source shows over time": (
            *datestamps.ENTRIES,
            *deletions.ENTRIES,
            *missing_records.ENTRIES,
        ),
    }
)
REGISTRY: Mapping[str, NamedBehaviour] = MappingProxyType(
    {entry.name: entry for entries in GROUPS.values() for entry in entries}
)
