"""Sources that take over a bundled source with the key `extends`, and override some of its keys.

A key of the source replaces that of the bundled source. Two mappings are merged key by key, one level deep, so that
`harvester_kwargs: {set: user-cern}` keeps the base URL. `null` removes a key of the bundled source. See
docs/decisions/0063.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harvest_dagster.catalog.arguments import KINDS
from harvest_dagster.catalog.bundled import BundledCatalog, without_keys
from harvest_dagster.catalog.problems import Problem, did_you_mean
from harvest_dagster.catalog.yaml_documents import YamlDocument

EXTENDS = "extends"
# The keys of one kind of authentication are unknown to the others.
_REPLACED_AS_A_WHOLE = frozenset({"auth"})


def label_of(value: Any) -> str | None:
    """Return the label of a source: its own one, or else that of the source that it extends; None if it has none."""
    if not isinstance(value, dict):
        return None
    label = value["label"] if "label" in value else value.get(EXTENDS)
    return label if isinstance(label, str) else None


def extend(document: YamlDocument, bundled: BundledCatalog) -> YamlDocument | Problem:
    """Return a source with the keys of the bundled source that it extends; itself if it extends none.

    Returns:
        A problem if there is no such bundled source, or if its file is wrong.
    """
    own = document.value
    if not isinstance(own, dict) or EXTENDS not in own:
        return document
    name, label = own[EXTENDS], label_of(own)
    if not isinstance(name, str):
        return document.problem((EXTENDS,), "must be the label of a bundled source", label)
    base = bundled.find(name)
    if base is None:
        hint = did_you_mean(name, bundled.labels) or "."
        message = f"there is no bundled source {name!r}{hint} `harvest list --bundled` lists them"
        return document.problem((EXTENDS,), message, label)
    if isinstance(base, Problem):
        return replace(base, label=label)
    if base.problems or EXTENDS in base.value:
        problems = [*base.problems, base.problem((EXTENDS,), "is not allowed in a bundled source; remove it")]
        return replace(problems[0], label=label)
    base = without_keys(base, _left_out(own, base.value))
    return replace(document, value=_merge(base.value, own), base=base, own=own)


def _left_out(own: Mapping[str, Any], base: Mapping[str, Any]) -> set[str]:
    """Return the arguments of the plug-ins that the source replaces: another plug-in has other arguments."""
    return {kind.kwargs_name for kind in KINDS if kind.name in own and own[kind.name] != base.get(kind.name)}


def _merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    merged = _override(base, own)
    for name, value in own.items():
        inherited = base.get(name)
        if isinstance(value, dict) and isinstance(inherited, dict) and name not in _REPLACED_AS_A_WHOLE:
            merged[name] = _override(inherited, value)
    return merged


def _override(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    removed = {name for name, value in own.items() if value is None and name in base}
    return {name: value for name, value in {**base, **own}.items() if name not in removed}
