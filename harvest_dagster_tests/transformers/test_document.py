"""The document's own promises, and that the schema published for readers is the one that holds."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import msgspec
import pytest

from harvest_dagster.transformers import schema
from harvest_dagster.transformers.document import Date, Document, Identifier, Language, Scheme, Text


def test_every_field_of_the_document_is_always_there() -> None:
    """SQL over the JSON needs no case for what is missing."""
    ours = json.loads(Document("oai:example.org:1").to_json())
    assert list(ours) == list(Document.__struct_fields__)
    assert ours["title"] is None
    assert ours["subjects"] == []


def test_entries_leave_out_what_they_do_not_say() -> None:
    ours = Document("1", titles=(Text("A"),), dates=(Date("2004"),), languages=(Language(text="x"),))
    assert ours.as_dict()["titles"] == [{"text": "A"}]
    assert ours.as_dict()["dates"] == [{"value": "2004"}]
    assert ours.as_dict()["languages"] == [{"text": "x"}]


def test_dict_and_json_say_the_same() -> None:
    ours = Document("1", title="Ä", titles=(Text("Ä"),))
    assert json.loads(ours.to_json()) == ours.as_dict()
    assert msgspec.json.decode(ours.to_json(), type=Document) == ours


def test_a_document_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Document("1").title = "x"  # type: ignore[misc]


def test_the_published_schema_is_that_of_the_model() -> None:
    """Else readers check against what does not hold. Run `python -m harvest_dagster.transformers.schema`."""
    assert schema.JSON_SCHEMA.read_text(encoding="utf-8") == schema.render_json()


def test_the_published_page_is_that_of_the_model() -> None:
    """Run `python -m harvest_dagster.transformers.schema`."""
    page = schema.PAGE.read_text(encoding="utf-8")
    assert page == schema.render_page(page)


def test_the_example_of_the_page_is_a_document() -> None:
    """It is the first thing that people copy."""
    (example,) = re.findall(r"```json\n(.*?)```", schema.PAGE.read_text(encoding="utf-8"), re.DOTALL)
    ours = msgspec.json.decode(example, type=Document, strict=True)
    assert ours.as_dict() == json.loads(example)
    assert list(json.loads(example)) == list(Document.__struct_fields__)


def test_every_field_is_described() -> None:
    def described(component: dict[str, Any]) -> bool:
        return all(field.get("description") for field in component["properties"].values())

    published = schema.generate()
    assert all(map(described, [published, *published["$defs"].values()]))


def test_the_schema_names_every_scheme() -> None:
    names = schema.generate()["$defs"][Identifier.__name__]["properties"]["scheme"]["enum"]
    assert set(names) == set(get_args(Scheme))
