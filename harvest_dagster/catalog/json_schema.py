"""The JSON Schema of an IngestConfig, by which editors complete and check the YAML.

Generated from `schema` and from the arguments of the plug-ins that are part of this package; those of others
are checked when the catalogue is loaded. `make schema` writes it to where it ships.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from harvest_dagster import plugins
from harvest_dagster.catalog.arguments import KINDS, arguments_model
from harvest_dagster.catalog.durations import format_duration
from harvest_dagster.catalog.schema import IngestConfig

FILE = Path(__file__).with_name("ingest_config.schema.json")

_PLACEHOLDER = {"type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}"}


class _Generate(GenerateJsonSchema):
    """Durations as people write them, no titles that repeat the keys."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def generate() -> dict[str, Any]:
    """The schema, draft 2020-12."""
    head = {"$schema": GenerateJsonSchema.schema_dialect, "$id": "urn:harvest-dagster:ingest-config"}
    schema = {**head, **IngestConfig.model_json_schema(schema_generator=_Generate), "allOf": []}
    for group, name, kwargs_name in KINDS:
        for key in _our_plugins(group):
            arguments = arguments_model(group, key).model_json_schema(schema_generator=_Generate)
            schema["$defs"].update(arguments.pop("$defs", {}))
            schema["allOf"].append(_where(name, key, kwargs_name, arguments))
    return schema


def render() -> str:
    """The schema as the file has it."""
    return json.dumps(generate(), indent=2, ensure_ascii=False) + "\n"


def _our_plugins(group: str) -> Iterator[str]:
    for key, place in sorted(plugins.registered(group).items()):
        if place.startswith("harvest_dagster."):
            yield key


def _where(name: str, key: str, kwargs_name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """What holds of a config that names the plug-in `key`."""
    for field, wanted in arguments.get("properties", {}).items():
        arguments["properties"][field] = _or_placeholder(wanted)
    then: dict[str, Any] = {"properties": {kwargs_name: arguments}}
    if arguments.get("required"):
        then["required"] = [kwargs_name]
    return {"if": {"properties": {name: {"const": key}}, "required": [name]}, "then": then}


def _or_placeholder(wanted: dict[str, Any]) -> dict[str, Any]:
    """What a field wants, or a text with a `${NAME}`, which only the run can judge."""
    about: dict[str, Any] = {
        key: wanted[key] for key in ("description", "default", "examples") if key in wanted
    }
    rule = {key: value for key, value in wanted.items() if key not in about}
    return {**about, "anyOf": [rule, _PLACEHOLDER]}


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
    print(f"wrote {FILE.name}")
