"""The component `harvest_dagster.HarvestSources`: sources in the `defs.yaml` of a Dagster project.

A project may have several components. Each of them makes the assets of its sources. The first one also makes what a
code location can have only once: the job, the sensors and the resources. So they all work on the sources of all
components, and a label that occurs twice is found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from pydantic import BaseModel, Field

from harvest_dagster.catalog.extending import label_of
from harvest_dagster.catalog.json_schema import read_embeddable
from harvest_dagster.catalog.loader import load_documents
from harvest_dagster.catalog.yaml_documents import YamlDocument, parse_documents, plain_document
from harvest_dagster.orchestration.build import (
    build_asset_defs,
    build_shared_defs,
    raise_if_strict,
    without_preview_warnings,
)
from harvest_dagster.orchestration.executor import EXECUTOR
from harvest_dagster.orchestration.translator import (
    HarvestTranslator,
    SourceTranslatorData,
    TranslatedSources,
    Translation,
    translate_catalog,
)

_FILE = "defs.yaml"
# Dagster replaces it before the value is validated.
_TEMPLATE = {"type": "string", "pattern": r"\{\{.*\}\}"}


def _source_schema() -> dict[str, Any]:
    """Return the JSON Schema of a source in a defs.yaml: that of its YAML file, but each value may be a template."""
    schema = read_embeddable()
    schema["properties"] = {
        name: {
            **{key: rule.pop(key) for key in ("description", "default") if key in rule},
            "anyOf": [rule, _TEMPLATE],
        }
        for name, rule in schema["properties"].items()
    }
    return schema


def _resolve_sources(
    context: dg.ResolutionContext, values: Sequence[Mapping[str, Any]]
) -> list[YamlDocument]:
    """Return the sources of a defs.yaml with their lines. Dagster has already parsed the YAML, without lines."""
    resolved = context.resolve_value(values)
    path = dg.ComponentLoadContext.from_resolution_context(context).path
    return _locate(resolved, path if path.is_file() else path / _FILE)


def _locate(values: Sequence[Any], file: Path) -> list[YamlDocument]:
    """Return these values as documents, with the lines of the list of sources that has the same labels."""
    shown = _short_path(file)
    plain = [plain_document(value, shown) for value in values]
    if not file.is_file():
        return plain
    labels = [label_of(value) for value in values]
    for document in parse_documents(file.read_text(encoding="utf-8"), shown):
        if not isinstance(document, YamlDocument):
            continue
        found = [
            document.member(("attributes", "sources", index), value) for index, value in enumerate(values)
        ]
        if [
            label_of(one.value if one else None) for one in document.members(("attributes", "sources"))
        ] == labels:
            return [one or plain[index] for index, one in enumerate(found)]
    return plain


def _short_path(file: Path) -> str:
    """Return a path relative to the working directory if it is below it, as the paths of other sources are."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)


@dataclass(frozen=True)
class SourceTranslation(dg.Resolvable):
    """What a component changes of its assets."""

    key_prefix: Annotated[
        str | list[str], dg.Resolver.default(description="precedes `raw` and `transformed` in the asset keys")
    ] = field(default_factory=list)
    group_name: Annotated[str | None, dg.Resolver.default(description="asset group")] = None
    tags: Annotated[dict[str, str], dg.Resolver.default(description="added to the tags")] = field(
        default_factory=dict
    )
    owners: Annotated[list[str] | None, dg.Resolver.default(description="replace the owners")] = None
    metadata: Annotated[dict[str, Any], dg.Resolver.default(description="added to the metadata")] = field(
        default_factory=dict
    )


class ScaffoldParameters(BaseModel):
    """The parameters of `dg scaffold defs`."""

    base_url: str = Field(
        default="http://127.0.0.1:8090/oai",
        description="base URL of an OAI-PMH repository; default: the simulator of harvest_dagster",
    )
    label: str | None = Field(
        default=None, description="label of the source; default: the name of the folder"
    )


