"""Every recorded OAI-PMH response, parsed as in a harvest: the records that PROVENANCE.tsv counts arrive.

The tests compare the content with a second parse by lxml alone, which uses none of our code.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from lxml import etree

from harvest_dagster.errors import HttpStatusError, MalformedResponse
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.oai.errors import OaiError
from harvest_dagster.harvesters.oai.identify import parse_identity, parse_metadata_format, parse_set
from harvest_dagster.harvesters.oai.records import parse_header, parse_record
from harvest_dagster.harvesters.oai.response import OaiResponse, parse_response
from harvest_dagster.harvesters.window_ends.requested_dates import Granularity
from harvest_dagster.records import Cursor, Page, Record
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import RECEIVED, Answered, OaiSource, requests, scripted
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
EVER = Window(parse_instant("2001-02-03"), parse_instant("2100-01-01"))  # from `earliestDatestamp` on

pytestmark = requires_recorded


def oai_pmh_recordings(flag: str) -> list[Recording]:
    return [recording for recording in recordings(*FOLDERS) if {"OAI-PMH", flag} <= recording.flags]


def flagged(*prefixes: str) -> list[Recording]:
    found = recordings(*FOLDERS)
    return [recording for recording in found if any(flag.startswith(prefixes) for flag in recording.flags)]


def parse_recording(recording: Recording, verb: str) -> OaiResponse:
    return parse_response(
        recording.body,
        verb=verb,
        url=f"recorded:{recording}",
        content_type=recording.content_type,
        status=recording.status,
    )


def first_page(recording: Recording) -> tuple[OaiSource, Page]:
    """Return the response as a harvester's page, with the request that it was recorded for."""
    answered = 3 * [as_answered(recording)]  # badArgument may mean other dates, so they are tried
    arguments = {"metadata_prefix": "oai_dc", **as_asked(recording)}
    token = arguments.pop("resumptionToken", None)
    source = scripted(*answered, **arguments)
    return source, next(source.pages(EVER, Cursor(token)))


def as_answered(recording: Recording) -> Answered:
    """Return the response as the session received it: at the time that its responseDate names."""
    found = re.search(rb"<responseDate>([^<]+)</responseDate>", recording.body)
    received = parse_instant(found[1].decode().strip()) if found else RECEIVED
    return Answered(recording.body, recording.url, recording.status, recording.content_type, received)


