"""MARC 21 bibliographic records in MARCXML, with fields as libraries and repositories write them."""

from __future__ import annotations

import contextlib
import re
from html import escape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.formats.marcxml.transformer import FIELDS, MarcXmlTransformer
from harvest_dagster_tests.recorded import requires_recorded
from harvest_dagster_tests.transformers.accounting import Leaf, account_for, check
from harvest_dagster_tests.transformers.formats.test_recorded_dublin_core import records

SLIM = "http://www.loc.gov/MARC21/slim"
LEADER = "00714cam a2200205 a 4500"
FIXED = "920219s1993    caua   j      000 0 eng d"
_SUBFIELD = re.compile(r"\$(.)([^$]*)")


def transform(datum: str) -> Document:
    return MarcXmlTransformer(MarcXmlTransformer.Arguments()).transform("oai:example.org:1", datum)


def marc(*lines: str, leader: str = LEADER, attributes: str = "", space: str = SLIM) -> str:
    """Return a record of lines such as `245 10 $aTitle :$bsubtitle` and `008 920219…`; `#` is a blank indicator."""
    parts = "".join(map(_field, lines))
    head = f"<leader>{leader}</leader>" if leader else ""
    return f'<record xmlns="{space}"{attributes}>{head}{parts}</record>'


def _field(line: str) -> str:
    tag, rest = line[:3], line[4:]
    if tag < "010":
        return f'<controlfield tag="{tag}">{escape(rest)}</controlfield>'
    first, second = rest[:2].replace("#", " ")
    subfields = "".join(
        f'<subfield code="{code}">{escape(text)}</subfield>' for code, text in _SUBFIELD.findall(rest[2:])
    )
    return f'<datafield tag="{tag}" ind1="{first}" ind2="{second}">{subfields}</datafield>'


def field(name: str, *lines: str, **options: Any) -> Any:
    """Return a field of the document of some lines, as JSON."""
    value: Any = transform(marc("245 00 $aTitle", *lines, **options)).as_dict()
    for key in name.split("."):
        value = value[key]
    return value


