"""Documents of version 1 of the schema, which are in a database until their data are transformed again."""

from __future__ import annotations

from typing import Any

from harvest_dagster.transformers.document import SCHEMA_VERSION


def upgrade(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document of version 1 in the form of version 2. No value is lost.

    Only two kinds of items have another form: a related resource was one identifier with a role, and an unmapped
    value had the name of its element instead of a path.
    """
    related = [
        {
            "relation_text": item.get("role"),
            "identifiers": [{"scheme": item["scheme"], "value": item["value"]}],
        }
        for item in document.get("related", ())
    ]
    unmapped = [{"path": item["element"], "text": item["text"]} for item in document.get("unmapped", ())]
    return {**document, "schema_version": SCHEMA_VERSION, "related": related, "unmapped": unmapped}
