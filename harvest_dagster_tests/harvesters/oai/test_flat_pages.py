"""Pages of flat records: the faster way to parse them gives the same result as a parser of the whole page."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from harvest_dagster.errors import SourceError
from harvest_dagster.harvesters.oai.flat_pages import parse_flat_page
from harvest_dagster.harvesters.oai.flat_records import FlatRecord
from harvest_dagster.harvesters.oai.page_recovery import parse_list
from harvest_dagster.harvesters.oai.records import (
    datestamp_text_of,
    format_of,
    parse_general_record,
    parse_record,
)
from harvest_dagster.harvesters.oai.response import OaiResponse, parse_response
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster_tests.harvesters.oai.test_flat_records import DC, OAI, flat_record, records
from harvest_dagster_tests.recorded import recordings, requires_recorded

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
NAMESPACES = f'xmlns="{OAI}" xmlns:dc="{DC}" xmlns:oai_dc="{OAI}oai_dc/"'
TOKEN = '<resumptionToken completeListSize="9" cursor="0">next</resumptionToken>'


def titled(title: str) -> str:
    """Return a record with this title, as it is in the page."""
    return flat_record(f"<dc:title>{title}</dc:title>")


FLAT = titled("A &amp; B")
DELETED = (
    '<record><header status="deleted"><identifier>oai:x:9</identifier>'
    "<datestamp>2024-01-01</datestamp></header></record>"
)
OTHER = titled("<![CDATA[A </record> B]]>")
parse_whole = partial(parse_response, verb="ListRecords", url="test:")


def page(*parts: str, declaration: str = DECLARATION, head: str = "", namespaces: str = NAMESPACES) -> bytes:
    """Return a page with these records."""
    return (
        f"{declaration}<OAI-PMH {namespaces}>{head}<responseDate>2024-02-02T00:00:00Z</responseDate>"
        f"<ListRecords>{''.join(parts)}{TOKEN}</ListRecords></OAI-PMH>"
    ).encode()


def facts(response: OaiResponse) -> object:
    """Return all of a response but its items."""
    return replace(response, content=response.content.tag, items=())  # type: ignore[arg-type]


def parse_flat(body: bytes) -> list[Record | InvalidRecord] | None:
    """Return the records that the faster way finds, after comparing everything with the result of a whole parser.

    None if the page must be parsed as a whole.
    """
    if (found := parse_flat_page(body, parse_whole)) is None:
        return None
    response, items = found
    whole = parse_whole(body)  # must not raise
    assert facts(response) == facts(whole)
    parsed = list(map(parse_record, items))
    assert parsed == list(map(parse_general_record, whole.items))
    assert list(map(format_of, items)) == list(map(format_of, whole.items))
    assert list(map(datestamp_text_of, items)) == list(map(datestamp_text_of, whole.items))
    return parsed


between = st.sampled_from([*[""] * 8, "\n", "\r\n  ", " ", "<!-- <record> -->", "x", "<record/>", "<other/>"])
some_records = st.lists(
    st.one_of(records, st.sampled_from([FLAT, DELETED, OTHER, titled("&#233;&quot;&#x1F600;&#60;&#39;")])),
    min_size=1,
    max_size=4,
).flatmap(
    lambda found: st.tuples(*(between for _ in found)).map(
        lambda spaces: [part for pair in zip(found, spaces, strict=True) for part in pair]
    )
)
# What makes a page other than it seems, or not well-formed.
traps = st.sampled_from(
    [
        *[
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<?p",
            "?>",
            "&",
            "&amp;",
            "&#65;",
            "&#1;",
            "&x;",
            "<",
            ">",
            '"',
            "=",
        ],
        *[
            "\0",
            "\x1f",
            "\x7f",
            "\ufffe",
            "\uffff",
            "\ud800",
            "\r",
            "\t",
            "\n",
            " ",
            "/",
            "</record>",
            "<record>",
        ],
        *[
            "<ListRecords>",
            "</ListRecords>",
            "</metadata>",
            "</header>",
            "<dc:title>",
            "</dc:title>",
            "<z:a/>",
        ],
        *[
            "xmlns='urn:x'",
            " xmlns:dc='urn:x'",
            "<!DOCTYPE OAI-PMH>",
            "</OAI-PMH>",
            "record",
            "dc:",
            "&#xD800;",
        ],
    ]
)


@given(some_records)
def test_a_page_gives_the_same_records_as_by_the_parser_of_a_whole_page(parts: list[str]) -> None:
    """Another canonical form would store each record again as changed. A lost record would be lost without an error."""
    event("flat" if parse_flat(page(*parts)) else "as a whole")


@given(some_records, st.data())
def test_a_page_that_is_not_well_formed_is_never_taken_for_a_good_one(
    parts: list[str], data: st.DataObject
) -> None:
    """The proof that a list is complete rests on strict parsing. A cut or damaged page must not pass."""
    text = page(*parts).decode()
    position = data.draw(st.integers(0, len(text)))
    removed = data.draw(st.sampled_from([0, 0, 0, 1, 2, 7, 30, 200]))
    damaged = text[:position] + data.draw(traps) + text[position + removed :]
    event("flat" if parse_flat(damaged.encode("utf-8", "surrogatepass")) else "as a whole")


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (page(FLAT, FLAT), 2),
        (page(FLAT, DELETED, FLAT), 3),
        (page(DELETED, "\r\n", FLAT, "\n"), 2),
        (page(titled("<![CDATA[A <b> & B]]>"), FLAT), 2),
        (page(titled("&#233; &quot;")), 1),
        (page(FLAT, "<!-- ", FLAT, " -->"), 1),
        (page(FLAT, head="<!-- <ListRecords> -->", declaration=DECLARATION + "<?style?>"), 1),
        (page(FLAT.replace("oai_dc:dc xmlns", "oai_dc:dc\n  xmlns"), "\n"), 1),
        (page(flat_record("<dc:title>A</dc:title>", root="oai_dc:dc")), 1),
    ],
)
def test_a_usual_page_is_parsed_in_the_faster_way(body: bytes, count: int) -> None:
    """Otherwise the faster way is never used, and nothing but the time shows it."""
    found = parse_flat_page(body, parse_whole)
    assert found is not None
    assert any(isinstance(item, FlatRecord) for item in found[1])
    parsed = parse_flat(body)
    assert parsed is not None
    assert len(parsed) == count


@pytest.mark.parametrize(
    "body",
    [
        page(DELETED, DELETED),
        page(OTHER, FLAT),
        page(FLAT, head="<!-- <ListRecords><record> -->"),
        page(FLAT, declaration=""),
        page(FLAT, declaration=DECLARATION.replace("UTF-8", "ISO-8859-1")),
        page(FLAT, namespaces=NAMESPACES.replace(OAI, "https" + OAI[4:], 1)),
        page(FLAT, "<!-- -->", FLAT),
        page(FLAT, "x", FLAT),
        page(FLAT, "<ListRecords>", FLAT, "</ListRecords>"),
        page(FLAT.replace("<record>", "<record><record>").replace("</record>", "</record></record>")),
        page(OTHER.replace("]]>", ""), FLAT, OTHER.replace("<![CDATA[", "")),
        page("<!-- ", FLAT, " -->", DELETED),
        page(FLAT.replace("</dc:title>", "</dc:titel>")),
        page(titled("]]>")),
        page(titled("a > b")),
        page(titled("\x0b")),
        page(titled("\uffff")),
        page(FLAT.replace("dc:title", "z:title")),
        page(titled("&unknown;")),
        page(FLAT).replace(b"A &amp;", b"A \xe9"),
        page(FLAT)[:-1],
    ],
)
def test_any_other_page_is_parsed_as_a_whole(body: bytes) -> None:
    """In each of them, a search for tags alone would find other records than a parser, or no fault."""
    assert parse_flat_page(body, parse_whole) is None


@pytest.mark.parametrize("limits", [ResponseLimits(xml_nodes=20), ResponseLimits(xml_page_attributes=3)])
def test_the_limits_of_a_page_hold_for_its_flat_records(limits: ResponseLimits) -> None:
    """They are counted in the whole page, not in what is left of it without the flat records."""
    body = page(*[FLAT] * 9)
    with pytest.raises(SourceError, match="the page has"):
        parse_list(body, verb="ListRecords", url="test:", limits=limits)


@pytest.mark.slow
@requires_recorded
def test_recorded_pages_are_the_same_in_both_ways() -> None:
    """Real repositories write what the generated pages do not contain."""
    flat = 0
    for recording in recordings("scrapi_oai_and_rest", "share_sample_harvester_data", "mit_oai"):
        if {"OAI-PMH", "ListRecords"} <= recording.flags:
            flat += parse_flat(recording.body) is not None
    assert flat > 0