# Rows of FIELDS, a line of a record, the field of the document and what it contains.
ROWS: tuple[tuple[str, str, str, Any], ...] = (
    ("leader/06-07", "500 ## $aNote", "kind", "Book"),
    (
        "001, 003",
        "001 12345",
        "provenance.identifiers",
        [{"scheme": "other", "value": "12345"}],
    ),
    ("005", "005 20231211172646.0", "provenance.updated", "2023-12-11T17:26:46.0"),
    ("008/00-05", f"008 {FIXED}", "provenance.created", "1992-02-19"),
    ("008/06-14", f"008 {FIXED}", "dates", [{"value": "1993", "role": "Issued"}]),
    ("008/23 or 29", f"008 {FIXED[:23]}o{FIXED[24:]}", "formats.0.text", "Online"),
    ("008/35-37, 041 $a $d", "041 1# $aengfre$hger", "languages", ["eng", "fra"]),
    (
        "010, 013, 015, 017, 020, 022, 024, 027, 028, 030, 037, 074, 088",
        "024 7# $a10.1000/ABC$2doi",
        "identifiers",
        [{"scheme": "doi", "value": "10.1000/abc"}],
    ),
    (
        "016, 035",
        "035 ## $a(OCoLC)814782",
        "provenance.identifiers",
        [{"scheme": "other", "value": "(OCoLC)814782", "scheme_text": "OCoLC"}],
    ),
    ("033, 046", "046 ## $k1999$l2001", "dates", [{"value": "1999/2001", "role": "Created"}]),
    (
        "034 $d-$g, 043, 522, 651, 653 (place), 662",
        "034 1# $aa$d008.5$e009.5$f048.0$g047.0",
        "places",
        [{"geometry": "POLYGON ((8.5 47.0, 9.5 47.0, 9.5 48.0, 8.5 48.0, 8.5 47.0))"}],
    ),
    ("040 $a $c $d", "040 ## $aDLC$cDLC$dOCoLC", "provenance.agencies", ["DLC", "OCoLC"]),
    ("040 $b", "040 ## $aDLC$bger", "provenance.languages", ["deu"]),
    ("040 $e, 042", "040 ## $aDLC$erda", "provenance.rules", ["rda"]),
    (
        "045 $b, 648, 653 (time)",
        "045 2# $bd1914$bd1918",
        "periods",
        [{"value": "1914/1918", "text": "d1914/d1918"}],
    ),
    (
        "050, 060, 070, 080, 082, 083, 084, 086, 090",
        "082 04 $a004.6$222",
        "subjects",
        [{"text": "004.6", "vocabulary": "DDC 22", "code": "004.6"}],
    ),
    (
        "100, 110",
        "100 1# $aAdams, Henry,$d1838-1918.$0(orcid)0000-0002-1825-0097",
        "creators",
        [
            {
                "name": "Adams, Henry",
                "kind": "person",
                "given": "Henry",
                "family": "Adams",
                "suffix": "1838-1918",
                "identifiers": [{"scheme": "orcid", "value": "0000-0002-1825-0097"}],
            }
        ],
    ),
    (
        "111, 711",
        "111 2# $aWorld Conference on Computers$n(6th :$d1995 :$cBirmingham, England)",
        "containers",
        [
            {
                "title": "World Conference on Computers",
                "kind": "conference",
                "number": "6th",
                "places": ["Birmingham, England"],
                "dates": [{"value": "1995"}],
            }
        ],
    ),
    (
        "130, 210, 222, 240, 242, 243, 245 $a $b $n $p, 246, 247",
        "246 1# $iTitle on cover:$aOther",
        "titles",
        [{"text": "Title"}, {"text": "Other", "role": "Title on cover"}],
    ),
    (
        "245 $c, 255, 310, 321, 351, 362",
        "310 ## $aMonthly",
        "descriptions",
        [{"text": "Monthly", "role": "frequency"}],
    ),
    (
        "245 $h, 337, 338, 340, 344-348",
        "338 ## $aonline resource$bcr$2rdacarrier",
        "formats.0.text",
        "online resource",
    ),
    ("250, 251", "250 ## $a2nd ed.", "version", "2nd ed."),
    (
        "260, 264 $a $b",
        "264 #1 $aBerlin ;$aHeidelberg :$bSpringer,$c[2005?]",
        "publishers",
        [{"name": "Springer", "places": ["Berlin", "Heidelberg"]}],
    ),
    ("260, 264 $c", "260 ## $aX$bY$c2001, c2000.", "dates", [("2001", "Issued"), ("2000", "Copyrighted")]),
    ("300, 306", "300 ## $axii, 200 p. :$bill. ;$c24 cm", "sizes", [{"text": "xii, 200 p. : ill. ; 24 cm"}]),
    (
        "336, 380, 655",
        "655 #7 $aDictionaries.$2lcgft",
        "types.0",
        {"text": "Dictionaries", "vocabulary": "lcgft"},
    ),
    (
        "440, 490, 800-830",
        "490 0# $aLecture notes,$x0302-9743 ;$vv. 12",
        "containers",
        [
            {
                "title": "Lecture notes",
                "kind": "series",
                "identifiers": [{"scheme": "issn", "value": "0302-9743"}],
                "volume": "v. 12",
            }
        ],
    ),
    (
        "500-588, not those below",
        "505 0# $aOne -- Two.",
        "descriptions",
        [{"text": "One -- Two.", "role": "TableOfContents"}],
    ),
    (
        "502 $c",
        "502 ## $bPh. D.$cUniversity of Examples$d1998",
        "contributors",
        [{"name": "University of Examples", "kind": "organization", "role": "dgg"}],
    ),
    ("506, 540, 542", "540 ## $ainfo:eu-repo/semantics/openAccess", "access", "open"),
    (
        "510, 534, 581",
        "510 2# $aChemical abstracts,$x0009-2258",
        "related",
        [
            {
                "relation": "IsReferencedBy",
                "identifiers": [{"scheme": "issn", "value": "0009-2258"}],
                "text": "Chemical abstracts,",
            }
        ],
    ),
    (
        "536",
        "536 ## $aSponsored by the agency$cG-12$eProgramme",
        "funding",
        [{"award": "G-12", "program": "Programme", "text": "Sponsored by the agency"}],
    ),
    (
        "600-630, 650, 653, 654, 656-658",
        "600 10 $aMozart, Wolfgang Amadeus,$d1756-1791$xCriticism.",
        "subjects",
        [{"text": "Mozart, Wolfgang Amadeus, 1756-1791 -- Criticism", "vocabulary": "LCSH"}],
    ),
    (
        "700, 710, 720",
        "700 1# $aDoe, Jane,$eeditor.$uExample University",
        "contributors",
        [
            {
                "name": "Doe, Jane",
                "kind": "person",
                "given": "Jane",
                "family": "Doe",
                "role": "edt",
                "role_text": "editor",
                "affiliations": [{"name": "Example University"}],
            }
        ],
    ),
    (
        "700 $t, 710 $t, 730, 740",
        "700 12 $aBach, J. S.$tSuites,$mcello",
        "related",
        [
            {
                "relation": "HasPart",
                "title": "Suites, cello",
                "agents": [{"name": "Bach, J. S.", "kind": "person", "given": "J. S.", "family": "Bach"}],
            }
        ],
    ),
    (
        "760-772, 774-787",
        "785 00 $tNew journal$x1234-5679$w(DLC)87083478",
        "related",
        [
            {
                "relation": "IsContinuedBy",
                "identifiers": [
                    {"scheme": "issn", "value": "1234-5679"},
                    {"scheme": "lccn", "value": "87083478"},
                ],
                "title": "New journal",
            }
        ],
    ),
    (
        "773",
        "773 0# $tJournal of examples.$gVol. 24, no. 9 (1993), p. 235-48$x1234-5679",
        "containers",
        [
            {
                "title": "Journal of examples",
                "kind": "journal",
                "identifiers": [{"scheme": "issn", "value": "1234-5679"}],
                "volume": "24",
                "issue": "9",
                "first_page": "235",
                "last_page": "48",
                "dates": [{"value": "1993"}],
                "text": "Vol. 24, no. 9 (1993), p. 235-48",
            }
        ],
    ),
    (
        "856",
        "856 40 $uhttps://example.org/a.pdf$qapplication/pdf$s120 KB$yFull text$zmd5:d41d8cd98f00b204e9800998ecf8427e",
        "files",
        [
            {
                "url": "https://example.org/a.pdf",
                "name": "Full text",
                "format": "application/pdf",
                "size": "120 KB",
                "checksum": "md5:d41d8cd98f00b204e9800998ecf8427e",
            }
        ],
    ),
    (
        "856 of a related resource",
        "856 42 $3Cover$uhttps://example.org/cover",
        "related",
        [
            {
                "relation_text": "related resource",
                "identifiers": [{"scheme": "url", "value": "https://example.org/cover"}],
                "text": "Cover",
            }
        ],
    ),
    (
        "245 $f $g",
        "245 00 $f1990-1995",
        "dates",
        [{"value": "1990/1995", "text": "1990-1995", "role": "Created"}],
    ),
)


