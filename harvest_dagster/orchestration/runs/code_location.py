"""The code location whose sources `harvest run` harvests: its module, its catalog, its database.

The code location of the package has the sources of `HARVEST_SOURCES`, with the keys `raw/<label>`. A code location of
a user may have other sources, keys and databases. All of them are in its resources `harvest_catalog` and
`harvest_stores`.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import dagster as dg

from harvest_dagster.catalog.loader import Catalog, load_catalog
from harvest_dagster.errors import BadInput
from harvest_dagster.orchestration.asset_keys import AssetKeys, keys_of
from harvest_dagster.orchestration.build import without_preview_warnings
from harvest_dagster.orchestration.resources import Stores
from harvest_dagster.storage.database import Database
from harvest_dagster.texts import one_line

PACKAGE_MODULE = "harvest_dagster.definitions"


@dataclass(frozen=True)
class CodeLocation:
    """A code location with sources.

    Attributes:
        module: the module that Dagster loads.
        catalog: its sources. It contains the keys of their assets if the location is not that of the package.
        stores: its database and its spool.
    """

    module: str
    catalog: Catalog
    stores: Stores

    @property
    def keys(self) -> AssetKeys:
        """The keys of the assets of the sources."""
        return keys_of(self.catalog)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Yield the harvest database of this code location. On first use, create or migrate its schema.

        Raises:
            DatabaseError: the database cannot be reached, or it is newer than the code.
        """
        with self.stores.process_config_and_initialize_cm() as stores:
            yield stores.database()


def load_code_location(module: str, folder: Path) -> CodeLocation:
    """Return the code location of a module.

    Args:
        module: its name, as for `dagster dev -m`.
        folder: where Python also looks for the module, as the command `dagster` does.

    Raises:
        BadInput: the module cannot be imported, or it does not define exactly one `Definitions` that has sources.
    """
    if module == PACKAGE_MODULE:
        return CodeLocation(module, load_catalog(), Stores())
    resources = _load_definitions(module, folder).resources or {}
    catalog, stores = resources.get("harvest_catalog"), resources.get("harvest_stores")
    if not isinstance(catalog, Catalog) or not isinstance(stores, Stores):
        message = (
            f"The definitions of {module} have no sources of harvest_dagster. Name the module that calls build_defs "
            "or that loads the component harvest_dagster.HarvestSources."
        )
        raise BadInput(message)
    return CodeLocation(module, catalog, stores)


def _load_definitions(module: str, folder: Path) -> dg.Definitions:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        with without_preview_warnings():
            found = list(_definitions_in(importlib.import_module(module)))
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        raise BadInput(f"The module {module} cannot be loaded: {reason}. Correct it.") from error
    if len(found) != 1:
        message = f"{module} has {len(found)} dagster.Definitions. Name a module that has exactly one."
        raise BadInput(message)
    return found[0]


def _definitions_in(module: ModuleType) -> Iterator[dg.Definitions]:
    """Yield the definitions of a module, as values or as functions that are decorated with `@dg.definitions`."""
    lazy = type(dg.definitions(_nothing))
    values = {id(value): value for name in dir(module) for value in [getattr(module, name)]}
    for value in values.values():
        if isinstance(value, dg.Definitions):
            yield value
        elif isinstance(value, lazy):
            yield value()


def _nothing() -> dg.Definitions:
    return dg.Definitions()
