"""Every named behaviour: help, documentation, scenarios and the conformance suite are made from this list.

REGISTRY["cut"](length=1000, when=nth(2, "list"))
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvest_dagster.simulator.behaviours import (
    bodies,
    changes,
    documents,
    empty,
    encodings,
    journeys,
    records,
    refusals,
    tokens,
    totals,
    transport,
)
from harvest_dagster.simulator.behaviours.base import Named

KINDS: Mapping[str, tuple[Named, ...]] = MappingProxyType(
    {
        "On the way": transport.ENTRIES,
        "Something else": bodies.ENTRIES,
        "Refusals": refusals.ENTRIES,
        "Totals": totals.ENTRIES,
        "Tokens": tokens.ENTRIES,
        "Empty pages": empty.ENTRIES,
        "Changes": changes.ENTRIES,
        "One record": records.ENTRIES,
        "Encodings": encodings.ENTRIES,
        "Documents and clocks": documents.ENTRIES,
        "Redirects and cookies": journeys.ENTRIES,
    }
)
REGISTRY: Mapping[str, Named] = MappingProxyType(
    {entry.name: entry for entries in KINDS.values() for entry in entries}
)
