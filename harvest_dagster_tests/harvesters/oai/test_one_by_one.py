"""Harvests record by record with ListIdentifiers and GetRecord, and single-use tokens."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.errors import (
    BotChallenge,
    CursorRefused,
    HttpStatusError,
    LoginPage,
    MaintenancePage,
    RetryLater,
    SourceUnreachable,
)
from harvest_dagster.harvesters.oai.errors import BadArgument, BadResumptionToken, ResumptionTokenConsumed
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import (
    DAY,
    DAYS,
    FIRST,
    SECONDS,
    OaiSource,
    Parameters,
    ScriptedSession,
    error,
    header,
    identify,
    listed,
    oai_source,
    record,
    requests,
    scripted,
)


class Repository(ScriptedSession):
    """Answers ListIdentifiers with pages of two headers, in every set the same, and GetRecord with single records."""

    def __init__(self, *headers: str, granularity: str = SECONDS, **single: object) -> None:
        super().__init__(self._answer_request)
        self.headers = headers
        self.granularity = granularity
        self.single = single

    def _answer_request(self, asked: Parameters):
        if asked["verb"] == "Identify":
            return identify(self.granularity)
        if asked["verb"] == "GetRecord":
            name = asked["identifier"]
            return self.single.get(name, listed(record(name), verb="GetRecord"))
        assert asked["verb"] == "ListIdentifiers"
        start = int(asked.get("resumptionToken", 0))
        token = str(start + 2) if start + 2 < len(self.headers) else ""
        return listed(
            *self.headers[start : start + 2],
            token=token,
            verb="ListIdentifiers",
            completeListSize=len(self.headers),
            cursor=start,
        )


def harvest_one_by_one(
    source: OaiSource, window: Window = DAY
) -> tuple[list[Page], list[Record | InvalidRecord]]:
    pages = list(source.one_by_one(window))
    return pages, [item for page in pages for item in source.records(page, window)]


def test_a_window_harvested_record_by_record_has_the_counts_of_its_list() -> None:
    """This is the last recovery step if even the tags of a page are broken. The list's total proves completeness."""
    source = oai_source(Repository(*map(header, "abc")))
    pages, records = harvest_one_by_one(source)
    assert [record.identifier for record in records] == ["a", "b", "c"]
    assert [(page.single_record, page.count, page.total) for page in pages] == [
        ("a", 0, None),
        ("b", 0, None),
        (None, 2, 3),
        ("c", 0, None),
        (None, 1, 3),
    ]
    lists = [page for page in pages if page.single_record is None]
    assert (
        [page.identifiers for page in lists]
        == [page.sent_separately for page in lists]
        == [("a", "b"), ("c",)]
    )
    first = requests(source)[0]
    assert first == {**FIRST, "verb": "ListIdentifiers"}
    assert requests(source)[1] == {"verb": "GetRecord", "identifier": "a", "metadataPrefix": "oai_dc"}


def test_records_that_are_requested_one_by_one_equal_those_of_list_records() -> None:
    """The blobs are equal, also those of deleted records. Otherwise every record counts as changed."""
    elements = [record("a", sets=["x"]), record("b", deleted=True, sets=["y", "x"]), record("c")]
    by_list_records = scripted(listed(*elements))
    expected = [item for page in by_list_records.pages(DAY) for item in by_list_records.records(page, DAY)]
    headers = [header("a", sets=["x"]), header("b", deleted=True, sets=["y", "x"]), header("c")]
    single = {name: listed(text, verb="GetRecord") for name, text in zip("abc", elements, strict=True)}
    source = oai_source(Repository(*headers, **single))
    assert set(harvest_one_by_one(source)[1]) == set(expected)
    assert "b" not in {asked.get("identifier") for asked in requests(source)}


def test_a_harvest_record_by_record_can_resume_from_any_page_of_any_set() -> None:
    """The cursor says that the list is one of headers. See docs/failures.md#no-resume."""
    session = Repository(*map(header, "abc"))
    source = oai_source(session, set=["x", "y"])
    pages = list(source.one_by_one(DAY))
    assert {page.cursor.one_by_one for page in pages} == {True}
    assert [page.cursor.list_number for page in pages if page.single_record is None] == [0, 0, 1, 1]
    for number, page in enumerate(pages[:-1]):
        last_list_page = (
            number
            if page.single_record is None
            else max((before for before in range(number) if pages[before].single_record is None), default=-1)
        )
        assert list(source.pages(DAY, page.next)) == pages[last_list_page + 1 :]
    assert pages[-1].next is None


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (listed(record("b"), verb="GetRecord").replace("A title", "A \x0b title"), "invalid Char"),
        (error("idDoesNotExist", "gone"), "idDoesNotExist: gone"),
        (error("cannotDisseminateFormat"), "cannotDisseminateFormat"),
        (listed(record("c"), verb="GetRecord"), "another record"),
        (listed(record("b"), record("b"), verb="GetRecord"), "another record"),
        (listed(record(None), verb="GetRecord"), "without identifier"),
        ("", "empty body"),
        ("<html><p>Fatal error</p></html>", "HTML"),
    ],
)
def test_a_get_record_response_without_the_record_becomes_an_invalid_record(answer, message) -> None:
    """oai-repo lists deleted records as live. The count of the list stays right, and the loss is visible."""
    source = oai_source(Repository(*map(header, "abc"), b=answer))
    _, records = harvest_one_by_one(source)
    invalid = records[1]
    assert [item.identifier for item in records] == ["a", "b", "c"]
    assert isinstance(invalid, InvalidRecord)
    assert invalid.datum == answer.encode()
    assert message in invalid.error


