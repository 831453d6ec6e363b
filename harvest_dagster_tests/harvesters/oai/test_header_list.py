"""Lists of headers (ListIdentifiers) name the same records as lists of records, and cost no request for a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from lxml import etree

from harvest_dagster.errors import HttpStatusError, SourceError
from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.errors import BadResumptionToken
from harvest_dagster.harvesters.oai.harvester import OaiHarvester
from harvest_dagster.records import Cursor, InvalidRecord, Page, RecordHeader
from harvest_dagster.windows import ALL_TIME, Window, parse_instant
from harvest_dagster_tests.harvesters.oai.test_recorded import EVER, as_answered, as_asked, oai_pmh_recordings
from harvest_dagster_tests.harvesters.sources import (
    BASE_URL,
    DAY,
    DAYS,
    SECONDS,
    Answered,
    Item,
    Model,
    ScriptedSession,
    error,
    header,
    identify,
    listed,
    record,
)
from harvest_dagster_tests.recorded import Recording, requires_recorded

VERB = "ListIdentifiers"
NEW_YEAR = parse_instant("2024-01-01")
TEN = parse_instant("2024-01-01T10:00:00Z")
ODD = '<record><header status="odd"><identifier>a</identifier></header></record>'
OAI = "{http://www.openarchives.org/OAI/2.0/}"


def harvester(**arguments: object) -> OaiHarvester:
    return OaiHarvester(OaiArguments.model_validate({"base_url": BASE_URL, **arguments}))


def session_of(*answers: str | bytes | Answered | Exception, granularity: str = SECONDS) -> ScriptedSession:
    """Return a session that answers Identify, and other requests with these answers in turn."""
    remaining = iter(answers)
    return ScriptedSession(
        lambda asked: identify(granularity) if asked["verb"] == "Identify" else next(remaining)
    )


def headers_of(source: OaiHarvester, session: ScriptedSession, window: Window = DAY) -> list[object]:
    pages = source.header_client(session).pages(window)
    return [found for page in pages for found in source.header_parser().headers(page, window)]


def listed_by_both(
    source: OaiHarvester, model: Model, window: Window
) -> tuple[tuple[list[Page], list[object]], tuple[list[Page], list[object]]]:
    """Return the pages and the headers of ListRecords, and those of ListIdentifiers."""
    records, headers = source.client(model.session), source.header_client(model.session)
    whole, cheap = list(records.pages(window)), list(headers.pages(window))
    return (
        (whole, [found for page in whole for found in source.parser().headers(page, window)]),
        (cheap, [found for page in cheap for found in source.header_parser().headers(page, window)]),
    )


MODEL_WINDOW = Window(parse_instant("2024-03-02"), parse_instant("2024-03-05"))
ITEMS = [
    Item(f"oai:x:{number}", parse_instant("2024-03-01") + timedelta(hours=9 * number), sets)
    for number, sets in enumerate([("a",), ("b",), ("a", "b"), ()] * 4)
]


@pytest.mark.parametrize("granularity", [DAYS, SECONDS])
@pytest.mark.parametrize("arguments", [{}, {"set": "a"}, {"set": ["a", "b"]}])
def test_the_pages_of_both_lists_say_the_same(granularity: str, arguments: dict[str, object]) -> None:
    """The rules of completeness read these fields. If one were missing, no sweep could prove anything."""
    (whole, expected), (cheap, found) = listed_by_both(
        harvester(**arguments), Model(ITEMS, granularity), MODEL_WINDOW
    )
    assert found == expected
    assert len(found) > 3
    same = (
        "cursor",
        "next",
        "count",
        "total",
        "identifiers",
        "is_whole_list",
        "neighbours",
        "requested_window",
        "overlap",
    )
    assert [[getattr(page, name) for name in same] for page in cheap] == [
        [getattr(page, name) for name in same] for page in whole
    ]


def test_the_requests_differ_only_in_the_verb() -> None:
    """Another set, format or date would list other records than the harvest, and these would count as gone."""
    source, model = harvester(set=["a", "b"], metadata_prefix="marc"), Model(ITEMS)
    list(source.client(model.session).pages(MODEL_WINDOW))
    by_records, model.session.asked = model.session.asked, []
    list(source.header_client(model.session).pages(MODEL_WINDOW))
    assert {asked["verb"] for asked in model.session.asked} == {"Identify", VERB}
    assert [{**asked, "verb": ""} for asked in model.session.asked] == [
        {**asked, "verb": ""} for asked in by_records
    ]


def test_a_list_of_headers_can_resume_from_any_page() -> None:
    """A sweep of days continues after a crash. See docs/failures.md#no-resume."""
    source, model = harvester(set=["a", "b"]), Model(ITEMS, page_size=2)
    pages = list(source.header_client(model.session).pages(MODEL_WINDOW))
    assert len(pages) > 3
    for number, page in enumerate(pages[:-1]):
        rest = list(source.header_client(model.session).pages(MODEL_WINDOW, page.next))
        assert [page.identifiers for page in rest] == [page.identifiers for page in pages[number + 1 :]]


