"""The keys of the assets of sources, and the source of each key.

A translator may give assets other keys (`orchestration.translator`). Sensors, checks and reports know labels, and
Dagster's record of runs has keys. All of them use this module, so they work with any keys. The catalog
contains the keys: it is the value of the resource `harvest_catalog`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Literal, TypeAlias

import dagster as dg

from harvest_dagster.catalog.loader import Catalog

Kind: TypeAlias = Literal["raw", "transformed"]
KINDS: tuple[Kind, ...] = ("raw", "transformed")


@dataclass(frozen=True)
class SourceAsset:
    """One asset of a source, without its key.

    Attributes:
        kind: `raw` or `transformed`.
        label: the source.
    """

    kind: Kind
    label: str

    @property
    def op(self) -> str:
        """The name of its op or graph. It is the same for every key, because run configs contain it."""
        return f"{self.kind}__{self.label}"


@dataclass(frozen=True)
class AssetKeys:
    """The key of each asset of the sources.

    Attributes:
        keys: the keys of the assets that have a definition.
        prefix: the prefix of the keys of other labels, such as those whose YAML has an error.
    """

    keys: Mapping[SourceAsset, dg.AssetKey] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    @classmethod
    def of(cls, keys: Mapping[SourceAsset, dg.AssetKey]) -> "AssetKeys":
        """Return these keys. Other labels get the prefix that all of these keys have in common."""
        prefixes = {
            tuple(key.path[:-2]) if key.path[-2:] == [asset.kind, asset.label] else ()
            for asset, key in keys.items()
        }
        return cls(keys, prefixes.pop() if len(prefixes) == 1 else ())

    def key_of(self, kind: Kind, label: str) -> dg.AssetKey:
        """Return the key of an asset of a source, whether the asset has a definition or not."""
        return self.keys.get(SourceAsset(kind, label)) or dg.AssetKey([*self.prefix, kind, label])

    def find_source(self, key: dg.AssetKey) -> SourceAsset | None:
        """Return the asset of a source that has this key; None if it is no asset of a source."""
        return self._assets.get(key)

    @cached_property
    def _assets(self) -> dict[dg.AssetKey, SourceAsset]:
        return {key: asset for asset, key in self.keys.items()}


@dataclass(frozen=True)
class SourceCatalog(Catalog):
    """A catalog with the keys of its assets: the value of the resource `harvest_catalog`.

    Attributes:
        keys: the keys.
        shares_database: whether other code locations have sources in the same harvest database.
    """

    keys: AssetKeys = AssetKeys()
    shares_database: bool = False

    @classmethod
    def of(cls, catalog: Catalog, keys: AssetKeys, *, shares_database: bool = False) -> "SourceCatalog":
        """Return a catalog with these keys."""
        values = {one.name: getattr(catalog, one.name) for one in fields(Catalog)}
        return cls(**values, keys=keys, shares_database=shares_database)


def keys_of(catalog: Catalog) -> AssetKeys:
    """Return the keys of a catalog. A catalog that was not translated has the keys `raw/<label>`."""
    if isinstance(catalog, SourceCatalog):
        return catalog.keys
    assets = (SourceAsset(kind, config.label) for config in catalog.configs for kind in KINDS)
    return AssetKeys({asset: dg.AssetKey([asset.kind, asset.label]) for asset in assets})
