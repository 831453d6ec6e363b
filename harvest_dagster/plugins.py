"""Find harvesters and transformers by their key.

`BUILT_IN` is the only registry of our own plug-ins: they are found even if the package is not installed. Third
parties register theirs as entry points in the groups `harvest_dagster.harvesters` and
`harvest_dagster.transformers`. See docs/decisions/0022.

A class is imported when its key is asked for, not before. A plug-in that cannot be imported therefore affects
only the sources that name it.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from harvest_dagster.errors import UnknownPlugin

HARVESTERS = "harvest_dagster.harvesters"
TRANSFORMERS = "harvest_dagster.transformers"

BUILT_IN = {
    HARVESTERS: {
        "feed": "harvest_dagster.harvesters.feed.harvester:FeedHarvester",
        "files": "harvest_dagster.harvesters.files.harvester:FilesHarvester",
        "oai": "harvest_dagster.harvesters.oai.harvester:OaiHarvester",
        "rest": "harvest_dagster.harvesters.rest.harvester:RestHarvester",
        "sitemap": "harvest_dagster.harvesters.sitemap.harvester:SitemapHarvester",
    },
    TRANSFORMERS: {
        "arxiv": "harvest_dagster.transformers.formats.arxiv.transformer:ArxivTransformer",
        "auto": "harvest_dagster.transformers.formats.auto:AutoTransformer",
        "clinicaltrials": "harvest_dagster.transformers.formats.clinicaltrials.transformer:ClinicalTrialsTransformer",
        "crossref": "harvest_dagster.transformers.formats.crossref.transformer:CrossrefTransformer",
        "datacite": "harvest_dagster.transformers.formats.datacite.transformer:DataciteTransformer",
        "dcat": "harvest_dagster.transformers.formats.dcat.transformer:DcatTransformer",
        "europepmc": "harvest_dagster.transformers.formats.europepmc.transformer:EuropepmcTransformer",
        "feed": "harvest_dagster.transformers.formats.feed.transformer:FeedTransformer",
        "jats": "harvest_dagster.transformers.formats.jats.transformer:JatsTransformer",
        "mapping": "harvest_dagster.transformers.formats.mapping.transformer:MappingTransformer",
        "marcxml": "harvest_dagster.transformers.formats.marcxml.transformer:MarcXmlTransformer",
        "mods": "harvest_dagster.transformers.formats.mods.transformer:ModsTransformer",
        "oai_dc": "harvest_dagster.transformers.formats.oai_dc.transformer:OaiDcTransformer",
        "oai_openaire": "harvest_dagster.transformers.formats.oai_openaire.transformer:OaiOpenaireTransformer",
        "openalex": "harvest_dagster.transformers.formats.openalex.transformer:OpenAlexTransformer",
        "schema_org": "harvest_dagster.transformers.formats.schema_org.transformer:SchemaOrgTransformer",
    },
}

# Keys that are still accepted.
OLD_KEYS: dict[str, dict[str, str]] = {HARVESTERS: {"json": "rest"}, TRANSFORMERS: {}}


# The key in the context of validation (`ValidationInfo.context`) that has the value of `selective`.
SELECTIVE = "selective"


class NotDeciding:
    """Marks an argument of a harvester that does not decide what the source is asked, or what is stored of it.

    Put it into the annotation of the field: `headers: Annotated[dict[str, str], NotDeciding()] = {}`. A change of any
    other argument invalidates the coverage of earlier harvests.
    """


@cache
def plugin_paths(group: str) -> dict[str, str]:
    """Return the path of each plug-in of a group by its key.

    A path is `module:name`. If another package registers a built-in key, the built-in plug-in wins.
    """
    installed = {point.name: point.value for point in entry_points(group=group)}
    return {**installed, **BUILT_IN[group]}


def present_key(group: str, key: str) -> str:
    """Return the key under which a plug-in is registered now."""
    return OLD_KEYS[group].get(key, key)


def load(group: str, key: str) -> Any:
    """Return the class that is registered under a key.

    Raises:
        UnknownPlugin: nothing is registered under the key, or its import fails.
    """
    # Reading the entry points of all packages takes 0.04 s, and a built-in plug-in needs none.
    key = present_key(group, key)
    path = BUILT_IN[group].get(key) or plugin_paths(group).get(key)
    kind = group.rpartition(".")[2].rstrip("s")
    if path is None:
        known = ", ".join(sorted(plugin_paths(group)))
        message = (
            f"no {kind} is registered as {key!r}. Use one of: {known}; "
            "or install the package that provides it."
        )
        raise UnknownPlugin(message)
    try:
        return _import(path)
    except (Exception, SystemExit) as error:
        # An import runs code of third parties, which may raise anything: docs/failures.md#one-bad-source-stops-all
        message = (
            f"the {kind} {key!r} ({path}) cannot be imported: {type(error).__name__}: {error}. "
            "Install what it needs, or uninstall the package that registers it."
        )
        raise UnknownPlugin(message) from error


@cache
def _import(path: str) -> Any:
    """Return the class at a path, `module:name`. A large catalog asks for each class a thousand times."""
    return EntryPoint(name="", value=path, group="").load()


def register(group: str, key: str, path: str) -> None:
    """Register a class in this process, until `clear_cache`.

    Args:
        group: `HARVESTERS` or `TRANSFORMERS`.
        key: the name under which `load` finds it. A built-in key cannot be replaced.
        path: where the class is, `module:name`.
    """
    plugin_paths(group)[key] = path


def clear_cache() -> None:
    """Forget all registered and installed plug-ins, so that the next call reads the entry points again."""
    importlib.invalidate_caches()
    plugin_paths.cache_clear()
    _import.cache_clear()
