"""MODS records, written after the examples of the user guidelines: the recorded corpus has none."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.formats.mods.transformer import FIELDS, ModsTransformer
from harvest_dagster_tests.transformers.accounting import Leaf, account_for

SPACE = "http://www.loc.gov/mods/v3"


def transform(datum: str) -> Document:
    return ModsTransformer(ModsTransformer.Arguments()).transform("oai:example.org:1", datum)


def mods(content: str, space: str = SPACE) -> str:
    return (
        f'<mods xmlns="{space}" xmlns:xlink="http://www.w3.org/1999/xlink" version="3.7">'
        f"<titleInfo><title>Title</title></titleInfo>{content}</mods>"
    )


def field(name: str, content: str) -> Any:
    value: Any = transform(mods(content)).as_dict()
    for key in name.split("."):
        value = value[int(key) if key.isdigit() else key]
    return value


# Rows of FIELDS, elements, the field of the document and what it contains.
ROWS: tuple[tuple[str, str, str, Any], ...] = (
    (
        "titleInfo",
        (
            '<titleInfo type="translated" lang="fre"><nonSort>Le</nonSort><title>titre</title>'
            "<partNumber>2</partNumber></titleInfo>"
        ),
        "titles",
        [{"text": "Title"}, {"text": "Le titre. 2", "language": "fre", "role": "translated"}],
    ),
    (
        "name (role: creator, author and others)",
        (
            '<name type="personal"><namePart type="given">Jane</namePart><namePart type="family">Doe</namePart>'
            '<namePart type="date">1950-</namePart>'
            '<role><roleTerm type="text" authority="marcrelator">author</roleTerm>'
            '<roleTerm type="code" authority="marcrelator">aut</roleTerm></role>'
            "<affiliation>Example University</affiliation>"
            '<nameIdentifier type="orcid">0000-0002-1825-0097</nameIdentifier></name>'
        ),
        "creators",
        [
            {
                "name": "Doe, Jane",
                "kind": "person",
                "given": "Jane",
                "family": "Doe",
                "suffix": "1950-",
                "identifiers": [{"scheme": "orcid", "value": "0000-0002-1825-0097"}],
                "role": "aut",
                "role_text": "author",
                "affiliations": [{"name": "Example University"}],
            }
        ],
    ),
    (
        "name (other roles)",
        (
            '<name type="corporate"><namePart>United States</namePart><namePart>Court of Appeals</namePart>'
            "<role><roleTerm>editor</roleTerm></role></name>"
        ),
        "contributors",
        [
            {
                "name": "United States. Court of Appeals",
                "kind": "organization",
                "role": "edt",
                "role_text": "editor",
            }
        ],
    ),
    (
        "name of the type conference",
        '<name type="conference"><namePart>Meeting on Examples</namePart><namePart type="date">1995</namePart></name>',
        "containers",
        [{"title": "Meeting on Examples", "kind": "conference", "dates": [{"value": "1995"}]}],
    ),
    (
        "name in the same altRepGroup",
        (
            '<name type="personal" altRepGroup="1" usage="primary"><namePart>Shen, Wei-pin</namePart></name>'
            '<name type="personal" altRepGroup="1"><namePart>沈衛彬</namePart></name>'
        ),
        "creators",
        [{"name": "Shen, Wei-pin", "kind": "person", "other_names": [{"text": "沈衛彬"}]}],
    ),
    ("typeOfResource, genre", "<typeOfResource>sound recording-musical</typeOfResource>", "kind", "Sound"),
    (
        "originInfo/publisher, place",
        (
            '<originInfo><place><placeTerm type="code" authority="marccountry">nyu</placeTerm>'
            '<placeTerm type="text">Ithaca, NY</placeTerm></place><publisher>Cornell University Press</publisher>'
            "</originInfo>"
        ),
        "publishers",
        [{"name": "Cornell University Press", "places": ["nyu", "Ithaca, NY"]}],
    ),
    (
        "originInfo with eventType distribution, manufacture, production",
        '<originInfo eventType="distribution"><publisher>Acme</publisher></originInfo>',
        "contributors",
        [{"name": "Acme", "role": "dst", "role_text": "distribution"}],
    ),
    (
        "originInfo/dateIssued and the other dates",
        (
            '<originInfo><dateIssued encoding="marc">199u</dateIssued><copyrightDate>c1999</copyrightDate>'
            '<dateOther type="accepted">2001-02-03</dateOther></originInfo>'
        ),
        "dates",
        [
            {"value": "199X", "text": "199u", "role": "Issued"},
            {"value": "1999", "text": "c1999", "role": "Copyrighted"},
            {"value": "2001-02-03", "role": "Accepted", "role_text": "accepted"},
        ],
    ),
    ("originInfo/edition", "<originInfo><edition>2nd ed.</edition></originInfo>", "version", "2nd ed."),
    (
        "originInfo/issuance",
        "<originInfo><issuance>monographic</issuance></originInfo>",
        "types",
        [{"text": "monographic", "vocabulary": "MODS issuance"}],
    ),
    (
        "originInfo/frequency",
        "<originInfo><frequency>Annual</frequency></originInfo>",
        "descriptions",
        [{"text": "Annual", "role": "frequency"}],
    ),
    (
        "language",
        (
            '<language><languageTerm type="code" authority="iso639-2b">ger</languageTerm>'
            '<languageTerm type="text">German</languageTerm></language>'
        ),
        "languages.0.code",
        "deu",
    ),
    (
        "physicalDescription/form, internetMediaType, digitalOrigin",
        (
            '<physicalDescription><form authority="marcform">print</form>'
            "<internetMediaType>text/html</internetMediaType></physicalDescription>"
        ),
        "formats",
        [{"text": "print", "vocabulary": "marcform"}, {"text": "text/html"}],
    ),
    (
        "physicalDescription/extent",
        '<physicalDescription><extent unit="pages">277</extent></physicalDescription>',
        "sizes",
        [{"text": "277 pages"}],
    ),
    (
        "abstract, tableOfContents, note",
        '<note type="statement of responsibility">by J. Doe</note><abstract xml:lang="en">About.</abstract>',
        "descriptions",
        [
            {"text": "by J. Doe", "role": "statement of responsibility"},
            {"text": "About.", "language": "en", "role": "Abstract"},
        ],
    ),
    (
        "note of the type funding",
        '<note type="funding">Paid by X.</note>',
        "funding",
        [{"text": "Paid by X."}],
    ),
    (
        "subject/topic, name, titleInfo, genre, occupation; classification",
        (
            '<subject authority="lcsh" valueURI="http://id.loc.gov/authorities/subjects/sh1"><topic>Computers</topic>'
            "<temporal>1990-</temporal></subject>"
            '<classification authority="ddc" edition="22">004.6</classification>'
        ),
        "subjects",
        [
            {
                "text": "Computers -- 1990-",
                "vocabulary": "lcsh",
                "uri": "http://id.loc.gov/authorities/subjects/sh1",
            },
            {"text": "004.6", "vocabulary": "ddc 22", "code": "004.6"},
        ],
    ),
    (
        "subject/geographic, hierarchicalGeographic, geographicCode, cartographics/coordinates",
        (
            "<subject><hierarchicalGeographic><country>Canada</country><city>Vancouver</city></hierarchicalGeographic>"
            '</subject><subject><geographicCode authority="marcgac">n-us---</geographicCode></subject>'
            '<subject authority="fast"><geographic>Japan</geographic></subject>'
            "<subject><cartographics><coordinates>N 47.5 E 8.25</coordinates></cartographics></subject>"
        ),
        "places",
        [
            {"name": "Canada -- Vancouver"},
            {"name": "n-us---", "vocabulary": "marcgac", "code": "n-us---"},
            {"name": "Japan", "vocabulary": "fast"},
            {"name": "N 47.5 E 8.25", "geometry": "POINT (8.25 47.5)"},
        ],
    ),
    (
        "subject/temporal",
        '<subject><temporal encoding="edtf">1914/1918</temporal></subject>',
        "periods",
        [{"value": "1914/1918"}],
    ),
    (
        "subject/cartographics/scale, projection",
        "<subject><cartographics><scale>1:22,000</scale></cartographics></subject>",
        "descriptions",
        [{"text": "1:22,000", "role": "TechnicalInfo"}],
    ),
    (
        "relatedItem of the types host and series; part",
        (
            '<relatedItem type="host"><titleInfo><title>Journal of examples</title></titleInfo>'
            '<identifier type="issn">1234-5679</identifier><part><detail type="volume"><number>24</number></detail>'
            '<detail type="issue"><number>9</number></detail>'
            '<extent unit="pages"><start>235</start><end>248</end></extent>'
            "<date>1993</date></part></relatedItem>"
        ),
        "containers",
        [
            {
                "title": "Journal of examples",
                "kind": "journal",
                "identifiers": [{"scheme": "issn", "value": "1234-5679"}],
                "volume": "24",
                "issue": "9",
                "first_page": "235",
                "last_page": "248",
                "dates": [{"value": "1993"}],
            }
        ],
    ),
    (
        "relatedItem of other types",
        (
            '<relatedItem type="preceding"><titleInfo><title>Old journal</title></titleInfo>'
            "<name><namePart>Doe</namePart></name><originInfo><publisher>Acme</publisher><dateIssued>1990</dateIssued></originInfo>"
            '<identifier type="doi">10.1000/ABC</identifier></relatedItem>'
        ),
        "related",
        [
            {
                "relation": "Continues",
                "relation_text": "preceding",
                "identifiers": [{"scheme": "doi", "value": "10.1000/abc"}],
                "title": "Old journal",
                "agents": [{"name": "Doe"}],
                "date": {"value": "1990", "role": "Issued"},
                "publisher": "Acme",
            }
        ],
    ),
    (
        "identifier, location/url",
        (
            '<identifier type="isbn">0-306-40615-2</identifier>'
            '<location><url usage="primary display">https://example.org/1</url></location>'
        ),
        "identifiers",
        [{"scheme": "isbn", "value": "9780306406157"}, {"scheme": "url", "value": "https://example.org/1"}],
    ),
    (
        "location/url with access raw object or preview",
        '<location><url access="raw object" displayLabel="PDF">https://example.org/1.pdf</url></location>',
        "files",
        [{"url": "https://example.org/1.pdf", "name": "PDF", "description": "raw object"}],
    ),
    (
        "accessCondition",
        (
            '<accessCondition type="use and reproduction" '
            'xlink:href="https://creativecommons.org/licenses/by/4.0/">CC BY</accessCondition>'
        ),
        "rights",
        [{"text": "CC BY", "license": "https://creativecommons.org/licenses/by/4.0/"}],
    ),
    (
        "recordInfo",
        (
            '<recordInfo><recordContentSource>DLC</recordContentSource><recordCreationDate encoding="marc">990730'
            '</recordCreationDate><recordIdentifier source="DE-627">123</recordIdentifier></recordInfo>'
        ),
        "provenance",
        {
            "transformer": "mods",
            "format": SPACE,
            "created": "1999-07-30",
            "agencies": ["DLC"],
            "identifiers": [{"scheme": "other", "value": "123", "scheme_text": "DE-627"}],
            "rules": ["MODS 3.7"],
        },
    ),
    (
        "targetAudience, location/physicalLocation, extension, invalid identifiers",
        '<targetAudience>juvenile</targetAudience><identifier type="isbn" invalid="yes">123</identifier>',
        "unmapped",
        [
            {"path": "mods/targetAudience", "text": "juvenile"},
            {"path": "mods/identifier/@type", "text": "isbn"},
            {"path": "mods/identifier/@invalid", "text": "yes"},
            {"path": "mods/identifier", "text": "123"},
        ],
    ),
)


@pytest.mark.parametrize(("row", "content", "name", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_each_field_of_the_table_is_read(row: str, content: str, name: str, expected: Any) -> None:
    """A row of the documentation that is not true misleads every reader."""
    assert row in {source for source, _ in FIELDS}
    assert field(name, content) == expected


def test_each_row_of_the_table_has_an_example() -> None:
    assert {row for row, *_ in ROWS} == {source for source, _ in FIELDS}


def is_interpreted(leaf: Leaf) -> bool:
    """Return whether an attribute says how to read the value beside it. The rows above test what it does."""
    names = ("type", "encoding", "point", "qualifier", "authority", "eventType", "access", "version")
    return leaf.path.rpartition("/@")[2] in names or leaf.path.endswith("part/extent/@unit")


def test_no_value_is_lost() -> None:
    """All examples in one record, and each in a record of its own."""
    whole = mods("".join(content for _, content, *_ in ROWS))
    records = [
        Record("1", None, False, datum) for datum in (whole, *(mods(content) for _, content, *_ in ROWS))
    ]
    account = account_for(ModsTransformer(ModsTransformer.Arguments()), records, is_interpreted)
    assert account.records == len(ROWS) + 1
    assert account.lost == []


def test_the_transformer_is_registered() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "mods") is ModsTransformer


@pytest.mark.parametrize(
    ("content", "value", "text"),
    [
        ('<dateIssued encoding="w3cdtf" qualifier="approximate">1899</dateIssued>', "1899~", "1899"),
        ('<dateIssued encoding="edtf">1985~</dateIssued>', "1985~", None),
        ('<dateIssued qualifier="questionable">1984</dateIssued>', "1984?", "1984"),
        (
            '<dateIssued point="start">1990</dateIssued><dateIssued point="end">1995</dateIssued>',
            "1990/1995",
            None,
        ),
        (
            '<dateIssued point="end">1995</dateIssued><dateIssued point="start">1990</dateIssued>',
            "1990/1995",
            None,
        ),
        ('<dateIssued point="start">1990</dateIssued>', "1990/", None),
        (
            (
                '<dateIssued encoding="marc" point="start">1990</dateIssued>'
                '<dateIssued encoding="marc" point="end">9999</dateIssued>'
            ),
            "1990/..",
            "1990/9999",
        ),
        ("<dateIssued>in press</dateIssued>", None, "in press"),
    ],
)
def test_dates_with_encoding_qualifier_and_point(content: str, value: str | None, text: str | None) -> None:
    (date,) = field("dates", f"<originInfo>{content}</originInfo>")
    assert (date.get("value"), date.get("text")) == (value, text)


def test_what_says_how_to_read_a_date_is_kept_if_the_date_is_not_recognized() -> None:
    unmapped = field("unmapped", '<originInfo><dateIssued encoding="temper">abc</dateIssued></originInfo>')
    assert {"path": "mods/originInfo/dateIssued/@encoding", "text": "temper"} in unmapped


def test_a_part_of_the_resource_belongs_to_its_host() -> None:
    """In MODS, a part beside the host says where the resource stands in the host."""
    part = '<part><detail type="volume"><caption>vol.</caption><number>2</number></detail></part>'
    host = '<relatedItem type="host"><titleInfo><title>Host</title></titleInfo></relatedItem>'
    assert field("containers", host + part) == [{"title": "Host", "volume": "2"}]
    assert field("containers", part) == [{"volume": "2"}]
    assert {"path": "mods/part/detail/caption", "text": "vol."} in field("unmapped", part)


def test_the_series_of_a_host_is_a_container_too() -> None:
    content = (
        '<relatedItem type="host"><titleInfo><title>Book</title></titleInfo><identifier type="isbn">0306406152'
        '</identifier><relatedItem type="series"><titleInfo><title>Series</title><partNumber>7</partNumber></titleInfo>'
        "</relatedItem></relatedItem>"
    )
    found = field("containers", content)
    assert [one.get("kind") for one in found][1:] == ["series"]
    assert found[1]["title"] == "Series. 7"


def test_the_host_of_a_related_resource_is_its_container() -> None:
    content = (
        '<relatedItem type="references"><titleInfo><title>Article</title></titleInfo><relatedItem type="host">'
        '<titleInfo><title>Journal</title></titleInfo></relatedItem><part><extent unit="page"><start>1</start></extent>'
        "</part></relatedItem>"
    )
    (related,) = field("related", content)
    assert related["container"] == {"title": "Journal", "first_page": "1"}


def test_a_name_without_a_role_is_a_creator_only_if_no_name_has_one() -> None:
    plain = "<name><namePart>A</namePart></name>"
    editor = "<name><namePart>B</namePart><role><roleTerm>edt</roleTerm></role></name>"
    assert [one["name"] for one in field("creators", plain)] == ["A"]
    assert field("creators", plain + editor) == []
    assert [one["name"] for one in field("contributors", plain + editor)] == ["A", "B"]


def test_the_language_of_a_part_is_not_the_language_of_the_resource() -> None:
    content = '<language objectPart="summary"><languageTerm type="code">eng</languageTerm></language>'
    assert field("languages", content) == []


@pytest.mark.parametrize("space", [SPACE, "https://www.loc.gov/mods/v3", "http://www.loc.gov/mods/", ""])
def test_the_namespace_does_not_matter(space: str) -> None:
    assert transform(mods("<genre>x</genre>", space)).title == "Title"


def test_the_first_record_of_a_collection_is_read_and_the_others_are_kept() -> None:
    second = mods("").replace("Title", "Second")
    document = transform(f'<modsCollection xmlns="{SPACE}">{mods("")}{second}</modsCollection>')
    assert document.title == "Title"
    assert "Second" in [one.text for one in document.unmapped]


def test_an_oai_record_is_read() -> None:
    datum = (
        '<record xmlns="http://www.openarchives.org/OAI/2.0/"><header><setSpec>a</setSpec></header>'
        f"<metadata>{mods('')}</metadata></record>"
    )
    document = transform(datum)
    assert (document.title, document.provenance.sets) == ("Title", ("a",))


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ("<dc><title>A</title></dc>", "not MODS"),
        (f'<mods xmlns="{SPACE}"><extension>x</extension></mods>', "recognizes nothing"),
        (f'<mods xmlns="{SPACE}"/>', "empty"),
    ],
)
def test_other_records_fail_and_the_message_says_what_they_are(datum: str, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        transform(datum)


NAMES = """
titleInfo title name namePart role roleTerm originInfo dateIssued place publisher subject topic geographic temporal
cartographics coordinates relatedItem part detail extent start number identifier location url language languageTerm
accessCondition
"""
ATTRIBUTES = st.dictionaries(
    st.sampled_from(("type", "point", "encoding", "qualifier", "unit", "authority", "altRepGroup")),
    st.sampled_from(("host", "series", "start", "end", "edtf", "marc", "volume", "pages", "conference", "1")),
    max_size=2,
)
TREES = st.recursive(
    st.tuples(st.sampled_from(NAMES.split()), ATTRIBUTES, st.text(alphabet="a1-/.~? XuE", max_size=9)),
    lambda inner: st.tuples(st.sampled_from(NAMES.split()), ATTRIBUTES, st.lists(inner, max_size=3)),
    max_leaves=10,
)


def element(tree: Any) -> etree._Element:
    name, attributes, content = tree
    node = etree.Element(f"{{{SPACE}}}{name}", attributes)
    if isinstance(content, str):
        node.text = content
    else:
        node.extend(map(element, content))
    return node


@settings(max_examples=20, deadline=None)
@given(st.lists(TREES, max_size=4))
def test_any_tree_gives_a_document_or_an_error(trees: list[Any]) -> None:
    """An exception of another kind ends the run, not the record."""
    root = etree.Element(f"{{{SPACE}}}mods")
    root.extend(map(element, trees))
    with contextlib.suppress(TransformError):
        transform(etree.tostring(root, encoding="unicode")).to_json()
