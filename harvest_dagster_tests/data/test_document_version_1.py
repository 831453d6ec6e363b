"""Documents of version 1 lose nothing in an export."""

from __future__ import annotations

from typing import Any

import msgspec

from harvest_dagster.data.arrow import to_batches
from harvest_dagster.data.rows import CurrentDocument
from harvest_dagster.transformers.document import Document, Identifier, Related, Unmapped
from harvest_dagster_tests.storage.configs import NOW

OLD: dict[str, Any] = {
    "id": "1",
    "title": "A",
    "titles": [{"text": "A", "language": "en"}],
    "related": [
        {"scheme": "issn", "value": "0378-5955", "role": "source"},
        {"scheme": "other", "value": "B"},
    ],
    "unmapped": [{"element": "{urn:x}status", "text": "new"}],
}


def test_a_document_of_version_1_loses_nothing_in_a_record_batch() -> None:
    """A batch drops a field that its schema does not have. `role` and `element` were such fields."""
    row = CurrentDocument("x", "1", None, False, OLD, NOW, 2)
    (batch,) = to_batches([row], "documents")
    (found,) = batch.to_pylist()
    document = msgspec.convert(without_nulls(found["document"]), Document)
    assert document.related == (
        Related(relation_text="source", identifiers=(Identifier("issn", "0378-5955"),)),
        Related(identifiers=(Identifier("other", "B"),)),
    )
    assert document.unmapped == (Unmapped("{urn:x}status", "new"),)
    assert (document.title, document.titles[0].language, document.schema_version) == ("A", "en", 2)


def without_nulls(value: Any) -> Any:
    """Return a value without the nulls that a batch has for missing fields."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value
