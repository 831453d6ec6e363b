"""A window record by record, ListIdentifiers and GetRecord; and tokens that may be used once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from harvest_dagster.errors import (
    BotWall,
    CursorRefused,
    HttpStatusError,
    LoginPage,
    MaintenancePage,
    SourceUnreachable,
    WaitTooLong,
)
from harvest_dagster.harvesters.oai import OaiHarvester
from harvest_dagster.harvesters.oai_errors import BadArgument, BadResumptionToken, TokenSpent
from harvest_dagster.records import Cursor, Page, Record, Unreadable
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import (
    DAY,
    DAYS,
    FIRST,
    SECONDS,
    Parameters,
    ScriptedSession,
    error,
    harvester,
    header,
    identify,
    listed,
    record,
    requests,
    scripted,
)


class Repository(ScriptedSession):
    """Headers over pages of two, each set the same; records by themselves."""

    def __init__(self, *headers: str, granularity: str = SECONDS, **alone: object) -> None:
        super().__init__(self._say)
        self.headers = headers
        self.granularity = granularity
        self.alone = alone

    def _say(self, asked: Parameters):
        if asked["verb"] == "Identify":
            return identify(self.granularity)
        if asked["verb"] == "GetRecord":
            name = asked["identifier"]
            return self.alone.get(name, listed(record(name), verb="GetRecord"))
        assert asked["verb"] == "ListIdentifiers"
        start = int(asked.get("resumptionToken", 0))
        rest = str(start + 2) if start + 2 < len(self.headers) else ""
        return listed(
            *self.headers[start : start + 2],
            token=rest,
            verb="ListIdentifiers",
            completeListSize=len(self.headers),
            cursor=start,
        )


def singly(source: OaiHarvester, window: Window = DAY) -> tuple[list[Page], list[Record | Unreadable]]:
    pages = list(source.one_by_one(window))
    return pages, [piece for page in pages for piece in source.records(page, window)]


def test_a_window_comes_record_by_record_with_the_counts_of_its_list() -> None:
    """Where even the tags of a page are broken, this is the way on; and the list's own total proves it whole."""
    source = harvester(Repository(*map(header, "abc")))
    pages, records = singly(source)
    assert [record.identifier for record in records] == ["a", "b", "c"]
    assert [(page.alone, page.count, page.total) for page in pages] == [
        ("a", 0, None),
        ("b", 0, None),
        (None, 2, 3),
        ("c", 0, None),
        (None, 1, 3),
    ]
    lists = [page for page in pages if page.alone is None]
    assert [page.identifiers for page in lists] == [page.elsewhere for page in lists] == [("a", "b"), ("c",)]
    first = requests(source)[0]
    assert first == {**FIRST, "verb": "ListIdentifiers"}
    assert requests(source)[1] == {"verb": "GetRecord", "identifier": "a", "metadataPrefix": "oai_dc"}


def test_it_brings_what_the_list_of_records_brings() -> None:
    """Blob for blob, deleted ones included: else everything would be new."""
    written = [record("a", sets=["x"]), record("b", deleted=True, sets=["y", "x"]), record("c")]
    plain = scripted(listed(*written))
    expected = [piece for page in plain.pages(DAY) for piece in plain.records(page, DAY)]
    headers = [header("a", sets=["x"]), header("b", deleted=True, sets=["y", "x"]), header("c")]
    alone = {name: listed(text, verb="GetRecord") for name, text in zip("abc", written, strict=True)}
    source = harvester(Repository(*headers, **alone))
    assert set(singly(source)[1]) == set(expected)
    assert "b" not in {asked.get("identifier") for asked in requests(source)}


def test_it_goes_on_from_any_of_its_pages_set_by_set() -> None:
    """Lesson 22. The cursor says that the list is one of headers."""
    session = Repository(*map(header, "abc"))
    source = harvester(session, set=["x", "y"])
    pages = list(source.one_by_one(DAY))
    assert {page.cursor.singly for page in pages} == {True}
    assert [page.cursor.part for page in pages if page.alone is None] == [0, 0, 1, 1]
    for number, page in enumerate(pages[:-1]):
        begun = (
            number
            if page.alone is None
            else max((before for before in range(number) if pages[before].alone is None), default=-1)
        )
        assert list(source.pages(DAY, page.next)) == pages[begun + 1 :]
    assert pages[-1].next is None