class HarvestSourcesScaffolder(dg.Scaffolder[ScaffoldParameters]):
    """Writes a defs.yaml with one OAI-PMH source."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldParameters]:
        """Return the class of the parameters."""
        return ScaffoldParameters

    def scaffold(self, request: dg.ScaffoldRequest[ScaffoldParameters]) -> None:
        """Write the file."""
        parameters = request.params or ScaffoldParameters()
        source = {
            "label": parameters.label or _aslabel_of(request.target_path.name),
            "harvester": "oai",
            "harvester_kwargs": {"base_url": parameters.base_url, "metadata_prefix": "oai_dc"},
            "transformer": "oai_dc",
            "rate_limit": {"calls": 1, "period": 1},
            "earliest_date": "2024-01-01",
        }
        dg.scaffold_component(request, {"sources": [source]})


def _aslabel_of(name: str) -> str:
    """Return a valid label that resembles the name of a folder."""
    letters = "".join(one if one.isascii() and one.isalnum() else "_" for one in name.lower())
    return letters if letters[:1].isalpha() else f"source_{letters}"


@dg.scaffold_with(HarvestSourcesScaffolder)
@dataclass
class HarvestSources(dg.Component, dg.Resolvable):
    """Harvests sources of metadata records (OAI-PMH, REST APIs): the assets raw/<label> and transformed/<label>.

    Attributes:
        sources: one IngestConfig each.
        translation: changes keys, group, tags, owners and metadata of the assets.
        in_process: whether all ops of a run share a process, which is four times as fast as Dagster's default. Set it
            to false if the project has an executor of its own.
        shared_database: whether other code locations have sources in the same harvest database.
    """

    sources: Annotated[
        Sequence[Any],
        dg.Resolver(
            _resolve_sources,
            model_field_type=list[dict[str, Any]],
            description="one IngestConfig each, with the same keys as in a YAML file of a source",
            # Dagster allows a template in place of each field, as a second alternative of `anyOf`. An error in one
            # source would then be reported as an error of the whole list, without the key and its line.
            json_schema_extra={"type": ["array", "string"], "items": _source_schema(), "anyOf": [{}]},
        ),
    ]
    translation: SourceTranslation = field(default_factory=SourceTranslation)
    in_process: bool = True
    shared_database: bool = False

    def get_asset_spec(self, data: SourceTranslatorData) -> dg.AssetSpec:
        """Return an asset of a source. Override this method to change the assets in Python."""
        prefix = self.translation.key_prefix
        changed = Translation(
            key_prefix=[prefix] if isinstance(prefix, str) else prefix,
            group_name=self.translation.group_name,
            tags=self.translation.tags,
            owners=self.translation.owners,
            metadata=self.translation.metadata,
        )
        return changed.get_asset_spec(data)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Return the assets of these sources; with the first component, also what all sources share."""
        components = context.component_tree.get_all_components(HarvestSources)
        if not any(one is self for one in components):
            components = [self]  # built outside of a project, as tests do
        owners = _owners(components)
        with without_preview_warnings():
            sources = _translate(components, owners)
        assets = build_asset_defs(
            sources, {label for label, owner in owners.items() if owner is self and label}
        )
        if components[0] is not self:
            return assets
        raise_if_strict(sources.catalog)
        executor = EXECUTOR if all(one.in_process for one in components) else None
        return dg.Definitions.merge(assets, build_shared_defs(sources.catalog, executor=executor))

    @property
    def _documents(self) -> list[YamlDocument]:
        return [
            one if isinstance(one, YamlDocument) else plain_document(one, type(self).__name__)
            for one in self.sources
        ]


class _ComponentTranslator(HarvestTranslator):
    """Asks a component for its assets."""

    def __init__(self, component: HarvestSources) -> None:
        self._component = component

    def get_asset_spec(self, data: SourceTranslatorData) -> dg.AssetSpec:
        return self._component.get_asset_spec(data)


def _owners(components: Sequence[HarvestSources]) -> dict[str | None, HarvestSources]:
    """Return the component of each label. If a label occurs twice, the first source keeps it."""
    owners: dict[str | None, HarvestSources] = {}
    for component in components:
        for document in component._documents:
            owners.setdefault(label_of(document.value), component)
    return owners


def _translate(
    components: Sequence[HarvestSources], owners: Mapping[str | None, HarvestSources]
) -> TranslatedSources:
    """Return the sources of all components."""
    catalog = load_documents(one for component in components for one in component._documents)
    translators = {str(label): _ComponentTranslator(component) for label, component in owners.items()}
    shared = any(component.shared_database for component in components)
    return translate_catalog(catalog, HarvestTranslator(), translators, shares_database=shared)
