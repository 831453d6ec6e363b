"""Corrupted pages: each record arrives unchanged, or is an invalid record, or the whole page is refused.

If the page is still well-formed, no parser can distinguish it from the source's own page. Only totals and identifiers
show the loss (`pipeline.fetching.completeness`). So these tests only use corruption that breaks the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harvest_dagster.errors import MalformedResponse
from harvest_dagster.harvesters.oai.response import parse_response
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster_tests.harvesters.sources import (
    DAY,
    ScriptedSession,
    error,
    identify,
    listed,
    oai_source,
    record,
)

MARC = '<record xmlns="http://www.loc.gov/MARC21/slim"><leader>1</leader></record>'
CONTENTS = (
    "A title",
    "<![CDATA[<record><header>]]>",
    "<![CDATA[</record>]]> and <!-- </record> -->",
    "été &amp; hiver &#233;",
    MARC,
    f"<collection>{MARC}{MARC}</collection>",
)
FAULTS = (
    b"\x0b", b"\0", b"\xff", b"\xe9t", b"& ", b"&x;", b"&#1;", b"<br>", b"</br>", b"< ", b"]]>", b"<![CDATA[",
    b"<!--", b"<?", b"<p:x/>", b"</record>", b"<record>", b"<record><header>", b'"', b"</ListRecords>",
)  # fmt: skip

# The end of a record directly before the start of the next one. Two faults may add one within a record.
BOUNDARY = re.compile(rb"</record>\s*<record[\s>]")

few = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@st.composite
def records(draw) -> Mapping[str, str]:
    contents = draw(st.lists(st.sampled_from([*CONTENTS, None]), min_size=1, max_size=5))
    return {
        f"oai:x:{number}": record(f"oai:x:{number}", deleted=True)
        if content is None
        else record(f"oai:x:{number}").replace("A title", content)
        for number, content in enumerate(contents)
    }


def page_of(written: Mapping[str, str]) -> bytes:
    return listed(*written.values(), token="next", completeListSize=99).encode()


def is_well_formed(body: bytes) -> bool:
    try:
        parse_response(body, verb="ListRecords", url="a:")
    except MalformedResponse:
        return False
    return True


class Source(ScriptedSession):
    """Returns these pages in turn and repeats the last one. GetRecord returns the records in `single`."""

    def __init__(self, *pages: bytes, single: Mapping[str, str]) -> None:
        super().__init__(self._answer_request)
        self.pages = list(pages)
        self.single = single

    def _answer_request(self, asked):
        if asked["verb"] == "Identify":
            return identify()
        if asked["verb"] == "GetRecord":
            found = self.single.get(asked["identifier"])
            return listed(found, verb="GetRecord") if found else error("idDoesNotExist")
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


def records_of_first_page(session: Source) -> list[Record | InvalidRecord] | None:
    """Return the records of the first page and of its GetRecord pages, or None if the page is refused."""
    source = oai_source(session)
    items = []
    try:
        for page in source.pages(DAY):
            items += source.records(page, DAY)
            if page.single_record is None:
                assert (page.next.token, page.total) == ("next", 99)
                return items
    except MalformedResponse:
        return None
    raise AssertionError


@few
@given(written=records(), data=st.data(), get_record_works=st.booleans())
def test_a_fault_in_a_page_affects_only_the_record_that_contains_it(written, data, get_record_works) -> None:
    """The fault is in the source, so the page is the same in each response."""
    intact = page_of(written)
    body = intact
    for offset, fault in sorted(
        data.draw(
            st.lists(st.tuples(st.integers(0, len(intact)), st.sampled_from(FAULTS)), min_size=1, max_size=2)
        ),
        reverse=True,
    ):
        assume(not is_well_formed(intact[:offset] + fault + intact[offset:]))
        body = body[:offset] + fault + body[offset:]
    assume(not is_well_formed(body))
    assume(len(BOUNDARY.findall(body)) <= len(BOUNDARY.findall(intact)))
    expected = set(records_of_first_page(Source(intact, single={})))
    found = records_of_first_page(Source(body, single=written if get_record_works else {}))
    if found is None:
        return
    valid = {item for item in found if isinstance(item, Record)}
    assert valid <= expected
    assert len(found) == len(expected)
    missing = expected - valid
    invalid = [item for item in found if isinstance(item, InvalidRecord)]
    assert len(invalid) == len(missing)
    for lost in missing:  # all its bytes are in one of the invalid records, with the fault among them
        assert any(is_subsequence(written[lost.identifier].encode(), item.datum) for item in invalid)


def is_subsequence(part: bytes, body: bytes) -> bool:
    """Return whether `body` contains all bytes of `part` in the same order."""
    remaining = iter(body)
    return all(byte in remaining for byte in part)


@few
@given(written=records(), data=st.data())
def test_the_end_and_the_start_of_a_record_within_a_record_affect_no_other_record(written, data) -> None:
    """One record becomes one or two invalid records. No parser can know that two of them were one."""
    intact = page_of(written)
    offset = data.draw(st.integers(0, len(intact)))
    body = intact[:offset] + b"</record><record>" + intact[offset:]
    assume(not is_well_formed(body))
    expected = set(records_of_first_page(Source(intact, single={})))
    found = records_of_first_page(Source(body, single={}))
    if found is None:
        return
    valid = {item for item in found if isinstance(item, Record)}
    assert valid <= expected
    assert len(expected - valid) == 1
    assert len(found) - len(valid) in (1, 2)


@few
@given(written=records(), data=st.data())
def test_corruption_in_transit_loses_no_record(written, data) -> None:
    """If any range of bytes is lost, overwritten or repeated, the second response brings the intact page."""
    intact = page_of(written)
    start = data.draw(st.integers(0, len(intact) - 1))
    end = data.draw(st.integers(start + 1, len(intact)))
    replacement = data.draw(
        st.sampled_from([b"", b"\xff", b"\xff" * (end - start), intact[start:end] * 2, b"\0"])
    )
    body = intact[:start] + replacement + intact[end:]
    assume(not is_well_formed(body))
    found = records_of_first_page(Source(body, intact, single=written))
    assert found is None or found == records_of_first_page(Source(intact, single={}))


@pytest.mark.parametrize("fault", [b"\x0b", b"& "])
def test_a_fault_at_any_byte_of_a_record_leaves_the_other_records(fault) -> None:
    """The fault is at each byte in turn, from the end of the previous record to the start of the next one."""
    written = {name: record(name, sets=["s"]) for name in "abc"}
    intact = page_of(written)
    start, end = intact.index(written["b"].encode()), intact.index(written["c"].encode())
    refused = 0
    for offset in range(start, end + 1):
        found = records_of_first_page(Source(intact[:offset] + fault + intact[offset:], single={}))
        refused += found is None
        if found is not None:
            assert [isinstance(item, Record) for item in found] == [True, False, True]
            assert found[1].identifier in {"b", None}
    # A fault in the record's own two tags, or between two records, is a fault of the envelope.
    assert refused <= len(b"<record></record>") + 2