@pytest.mark.parametrize(("row", "line", "name", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_each_field_of_the_table_is_read(row: str, line: str, name: str, expected: Any) -> None:
    """A row of the documentation that is not true misleads every reader."""
    assert row in {source.removesuffix(" (place)") for source, _ in FIELDS}
    value: Any = transform(marc("245 00 $aTitle", line)).as_dict()
    for key in name.split("."):
        value = value[int(key) if key.isdigit() else key]
    if name == "languages":
        value = [one["code"] for one in value]
    if expected and isinstance(expected, list) and isinstance(expected[0], tuple):
        value = [(one["value"], one["role"]) for one in value]
    assert value == expected


def test_each_row_of_the_table_has_an_example() -> None:
    tested = {row for row, *_ in ROWS} | {"008/15-17, 044", "880"}
    assert tested == {source for source, _ in FIELDS}


def test_the_transformer_is_registered() -> None:
    assert plugins.load(plugins.TRANSFORMERS, "marcxml") is MarcXmlTransformer


def test_separators_of_isbd_are_not_part_of_a_title() -> None:
    """`Title :` and `subtitle /` were what a search shows."""
    document = transform(marc("245 10 $aEffective C++ :$b50 ways: a guide /$cScott Meyers ; ill. by A. Doe."))
    assert [(one.text, one.role) for one in document.titles] == [
        ("Effective C++", None),
        ("50 ways: a guide", "subtitle"),
    ]
    assert document.descriptions[0].text == "Scott Meyers ; ill. by A. Doe."


def test_the_codes_of_the_country_belong_to_the_publisher() -> None:
    publishers = field("publishers", f"008 {FIXED}", "044 ## $amxu", "260 ## $bAcme$c1993")
    assert publishers == [{"name": "Acme", "places": ["mxu", "cau"]}]


def test_codes_of_countries_without_a_publisher_are_kept() -> None:
    assert {"path": "044$a", "text": "mxu"} in field("unmapped", "044 ## $amxu")


@pytest.mark.parametrize(
    ("coded", "expected"),
    [
        ("s1993    ", [("1993", "Issued")]),
        ("s199u    ", [("199X", "Issued")]),
        ("c19909999", [("1990/..", "Issued")]),
        ("d19852001", [("1985/2001", "Issued")]),
        ("u1985uuuu", [("1985/", "Issued")]),
        ("t20012000", [("2001", "Issued"), ("2000", "Copyrighted")]),
        ("r19991850", [("1999", "Issued"), ("1850", None)]),
        ("e20010315", [("2001", "Issued")]),
        ("i18001850", [("1800/1850", "Created")]),
        ("q19631966", [(None, "Issued")]),
        ("nuuuuuuuu", []),
        ("|||||||||", []),
    ],
)
def test_dates_of_the_fixed_field(coded: str, expected: list[tuple[str | None, str | None]]) -> None:
    dates = transform(marc("245 00 $aTitle", f"008 920219{coded}{FIXED[15:]}")).dates
    assert [(date.value, date.role) for date in dates] == expected


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("[1999?]", "1999?"),
        ("[ca. 1900]", "1900~"),
        ("[199-]", "199X"),
        ("1987-", "1987/.."),
        ("[n.d.]", None),
    ],
)
def test_dates_as_catalogers_write_them(written: str, value: str | None) -> None:
    assert field("dates", f"260 ## $c{written}")[0].get("value") == value


