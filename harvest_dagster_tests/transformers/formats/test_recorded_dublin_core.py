"""Every recorded Dublin Core record becomes a document without loss of text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import unquote

import idutils
import msgspec
import pytest
from edtf import parse_edtf
from lxml import etree

from harvest_dagster.errors import MalformedResponse, TransformError
from harvest_dagster.harvesters.formats import strict_xml
from harvest_dagster.harvesters.oai.records import parse_record
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import Document, Identifier
from harvest_dagster.transformers.formats.oai_dc.transformer import OaiDcTransformer
from harvest_dagster_tests.recorded import recordings, requires_recorded

# The number of Dublin Core records in each folder that contain at least one element of Dublin Core.
FOLDERS = {
    "scrapi_oai_and_rest": 7704,
    "share_sample_harvester_data": 5503,
    "scythe_zenodo_oai": 261,
    "mit_oai": 171,
}
# Dryad sends `<dc:status>Item is not available</dc:status>` and nothing else for some records.
UNRECOGNIZED = {"scrapi_oai_and_rest": 159}

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
            root = strict_xml.parse_xml(recording.body, url=recording.url)
        except MalformedResponse:
            continue
        read = [parse_record(element) for element in root.iter(_RECORD)]
        yield from (record for record in read if isinstance(record, Record))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_recorded_record_becomes_a_document_without_loss(folder: str) -> None:
    """A text that the transformer loses is lost for every reader."""
    transformer, count = OaiDcTransformer(OaiDcTransformer.Arguments()), 0
    for record in records(folder):
        container = next(etree.fromstring(record.blob).iter(_CONTAINER), None)
        if container is None or not is_recognizable(container):
            continue
        document = transformer.transform(record.identifier, record.blob)
        assert not list(lost(container, document)), record.identifier
        assert msgspec.json.decode(document.to_json(), type=Document) == document
        count += 1
    assert count == FOLDERS[folder]


@pytest.mark.parametrize("folder", [*FOLDERS, "natlibfi_client"])
def test_every_other_record_fails_with_the_right_reason(folder: str) -> None:
    transformer = OaiDcTransformer(OaiDcTransformer.Arguments())
    for record in records(folder):
        if _CONTAINER.partition("}")[0][1:] not in record.blob:
            with pytest.raises(
                TransformError, match="no <metadata>" if record.deleted else "not Dublin Core"
            ):
                transformer.transform(record.identifier, record.blob)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_recorded_record_in_which_nothing_is_recognized_fails_and_names_what_it_has(folder: str) -> None:
    """Each of them was a success with an empty document."""
    transformer, count = OaiDcTransformer(OaiDcTransformer.Arguments()), 0
    for record in records(folder):
        container = next(etree.fromstring(record.blob).iter(_CONTAINER), None)
        if container is not None and not is_recognizable(container):
            with pytest.raises(
                TransformError, match=r"only <\{.*\}status>, beginning 'Item is not available'"
            ):
                transformer.transform(record.identifier, record.blob)
            count += 1
    assert count == UNRECOGNIZED.get(folder, 0)


VALIDATORS = {
    "arxiv": idutils.is_arxiv,
    "doi": idutils.is_doi,
    "handle": idutils.is_handle,
    "isbn": idutils.is_isbn,
    "issn": idutils.is_issn,
    "pmcid": idutils.is_pmcid,
    "pmid": idutils.is_pmid,
    "url": idutils.is_url,
    "urn": idutils.is_urn,
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_recorded_identifier_is_valid_in_its_scheme(folder: str) -> None:
    """Another library must accept each value that we give a scheme."""
    for document in documents(folder):
        for item in all_identifiers(document):
            if item.scheme in VALIDATORS:
                assert VALIDATORS[item.scheme](item.value), item


@pytest.mark.slow
def test_every_recorded_date_is_valid_edtf() -> None:
    """Another library must accept each value, without its fraction of a second, which is not a part of EDTF."""
    values = {item.value for folder in FOLDERS for document in documents(folder) for item in document.dates}
    for value in values - {None}:
        assert parse_edtf(re.sub(r"\.[0-9]+", "", value)), value


def documents(folder: str) -> Iterator[Document]:
    transformer = OaiDcTransformer(OaiDcTransformer.Arguments())
    for record in records(folder):
        container = next(etree.fromstring(record.blob).iter(_CONTAINER), None)
        if container is not None and is_recognizable(container):
            yield transformer.transform(record.identifier, record.blob)


def is_recognizable(container: etree._Element) -> bool:
    """Return whether a container has more than `dc:status`, which is not an element of Dublin Core."""
    return any(etree.QName(element).localname != "status" for element in container)


def lost(container: etree._Element, document: Document) -> Iterator[str]:
    """Yield the texts of a record that are not in its document, neither unchanged nor recognized."""
    kept = set(strings(document.as_dict()))
    recognized = [essence(item) for item in all_identifiers(document)]
    for element in container:
        text = " ".join("".join(map(str, element.itertext())).split())
        vocabulary, _, term = text.rpartition("/")
        identifies = etree.QName(element).localname in ("identifier", "relation", "source", "isPartOf")
        if (
            text
            and text not in kept
            and not {vocabulary, term} <= kept
            and not (identifies and any(value in squeezed(text) for value in recognized))
        ):
            yield text


def all_identifiers(document: Document) -> Iterator[Identifier]:
    yield from document.identifiers
    for related in document.related:
        yield from related.identifiers


def essence(identifier: Identifier) -> str:
    """Return the characters that every form of an identifier contains."""
    value = squeezed(identifier.value)
    # An ISBN of ten digits has no prefix 978 and another check digit than one of thirteen.
    return value[3:12] if identifier.scheme == "isbn" else value


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def squeezed(text: str) -> str:
    """Return only letters and digits, which every normal form keeps."""
    return re.sub(r"\W|_", "", unquote(text.replace("&amp;", "&"))).lower()
