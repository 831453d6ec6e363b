"""One line for each bundled source: what `harvest list --bundled` shows. Nothing is validated, so this is fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harvest_dagster.catalog.bundled import BundledCatalog, BundledSource
from harvest_dagster.catalog.hosts import first_host

# The argument that names the format of the records, and the format without it.
_FORMATS = {
    "oai": ("metadata_prefix", "oai_dc"),
    "rest": ("response", "json"),
    "files": ("format", None),
    "feed": (None, "feed"),
    "sitemap": (None, "json-ld"),
}


@dataclass(frozen=True)
class BundledLine:
    """One bundled source.

    Attributes:
        label: the label, which `extends` names.
        name: the name that people read.
        harvester: the key of its harvester.
        host: the host that is asked.
        format: the metadata prefix, or the format of the responses; None if it is not known.
        unverified_since: the day since which nobody has compared its facts with the source, in ISO 8601.
        terms: what the operator asks of harvesters.
        facts_from: where the facts come from.
        home_page: the web page of the source.
        description: Markdown.
    """

    label: str
    name: str
    harvester: str
    host: str | None
    format: str | None
    unverified_since: str | None
    terms: str | None
    facts_from: tuple[str, ...]
    home_page: str | None
    description: str

    def contains(self, text: str) -> bool:
        """Return whether a text is in the line, whether its letters are capitals or not."""
        values = (self.label, self.name, self.host, self.home_page, self.format, self.description)
        return any(text.lower() in value.lower() for value in values if value)


def list_bundled(bundled: BundledCatalog, text: str = "") -> Iterator[BundledLine]:
    """Yield a line for each bundled source that contains a text, ordered by label."""
    for source in bundled.sources():
        line = _line(source)
        if line.contains(text):
            yield line


def _line(source: BundledSource) -> BundledLine:
    value, facts = source.document.value, source.facts
    kwargs = value.get("harvester_kwargs")
    arguments: Mapping[str, Any] = kwargs if isinstance(kwargs, dict) else {}
    harvester = str(value.get("harvester", ""))
    argument, default = _FORMATS.get(harvester, (None, None))
    return BundledLine(
        source.label,
        str(value.get("name", source.label)),
        harvester,
        first_host(arguments),
        arguments.get(argument, default) if argument else default,
        facts.get("unverified_since"),
        facts.get("terms"),
        tuple(facts.get("from") or ()),
        value.get("home_page"),
        str(value.get("description", "")),
    )