def test_the_date_of_the_imprint_is_not_repeated() -> None:
    assert field("dates", f"008 {FIXED}", "260 ## $bAcme,$c1993.") == [{"value": "1993", "role": "Issued"}]


def test_names_in_another_script_are_other_names_of_the_same_agent() -> None:
    lines = (
        "100 1# $6880-01$aShen, Wei-pin.",
        "245 10 $6880-02$aHsin tzu tien /$cShen Wei-pin.",
        "260 ## $6880-03$aPei-ching :$bShih yüan,$c1977.",
        "880 1# $6100-01/r$a沈衛彬.",
        "880 10 $6245-02/r$a新辭典 \uff0f$c沈衛彬著.",
        "880 ## $6260-03/r$a北京 :$b師院,$c1977.",
    )
    document = transform(marc(*lines))
    assert [text.text for text in document.creators[0].other_names] == ["沈衛彬"]
    assert [text.text for text in document.publishers[0].other_names] == ["師院"]
    assert [(one.text, one.role) for one in document.titles][1] == ("新辭典", "alternative")


def test_an_alternate_without_its_field_is_read_as_that_field() -> None:
    assert field("creators", "880 1# $6100-00/r$a沈衛彬.")[0]["name"] == "沈衛彬"


def test_added_entries_of_a_repository_are_creators() -> None:
    """Zenodo writes the first author into field 100 and the others, without a role, into field 700."""
    lines = ("700 ## $aDoe, Ben", "700 ## $aDoe, Cy$4edt", "100 ## $aDoe, Ann")
    document = transform(marc("245 ## $aTitle", *lines, leader="00000nmm##2200000uu#4500"))
    assert [one.name for one in document.creators] == ["Doe, Ann", "Doe, Ben"]
    assert [(one.name, one.role) for one in document.contributors] == [("Doe, Cy", "edt")]
    assert [one.name for one in transform(marc("245 ## $aTitle", *lines)).creators] == ["Doe, Ann"]


