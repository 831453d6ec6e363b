"""No page costs more memory or time than its bounds allow, whatever its bytes are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import MalformedResponse, ProtocolError, ResponseTooLarge, SourceError
from harvest_dagster.harvesters.formats.page_limits import (
    raise_if_costly_json,
    raise_if_costly_xml,
    raise_if_long_token,
)
from harvest_dagster.harvesters.formats.strict_json import parse_json
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.oai.page_recovery import parse_list
from harvest_dagster.response_limits import ResponseLimits

URL = "https://source.example/oai"
LIMITS = ResponseLimits()
FEW = ResponseLimits(xml_nodes=100, xml_attributes=3, json_values=10, token_length=10)


def attributes(count: int, quote: str = "'") -> str:
    return " ".join(f"a{number} = {quote}a=1 > b{quote}" for number in range(count))


def test_a_page_of_nothing_but_elements_is_not_parsed() -> None:
    """107 KB of gzip became a tree of 2.4 GB."""
    with pytest.raises(
        ResponseTooLarge, match=r"limits.xml_nodes is 4000000. .* raise `limits: {xml_nodes: …}`"
    ):
        parse_xml(b"<a>" + b"<a/>" * LIMITS.xml_nodes + b"</a>", url=URL)


def test_many_attributes_on_many_elements_are_not_parsed() -> None:
    """30 million attributes in a page of 200 MB took 7 GB."""
    element = f"<a {attributes(500)}/>".encode()
    with pytest.raises(ResponseTooLarge, match=r"tags and attributes, and limits.xml_nodes is"):
        parse_xml(b"<a>" + element * (LIMITS.xml_nodes // 500) + b"</a>", url=URL)


def test_many_attributes_within_the_other_limits_are_not_parsed() -> None:
    """7,000 elements with 511 attributes each took a minute, below each limit of that time."""
    names = " ".join(f"a{number}=''" for number in range(511))
    element = f"<a {names}/>".encode()
    with pytest.raises(
        ResponseTooLarge,
        match=r"limits.xml_page_attributes is 1000000. .* raise `limits: {xml_page_attributes: …}`",
    ):
        parse_xml(b"<a>" + element * 7_000 + b"</a>", url=URL)


@pytest.mark.parametrize("encoding", ["UTF-7", "C99", "IBM037", "no-such"])
def test_an_encoding_that_hides_the_tags_does_not_hide_their_number(encoding: str) -> None:
    """In UTF-7, `<` is `+ADw-`."""
    body = f"<?xml version='1.0' encoding='{encoding}'?>".encode() + b"+ADw-a/+AD4-" * 50
    with pytest.raises(ResponseTooLarge):
        raise_if_costly_xml(body, url=URL, limits=FEW)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-8-sig"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_an_element_with_40000_attributes_is_not_parsed(encoding: str, quote: str) -> None:
    """It held the lock of the interpreter for 83 seconds, so that no lease was renewed."""
    body = f"<r><a {attributes(40_000, quote)}>x</a></r>".encode(encoding)
    with pytest.raises(
        MalformedResponse, match=r"limits.xml_attributes is 512. .* raise `limits: {xml_attributes: …}`"
    ):
        parse_xml(body, url=URL)


@given(st.integers(0, 8), st.text("=<>'\" a&", max_size=60), st.sampled_from("'\""))
def test_only_attributes_count(count: int, text: str, quote: str) -> None:
    """A text may contain any number of equals signs, such as a line under a heading."""
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    body = f"<r><a {attributes(count, quote)}>{text}</a></r>".encode()
    is_refused = False
    try:
        raise_if_costly_xml(body, url=URL, limits=FEW)
    except MalformedResponse:
        is_refused = True
    assert is_refused == (count > FEW.xml_attributes)


def test_a_record_with_too_many_attributes_does_not_affect_the_others() -> None:
    """It is an invalid record, as one with a control character is."""
    record = "<record><header><identifier>{}</identifier></header><metadata><a {}/></metadata></record>"
    records = record.format("ok", "b='1'") + record.format("odd", attributes(600))
    body = f'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords>{records}</ListRecords></OAI-PMH>'
    parsed = parse_list(body.encode(), verb="ListRecords", url=URL)
    assert [item.identifier for item in parsed.invalid_records] == ["odd"]
    assert len(parsed.items) == 2


def test_default_attributes_of_a_doctype_are_not_added_to_a_tree() -> None:
    """They multiply: each element would get all of them. So the declaration is refused before the page is parsed."""
    declared = "".join(f"<!ATTLIST a b{number} CDATA 'x'>" for number in range(500))
    body = f"<!--c--><!DOCTYPE a [{declared}]><a>{'<a/>' * 10}</a>"
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(MalformedResponse, match="document type declaration"):
            parse_xml(body.encode(encoding), url=URL)


def test_a_json_page_of_nothing_but_lists_is_not_parsed() -> None:
    """Two bytes become an object of 56 bytes."""
    with pytest.raises(
        ResponseTooLarge, match=r"limits.json_values is 4000000. .* raise `limits: {json_values: …}`"
    ):
        parse_json(b"[" + b"[]," * (LIMITS.json_values // 2) + b"[]]", url=URL)
    raise_if_costly_json(b"[1,2,3]", url=URL, limits=FEW)


def test_a_long_token_is_refused_and_cut_in_the_message() -> None:
    """A token of 3 MB wrote 27 MB of log."""
    pattern = (
        "resumptionToken of 3000000 characters.* limits.token_length is 16384. .* `limits: {token_length: …}`"
    )
    with pytest.raises(ProtocolError, match=pattern) as caught:
        raise_if_long_token("x\x9b[2J" * 600_000, "resumptionToken", url=URL, limits=LIMITS)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()
    raise_if_long_token("x" * LIMITS.token_length, "resumptionToken", url=URL, limits=LIMITS)


def test_a_large_envelope_around_many_records_does_not_take_quadratic_time() -> None:
    """Each record of a page that does not parse is parsed within the envelope."""
    records = b"<record>\x01</record>" * 10_000
    body = (
        b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        + b"<!-- -->" * 10_000
        + b"<ListRecords>%b</ListRecords></OAI-PMH>" % records
    )
    with pytest.raises(SourceError, match="not well-formed"):
        parse_list(body, verb="ListRecords", url=URL)
