"""OAI-PMH errors, and responses that do not answer the request."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import (
    HttpStatusError,
    MalformedResponse,
    ProtocolError,
    SourceRefused,
    UnexpectedResponse,
)
from harvest_dagster.harvesters.oai.errors import (
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
    listed,
    oai_source,
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
def test_each_error_code_has_its_own_exception(code, kind) -> None:
    """It contains the code, the server's text and the request. See docs/failures.md#report-without-numbers."""
    with pytest.raises(SourceRefused) as caught:
        # The second request has no additional seconds, which may be the bad argument.
        list(scripted(*2 * [error(code, "It  is\nsaid so.")]).pages(DAY))
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.text == "It is said so."
    assert caught.value.request.startswith(f"{BASE_URL}?verb=ListRecords")
    assert f"refused with {code}: It is said so. " in str(caught.value)


def test_the_first_error_other_than_no_records_match_is_raised() -> None:
    """Otherwise a badArgument next to noRecordsMatch is an empty list in every harvest."""
    errors = '<error code="noRecordsMatch"/><error code="badArgument">until</error>'
    with pytest.raises(BadArgument, match="until"):
        list(scripted(*2 * [envelope(errors)]).pages(DAY))


def test_an_error_without_a_code_is_an_error() -> None:
    with pytest.raises(OaiError, match="no code: broken"):
        list(scripted(envelope("<error>broken</error>")).pages(DAY))


@pytest.mark.parametrize("status", [400, 404, 422])
def test_an_oai_pmh_error_has_precedence_over_the_http_status(status) -> None:
    """Zenodo sends OAI-PMH errors with status 422 and a valid body."""
    with pytest.raises(BadArgument):
        list(scripted(*2 * [Answered(error("badArgument").encode(), BASE_URL, status)]).pages(DAY))
    source = scripted(Answered(error("noRecordsMatch").encode(), BASE_URL, status))
    (page,) = source.pages(DAY)
    assert (page.status, page.count) == (status, 0)
    assert list(source.records(page, DAY)) == []


@pytest.mark.parametrize("body", ["", "<html>Not found</html>", "<a/>", listed(record("a"))])
def test_an_error_status_without_an_oai_pmh_error_raises_http_status_error(body) -> None:
    """A 404 page is not a list, and "not well-formed" would hide the status."""
    with pytest.raises(HttpStatusError) as caught:
        list(scripted(Answered(body.encode(), BASE_URL, 404)).pages(DAY))
    assert (caught.value.status, caught.value.transient) == (404, False)


@pytest.mark.parametrize("verb", ["ListIdentifiers", "GetRecord", "Identify"])
def test_the_response_to_another_verb_is_an_error(verb) -> None:
    """Otherwise a proxy that confuses responses makes an empty list, and the harvest succeeds."""
    with pytest.raises(UnexpectedResponse, match=f"asked for ListRecords and was answered with .*{verb}"):
        list(scripted(envelope(f"<{verb}/>")).pages(DAY))


@pytest.mark.parametrize(
    "attribute", ['verb="ListIdentifiers"', 'metadataPrefix="marc21"', 'set="b"', 'resumptionToken="7"']
)
@pytest.mark.parametrize("page", [listed(record("a")), error("noRecordsMatch")])
def test_the_response_to_another_request_is_an_error(attribute, page) -> None:
    """Otherwise a cache that confuses responses delivers another set or an empty list, and the harvest succeeds."""
    other = page.replace("<request>", f"<request {attribute}>")
    with pytest.raises(UnexpectedResponse, match=f"the two differ in {attribute.partition('=')[0]}"):
        list(scripted(other, set="a").pages(DAY))


def test_a_server_may_echo_the_request_in_another_form() -> None:
    """Servers encode values, rewrite dates, and echo the first request's arguments next to a token."""
    first = 'verb=" ListRecords" set="a%3Ab" metadataPrefix="oai_dc" from="2024-01-01" until="2024-01-03T00:00:00Z"'
    pages = [
        listed(record("a"), token="1%2C"),
        listed(record("b")).replace("<request>", f"<request {first}>"),
    ]
    pages[0] = pages[0].replace("<request>", f"<request {first}>")
    pages[1] = pages[1].replace("<request ", '<request resumptionToken="1," ')
    assert len(list(scripted(*pages, set="a:b").pages(DAY))) == 2


def test_a_response_without_content_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="ListRecords") as caught:
        list(scripted(envelope("")).pages(DAY))
    assert not isinstance(caught.value, UnexpectedResponse)


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
def test_a_response_with_more_than_one_content_is_an_error(content) -> None:
    """Otherwise everything except the first list is dropped, and the window succeeds."""
    page = envelope(content)
    with pytest.raises((ProtocolError, MalformedResponse)):
        list(scripted(page, page).pages(DAY))


def test_the_error_names_all_elements_of_a_response_with_too_many() -> None:
    with pytest.raises(ProtocolError, match="answered with ListRecords, ListRecords, but"):
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
def test_a_body_that_is_not_oai_pmh_is_never_an_empty_list(body) -> None:
    """IQSS/dataverse.harvard.edu#92 reported "SUCCESS; 0 harvested, 117 failed".

    See docs/failures.md#truncated-page.
    """
    with pytest.raises(MalformedResponse):
        list(scripted(body).pages(DAY))


@pytest.mark.parametrize("body", ["<html/>", "<rss/>", "", error("badVerb")])
def test_a_base_url_that_is_not_a_repository_fails_before_the_first_list(body) -> None:
    """The user gets one clear error, and the host gets one request."""
    source = oai_source(ScriptedSession(lambda _: body))
    with pytest.raises((MalformedResponse, BadVerb), match=r"base_url|browser|Try again"):
        list(source.pages(DAY))
    assert source.session.asked == [{"verb": "Identify"}]


def test_no_records_match_is_an_error_for_other_verbs() -> None:
    """It is an empty list only in response to a list request."""
    with pytest.raises(OaiError, match="noRecordsMatch"):
        oai_source(ScriptedSession(lambda _: error("noRecordsMatch"))).identify()
