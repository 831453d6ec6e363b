"""The code location for Dagster, and the functions with which people build one of their own.

`build_defs` and `load_catalog` cost nothing to import. Only `defs` and `catalog` load the catalog of `HARVEST_SOURCES`,
when they are used first. This reads YAML files and does nothing else.
"""

import logging
from typing import TYPE_CHECKING, Any

from harvest_dagster.catalog.loader import Catalog, load_catalog
from harvest_dagster.orchestration.build import build_defs
from harvest_dagster.orchestration.translator import HarvestTranslator, SourceTranslatorData, Translation

if TYPE_CHECKING:
    import dagster as dg

    catalog: Catalog
    defs: dg.Definitions

__all__ = [
    "Catalog",
    "HarvestTranslator",
    "SourceTranslatorData",
    "Translation",
    "build_defs",
    "catalog",
    "defs",
    "load_catalog",
]
_LAZY = ("catalog", "defs")
_log = logging.getLogger("harvest_dagster")


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    # The assets of a component belong to the code location of its project.
    loaded = load_catalog().without_components()
    for problem in loaded.problems:
        _log.error("%s", problem)
    for warning in loaded.warnings:
        _log.warning("%s", warning)
    globals().update(catalog=loaded, defs=build_defs(loaded))
    return globals()[name]


def __dir__() -> list[str]:
    """Return all names. Dagster finds `defs` by them."""
    return sorted({*globals(), *_LAZY})
