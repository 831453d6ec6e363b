"""The JSON Schema of an IngestConfig. Editors use it to complete and validate the YAML.

It is generated from `schema` and from the arguments of the built-in plug-ins. The arguments of other plug-ins
are validated when the catalog is loaded. `make schema` writes the files that ship with the package: one for the sources
of users, and one for the bundled sources, which have the key `facts` besides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from harvest_dagster import plugins
from harvest_dagster.catalog.arguments import KINDS, PluginKind, arguments_model
from harvest_dagster.catalog.bundled import FACTS, Facts
from harvest_dagster.catalog.durations import format_duration
from harvest_dagster.catalog.schema import IngestConfig

FILE = Path(__file__).with_name("ingest_config.schema.json")
BUNDLED_FILE = Path(__file__).with_name("bundled_source.schema.json")

_PLACEHOLDER = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}


class _SchemaGenerator(GenerateJsonSchema):
    """Generates the schema with durations such as `10s`, and without titles, which would only repeat the keys."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def generate() -> dict[str, Any]:
    """Return the schema (JSON Schema draft 2020-12)."""
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": "urn:harvest-dagster:ingest-config"}
    schema = {**head, **schema_of(IngestConfig), "allOf": []}
    # A bundled source has them.
    mandatory = {"required": schema.pop("required")}
    schema["allOf"].append({"if": {"not": {"required": ["extends"]}}, "then": mandatory})
    for kind in KINDS:
        for key in sorted(plugins.BUILT_IN[kind.group]):
            arguments = schema_of(arguments_model(kind.group, key))
            schema["$defs"].update(arguments.pop("$defs", {}))
            schema["allOf"].append(_rule_for_plugin(kind, key, arguments))
    return schema


def generate_bundled() -> dict[str, Any]:
    """Return the schema of a bundled source."""
    schema = generate()
    schema["$id"] = "urn:harvest-dagster:bundled-source"
    del schema["properties"]["extends"]
    schema["properties"][FACTS] = schema_of(Facts)
    schema["required"] = [FACTS]
    return schema


def read_embeddable() -> dict[str, Any]:
    """Return the schema that ships with the package, without references, so that another schema can contain it."""
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    definitions = schema.pop("$defs")
    found = {name: value for name, value in schema.items() if name not in {"$schema", "$id"}}
    embeddable = _without_references(found, definitions)
    assert isinstance(embeddable, dict)  # noqa: S101
    return embeddable


def _without_references(value: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_without_references(member, definitions) for member in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str):
        others = {name: member for name, member in value.items() if name != "$ref"}
        value = {**definitions[reference.removeprefix("#/$defs/")], **others}
    return {name: _without_references(member, definitions) for name, member in value.items()}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of one model, with defaults as the YAML writes them."""
    return model.model_json_schema(schema_generator=_SchemaGenerator)


def render() -> str:
    """Return the text of the schema file."""
    return _render(generate())


def render_bundled() -> str:
    """Return the text of the schema file of the bundled sources."""
    return _render(generate_bundled())


def _render(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _rule_for_plugin(kind: PluginKind, key: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the rule for the configs that name the plug-in `key`."""
    for name, field in arguments.get("properties", {}).items():
        arguments["properties"][name] = _or_placeholder(field)
    then: dict[str, Any] = {"properties": {kind.kwargs_name: arguments}}
    if arguments.get("required"):
        then["required"] = [kind.kwargs_name]
    named = {"properties": {kind.name: {"const": key}}, "required": [kind.name]}
    # The arguments of a source that extends another one are incomplete.
    return {"if": {**named, "not": {"required": ["extends"]}}, "then": then}


def _or_placeholder(field: dict[str, Any]) -> dict[str, Any]:
    """Return a rule that accepts what the field accepts, and any text with a `${NAME}`. A run validates its value."""
    annotations: dict[str, Any] = {
        key: field[key] for key in ("description", "default", "examples") if key in field
    }
    rule = {key: value for key, value in field.items() if key not in annotations}
    return {**annotations, "anyOf": [rule, _PLACEHOLDER]}


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
    BUNDLED_FILE.write_text(render_bundled(), encoding="utf-8")
    print(f"wrote {FILE.name} and {BUNDLED_FILE.name}")
