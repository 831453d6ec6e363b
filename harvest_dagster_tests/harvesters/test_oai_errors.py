"""Errors of the protocol, and answers that are none."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import HttpStatusError, MalformedResponse, ProtocolError, SourceRefused, WrongVerb
from harvest_dagster.harvesters.oai_errors import (
    BadArgument,
    BadResumptionToken,
    BadVerb,
    CannotDisseminateFormat,
    IdDoesNotExist,
    NoMetadataFormats,
    NoSetHierarchy,
    OaiError,
)
from harvest_dagster_tests.harvesters.sources import (
    BASE_URL,
    DAY,
    Answered,
    ScriptedSession,
    envelope,
    error,
    harvester,
    listed,
    record,
    scripted,
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("badArgument", BadArgument),
        ("badResumptionToken", BadResumptionToken),
        ("badVerb", BadVerb),
        ("cannotDisseminateFormat", CannotDisseminateFormat),
        ("idDoesNotExist", IdDoesNotExist),
        ("noMetadataFormats", NoMetadataFormats),
        ("noSetHierarchy", NoSetHierarchy),
        ("typeMismatch", OaiError),
    ],
)
def test_every_error_is_its_own_exception(code, kind) -> None:
    """With the code, what the server says and the request: nobody has to guess (Lesson 31)."""
    with pytest.raises(SourceRefused) as caught:
        list(scripted(error(code, "It  is\nsaid so.")).pages(DAY))
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.text == "It is said so."
    assert caught.value.request.startswith(f"{BASE_URL}?verb=ListRecords")
    assert f"refused with {code}: It is said so. " in str(caught.value)


def test_of_several_errors_the_first_that_is_more_than_an_empty_list_counts() -> None:
    """One bad argument beside noRecordsMatch would be an empty list for ever."""
    errors = '<error code="noRecordsMatch"/><error code="badArgument">until</error>'
    with pytest.raises(BadArgument, match="until"):
        list(scripted(envelope(errors)).pages(DAY))


def test_an_error_without_a_code_is_an_error() -> None:
    with pytest.raises(OaiError, match="no code: broken"):
        list(scripted(envelope("<error>broken</error>")).pages(DAY))


@pytest.mark.parametrize("status", [400, 404, 422])
def test_an_error_of_the_protocol_counts_more_than_the_status_of_http(status) -> None:
    """Zenodo sends them with 422 and a valid body."""
    with pytest.raises(BadArgument):
        list(scripted(Answered(error("badArgument").encode(), BASE_URL, status)).pages(DAY))
    source = scripted(Answered(error("noRecordsMatch").encode(), BASE_URL, status))
    (page,) = source.pages(DAY)
    assert (page.status, page.count) == (status, 0)
    assert list(source.records(page, DAY)) == []


@pytest.mark.parametrize("body", ["", "<html>Not found</html>", "<a/>", listed(record("a"))])
def test_a_status_of_http_without_an_error_of_the_protocol_stays_what_it_is(body) -> None:
    """A 404 page is no list, and "not well-formed" would hide what happened."""
    with pytest.raises(HttpStatusError) as caught:
        list(scripted(Answered(body.encode(), BASE_URL, 404)).pages(DAY))
    assert (caught.value.status, caught.value.transient) == (404, False)


@pytest.mark.parametrize("verb", ["ListIdentifiers", "GetRecord", "Identify"])
def test_the_answer_to_another_verb_is_an_error(verb) -> None:
    """A proxy that mixes up answers would give an empty list, success."""
    with pytest.raises(WrongVerb, match=f"asked for ListRecords and was answered with .*{verb}"):
        list(scripted(envelope(f"<{verb}/>")).pages(DAY))


@pytest.mark.parametrize(
    "attribute", ['verb="ListIdentifiers"', 'metadataPrefix="marc21"', 'set="b"', 'resumptionToken="7"']
)
@pytest.mark.parametrize("page", [listed(record("a")), error("noRecordsMatch")])
def test_what_was_meant_for_another_request_is_an_error(attribute, page) -> None:
    """A cache that mixes up answers gives another set's records, or an empty list, success."""
    other = page.replace("<request>", f"<request {attribute}>")
    with pytest.raises(WrongVerb, match=f"by its {attribute.partition('=')[0]}"):
        list(scripted(other, set="a").pages(DAY))


def test_a_request_may_be_repeated_in_other_words() -> None:
    """Servers encode, give the dates their own form, and say what the first request asked for with a token."""
    first = 'verb=" ListRecords" set="a%3Ab" metadataPrefix="oai_dc" from="2024-01-01" until="2024-01-09T00:00:00Z"'
    pages = [
        listed(record("a"), token="1%2C"),
        listed(record("b")).replace("<request>", f"<request {first}>"),
    ]
    pages[0] = pages[0].replace("<request>", f"<request {first}>")
    pages[1] = pages[1].replace("<request ", '<request resumptionToken="1," ')
    assert len(list(scripted(*pages, set="a:b").pages(DAY))) == 2


def test_an_answer_without_content_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="ListRecords") as caught:
        list(scripted(envelope("")).pages(DAY))
    assert not isinstance(caught.value, WrongVerb)


_LIST = "<ListRecords>{}</ListRecords>"


@pytest.mark.parametrize(
    "content",
    [
        _LIST.format(record("a")) + _LIST.format(record("b")),
        _LIST.format(record("a")) + _LIST.format(record("b").replace("</metadata>", "")),
        _LIST.format(record("a").replace("</metadata>", "")) + _LIST.format(record("b")),
        _LIST.format(record("a")) + record("b"),
        _LIST.format(record("a")) + "<ListIdentifiers/>",
        '<error code="noRecordsMatch"/>' + _LIST.format(record("a")),
        '<error code="noRecordsMatch"/><ListIdentifiers/>',
    ],
)
def test_an_answer_with_more_than_one_content_is_an_error(content) -> None:
    """What stands beside the list that is read would be dropped without a word, and the window be green."""
    page = envelope(content)
    with pytest.raises((ProtocolError, MalformedResponse)):
        list(scripted(page, page).pages(DAY))


def test_what_an_answer_holds_too_much_of_is_named() -> None:
    with pytest.raises(ProtocolError, match="answered with ListRecords, ListRecords at once"):
        list(scripted(envelope(2 * _LIST.format(record("a")))).pages(DAY))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><body>Down for maintenance</body></html>",
        listed(record("a"), token="1")[:-40],
        '<rss version="2.0"/>',
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/1.1/"/>',
        "<OAI-PMH><ListRecords/></OAI-PMH>",
    ],
)
def test_what_is_no_oai_pmh_is_never_an_empty_list(body) -> None:
    """Lesson 1: 0 records, success. IQSS/dataverse.harvard.edu#92: "SUCCESS; 0 harvested, 117 failed"."""
    with pytest.raises(MalformedResponse):
        list(scripted(body).pages(DAY))


@pytest.mark.parametrize("body", ["<html/>", "<rss/>", "", error("badVerb")])
def test_a_base_url_that_is_no_repository_fails_before_the_first_list(body) -> None:
    """One clear error, and one request."""
    source = harvester(ScriptedSession(lambda _: body))
    with pytest.raises((MalformedResponse, BadVerb), match=r"base_url|browser|Try again"):
        list(source.pages(DAY))
    assert source.session.asked == [{"verb": "Identify"}]


def test_no_records_match_answers_no_other_verb() -> None:
    """It is an empty list only where a list was asked for."""
    with pytest.raises(OaiError, match="noRecordsMatch"):
        harvester(ScriptedSession(lambda _: error("noRecordsMatch"))).identify()
