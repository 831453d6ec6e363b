"""How a source becomes assets: their keys, groups, descriptions, owners, tags, kinds and metadata.

`HarvestTranslator` is the counterpart of the translators of dagster-dlt and dagster-dbt. To change an attribute of all
assets, override its method `get_asset_spec`, and pass an instance to `build_defs`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg

from harvest_dagster import plugins
from harvest_dagster.catalog.durations import format_duration
from harvest_dagster.catalog.loader import Catalog
from harvest_dagster.catalog.problems import Place
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import UnknownPlugin
from harvest_dagster.orchestration.asset_keys import KINDS, AssetKeys, Kind, SourceAsset, SourceCatalog
from harvest_dagster.orchestration.reports.columns import column_schema, table_name

_DEFAULT_GROUP = IngestConfig.model_fields["group"].default
_CONTENTS = {"raw": "records as the source sent them", "transformed": "one document for each record"}
# Dagster's UI has an icon for each of these.
_ICONS: Mapping[Kind, set[str]] = {"raw": {"source", "table"}, "transformed": {"json", "table"}}


@dataclass(frozen=True)
class SourceTranslatorData:
    """What a translator knows of an asset.

    Attributes:
        kind: `raw` for the records, `transformed` for the documents.
        config: the source.
        place: the file and the line of its YAML; None if it was not read from a file.
    """

    kind: Kind
    config: IngestConfig
    place: Place | None = None


class HarvestTranslator:
    """Returns the asset of a source as a spec. Override `get_asset_spec` to change it.

    Example:
        class Mine(HarvestTranslator):
            def get_asset_spec(self, data):
                spec = super().get_asset_spec(data)
                return spec.replace_attributes(key=spec.key.with_prefix("library"), group_name="metadata")
    """

    def get_asset_spec(self, data: SourceTranslatorData) -> dg.AssetSpec:
        """Return the asset. The product itself sets its partitions and what it depends on."""
        config = data.config
        return dg.AssetSpec(
            key=dg.AssetKey([data.kind, config.label]),
            description="\n\n".join(_paragraphs(data)),
            group_name=config.group,
            owners=list(config.owners),
            tags=dict(config.tags),
            kinds=_ICONS[data.kind],
            code_version=_code_version(data),
            metadata=_metadata(data),
        )


@dataclass(frozen=True)
class Translation(HarvestTranslator):
    """Changes some attributes of what another translator returns: the same change for all assets.

    Attributes:
        key_prefix: precedes `raw` and `transformed` in the keys.
        group_name: replaces the group.
        tags: are added to the tags, and replace those with the same name.
        owners: replace the owners.
        metadata: is added to the metadata.
        base: the translator whose result is changed.
    """

    key_prefix: Sequence[str] = ()
    group_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    owners: Sequence[str] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    base: HarvestTranslator = field(default_factory=HarvestTranslator)

    def get_asset_spec(self, data: SourceTranslatorData) -> dg.AssetSpec:
        """Return the asset with these changes."""
        spec = self.base.get_asset_spec(data)
        key = spec.key.with_prefix(list(self.key_prefix)) if self.key_prefix else spec.key
        replaced: dict[str, Any] = {} if self.group_name is None else {"group_name": self.group_name}
        if self.owners is not None:
            replaced["owners"] = list(self.owners)
        changed: dg.AssetSpec = spec.replace_attributes(key=key, **replaced)
        return changed.merge_attributes(tags=dict(self.tags), metadata=dict(self.metadata))


@dataclass(frozen=True)
class SharedRun:
    """A run that harvests several sources.

    Dagster executes several assets in one run only if their partitions are the same, so all of them get those that they
    have in common.

    Attributes:
        labels: the sources.
        first_day: the first day that is a partition of each of them.
    """

    labels: frozenset[str]
    first_day: date

    def first_day_of(self, label: str) -> date | None:
        """Return the first partition of a source of the run; None if the run does not process the source."""
        return self.first_day if label in self.labels else None


@dataclass(frozen=True)
class TranslatedSources:
    """A catalog, and the assets that a translator makes of it.

    Attributes:
        catalog: the catalog, with the keys of the assets.
        specs: the assets.
    """

    catalog: SourceCatalog
    specs: Mapping[SourceAsset, dg.AssetSpec]

    @property
    def group(self) -> str:
        """The group of a source that did not load: that of all others, or the default one if they differ."""
        groups = {spec.group_name for spec in self.specs.values()}
        return (groups.pop() if len(groups) == 1 else None) or _DEFAULT_GROUP

    def find_connected(self, keys: Collection[dg.AssetKey]) -> frozenset[str] | None:
        """Return the sources of these assets, and those that a translator made them depend on.

        None if one of the keys is not an asset of a source that was loaded.
        """
        found: set[str] = set()
        pending = list(keys)
        while pending:
            source = self.catalog.keys.find_source(pending.pop())
            if source is None:
                return None
            if source.label not in found:
                found.add(source.label)
                pending += self._dependencies(source.label)
        return frozenset(found)

    def find_shared_run(self, keys: Collection[dg.AssetKey]) -> SharedRun | None:
        """Return the run that harvests these assets if they are raw data of several sources; otherwise None."""
        assets = [asset for key in keys if (asset := self.catalog.keys.find_source(key))]
        labels = {asset.label for asset in assets if asset.kind == "raw"}
        if len(labels) < 2:  # noqa: PLR2004
            return None
        everyone = labels | {asset.label for asset in assets}
        configs = [config for config in self.catalog.configs if config.label in everyone]
        return SharedRun(frozenset(everyone), max(config.earliest_date for config in configs))

    def _dependencies(self, label: str) -> Iterator[dg.AssetKey]:
        """Yield the assets of sources on which a translator made the assets of a source depend."""
        for kind in KINDS:
            spec = self.specs.get(SourceAsset(kind, label))
            keys = [dep.asset_key for dep in spec.deps] if spec else []
            yield from (key for key in keys if self.catalog.keys.find_source(key) is not None)


def translate_catalog(
    catalog: Catalog,
    translator: HarvestTranslator,
    others: Mapping[str, HarvestTranslator] | None = None,
    *,
    shares_database: bool = False,
) -> TranslatedSources:
    """Return the assets of a catalog.

    Args:
        catalog: the sources.
        translator: makes the assets.
        others: by label, the translators of sources that have another one.
        shares_database: whether other code locations have sources in the same harvest database.
    """
    specs = {
        SourceAsset(kind, config.label): (others or {})
        .get(config.label, translator)
        .get_asset_spec(SourceTranslatorData(kind, config, catalog.places.get(config.label)))
        for config in catalog.configs
        for kind in KINDS
        if kind == "raw" or config.transformer is not None
    }
    keys = AssetKeys.of({asset: spec.key for asset, spec in specs.items()})
    return TranslatedSources(SourceCatalog.of(catalog, keys, shares_database=shares_database), specs)


def _paragraphs(data: SourceTranslatorData) -> Iterator[str]:
    """Yield the description. The list of assets shows only its first line, and no Markdown."""
    config = data.config
    yield f"{config.name}: {_CONTENTS[data.kind]}"
    if config.description:
        yield config.description
    plugin = (
        f"Harvester: `{config.harvester}`" if data.kind == "raw" else f"Transformer: `{config.transformer}`"
    )
    yield f"{plugin}. Source: <{config.home_page}>" if config.home_page else f"{plugin}."


def _code_version(data: SourceTranslatorData) -> str | None:
    """Return the version of the plug-in that makes the data; None if it cannot be loaded."""
    group, key = (
        (plugins.HARVESTERS, data.config.harvester)
        if data.kind == "raw"
        else (plugins.TRANSFORMERS, data.config.transformer or "")
    )
    try:
        return str(plugins.load(group, key).VERSION)
    except (UnknownPlugin, AttributeError):
        return None  # the run reports it


def _metadata(data: SourceTranslatorData) -> dict[str, Any]:
    config = data.config
    return {
        "dagster/table_name": table_name(data.kind),
        "dagster/column_schema": column_schema(data.kind),
        **_code_references(data.place),
        "rate limit": f"{config.rate_limit.calls} requests in {config.rate_limit.period:g} s",
        "max window": format_duration(config.max_window),
        **({"disabled": True} if config.disabled else {}),
    }


def _code_references(place: Place | None) -> dict[str, dg.CodeReferencesMetadataValue]:
    if place is None:
        return {}
    reference = dg.LocalFileCodeReference(
        file_path=str(Path(place.file).absolute()), line_number=place.line, label="YAML of the source"
    )
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}