def test_a_role_decides_between_creators_and_contributors() -> None:
    lines = ("700 1# $aDoe, Ann$4aut", "700 1# $aDoe, Ben$etranslator.$4trl", "710 2# $aAcme$eissuing body")
    document = transform(marc("245 ## $aTitle", *lines))
    assert [one.name for one in document.creators] == ["Doe, Ann"]
    assert [(one.name, one.role, one.role_text) for one in document.contributors] == [
        ("Doe, Ben", "trl", "translator"),
        ("Acme", "isb", "issuing body"),
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("(DE-588)118540238", ("gnd", "118540238")),
        ("https://d-nb.info/gnd/118540238", ("gnd", "118540238")),
        ("(isni)0000 0001 2103 2683", ("isni", "0000000121032683")),
        ("https://orcid.org/0000-0002-1825-0097", ("orcid", "0000-0002-1825-0097")),
        ("(viaf)12345", ("viaf", "12345")),
        ("https://ror.org/02mhbdp94", ("ror", "02mhbdp94")),
        (
            "http://id.loc.gov/authorities/names/n79021164",
            ("lccn", "n79021164"),
        ),
        ("(DE-101)12", ("other", "(DE-101)12")),
    ],
)
def test_authority_numbers_become_identifiers(written: str, value: tuple[str, str]) -> None:
    (identifier,) = field("creators", f"100 1# $aDoe, Ann$0{written}")[0]["identifiers"]
    assert (identifier["scheme"], identifier["value"]) == value


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Bd. 5 (2010), H. 3, S. 12-20", ("5", "3", "12", "20")),
        ("volume:5 year:2010 number:3 pages:12-20", ("5", "3", "12", "20")),
        ("5.2010, 3, 12", (None, None, None, None)),
        ("Vol. 24, pt. B no. 9", (None, None, None, None)),
        ("Vol. 2, Vol. 3", (None, None, None, None)),
    ],
)
def test_the_place_in_the_host_is_parsed_only_if_all_of_it_is_recognized(
    written: str, expected: tuple[str | None, ...]
) -> None:
    (container,) = field("containers", f"773 0# $tHost$g{written}")
    names = ("volume", "issue", "first_page", "last_page")
    assert tuple(container.get(name) for name in names) == expected
    assert container["text"] == written


def test_the_position_in_the_host_gives_volume_and_first_page() -> None:
    (container,) = field("containers", "773 0# $7nnas$tHost$q24:9<235")
    assert (container["volume"], container["issue"], container["first_page"]) == ("24", "9", "235")
    assert container["kind"] == "journal"


def test_what_has_no_field_is_kept_with_its_place_in_marc() -> None:
    """Local fields, indicators and links between fields have no field in the document."""
    document = transform(
        marc("245 14 $aThe title", "650 #0 $aA$8one", "650 #0 $aB$8two", "909 CO $ooai:x:1", leader="short")
    )
    assert {(one.path, one.text) for one in document.unmapped} == {
        ("245/ind1", "1"),
        ("245/ind2", "4"),
        ("650[1]$8", "one"),
        ("650[2]$8", "two"),
        ("909/ind1", "C"),
        ("909/ind2", "O"),
        ("909$o", "oai:x:1"),
        ("record/leader", "short"),
    }


def test_the_revision_date_of_a_control_number_is_kept() -> None:
    document = transform(marc("245 00 $aTitle", "010 ## $a   86754802 /R/r98"))
    assert [(one.scheme, one.value) for one in document.identifiers] == [("lccn", "86754802")]
    assert ("010$a", "86754802 /R/r98") in {(one.path, one.text) for one in document.unmapped}


