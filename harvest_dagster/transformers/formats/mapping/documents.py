"""Build the document of one record from the rules of a mapping."""

from __future__ import annotations

from dataclasses import dataclass

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Document, Text
from harvest_dagster.transformers.formats.mapping.items import ItemMaker, access_and_rights
from harvest_dagster.transformers.formats.mapping.rules import ItemRule
from harvest_dagster.transformers.formats.mapping.values import Found, JsonTree, Tree, XmlTree
from harvest_dagster.transformers.reading import xml_tree
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.vocabularies import access_of, resource_type

_PROVENANCE = {"languages": "record_languages", "identifiers": "record_identifiers"}


@dataclass(frozen=True)
class Settings:
    """What a mapping says beside its rules.

    Attributes:
        format: the name of the format; by default, `JSON`, or the namespace or name of the XML element.
        empty: texts that mean that there is no value. They go to `unmapped`.
    """

    format: str | None = None
    empty: frozenset[str] = frozenset()


def read_document(rule: ItemRule, identifier: str, datum: str, settings: Settings = Settings()) -> Document:
    """Return the document of one record.

    Args:
        rule: of the whole document.
        identifier: of the record in its source.
        datum: JSON or XML.
        settings: what the mapping says beside its rules.

    Raises:
        TransformError: the datum is neither JSON nor XML, or no path leads to a value.
    """
    builder = DocumentBuilder(id=identifier, transformer="mapping", format=settings.format or "")
    tree = _read(builder, datum)
    maker = ItemMaker(tree, settings.empty)
    for start in tree.roots:
        for key, rules in rule.texts.items():
            _add_text(builder, key, maker.first(rules, start))
        for key, item_rules in rule.items.items():
            for item_rule in item_rules:
                _add_items(builder, key, maker, item_rule, start)
    return builder.build(tree.leftovers())


def _read(builder: DocumentBuilder, datum: str) -> Tree:
    """Return the record as a tree, and add the envelope of an OAI-PMH record."""
    if not datum.lstrip().startswith("<"):
        builder.format = builder.format or "JSON"
        return JsonTree(datum)
    record = xml_tree.read_record(datum)
    first = record.metadata[0]
    builder.format = builder.format or xml_tree.namespace(first) or xml_tree.local_name(first)
    xml_tree.add_envelope(builder, record)
    return XmlTree(record.metadata)


def _add_text(builder: DocumentBuilder, key: str, text: str | None) -> None:
    """Add the kind, the access or the version of the resource."""
    if text is None:
        return
    if key == "access":
        builder.access, statement = access_and_rights(text)
        builder.rights += [statement] if statement is not None else []
    elif key == "kind" and resource_type(text) != text:
        builder.add_type(Text(text))
    else:
        setattr(builder, key, text)


def _add_items(builder: DocumentBuilder, key: str, maker: ItemMaker, rule: ItemRule, start: Found) -> None:
    if key == "provenance":
        _add_provenance(builder, maker, rule, start)
        return
    for item, text in maker.items(rule, start):
        if key == "identifiers":
            builder.add_identifier(item, text)
        elif key == "types":
            builder.add_type(item)
        else:
            getattr(builder, key).append(item)
        if key == "rights":
            builder.access = builder.access or access_of(item.text)


def _add_provenance(builder: DocumentBuilder, maker: ItemMaker, rule: ItemRule, start: Found) -> None:
    """Add what the record says about itself."""
    for key, rules in rule.texts.items():
        name = _PROVENANCE.get(key, key)
        if key in rule.shape.lists:
            getattr(builder, name).extend(maker.texts(rules, start))
        elif (text := maker.first(rules, start)) is not None:
            setattr(builder, name, parse_date(text) or text)
    for key, item_rules in rule.items.items():
        made = [one.item for inner in item_rules for one in maker.items(inner, start)]
        getattr(builder, _PROVENANCE.get(key, key)).extend(made)
