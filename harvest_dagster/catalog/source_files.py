"""The files of an entry of `HARVEST_SOURCES`, and the sources in the `defs.yaml` of a Dagster component.

A project of `dg` declares sources in `attributes.sources` of the component `harvest_dagster.HarvestSources`, or of a
subclass. Commands that read the YAML of a source find them here, without Dagster.

Of Dagster's templates, those of environment variables are filled in: `{{ env.NAME }}`, `{{ env('NAME') }}` and
`{{ env('NAME', 'default') }}`. Any other template needs the project's own Python, so its source has a problem here. See
docs/decisions/0061.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harvest_dagster.catalog.extending import EXTENDS
from harvest_dagster.catalog.problems import KeyPath
from harvest_dagster.catalog.yaml_documents import YamlDocument

FILE_NAME = "defs.yaml"
COMPONENT_TYPE = "harvest_dagster.HarvestSources"
_SOURCES: KeyPath = ("attributes", "sources")
_TEMPLATE = re.compile(r"\{\{(.*?)\}\}|\{%.*?%\}", re.DOTALL)
_ENVIRONMENT_TEMPLATE = re.compile(
    r"""\s*env(?:\.(?P<name>\w+)|\(\s*(?P<quote>['"])(?P<called>\w+)(?P=quote)"""
    r"""(?:\s*,\s*(?:default\s*=\s*)?(?P<mark>['"])(?P<default>[^'"\\]*)(?P=mark))?\s*\))\s*"""
)


def source_files(entry: Path) -> list[Path]:
    """Return the files of an entry of `HARVEST_SOURCES` that the catalog reads, in order.

    Of a directory, these are the YAML files directly in it, and then each `defs.yaml` at any depth.

    Raises:
        OSError: the directory cannot be read.
    """
    if is_source_file(entry) and entry.is_file():
        return [entry]
    direct = sorted(path for path in entry.iterdir() if is_source_file(path))
    return list(dict.fromkeys((*direct, *component_files(entry))))


def is_source_file(path: Path) -> bool:
    """Return whether the catalog reads a file of this name."""
    return path.suffix in {".yaml", ".yml"} and not path.name.startswith(".")


def is_of_components(directory: Path) -> bool:
    """Return whether Dagster reads a directory: it has the file of a component, at any depth."""
    return bool(component_files(directory))


def component_files(directory: Path) -> list[Path]:
    """Return the files of components below a directory, in order. Hidden directories are left out."""
    found: list[Path] = []
    for parent, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if not name.startswith(".")]
        found += [Path(parent, name) for name in files if name == FILE_NAME]
    return sorted(found)


def is_component(document: YamlDocument) -> bool:
    """Return whether a document declares a Dagster component, and not a source."""
    value = document.value
    return (
        Path(document.file).name == FILE_NAME
        and isinstance(value, dict)
        and "type" in value
        and not {"label", "harvester", EXTENDS} & value.keys()
    )


def component_sources(
    document: YamlDocument, environ: Mapping[str, str]
) -> Iterator[tuple[YamlDocument, list[tuple[KeyPath, str]]]]:
    """Yield each source of a component, with what is wrong with its templates.

    A component of another kind has none. The problems have paths within the source. If the list of sources itself is
    wrong, yield the document of the component with that problem.
    """
    attributes = document.value.get("attributes")
    listed = attributes.get("sources") if isinstance(attributes, dict) else None
    is_ours = document.value["type"] == COMPONENT_TYPE
    if not isinstance(listed, list):
        if is_ours:
            message = "must be a list of sources; write one mapping with label and harvester for each"
            yield document, [(_SOURCES, message)]
        return
    if not is_ours and not any(
        isinstance(one, dict) and {"harvester", EXTENDS} & one.keys() for one in listed
    ):
        return
    for source in document.members(_SOURCES):
        filled = _Filled(environ)
        yield replace(source, value=filled.value(source.value, ())), filled.problems


class _Filled:
    """Fills in the templates of a value, and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[tuple[KeyPath, str]] = []

    def value(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            return {key: self.value(member, (*path, key)) for key, member in value.items()}
        if isinstance(value, list):
            return [self.value(member, (*path, number)) for number, member in enumerate(value)]
        if not isinstance(value, str) or not _TEMPLATE.search(value):
            return value
        return _literal(_TEMPLATE.sub(lambda found: self._replacement(found, path), value))

    def _replacement(self, template: re.Match[str], path: KeyPath) -> str:
        found = _ENVIRONMENT_TEMPLATE.fullmatch(template[1] or "")
        if found is None:
            message = f"{template[0]} is a template that only Dagster fills in; write the value, or ${{NAME}}"
            self.problems.append((path, message))
            return template[0]
        name = found["name"] or found["called"]
        text: str | None = self._environ.get(name, found["default"])
        if text is None:
            self.problems.append((path, f"the environment variable {name} is not set; set it"))
            return template[0]
        return text


def _literal(text: str) -> Any:
    """Return the value that Dagster makes of a filled template: a number or a list if it is written like one."""
    try:
        return ast.literal_eval(ast.parse(text, mode="eval"))  # as jinja2.nativetypes does
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
