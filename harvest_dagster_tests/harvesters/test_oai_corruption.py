"""Whatever happens to a page's bytes: each record comes as it was, or is set aside, or the page is refused.

What leaves the page well-formed is another page, which no parser can tell from the source's own; totals and
identifiers tell (`pipeline.completeness`). So only what breaks it is done here.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from harvest_dagster.errors import MalformedResponse
from harvest_dagster.harvesters.oai_response import read
from harvest_dagster.records import Record, Unreadable
from harvest_dagster_tests.harvesters.sources import (
    DAY,
    ScriptedSession,
    error,
    harvester,
    identify,
    listed,
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
BREAKING = (
    b"\x0b", b"\0", b"\xff", b"\xe9t", b"& ", b"&x;", b"&#1;", b"<br>", b"</br>", b"< ", b"]]>", b"<![CDATA[",
    b"<!--", b"<?", b"<p:x/>", b"</record>", b"<record>", b"<record><header>", b'"', b"</ListRecords>",
)  # fmt: skip

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


def is_whole(body: bytes) -> bool:
    try:
        read(body, verb="ListRecords", url="a:")
    except MalformedResponse:
        return False
    return True


class Source(ScriptedSession):
    """Gives these pages in turn, the last one again and again, and single records as they are, or none of them."""

    def __init__(self, *pages: bytes, alone: Mapping[str, str]) -> None:
        super().__init__(self._say)
        self.pages = list(pages)
        self.alone = alone

    def _say(self, asked):
        if asked["verb"] == "Identify":
            return identify()
        if asked["verb"] == "GetRecord":
            found = self.alone.get(asked["identifier"])
            return listed(found, verb="GetRecord") if found else error("idDoesNotExist")
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


def first_of(session: Source) -> list[Record | Unreadable] | None:
    """What the first page holds and what comes for it alone; None where it is refused."""
    source = harvester(session)
    found = []
    try:
        for page in source.pages(DAY):
            found += source.records(page, DAY)
            if page.alone is None:
                assert (page.next.token, page.total) == ("next", 99)
                return found
    except MalformedResponse:
        return None
    raise AssertionError


@few
@given(written=records(), data=st.data(), heals=st.booleans())
def test_what_stands_wrongly_in_a_page_costs_no_record_but_its_own(written, data, heals) -> None:
    """A fault of the source: the page is the same whenever it is asked for."""
    whole = page_of(written)
    body = whole
    for offset, fault in sorted(
        data.draw(
            st.lists(st.tuples(st.integers(0, len(whole)), st.sampled_from(BREAKING)), min_size=1, max_size=2)
        ),
        reverse=True,
    ):
        assume(not is_whole(whole[:offset] + fault + whole[offset:]))
        body = body[:offset] + fault + body[offset:]
    assume(not is_whole(body))
    expected = set(first_of(Source(whole, alone={})))
    found = first_of(Source(body, alone=written if heals else {}))
    if found is None:
        return
    good = {piece for piece in found if isinstance(piece, Record)}
    assert good <= expected
    assert len(found) == len(expected)
    lost = expected - good
    aside = [piece for piece in found if isinstance(piece, Unreadable)]
    assert len(aside) == len(lost)
    for gone in lost:  # its bytes are all there, with what stands wrongly among them
        assert any(is_within(written[gone.identifier].encode(), piece.datum) for piece in aside)


def is_within(part: bytes, whole: bytes) -> bool:
    """Whether all bytes of one come in the other, in this order."""
    rest = iter(whole)
    return all(byte in rest for byte in part)


@few
@given(written=records(), data=st.data())
def test_what_happens_to_a_page_on_its_way_costs_nothing(written, data) -> None:
    """Bytes lost, overwritten or repeated over any stretch: the second time the page is whole."""
    whole = page_of(written)
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    instead = data.draw(st.sampled_from([b"", b"\xff", b"\xff" * (end - start), whole[start:end] * 2, b"\0"]))
    body = whole[:start] + instead + whole[end:]
    assume(not is_whole(body))
    found = first_of(Source(body, whole, alone=written))
    assert found is None or found == first_of(Source(whole, alone={}))


@pytest.mark.parametrize("fault", [b"\x0b", b"& "])
def test_a_fault_at_any_byte_of_a_record_leaves_the_others(fault) -> None:
    """One after the other, from the end of the record before to the beginning of the next."""
    written = {name: record(name, sets=["s"]) for name in "abc"}
    whole = page_of(written)
    start, end = whole.index(written["b"].encode()), whole.index(written["c"].encode())
    refused = 0
    for offset in range(start, end + 1):
        found = first_of(Source(whole[:offset] + fault + whole[offset:], alone={}))
        refused += found is None
        if found is not None:
            assert [isinstance(piece, Record) for piece in found] == [True, False, True]
            assert found[1].identifier in {"b", None}
    # What hits the record's own two tags, or stands between two records, hits the envelope.
    assert refused <= len(b"<record></record>") + 2
