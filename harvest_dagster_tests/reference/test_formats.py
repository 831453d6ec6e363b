"""The tables of the formats name fields that exist."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from harvest_dagster import plugins
from harvest_dagster.reference.formats import WITHOUT_TABLE, fields_of
from harvest_dagster.transformers.document import Document

KEYS = sorted(plugins.BUILT_IN[plugins.TRANSFORMERS].keys() - WITHOUT_TABLE)


def paths(kind: msgspec.inspect.Type, prefix: str = "") -> Iterator[str]:
    """Yield the path of each field of the document: `creators`, `creators.affiliations`."""
    if isinstance(kind, msgspec.inspect.Metadata):
        yield from paths(kind.type, prefix)
    elif isinstance(kind, msgspec.inspect.VarTupleType):
        yield from paths(kind.item_type, prefix)
    elif isinstance(kind, msgspec.inspect.StructType):
        for field in kind.fields:
            yield f"{prefix}{field.name}"
            yield from paths(field.type, f"{prefix}{field.name}.")


FIELDS = frozenset(paths(msgspec.inspect.type_info(Document)))


@pytest.mark.parametrize("key", KEYS)
def test_the_table_of_a_format_names_fields_of_the_document(key: str) -> None:
    """A reader would look for a field that no document has."""
    named = {field for _, fields in fields_of(key) for field in fields.split(", ")}
    assert named
    assert named <= FIELDS
