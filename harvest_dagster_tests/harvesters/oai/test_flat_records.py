"""Flat records: the faster way to parse them gives the same result as the general way, byte for byte."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lxml import etree

from harvest_dagster.errors import MalformedResponse
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.oai.flat_records import parse_flat_record
from harvest_dagster.harvesters.oai.records import parse_general_record
from harvest_dagster.records import Record
from harvest_dagster_tests.recorded import recordings, requires_recorded

OAI = "http://www.openarchives.org/OAI/2.0/"
DC = "http://purl.org/dc/elements/1.1/"
TERMS = "http://purl.org/dc/terms/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
ROOT = f'oai_dc:dc xmlns:oai_dc="{OAI}oai_dc/" xmlns:dc="{DC}" xmlns:dcterms="{TERMS}" xmlns:xsi="{XSI}"'
HEADER = "<header><identifier>oai:x:1</identifier><datestamp>2024-01-01</datestamp></header>"


def parse(record: str) -> etree._Element:
    """Return the element of a record within a list, as a page has it."""
    page = f'<OAI-PMH xmlns="{OAI}"><ListRecords>{record}</ListRecords></OAI-PMH>'
    return parse_xml(page.encode(), url="test:")[0][0]


def flat_record(content: str, root: str = ROOT, header: str = HEADER) -> str:
    return f"<record>{header}<metadata><{root}>{content}</{root.partition(' ')[0]}></metadata></record>"


# The usual values are repeated, so that some of the generated records are flat.
spaces = st.sampled_from(
    [*["", "", "\n", "\n  ", " \r\n\t"] * 12, " ", "\t", "&#10;", "&#13;", "\N{NO-BREAK SPACE}", "x"]
)
texts = st.lists(
    st.sampled_from(
        [
            *[
                "a",
                "é",
                "\N{GRINNING FACE}",
                "\n",
                " ",
                "\t",
                "\r",
                "&amp;",
                "&lt;",
                "&gt;",
                ">",
                "&quot;",
                "'",
                '"',
            ],
            *["/>", "&#13;", "&#10;", "&#x85;", "<![CDATA[<b>&]]>", "<!-- <c/> -->", "<?p <d> ?>", "]]&gt;"],
            *["dc:", " xmlns"],
        ]
    ),
    max_size=4,
).map("".join)
attributes = st.sampled_from(
    [
        *[
            "",
            "",
            "",
            "",
            "",
            "",
            ' xml:lang="en"',
            " xml:lang='de-AT'",
            ' xml:lang="a&amp;b"',
            ' xml:lang=""',
        ],
        *[' lang="en"', ' xml:space="preserve"', ' xsi:type="dcterms:URI"', ' id="1" dc:a="2"'],
        f' xmlns:e="{TERMS}" e:f="g"',
    ]
)
names = st.sampled_from(
    [*["dc:title", "dc:a-b.c", "dc:é", "dcterms:issued"] * 5, "oai_dc:x", "identifier", "xsi:y"]
)


@st.composite
def leaves(draw: st.DrawFn) -> str:
    name, more, text = draw(names), draw(attributes), draw(texts)
    return draw(
        st.sampled_from(
            [f"<{name}{more}>{text}</{name}>", f"<{name}{more} >{text}</{name}\n>", f"<{name}{more}/>"]
        )
    )


nested = st.builds("<dc:n>{}{}{}</dc:n>".format, spaces, leaves(), spaces)
content = st.sampled_from([*[leaves()] * 20, nested]).flatmap(lambda strategy: strategy)
contents = st.lists(st.builds("{}{}".format, spaces, content), min_size=1, max_size=4).map("".join)
roots = st.sampled_from(
    [
        *[ROOT] * 10,
        f'{ROOT} xsi:schemaLocation="{OAI}oai_dc/   {OAI}oai_dc.xsd"',
        f"{ROOT} xml:space='preserve'",
        f'{ROOT} xml:lang="en" a="&lt;&#10;&quot;"',
        f'oai_dc:dc xmlns:oai_dc="{TERMS}" xmlns:dc="{DC}" xmlns:dcterms="urn:other" xmlns:xsi="{XSI}"',
        f'dc:dc xmlns:oai_dc="{OAI}" xmlns:dc="{DC}" xmlns:dcterms="{TERMS}" xmlns:xsi="{XSI}"',
        f'qdc xmlns="urn:q" xmlns:oai_dc="{OAI}oai_dc/" xmlns:dc="{DC}" xmlns:dcterms="{TERMS}" xmlns:xsi="{XSI}"',
    ]
)
headers = st.builds(
    "<header{}>{}<identifier>{}oai:x:1{}</identifier>{}<datestamp>{}</datestamp>{}{}</header>".format,
    st.sampled_from([*[""] * 10, ' status="deleted"', ' status=""']),
    spaces,
    texts,
    texts,
    spaces,
    st.sampled_from(["2024-01-01", " 2024-01-01T10:11:12Z\n", "", "x"]),
    spaces,
    st.lists(st.builds("<setSpec>{}</setSpec>{}".format, texts, spaces), max_size=3).map("".join),
)
records = st.builds(
    "<record>{}{}{}<metadata>{}{}{}</metadata>{}{}</record>".format,
    spaces,
    headers,
    spaces,
    spaces,
    st.builds(
        lambda root, content, end: f"<{root}>{content}{end}</{root.partition(' ')[0]}>",
        roots,
        contents,
        spaces,
    ),
    spaces,
    spaces,
    st.sampled_from([*[""] * 10, "<about><x/></about>"]),
)


@given(records)
def test_a_record_parsed_as_a_flat_one_is_the_same_as_by_the_general_way(record: str) -> None:
    """Another canonical form would store each record again as changed, or would store a change under the old hash."""
    try:
        element = parse(record)
    except MalformedResponse:
        assume(False)
    flat = parse_flat_record(element)
    assert flat is None or flat.record == parse_general_record(element)


@pytest.mark.parametrize(
    "record",
    [
        flat_record("<dc:title>A &amp; B</dc:title>"),
        flat_record(
            "\n  <dc:title> A\n</dc:title>\r\n  <dc:rights/>\n", header=HEADER.replace("><", ">\n <")
        ),
        flat_record(
            "<dc:title xml:lang='en'><![CDATA[A <b> & C]]></dc:title><dcterms:issued>&#8217;</dcterms:issued>"
        ),
        flat_record("<dc:title>A\r&#13;</dc:title>", ROOT.replace('"', "'")),
    ],
)
def test_a_usual_record_is_flat(record: str) -> None:
    """Otherwise the faster way is never used, and nothing but the time shows it."""
    element = parse(record)
    flat = parse_flat_record(element)
    assert flat is not None
    assert flat.record == parse_general_record(element)
    assert canonical_xml(parse_xml(flat.record.blob.encode(), url="blob:")) == flat.record.blob


@pytest.mark.parametrize(
    "record",
    [
        flat_record("<dc:title>A</dc:title>B"),
        flat_record("<dc:title>A</dc:title> <dc:title>B</dc:title>"),
        flat_record("\n"),
        flat_record("<dc:title>A</dc:title>", f'{ROOT} xml:space="preserve"'),
        flat_record("<dc:title>A</dc:title>", ROOT.replace(DC, "urn:other")),
        flat_record("<dc:title><dc:b/></dc:title>"),
        flat_record("<dc:title>A</dc:title>", header=HEADER.replace("<header", '<header status="deleted"')),
        flat_record("<dc:title>A</dc:title>", header=HEADER.replace("oai:x:1", " ")),
    ],
)
def test_any_other_record_is_parsed_in_the_general_way(record: str) -> None:
    assert parse_flat_record(parse(record)) is None


@pytest.mark.slow
@requires_recorded
def test_recorded_records_are_the_same_in_both_ways() -> None:
    """Real repositories write what the generated records do not contain."""
    both, flat = 0, 0
    for recording in recordings("scrapi_oai_and_rest", "share_sample_harvester_data", "mit_oai"):
        if not {"OAI-PMH", "ListRecords"} <= recording.flags:
            continue
        for element in parse_xml(recording.body, url="test:").iter(f"{{{OAI}}}record"):
            general, found = parse_general_record(element), parse_flat_record(element)
            both += 1
            if found is not None:
                flat += 1
                assert found.record == general
                assert isinstance(general, Record)
    assert (both, flat) == (13_467, 12_668)
