"""Harvesters and transformers by their key.

Ours stand in a table here, so that they are found even where the package is not installed; those of third
parties come from the entry-point groups. A class is imported when its key is asked for, never before: one
plug-in that does not import harms no source but its own.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from harvest_dagster.errors import UnknownPlugin

HARVESTERS = "harvest_dagster.harvesters"
TRANSFORMERS = "harvest_dagster.transformers"

_OURS = {
    HARVESTERS: {
        "json": "harvest_dagster.harvesters.json_list:JsonListHarvester",
        "oai": "harvest_dagster.harvesters.oai:OaiHarvester",
    },
    TRANSFORMERS: {"oai_dc": "harvest_dagster.transformers.oai_dc:OaiDcTransformer"},
}


@cache
def registered(group: str) -> dict[str, str]:
    """The keys of a group, each with the place of its class, `module:name`, ours first."""
    found = {point.name: point.value for point in entry_points(group=group)}
    return {**found, **_OURS[group]}


def load(group: str, key: str) -> Any:
    """The class behind a key.

    Raises:
        UnknownPlugin: nothing is registered under it, or its module cannot be imported.
    """
    places = registered(group)
    kind = group.rpartition(".")[2].rstrip("s")
    if key not in places:
        known = ", ".join(sorted(places))
        message = (
            f"no {kind} is registered as {key!r}. Use one of: {known}; or install the package that brings it."
        )
        raise UnknownPlugin(message)
    try:
        return EntryPoint(name=key, value=places[key], group=group).load()
    except (ImportError, AttributeError) as error:
        remedy = "Install what it needs, or remove it."
        message = f"the {kind} {key!r} ({places[key]}) cannot be imported: {error}. {remedy}"
        raise UnknownPlugin(message) from error


def reload() -> None:
    """Forget what was found: for a process in which a package was installed meanwhile."""
    importlib.invalidate_caches()
    registered.cache_clear()


def use(group: str, key: str, place: str) -> None:
    """Have a class under a key that nothing registers, in this process, until `reload`.

    Args:
        group: of the key.
        key: to load it by.
        place: of the class, `module:name`.
    """
    registered(group)[key] = place
