"""The promises of a document, and its published schema."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import msgspec
import pytest

from harvest_dagster.transformers import schema
from harvest_dagster.transformers.document import Date, Document, Identifier, Language, Scheme, Title


def test_every_field_of_the_document_is_always_present() -> None:
    """A query over the JSON needs no case for a missing field."""
    result = json.loads(Document("oai:example.org:1").to_json())
    assert list(result) == list(Document.__struct_fields__)
    assert result["title"] is None
    assert result["subjects"] == []


def test_items_leave_out_fields_without_a_value() -> None:
    result = Document("1", titles=(Title("A"),), dates=(Date("2004"),), languages=(Language(text="x"),))
    assert result.as_dict()["titles"] == [{"text": "A"}]
    assert result.as_dict()["dates"] == [{"value": "2004"}]
    assert result.as_dict()["languages"] == [{"text": "x"}]


def test_dict_and_json_are_equal() -> None:
    result = Document("1", title="Ä", titles=(Title("Ä"),))
    assert json.loads(result.to_json()) == result.as_dict()
    assert msgspec.json.decode(result.to_json(), type=Document) == result


def test_a_document_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Document("1").title = "x"  # type: ignore[misc]


def test_the_published_schema_is_up_to_date() -> None:
    """Programs validate documents with it. Run `python -m harvest_dagster.transformers.schema` if this fails."""
    assert schema.JSON_SCHEMA.read_text(encoding="utf-8") == schema.render_json()


def test_the_published_page_is_up_to_date() -> None:
    """Run `python -m harvest_dagster.transformers.schema` if this fails."""
    page = schema.PAGE.read_text(encoding="utf-8")
    assert page == schema.render_page(page)


def test_the_example_on_the_page_is_a_document() -> None:
    """People copy it first."""
    (example,) = re.findall(r"```json\n(.*?)```", schema.PAGE.read_text(encoding="utf-8"), re.DOTALL)
    result = msgspec.json.decode(example, type=Document, strict=True)
    assert result.as_dict() == json.loads(example)
    assert list(json.loads(example)) == list(Document.__struct_fields__)


def test_every_field_is_described() -> None:
    def described(component: dict[str, Any]) -> bool:
        return all(field.get("description") for field in component["properties"].values())

    published = schema.generate()
    assert all(map(described, [published, *published["$defs"].values()]))


def test_the_schema_names_every_scheme() -> None:
    names = schema.generate()["$defs"][Identifier.__name__]["properties"]["scheme"]["enum"]
    assert set(names) == set(get_args(Scheme))