def test_a_refused_token_is_reported_as_in_a_list_of_records() -> None:
    """The recovery then requests the list again."""
    first = listed(header("a"), token="t", verb=VERB)
    pages = harvester().header_client(session_of(first, error("badResumptionToken"))).pages(DAY)
    assert next(pages).identifiers == ("a",)
    with pytest.raises(BadResumptionToken):
        next(pages)


def test_an_invalid_header_costs_no_request_and_does_not_affect_the_others() -> None:
    """A list of records requests the invalid ones one by one. A sweep only counts them."""
    broken = listed(header("a"), "<header><identifier>b</identifier><x></header>", header("c"), verb=VERB)
    session = session_of(broken, broken)  # the second response confirms the first
    a, b, c = headers_of(harvester(), session)
    assert (a, c) == (
        RecordHeader("a", NEW_YEAR),
        RecordHeader("c", NEW_YEAR),
    )
    assert isinstance(b, InvalidRecord)
    assert b.identifier == "b"
    assert {asked["verb"] for asked in session.asked} == {"Identify", VERB}


def test_no_record_is_requested_if_recovery_wants_them_one_by_one() -> None:
    """The last recovery step would send a request for each of millions of records."""
    client = harvester().header_client(session_of())
    assert client.one_by_one(DAY) is None
    assert not client.requests_records_separately


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        (header(" a\n", "2024-01-01"), RecordHeader("a", NEW_YEAR)),
        (header("a", "2024-01-01T10:00:00Z", deleted=True), RecordHeader("a", TEN, True)),
        (header("a", "yesterday"), RecordHeader("a", None)),
        (header("a", None), RecordHeader("a", None)),
        (header("a", sets=["y", " x:z ", "x", "y", ""]), RecordHeader("a", NEW_YEAR, sets=("x", "x:z", "y"))),
        ('<header Status=" Deleted "><identifier>a</identifier></header>', RecordHeader("a", None, True)),
        ('<header status="new"><identifier>a</identifier></header>', RecordHeader("a", None)),
    ],
)  # fmt: skip
def test_a_header_is_read_like_the_header_of_a_record(element: str, expected: RecordHeader) -> None:
    """If one rule differed, the record would be missing or gone in each sweep."""
    by_headers = headers_of(harvester(), session_of(listed(element, verb=VERB)))
    in_record = session_of(listed(f"<record>{element}</record>"))
    source = harvester()
    by_records = [
        found for page in source.client(in_record).pages(DAY) for found in source.parser().headers(page, DAY)
    ]
    assert by_headers == by_records == [expected]


@pytest.mark.parametrize(
    "element", [header(None), '<header status="gone"><identifier>a</identifier></header>']
)
def test_a_header_that_is_not_clear_is_invalid_as_in_a_record(element: str) -> None:
    """A status that nobody knows may mean a deletion."""
    (found,) = headers_of(harvester(), session_of(listed(element, verb=VERB)))
    assert isinstance(found, InvalidRecord)


def test_an_empty_list_of_headers_is_one_empty_page() -> None:
    source = harvester()
    (page,) = source.header_client(session_of(error("noRecordsMatch"))).pages(DAY)
    assert (page.count, page.total, page.next) == (0, 0, None)
    assert list(source.header_parser().headers(page, DAY)) == []


def test_a_page_of_headers_has_no_records() -> None:
    """A caller of `records` would store nothing, and the window would seem to be empty."""
    source = harvester()
    (page,) = source.header_client(session_of(listed(header("a"), verb=VERB))).pages(DAY)
    with pytest.raises(TypeError, match="headers"):
        list(source.header_parser().records(page, DAY))