def test_what_is_not_marc_is_kept_with_its_path() -> None:
    """The reader of pymarc drops it."""
    datum = marc("245 10 $aTitle").replace(
        "<subfield", 'stray<x:note xmlns:x="urn:x">n</x:note><subfield x="y"', 1
    )
    assert {(one.path, one.text) for one in transform(datum).unmapped} >= {
        ("record/datafield", "stray"),
        ("record/datafield/{urn:x}note", "n"),
        ("record/datafield/subfield/@x", "y"),
    }


@pytest.mark.parametrize(
    "space", [SLIM, "https://www.loc.gov/MARC21/slim", "info:lc/xmlns/marcxchange-v2", ""]
)
def test_the_namespace_does_not_matter(space: str) -> None:
    assert transform(marc("245 10 $aTitle", space=space)).title == "Title"


def test_a_record_in_a_collection_and_an_oai_record_are_found() -> None:
    record, other = marc("245 10 $aTitle"), marc("852 ## $aHere", attributes=' type="Holdings"')
    datum = f'<collection xmlns="{SLIM}">{other}{record}</collection>'
    oai = f'<o:record xmlns:o="http://www.openarchives.org/OAI/2.0/"><o:header/><o:metadata>{datum}</o:metadata></o:record>'
    document = transform(oai)
    assert document.title == "Title"
    assert "Here" in {one.text for one in document.unmapped}


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        (marc("200 1# $aTitre", "100 ## $a20100101d2010    m  y0frey50      ba"), "UNIMARC"),
        (marc("245 ## $aTitle", attributes=' format="UNIMARC"'), "UNIMARC"),
        (marc("100 1# $aDoe", leader=LEADER[:6] + "z" + LEADER[7:]), "authority"),
        (marc("852 ## $aHere", leader=LEADER[:6] + "x" + LEADER[7:]), "holdings"),
        ("<dc><title>A</title></dc>", "not a MARCXML record"),
        ("<record><title>A</title></record>", "not a MARCXML record"),
        (marc("909 ## $aA", leader=""), "recognizes nothing"),
    ],
)
def test_other_records_fail_and_the_message_says_what_they_are(datum: str, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        transform(datum)


TAGS = st.sampled_from(
    [
        "008",
        "020",
        "024",
        "034",
        "041",
        "045",
        "100",
        "245",
        "260",
        "264",
        "336",
        "490",
        "502",
        "540",
        "650",
        "700",
        "773",
        "780",
        "800",
        "811",
        "856",
        "880",
    ]
)
TEXTS = st.text(alphabet="a1X-.,:;/[]()?<c© $", max_size=14)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(TAGS, st.sampled_from("abcdgnqtuvxz0246"), TEXTS), max_size=8))
def test_any_text_gives_a_document_or_an_error(parts: list[tuple[str, str, str]]) -> None:
    """An exception of another kind ends the run, not the record."""
    root = etree.fromstring(marc())
    for tag, code, text in parts:
        control = tag < "010"
        element = etree.SubElement(root, f"{{{SLIM}}}{'controlfield' if control else 'datafield'}", tag=tag)
        inner = element if control else etree.SubElement(element, f"{{{SLIM}}}subfield", code=code)
        inner.text = text
    with contextlib.suppress(TransformError):
        transform(etree.tostring(root, encoding="unicode")).to_json()


def is_structure(leaf: Leaf) -> bool:
    """Return whether a leaf names a field, or is the time of the last change, which has another form."""
    name = leaf.path.rpartition("/")[2]
    return name in ("@tag", "@code", "@ind1", "@ind2") or bool(re.fullmatch(r"[0-9]{14}\.[0-9]", leaf.text))


@requires_recorded
def test_marcxml_loses_no_value_of_the_corpus() -> None:
    """The corpus has only one record, of Zenodo. The indicators are in the tests above."""
    corpus = [one for one in records("scythe_zenodo_oai") if SLIM in one.blob and not one.deleted]
    assert len(corpus) == 1
    account = account_for(MarcXmlTransformer(MarcXmlTransformer.Arguments()), corpus, is_structure)
    check("marcxml", account)