@pytest.mark.parametrize(
    ("answer", "said"),
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
def test_a_record_that_cannot_be_had_is_set_aside_with_the_answer(answer, said) -> None:
    """oai-repo lists what is deleted as live: the list is right about the number, and nothing is lost unseen."""
    source = harvester(Repository(*map(header, "abc"), b=answer))
    _, records = singly(source)
    bad = records[1]
    assert [piece.identifier for piece in records] == ["a", "b", "c"]
    assert isinstance(bad, Unreadable)
    assert bad.datum == answer.encode()
    assert said in bad.error


def test_a_record_over_which_the_server_breaks_down_is_set_aside_with_its_header() -> None:
    source = harvester(Repository(*map(header, "abc"), b=HttpStatusError("No.", status=500, url="")))
    _, records = singly(source)
    assert [piece.identifier for piece in records] == ["a", "b", "c"]
    assert isinstance(records[1], Unreadable)
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
            for page in (MaintenancePage, LoginPage, BotWall)
        ),
        ("<html><title>Just a moment...</title></html>", BotWall),
    ],
)
def test_a_source_that_goes_away_breaks_the_list(answer, kind) -> None:
    """A night of maintenance must not fill the quarantine with good records."""
    pages = harvester(Repository(*map(header, "abc"), b=answer)).one_by_one(DAY)
    assert next(pages).alone == "a"
    with pytest.raises(kind):
        next(pages)


def test_headers_that_cannot_be_read_are_asked_for_or_set_aside() -> None:
    bad = [header(name, sets=["x"]).replace("<setSpec>x", "<setSpec>R & D") for name in "ab"]
    bad[1] = bad[1].replace(">b<", ">b & c<")
    _, records = singly(harvester(Repository(*bad, header(None), "<other/>")))
    assert [piece.identifier for piece in records] == ["a", None, None, None]
    assert [isinstance(piece, Record) for piece in records] == [True, False, False, False]


def test_what_only_the_widening_to_days_brought_in_is_not_asked_for() -> None:
    """The neighbour has it, and each request counts against the budget."""
    stamps = {"a": "2024-01-01T05:00:00Z", "b": "2024-01-01T07:00:00Z", "c": "2023-01-01"}
    window = Window(parse_instant("2024-01-01T06:00"), parse_instant("2024-01-01T12:00"))
    alone = {name: listed(record(name, stamp), verb="GetRecord") for name, stamp in stamps.items()}
    session = Repository(*(header(*pair) for pair in stamps.items()), granularity=DAYS, **alone)
    source = harvester(session)
    assert [piece.identifier for piece in singly(source, window)[1]] == ["b", "c"]
    assert [asked["identifier"] for asked in requests(source) if "identifier" in asked] == ["b", "c"]


def test_an_empty_list_of_headers_is_an_empty_page() -> None:
    (page,) = scripted(error("noRecordsMatch")).one_by_one(DAY)
    assert (page.count, page.total, page.next) == (0, 0, None)


def test_a_harvester_says_how_small_a_window_may_get_and_what_may_be_sent_twice() -> None:
    """The ladder of recovery goes by it: there is no half of a day where the source knows days only."""
    assert scripted().smallest == timedelta(seconds=1)
    assert scripted(granularity=DAYS).smallest == timedelta(days=1)
    assert (scripted().parts, scripted(set=["x", "y", "x"]).parts) == (1, 2)
    assert scripted().repeatable
    assert not scripted(single_use_tokens=True).repeatable


def test_a_single_use_token_is_sent_once_and_the_first_request_as_often_as_it_takes() -> None:
    """Lesson 23: a blind retry of the same request loses a page (wellcomecollection/oai-pmh)."""
    for single, expected in ((True, [True, True, False]), (False, [True, True, True])):
        source = scripted(listed(record("a"), token="1"), listed(record("b")), single_use_tokens=single)
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
def test_a_single_use_token_whose_page_did_not_come_is_spent(answer) -> None:
    """To go on with it might skip the page; the error says what happened to it, too."""
    source = scripted(listed(record("a"), token="1"), answer, single_use_tokens=True)
    pages = source.pages(DAY)
    assert next(pages).next == Cursor("1")
    with pytest.raises(TokenSpent, match=r"once only, so the list must be begun again\.$") as caught:
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
        (WaitTooLong("Later.", seconds=1), WaitTooLong),
    ],
)
def test_what_the_source_says_itself_stays_what_it_is(answer, kind) -> None:
    """And a request that never left spends no token."""
    source = scripted(listed(record("a"), token="1"), answer, single_use_tokens=True)
    with pytest.raises(kind):
        list(source.pages(DAY))


def test_a_first_page_that_fails_spends_nothing() -> None:
    with pytest.raises(SourceUnreachable):
        list(scripted(SourceUnreachable("Gone."), single_use_tokens=True).pages(DAY))
