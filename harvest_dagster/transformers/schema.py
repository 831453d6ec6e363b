"""The published schema of a document: JSON Schema for programs, tables for people.

Both are generated from the descriptions in `transformers.document` and `transformers.items`. In a checkout, `python -m
harvest_dagster.transformers.schema` writes them; a test fails if they are out of date. The JSON Schema is in the wheel.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from harvest_dagster.transformers.document import SCHEMA_VERSION, Document

JSON_SCHEMA = Path(__file__).with_name("document.schema.json")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "document.md"

_START = "<!-- The rest is generated from harvest_dagster/transformers/document.py and items.py. -->\n"


def generate() -> dict[str, Any]:
    """Return the schema (JSON Schema draft 2020-12). It requires every field of a document and allows no others."""
    (_, components) = msgspec.json.schema_components([Document], ref_template="#/$defs/{name}")
    for component in components.values():
        component["additionalProperties"] = False
    document = components.pop("Document")
    document["required"] = list(document["properties"])
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:harvest-dagster:document:{SCHEMA_VERSION}",
    }
    return {**head, **document, "$defs": components}


def render_json() -> str:
    """Return the text of the schema file."""
    return json.dumps(generate(), indent=2, ensure_ascii=False) + "\n"


def render_page(page: str) -> str:
    """Return the page with new tables, and with the prose before them unchanged."""
    prose, _, _ = page.partition(_START)
    schema = generate()
    tables = [_table("Document", schema), *(_table(name, part) for name, part in schema["$defs"].items())]
    return prose + _START + "".join(tables)


def _table(name: str, component: dict[str, Any]) -> str:
    rows = "".join(f"| {' | '.join(row)} |\n" for row in _rows(component))
    return f"\n## {name}\n\n{component['description']}\n\n| field | type | |\n| --- | --- | --- |\n{rows}"


def _rows(component: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, field in component["properties"].items():
        required = name in component["required"]
        yield f"`{name}`", _type(field) + ("" if required else ", optional"), field["description"]


def _type(field: dict[str, Any]) -> str:
    if reference := field.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in field:
        return " or ".join(_type(part) for part in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    return f"list of {_type(field['items'])}" if field["type"] == "array" else str(field["type"])


if __name__ == "__main__":
    JSON_SCHEMA.write_text(render_json(), encoding="utf-8")
    PAGE.write_text(render_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
