"""Every recorded OAI-PMH response, read as the harvester would: what PROVENANCE.tsv counts is what arrives.

The contents are compared with a second reading by bare lxml, which knows nothing of ours.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from lxml import etree

from harvest_dagster.errors import HttpStatusError, MalformedResponse
from harvest_dagster.harvesters.canonical_xml import canonical
from harvest_dagster.harvesters.oai import OaiHarvester
from harvest_dagster.harvesters.oai_errors import OaiError
from harvest_dagster.harvesters.oai_records import read_header, read_record
from harvest_dagster.harvesters.oai_repository import read_identity, read_metadata_format, read_set
from harvest_dagster.harvesters.oai_response import Answer, read
from harvest_dagster.harvesters.oai_time import Granularity
from harvest_dagster.harvesters.strict_xml import parse
from harvest_dagster.records import Cursor, Page, Record
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import Answered, requests, scripted
from harvest_dagster_tests.recorded import DATA, Recording, recordings, requires_recorded

FOLDERS = (
    "scrapi_oai_and_rest",
    "share_sample_harvester_data",
    "scythe_zenodo_oai",
    "mit_oai",
    "natlibfi_client",
)
VERBS = ("ListRecords", "ListIdentifiers", "GetRecord", "Identify", "ListSets", "ListMetadataFormats")
NS = "{http://www.openarchives.org/OAI/2.0/}"
EVER = Window(parse_instant("1900-01-01"), parse_instant("2100-01-01"))

pytestmark = requires_recorded


def the_oai_pmh(flag: str) -> list[Recording]:
    return [recording for recording in recordings(*FOLDERS) if {"OAI-PMH", flag} <= recording.flags]


def flagged(*prefixes: str) -> list[Recording]:
    found = recordings(*FOLDERS)
    return [recording for recording in found if any(flag.startswith(prefixes) for flag in recording.flags)]


def answer(recording: Recording, verb: str) -> Answer:
    return read(
        recording.body,
        verb=verb,
        url=f"recorded:{recording}",
        content_type=recording.content_type,
        status=recording.status,
    )


def first_page(recording: Recording) -> tuple[OaiHarvester, Page]:
    """The response as a harvester's page, asked for as it was then."""
    answered = Answered(recording.body, recording.url, recording.status, recording.content_type)
    arguments = {"metadata_prefix": "oai_dc", **as_asked(recording)}
    token = arguments.pop("resumptionToken", None)
    source = scripted(answered, **arguments)
    return source, next(source.pages(EVER, Cursor(token)))


def as_asked(recording: Recording) -> dict[str, str]:
    """The arguments of the request; where it was not kept, those that the response repeats."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(recording.url).query).items()}
    if not asked:
        request = etree.fromstring(recording.body).find(f"{NS}request")
        asked = dict(request.attrib) if request is not None else {}
    names = {"metadataPrefix": "metadata_prefix", "set": "set", "resumptionToken": "resumptionToken"}
    return {known: asked[name] for name, known in names.items() if name in asked}


def read_plainly(recording: Recording, verb: str) -> list[etree._Element]:
    """The items of a list, by bare lxml."""
    parser = etree.XMLParser(remove_comments=True, remove_pis=True)
    content = etree.fromstring(recording.body, parser).find(NS + verb)
    return [item for item in content if item.tag != f"{NS}resumptionToken"]


def contents(element: etree._Element) -> list[tuple]:
    """All names, attributes and texts of an element, in order; texts beside elements without white space."""
    texts = [element.text or "", *(child.tail or "" for child in element)]
    if len(element):
        texts = [" ".join(text.split()) for text in texts]
    attributes = {key: " ".join(value.split()) for key, value in element.items()}
    below = [found for child in element for found in contents(child)]
    return [(element.tag, attributes, "".join(texts)), *below]


def test_the_recorded_responses_are_all_there() -> None:
    """501 of OAI-PMH, 13,789 records in their lists; fewer would prove less, silently."""
    counted = {verb: len(the_oai_pmh(verb)) for verb in VERBS}
    assert counted == {
        "ListRecords": 239,
        "ListIdentifiers": 38,
        "GetRecord": 127,
        "Identify": 7,
        "ListSets": 28,
        "ListMetadataFormats": 8,
    }
    assert sum(recording.records for recording in the_oai_pmh("ListRecords")) == 13_789


@pytest.mark.parametrize("recording", the_oai_pmh("ListRecords"), ids=str)
def test_every_record_of_a_list_arrives_as_it_was_sent(recording) -> None:
    """Identifier, datestamp, deletion, and in the blob every name, attribute and text."""
    source, page = first_page(recording)
    records = list(source.records(page, EVER))
    sent = read_plainly(recording, "ListRecords")
    assert all(isinstance(record, Record) for record in records)
    assert page.count == len(records) == len(sent) == recording.records
    assert sum(record.deleted for record in records) == recording.deleted
    assert (page.next is not None) == ("token" in recording.flags)
    assert page.source_time is not None
    for record, element in zip(records, sent, strict=True):
        assert_same(record, element)


def assert_same(record: Record, sent: etree._Element) -> None:
    header = sent.find(f"{NS}header")
    stamp = header.find(f"{NS}datestamp")
    assert record.identifier == header.findtext(f"{NS}identifier").strip()
    assert record.datestamp == parse_instant(stamp.text)
    assert record.deleted == (header.get("status") == "deleted")
    header.remove(stamp)
    header[:] = sorted(header, key=lambda child: (child.tag == f"{NS}setSpec", child.text))
    stored = parse(record.blob.encode(), url="blob:")
    assert contents(stored) == contents(sent)
    assert canonical(stored) == record.blob


@pytest.mark.parametrize("recording", the_oai_pmh("GetRecord"), ids=str)
def test_every_single_record_arrives(recording) -> None:
    (item,) = answer(recording, "GetRecord").items
    (sent,) = read_plainly(recording, "GetRecord")
    assert_same(read_record(item), sent)


@pytest.mark.parametrize("recording", the_oai_pmh("ListIdentifiers"), ids=str)
def test_every_header_of_a_list_arrives(recording) -> None:
    found = answer(recording, "ListIdentifiers")
    headers = [read_header(item) for item in found.items]
    sent = read_plainly(recording, "ListIdentifiers")
    assert len(headers) == recording.records
    assert sum(header.deleted for header in headers) == recording.deleted
    assert (found.token.text is not None) == ("token" in recording.flags)
    assert [header.identifier for header in headers] == [item.findtext(f"{NS}identifier") for item in sent]
    assert all(header.datestamp for header in headers)


@pytest.mark.parametrize("recording", the_oai_pmh("Identify"), ids=str)
def test_every_identify_tells_the_granularity(recording) -> None:
    identity = read_identity(answer(recording, "Identify").content)
    assert identity.granularity is Granularity.SECOND
    assert identity.repository_name
    assert identity.protocol_version == "2.0"
    assert identity.earliest_datestamp


@pytest.mark.parametrize("recording", the_oai_pmh("ListSets"), ids=str)
def test_every_set_arrives(recording) -> None:
    """Some setSpecs break the protocol's own schema."""
    sets = [read_set(item) for item in answer(recording, "ListSets").items]
    assert sets
    assert all(found.spec for found in sets)