def as_header_list(body: bytes) -> bytes:
    """Return a response to ListRecords as the repository would answer to ListIdentifiers."""
    root = etree.fromstring(body)
    content = root.find(f"{OAI}ListRecords")
    content.tag = f"{OAI}ListIdentifiers"
    for item in content.findall(f"{OAI}record"):
        content.replace(item, item.find(f"{OAI}header"))
    request = root.find(f"{OAI}request")
    if request is not None and request.get("verb"):
        request.set("verb", VERB)
    return etree.tostring(root)


@pytest.mark.slow
@requires_recorded
def test_the_headers_of_every_recorded_page_equal_those_of_its_records() -> None:
    """13,789 records of 239 recorded responses, once as records and once as headers alone."""
    compared, share = compare_headers(oai_pmh_recordings("ListRecords"))
    assert compared == 13_789
    assert share < 0.1


@requires_recorded
def test_the_headers_of_recorded_pages_equal_those_of_their_records() -> None:
    """The same for each eighth page. A sweep would otherwise find differences that do not exist."""
    compared, share = compare_headers(oai_pmh_recordings("ListRecords")[::8])
    assert compared > 1000
    assert share < 0.1


def compare_headers(recordings: Sequence[Recording]) -> tuple[int, float]:
    """Return how many records were compared, and the share of the bytes that their headers need."""
    compared, record_bytes, header_bytes = 0, 0, 0
    for recording in recordings:
        answered = as_answered(recording)
        arguments = as_asked(recording)
        token = arguments.pop("resumptionToken", None)
        source = harvester(**arguments)
        whole = next(source.client(session_of(*3 * [answered])).pages(EVER, Cursor(token)))
        cheap_answer = replace(answered, body=as_header_list(answered.body))
        cheap = next(source.header_client(session_of(*3 * [cheap_answer])).pages(EVER, Cursor(token)))
        expected = list(source.parser().headers(whole, EVER))
        assert list(source.header_parser().headers(cheap, EVER)) == expected
        assert cheap.identifiers == whole.identifiers
        assert (cheap.total, cheap.count, cheap.next) == (whole.total, whole.count, whole.next)
        compared += len(expected)
        record_bytes, header_bytes = record_bytes + len(whole.body), header_bytes + len(cheap.body)
    return compared, header_bytes / record_bytes


@pytest.mark.parametrize("recording", oai_pmh_recordings("ListIdentifiers"), ids=str)
@requires_recorded
def test_every_recorded_list_of_headers_is_read(recording: Recording) -> None:
    arguments = as_asked(recording)
    token = arguments.pop("resumptionToken", None)
    source = harvester(**arguments)
    session = session_of(*3 * [as_answered(recording)])
    page = next(source.header_client(session).pages(EVER, Cursor(token)))
    found = list(source.header_parser().headers(page, EVER))
    assert all(isinstance(one, RecordHeader) and one.datestamp is not None for one in found)
    assert len(found) == page.count == recording.records
    assert sum(isinstance(one, RecordHeader) and one.deleted for one in found) == recording.deleted
    assert (page.next is not None) == ("token" in recording.flags)


LIVE = listed(record("a", "2020-05-05"), verb="GetRecord")
DELETED = listed(record("a", "2020-05-05", deleted=True), verb="GetRecord")


@pytest.mark.parametrize(
    ("answer", "window", "expected"),
    [
        (LIVE, ALL_TIME, True),
        (LIVE, DAY, False),
        (listed(record("a", None), verb="GetRecord"), ALL_TIME, True),
        (listed(record("a", None), verb="GetRecord"), DAY, None),
        (DELETED, ALL_TIME, False),
        (error("idDoesNotExist"), ALL_TIME, False),
        (error("idDoesNotExist"), DAY, False),
        (error("cannotDisseminateFormat"), ALL_TIME, True),
        (listed(record("b", deleted=True), verb="GetRecord"), ALL_TIME, None),
        (listed(ODD, verb="GetRecord"), ALL_TIME, True),
        (error("badArgument"), DAY, None),
    ],
)  # fmt: skip
def test_the_source_says_whether_it_has_a_record(answer: str, window: Window, expected: bool | None) -> None:
    """A wrong False deletes a record that the source still has."""
    assert harvester().client(session_of(answer)).has_record("a", window) is expected


@pytest.mark.parametrize(
    "failure", [error("badArgument"), error("badVerb"), HttpStatusError("503. Wait.", status=503, url="x")]
)
def test_a_failure_says_nothing_about_a_record(failure: str | Exception) -> None:
    """A source that is down would lose all its records here."""
    with pytest.raises(SourceError):
        harvester().client(session_of(failure)).has_record("a", ALL_TIME)
