"""Every recorded Dublin Core record becomes a document, and none of its texts is lost on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from lxml import etree

from harvest_dagster.errors import MalformedResponse, TransformError
from harvest_dagster.harvesters import strict_xml
from harvest_dagster.harvesters.oai_records import read_record
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import Document, Identifier
from harvest_dagster.transformers.oai_dc import OaiDcTransformer
from harvest_dagster_tests.recorded import recordings, requires_recorded

# How many of their records are Dublin Core.
FOLDERS = {
    "scrapi_oai_and_rest": 7863,
    "share_sample_harvester_data": 5503,
    "scythe_zenodo_oai": 261,
    "mit_oai": 171,
}

_RECORD = "{http://www.openarchives.org/OAI/2.0/}record"
_CONTAINER = "{http://www.openarchives.org/OAI/2.0/oai_dc/}dc"

pytestmark = requires_recorded


@cache
def records(folder: str) -> tuple[Record, ...]:
    return tuple(_records(folder))


def _records(folder: str) -> Iterator[Record]:
    for recording in recordings(folder):
        if "OAI-PMH" not in recording.flags:
            continue
        try:
            root = strict_xml.parse(recording.body, url=recording.url)
        except MalformedResponse:
            continue
        read = [read_record(element) for element in root.iter(_RECORD)]
        yield from (record for record in read if isinstance(record, Record))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_recorded_record_becomes_a_document_without_loss(folder: str) -> None:
    """What the transformer drops of real records, no one ever sees again."""
    transformer, count = OaiDcTransformer(OaiDcTransformer.Arguments()), 0
    for record in records(folder):
        container = next(etree.fromstring(record.blob).iter(_CONTAINER), None)
        if container is None:
            continue
        document = transformer.transform(record.identifier, record.blob)
        assert not list(lost(container, document)), record.identifier
        assert msgspec.json.decode(document.to_json(), type=Document) == document
        count += 1
    assert count == FOLDERS[folder]


@pytest.mark.parametrize("folder", [*FOLDERS, "natlibfi_client"])
def test_every_other_record_fails_for_its_reason(folder: str) -> None:
    transformer = OaiDcTransformer(OaiDcTransformer.Arguments())
    for record in records(folder):
        if _CONTAINER.partition("}")[0][1:] not in record.blob:
            with pytest.raises(
                TransformError, match="no <metadata>" if record.deleted else "not Dublin Core"
            ):
                transformer.transform(record.identifier, record.blob)


def lost(container: etree._Element, document: Document) -> Iterator[str]:
    """The texts of a record that are nowhere in its document, neither as they are nor recognised."""
    kept = set(strings(document.as_dict()))
    recognised = [essence(entry) for entry in (*document.identifiers, *document.related)]
    for element in container:
        text = " ".join("".join(map(str, element.itertext())).split())
        vocabulary, _, term = text.rpartition("/")
        identifies = etree.QName(element).localname in ("identifier", "relation", "source", "isPartOf")
        if (
            text
            and text not in kept
            and not {vocabulary, term} <= kept
            and not (identifies and any(value in squeezed(text) for value in recognised))
        ):
            yield text


def essence(identifier: Identifier) -> str:
    """What of an identifier stands in every form of it."""
    value = squeezed(identifier.value)
    # An ISBN of ten digits has neither the 978 of thirteen nor their check digit.
    return value[3:12] if identifier.scheme == "isbn" else value


def strings(value: Any) -> Iterator[str]:
    """Every text in a piece of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def squeezed(text: str) -> str:
    """Letters and digits only: what no normal form takes away."""
    return re.sub(r"\W|_", "", unquote(text.replace("&amp;", "&"))).lower()