def test_a_record_on_which_the_server_fails_becomes_an_invalid_record_with_its_header() -> None:
    source = oai_source(Repository(*map(header, "abc"), b=HttpStatusError("No.", status=500, url="")))
    _, records = harvest_one_by_one(source)
    assert [item.identifier for item in records] == ["a", "b", "c"]
    assert isinstance(records[1], InvalidRecord)
    assert b"<identifier>b</identifier>" in records[1].datum


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (SourceUnreachable("Gone."), SourceUnreachable),
        *(
            (HttpStatusError("Away.", status=status, url=""), HttpStatusError)
            for status in (401, 403, 429, 502, 503, 504, 522)
        ),
        *(
            (HttpStatusError("It says so.", status=500, url="", page=page), HttpStatusError)
            for page in (MaintenancePage, LoginPage, BotChallenge)
        ),
        ("<html><title>Just a moment...</title></html>", BotChallenge),
    ],
)
def test_an_unavailable_source_fails_the_list(answer, kind) -> None:
    """A night of maintenance must not fill the quarantine with valid records."""
    pages = oai_source(Repository(*map(header, "abc"), b=answer)).one_by_one(DAY)
    assert next(pages).single_record == "a"
    with pytest.raises(kind):
        next(pages)


def test_invalid_headers_are_requested_or_become_invalid_records() -> None:
    headers = [header(name, sets=["x"]).replace("<setSpec>x", "<setSpec>R & D") for name in "ab"]
    headers[1] = headers[1].replace(">b<", ">b & c<")
    _, records = harvest_one_by_one(oai_source(Repository(*headers, header(None), "<other/>")))
    assert [item.identifier for item in records] == ["a", None, None, None]
    assert [isinstance(item, Record) for item in records] == [True, False, False, False]


def test_records_of_other_windows_are_not_requested() -> None:
    """A window of hours is widened to whole days. Each needless request uses up a part of the budget."""
    stamps = {"a": "2024-01-01T05:00:00Z", "b": "2024-01-01T07:00:00Z", "c": "2023-01-01"}
    window = Window(parse_instant("2024-01-01T06:00"), parse_instant("2024-01-01T12:00"))
    single = {name: listed(record(name, stamp), verb="GetRecord") for name, stamp in stamps.items()}
    session = Repository(*(header(*pair) for pair in stamps.items()), granularity=DAYS, **single)
    source = oai_source(session)
    assert [item.identifier for item in harvest_one_by_one(source, window)[1]] == ["b", "c"]
    assert [asked["identifier"] for asked in requests(source) if "identifier" in asked] == ["b", "c"]


def test_an_empty_list_of_headers_is_an_empty_page() -> None:
    (page,) = scripted(error("noRecordsMatch")).one_by_one(DAY)
    assert (page.count, page.total, page.next) == (0, 0, None)


def test_a_harvester_reports_its_shortest_window_and_whether_requests_are_repeatable() -> None:
    """The recovery steps need it: if the source knows only days, a day cannot be halved."""
    assert scripted().smallest_window == timedelta(seconds=1)
    assert scripted(granularity=DAYS).smallest_window == timedelta(days=1)
    assert (scripted().list_count, scripted(set=["x", "y", "x"]).list_count) == (1, 2)
    assert scripted().cursors_are_reusable
    assert not scripted(single_use_tokens=True).cursors_are_reusable


def test_a_request_with_a_single_use_token_is_not_repeatable() -> None:
    """A retry of that request loses a page (wellcomecollection/oai-pmh). See docs/failures.md#single-use-token."""
    for single_use, expected in ((True, [True, True, False]), (False, [True, True, True])):
        source = scripted(listed(record("a"), token="1"), listed(record("b")), single_use_tokens=single_use)
        assert len(list(source.pages(DAY))) == 2
        assert source.session.repeatable == expected


@pytest.mark.parametrize(
    "answer",
    [
        SourceUnreachable("It broke off."),
        HttpStatusError("It failed.", status=500, url=""),
        listed(record("b"))[:-30],
        listed(record("b"), verb="ListIdentifiers"),
        listed(record("b")).replace("A title", "one<br>two"),
    ],
)
def test_a_single_use_token_is_consumed_if_its_page_does_not_arrive(answer) -> None:
    """A second request with it might skip the page. The error also contains the reason why the page is missing."""
    source = scripted(listed(record("a"), token="1"), answer, single_use_tokens=True)
    pages = source.pages(DAY)
    assert next(pages).next == Cursor("1")
    with pytest.raises(
        ResumptionTokenConsumed, match=r"only once, so the list must start again at its first page\.$"
    ) as caught:
        next(pages)
    assert isinstance(caught.value, CursorRefused)
    assert str(caught.value.__cause__) in str(caught.value)
    assert not caught.value.transient
    assert len(requests(source)) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error("badResumptionToken"), BadResumptionToken),
        (error("badArgument"), BadArgument),
        (RetryLater("Later.", seconds=1), RetryLater),
    ],
)
def test_an_oai_pmh_error_or_a_request_that_was_not_sent_does_not_consume_the_token(answer, kind) -> None:
    """Their own exceptions name the cause more exactly than ResumptionTokenConsumed."""
    source = scripted(listed(record("a"), token="1"), answer, single_use_tokens=True)
    with pytest.raises(kind):
        list(source.pages(DAY))


def test_a_failed_first_page_consumes_no_token() -> None:
    with pytest.raises(SourceUnreachable):
        list(scripted(SourceUnreachable("Gone."), single_use_tokens=True).pages(DAY))