def as_asked(recording: Recording) -> dict[str, str]:
    """Return the arguments of the request. If it was not recorded, return those that the response echoes."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(recording.url).query).items()}
    if not asked:
        request = etree.fromstring(recording.body).find(f"{NS}request")
        asked = dict(request.attrib) if request is not None else {}
    names = {"metadataPrefix": "metadata_prefix", "set": "set", "resumptionToken": "resumptionToken"}
    return {argument: asked[name] for name, argument in names.items() if name in asked}


def items_by_lxml(recording: Recording, verb: str) -> list[etree._Element]:
    """Return the items of a list, parsed by lxml alone."""
    parser = etree.XMLParser(remove_comments=True, remove_pis=True)
    content = etree.fromstring(recording.body, parser).find(NS + verb)
    return [item for item in content if item.tag != f"{NS}resumptionToken"]


def contents(element: etree._Element) -> list[tuple]:
    """Return all names, attributes and texts of an element in order. Collapse white space next to elements."""
    texts = [element.text or "", *(child.tail or "" for child in element)]
    if len(element):
        texts = [" ".join(text.split()) for text in texts]
    attributes = {key: " ".join(value.split()) for key, value in element.items()}
    below = [found for child in element for found in contents(child)]
    return [(element.tag, attributes, "".join(texts)), *below]


def test_all_recorded_responses_exist() -> None:
    """The six verbs have 447 responses, with 13,789 records in lists. With fewer responses, these tests prove less."""
    counted = {verb: len(oai_pmh_recordings(verb)) for verb in VERBS}
    assert counted == {
        "ListRecords": 239,
        "ListIdentifiers": 38,
        "GetRecord": 127,
        "Identify": 7,
        "ListSets": 28,
        "ListMetadataFormats": 8,
    }
    assert sum(recording.records for recording in oai_pmh_recordings("ListRecords")) == 13_789


@pytest.mark.parametrize("recording", oai_pmh_recordings("ListRecords"), ids=str)
def test_every_record_of_a_list_arrives_unchanged(recording) -> None:
    """Identifier, datestamp and deletion are the same, and the blob has every name, attribute and text."""
    source, page = first_page(recording)
    records = list(source.records(page, EVER))
    sent = items_by_lxml(recording, "ListRecords")
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
    stored = parse_xml(record.blob.encode(), url="blob:")
    assert contents(stored) == contents(sent)
    assert canonical_xml(stored) == record.blob


@pytest.mark.parametrize("recording", oai_pmh_recordings("GetRecord"), ids=str)
def test_every_single_record_arrives(recording) -> None:
    (item,) = parse_recording(recording, "GetRecord").items
    (sent,) = items_by_lxml(recording, "GetRecord")
    assert_same(parse_record(item), sent)


@pytest.mark.parametrize("recording", oai_pmh_recordings("ListIdentifiers"), ids=str)
def test_every_header_of_a_list_arrives(recording) -> None:
    found = parse_recording(recording, "ListIdentifiers")
    headers = [parse_header(item) for item in found.items]
    sent = items_by_lxml(recording, "ListIdentifiers")
    assert len(headers) == recording.records
    assert sum(header.deleted for header in headers) == recording.deleted
    assert (found.token.text is not None) == ("token" in recording.flags)
    assert [header.identifier for header in headers] == [item.findtext(f"{NS}identifier") for item in sent]
    assert all(header.datestamp for header in headers)


@pytest.mark.parametrize("recording", oai_pmh_recordings("Identify"), ids=str)
def test_every_identify_response_has_a_granularity(recording) -> None:
    identity = parse_identity(parse_recording(recording, "Identify").content)
    assert identity.granularity is Granularity.SECOND
    assert identity.repository_name
    assert identity.protocol_version == "2.0"
    assert identity.earliest_datestamp


@pytest.mark.parametrize("recording", oai_pmh_recordings("ListSets"), ids=str)
def test_every_set_arrives(recording) -> None:
    """Some setSpecs violate the schema of the protocol."""
    sets = [parse_set(item) for item in parse_recording(recording, "ListSets").items]
    assert sets
    assert all(found.spec for found in sets)


@pytest.mark.parametrize("recording", oai_pmh_recordings("ListMetadataFormats"), ids=str)
def test_every_metadata_format_arrives(recording) -> None:
    formats = [
        parse_metadata_format(item) for item in parse_recording(recording, "ListMetadataFormats").items
    ]
    assert "oai_dc" in {found.prefix for found in formats}
    assert all(found.schema and found.namespace for found in formats)


@pytest.mark.parametrize("recording", flagged("error:"), ids=str)
def test_every_error_raises_an_exception_with_its_code(recording) -> None:
    """noRecordsMatch is an empty list. All other codes are exceptions, with any HTTP status."""
    (code,) = (flag.removeprefix("error:") for flag in recording.flags if flag.startswith("error:"))
    if code == "noRecordsMatch":
        found = parse_recording(recording, "ListRecords")
        assert (len(found.items), found.token.text) == (0, None)
        return
    with pytest.raises(OaiError) as caught:
        first_page(recording)
    assert caught.value.code == code
    assert re.search(rf"refused with {code}\b", str(caught.value))


@pytest.mark.parametrize("recording", flagged("html", "malformed-xml", "empty"), ids=str)
def test_every_response_that_is_not_xml_is_refused(recording) -> None:
    """Two are OAI-PMH, one of them truncated and one with a control character. The others are HTML or empty."""
    expected = HttpStatusError if recording.status >= 400 else MalformedResponse
    with pytest.raises(expected):
        parse_recording(recording, "ListRecords")


def other_recordings() -> list[Recording]:
    """Return the responses of all other services: REST, Atom, RSS, RDF and error pages."""
    folders = sorted(path.name for path in DATA.iterdir() if path.is_dir()) if DATA.is_dir() else []
    return [recording for recording in recordings(*folders) if "OAI-PMH" not in recording.flags]


@pytest.mark.parametrize("recording", other_recordings(), ids=str)
def test_no_response_of_another_service_is_a_list(recording) -> None:
    """JSON or other XML with status 200 is a failure and never an empty list."""
    expected = HttpStatusError if recording.status >= 400 else MalformedResponse
    with pytest.raises(expected):
        parse_recording(recording, "ListRecords")


def test_all_recorded_responses_of_other_services_exist() -> None:
    """With the 501 responses of OAI-PMH these are all 1,383 recorded responses."""
    assert len(other_recordings()) == 882


def lists_of_several_pages() -> list[list[Recording]]:
    """Return the recordings of lists with several pages, as an earlier harvester requested them."""
    found: list[list[Recording]] = []
    for recording in recordings("scrapi_oai_and_rest"):
        if "OAI-PMH" in recording.flags:
            if sent_token(recording):
                found[-1].append(recording)
            else:
                found.append([recording])
    return [pages for pages in found if len(pages) > 1]


def sent_token(recording: Recording) -> str:
    return parse_qs(urlsplit(recording.url).query).get("resumptionToken", [""])[0]


def decoded(token: str) -> str:
    """Return a token without percent-encoding, also if it was encoded several times."""
    return token if unquote(token) == token else decoded(unquote(token))


@pytest.mark.parametrize("recorded_pages", lists_of_several_pages(), ids=lambda pages: str(pages[0]))
def test_a_recorded_list_is_harvested_to_its_end(recorded_pages) -> None:
    """Up to 17 pages follow from the source's tokens and reach its total. mla's last page is noRecordsMatch.

    The earlier harvester put tokens into URLs without encoding. The specification wants them encoded (section 3.1.1).
    """
    answers = map(as_answered, recorded_pages)
    source = scripted(*answers, **as_asked(recorded_pages[0]))
    pages = list(source.pages(EVER))
    sent = [asked.get("resumptionToken", "") for asked in requests(source)]
    assert [*map(decoded, sent)] == [decoded(sent_token(page)) for page in recorded_pages]
    identifiers = [record.identifier for page in pages for record in source.records(page, EVER)]
    assert len(set(identifiers)) == len(identifiers) == sum(page.records for page in recorded_pages)
    assert {page.total for page in pages} <= {None, len(identifiers)}


def test_all_recorded_lists_of_several_pages_exist() -> None:
    assert sorted(map(len, lists_of_several_pages())) == [2, 2, 2, 2, 3, 3, 4, 4, 14, 17, 17]