@pytest.mark.parametrize("recording", the_oai_pmh("ListMetadataFormats"), ids=str)
def test_every_metadata_format_arrives(recording) -> None:
    formats = [read_metadata_format(item) for item in answer(recording, "ListMetadataFormats").items]
    assert "oai_dc" in {found.prefix for found in formats}
    assert all(found.schema and found.namespace for found in formats)


@pytest.mark.parametrize("recording", flagged("error:"), ids=str)
def test_every_error_is_told_apart(recording) -> None:
    """noRecordsMatch is an empty list; all others are exceptions with their code, at any status of HTTP."""
    (code,) = (flag.removeprefix("error:") for flag in recording.flags if flag.startswith("error:"))
    if code == "noRecordsMatch":
        found = answer(recording, "ListRecords")
        assert (len(found.items), found.token.text) == (0, None)
        return
    with pytest.raises(OaiError) as caught:
        first_page(recording)
    assert caught.value.code == code
    assert re.search(rf"refused with {code}\b", str(caught.value))


@pytest.mark.parametrize("recording", flagged("html", "malformed-xml", "empty"), ids=str)
def test_every_response_that_is_no_xml_is_refused(recording) -> None:
    """Two are OAI-PMH cut or with a control character, the others HTML or nothing at all (Lesson 1)."""
    expected = HttpStatusError if recording.status >= 400 else MalformedResponse
    with pytest.raises(expected):
        answer(recording, "ListRecords")


def foreign() -> list[Recording]:
    """The pages of all other services: REST, Atom, RSS, RDF, error pages."""
    folders = sorted(path.name for path in DATA.iterdir() if path.is_dir()) if DATA.is_dir() else []
    return [recording for recording in recordings(*folders) if "OAI-PMH" not in recording.flags]


@pytest.mark.parametrize("recording", foreign(), ids=str)
def test_no_page_of_another_protocol_is_taken_for_a_list(recording) -> None:
    """Lesson 1: JSON or other XML with status 200 is a failure, never an empty list."""
    expected = HttpStatusError if recording.status >= 400 else MalformedResponse
    with pytest.raises(expected):
        answer(recording, "ListRecords")


def test_the_recorded_pages_of_other_protocols_are_all_there() -> None:
    """With the 501 of OAI-PMH these are all 1,383 recorded responses."""
    assert len(foreign()) == 882


def walks() -> list[list[Recording]]:
    """Lists over several pages, as an earlier harvester walked them."""
    found: list[list[Recording]] = []
    for recording in recordings("scrapi_oai_and_rest"):
        if "OAI-PMH" in recording.flags:
            if sent_token(recording):
                found[-1].append(recording)
            else:
                found.append([recording])
    return [walk for walk in found if len(walk) > 1]


def sent_token(recording: Recording) -> str:
    return parse_qs(urlsplit(recording.url).query).get("resumptionToken", [""])[0]


def bare(token: str) -> str:
    """Without encoding, however often it was encoded."""
    return token if unquote(token) == token else bare(unquote(token))


@pytest.mark.parametrize("walk", walks(), ids=lambda walk: str(walk[0]))
def test_a_walk_takes_the_recorded_way_to_its_end(walk) -> None:
    """Up to 17 pages, by the source's tokens, to the source's own total; mla's last page is noRecordsMatch.

    The earlier harvester pasted tokens into URLs as they were; the specification wants them encoded.
    """
    answers = (Answered(page.body, page.url, page.status, page.content_type) for page in walk)
    source = scripted(*answers, **as_asked(walk[0]))
    pages = list(source.pages(EVER))
    sent = [asked.get("resumptionToken", "") for asked in requests(source)]
    assert [*map(bare, sent)] == [bare(sent_token(page)) for page in walk]
    identifiers = [record.identifier for page in pages for record in source.records(page, EVER)]
    assert len(set(identifiers)) == len(identifiers) == sum(page.records for page in walk)
    assert {page.total for page in pages} <= {None, len(identifiers)}


def test_the_recorded_walks_are_all_there() -> None:
    assert sorted(map(len, walks())) == [2, 2, 2, 2, 3, 3, 4, 4, 14, 17, 17]
