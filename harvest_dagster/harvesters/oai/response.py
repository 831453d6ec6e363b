"""Parse one response of an OAI-PMH repository strictly: the envelope, the errors and the resumptionToken.

`records` parses single records, and `endpoint` requests a list page by page.

Section numbers refer to http://www.openarchives.org/OAI/openarchivesprotocol.html.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote

from lxml import etree

from harvest_dagster.errors import HttpStatusError, MalformedResponse, ProtocolError, UnexpectedResponse
from harvest_dagster.harvesters.formats.dates import lenient_instant
from harvest_dagster.harvesters.formats.page_limits import raise_if_long_token
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.oai.errors import oai_error
from harvest_dagster.http.too_many_records import is_list_too_long, says_too_many
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.texts import describe_start, shorten

NAMESPACE = "http://www.openarchives.org/OAI/2.0/"
OAI = f"{{{NAMESPACE}}}"
# Some repositories write the namespace with https (docs/failures.md#wrong-labels).
_HTTPS_OAI = f"{{https{NAMESPACE.removeprefix('http')}}}"
LISTS = frozenset({"ListRecords", "ListIdentifiers"})

_VERBS = LISTS | {"GetRecord", "Identify", "ListMetadataFormats", "ListSets"}
# Attributes of `request` that the servers of all 500 recorded responses repeat unchanged, unlike dates and tokens.
_ECHOED_ARGUMENTS = ("verb", "metadataPrefix", "set", "identifier")
# Servers repeat dates in their own time zone or as midnight, and move them into the time for which they have records.
_ECHOED_DATES = ("from", "until")
_DATE_TOLERANCE = timedelta(days=1)
_LONGEST_NAMES = 200  # characters
_ITEMS = frozenset(f"{OAI}{name}" for name in ("record", "header", "set", "metadataFormat"))
_ITEM_OF_LIST = {"ListRecords": f"{OAI}record", "ListIdentifiers": f"{OAI}header"}
_TOKENS = ("{*}resumptionToken", "{*}ResumptionToken", "{*}resumptiontoken")
_MOST_DIGITS = 9  # no repository has 10^9 records
_ERROR_STATUS = 400


@dataclass(frozen=True)
class Token:
    """A resumptionToken (section 3.5).

    Attributes:
        text: the token of the next page; None at the end of the list, where the element is empty or missing.
        total: completeListSize, None if it is not a number.
        position: cursor, None if it is not a number.
        expires: expirationDate, None if it is not a date.
    """

    text: str | None = None
    total: int | None = None
    position: int | None = None
    expires: datetime | None = None


@dataclass(frozen=True)
class OaiResponse:
    """A parsed OAI-PMH response (section 3.2).

    Attributes:
        content: the element with the name of the verb. For an empty list it is the noRecordsMatch error.
        items: children of `content` in order, without the resumptionToken.
        token: the resumptionToken.
        source_time: responseDate, None if it is not a date.
        repository: host and path of the base URL in `request`; empty if it is missing.
    """

    content: etree._Element
    items: Sequence[etree._Element]
    token: Token
    source_time: datetime | None
    repository: str = ""


def parse_response(
    body: bytes,
    *,
    verb: str,
    url: str,
    content_type: str = "",
    status: int = 200,
    asked: Mapping[str, str] | None = None,
    empty_code: str = "",
    limits: ResponseLimits | None = None,
) -> OaiResponse:
    """Parse the response to a request.

    A `noRecordsMatch` error in response to a list request is an empty list (section 3.6).

    Args:
        body: the whole body.
        verb: the verb of the request.
        url: the redacted URL, for error messages.
        content_type: the value of the Content-Type header.
        status: the HTTP status. Zenodo sends OAI-PMH errors with 422, other repositories with 400 or 404.
        asked: the arguments of the list, and the token if one was sent. They show whether the response belongs to this
            request. None skips that check, for a page that was checked when it arrived.
        empty_code: another error code by which this repository reports an empty list.
        limits: what the page may cost; the defaults of ResponseLimits if they are left out.

    Raises:
        OaiError: the repository reports an error. There is one subclass for each code.
        HttpStatusError: an error status without an OAI-PMH error that explains it.
        MalformedResponse: the body is not OAI-PMH 2.0.
        UnexpectedResponse: an OAI-PMH response to another request.
        ProtocolError: an OAI-PMH response that contains no response to any verb, or more than one.
    """
    limits = limits or ResponseLimits()
    root = _root(body, url=url, content_type=content_type, status=status, limits=limits)
    source_time, repository = lenient_instant(root.findtext(f"{OAI}responseDate")), _repository(root)
    if errors := root.findall(f"{OAI}error"):
        _raise_unless_empty(errors, {"noRecordsMatch", empty_code}, verb=verb, url=url)
        _raise_if_other_request(root, verb, asked, url=url)
        _raise_if_extra_content(root, errors[0], url=url)
        total = None if empty_code else 0
        return OaiResponse(errors[0], (), Token(total=total), source_time, repository)
    if status >= _ERROR_STATUS:
        raise _status_error(body, url=url, status=status)
    content = root.find(OAI + verb)
    if content is None:
        raise _missing_content_error(root, verb=verb, url=url)
    _raise_if_other_request(root, verb, asked, url=url)
    _raise_if_extra_content(root, content, url=url)
    token = _find_token(content, url)
    items = [child for child in content if child is not token]
    if verb in LISTS:
        _raise_if_other_list(content, items, verb=verb, url=url)
    return OaiResponse(content, items, _token(token, url, limits), source_time, repository)


def _repository(root: etree._Element) -> str:
    """Return the base URL in `request` (section 3.2) without scheme and query.

    Section 3.2 wants the base URL there. Some repositories, such as cyberleninka.ru, write the whole request URL.
    """
    base_url = (root.findtext(f"{OAI}request") or "").strip()
    return base_url.partition("?")[0].rpartition("://")[2].rstrip("/")


def _root(body: bytes, *, url: str, content_type: str, status: int, limits: ResponseLimits) -> etree._Element:
    try:
        return _envelope(body, url=url, content_type=content_type, limits=limits)
    except MalformedResponse as error:
        if status >= _ERROR_STATUS:
            raise _status_error(body, url=url, status=status) from error
        raise


def _envelope(body: bytes, *, url: str, content_type: str, limits: ResponseLimits) -> etree._Element:
    root = parse_xml(body, url=url, content_type=content_type, limits=limits)
    if root.tag.startswith(_HTTPS_OAI):
        _correct_namespace(root)
    if root.tag != f"{OAI}OAI-PMH":
        message = (
            f"{url} answered with XML that is not OAI-PMH 2.0: its root element is "
            f"{shorten(root.tag, _LONGEST_NAMES)}, {describe_start(body)}. "
            "Check that base_url is the base URL of an OAI-PMH 2.0 repository."
        )
        raise MalformedResponse(message)
    return root


def _correct_namespace(root: etree._Element) -> None:
    """Put the elements of the envelope and of the headers into the namespace of OAI-PMH 2.0."""
    for element in list(root.iter(f"{_HTTPS_OAI}*")):
        element.tag = OAI + element.tag.removeprefix(_HTTPS_OAI)


def _status_error(body: bytes, *, url: str, status: int) -> HttpStatusError:
    message = (
        f"{url} answered with HTTP status {status} and no OAI-PMH error, {describe_start(body)}. "
        "Check base_url, and whether the source permits harvesters."
    )
    error = HttpStatusError(message, status=status, url=url)
    error.needs_shorter_list = is_list_too_long(status, body.decode("utf-8", "replace"))
    return error


def _missing_content_error(root: etree._Element, *, verb: str, url: str) -> ProtocolError:
    found = [etree.QName(child).localname for child in root]
    names = shorten(", ".join(found), _LONGEST_NAMES) or "nothing"
    message = (
        f"{url} asked for {verb} and was answered with {names}. Try again. If the error "
        "persists, check base_url, or tell the operator of the source."
    )
    return ProtocolError(message) if _VERBS.isdisjoint(found) else UnexpectedResponse(message)


def _raise_if_other_request(
    root: etree._Element, verb: str, arguments: Mapping[str, str] | None, *, url: str
) -> None:
    """Raise UnexpectedResponse if `request` in the response names another request (section 3.2).

    A cache or a proxy that confuses responses would otherwise deliver the list of another set, or an empty list. A
    server may continue a list in another format (docs/failures.md#format-changes-after-token).
    """
    request = root.find(f"{OAI}request")
    if request is None or arguments is None:
        return
    sent = {"verb": verb, **arguments}
    echoed = {name: request.get(name, "") for name in _ECHOED_ARGUMENTS}
    differing = [
        name
        for name, value in echoed.items()
        if value and name in sent and _decoded(value) != _decoded(sent[name])
    ]
    differing += [name for name in _ECHOED_DATES if _is_outside(request.get(name), sent)]
    if request.get("resumptionToken") and "resumptionToken" not in sent:
        differing.append("resumptionToken")
    if differing:
        message = (
            f"{url} was answered with the response to another request: the two differ in {' and '.join(differing)}. "
            "Try again. If the error persists, look for a cache or a proxy that confuses responses."
        )
        raise UnexpectedResponse(message)


def _is_outside(echoed: str | None, sent: Mapping[str, str]) -> bool:
    """Return whether a date in `request` lies outside the requested time. A text that is no date proves nothing."""
    date = lenient_instant(echoed)
    start, end = (lenient_instant(sent.get(name)) for name in _ECHOED_DATES)
    if date is None:
        return False
    is_before = start is not None and date < start - _DATE_TOLERANCE
    # With day granularity, the requested time ends a day after the midnight that `until` names.
    return is_before or (end is not None and date > end + 2 * _DATE_TOLERANCE)


def _raise_if_extra_content(root: etree._Element, content: etree._Element, *, url: str) -> None:
    """Raise ProtocolError if a response has elements that the harvester would ignore.

    Section 3.2 permits, after responseDate and request, either errors or one element with the name of the verb. A
    second list in a response, or a list next to noRecordsMatch, would be lost.
    """
    known = (f"{OAI}responseDate", f"{OAI}request", f"{OAI}error")
    if any(child.tag not in known and child is not content for child in root):
        found = ", ".join(etree.QName(child).localname for child in root if child.tag not in known[:2])
        message = (
            f"{url} answered with {shorten(found, _LONGEST_NAMES)}, but a response must contain only one of them. "
            "Tell the operator of the source."
        )
        raise ProtocolError(message)


def _raise_if_other_list(
    content: etree._Element, items: Sequence[etree._Element], *, verb: str, url: str
) -> None:
    """Raise ProtocolError if a list has content and none of it is a record, or an element that contains records.

    Records within a `records` element would count as one invalid record, or as none, and the list as complete.
    """
    others = [item for item in items if item.tag not in _ITEMS]
    has_hidden = any(next(item.iterdescendants(_ITEM_OF_LIST[verb]), None) is not None for item in others)
    has_text = not items and bool((content.text or "").strip())
    if has_hidden or has_text or (others and len(others) == len(items)):
        names = ", ".join(dict.fromkeys(str(etree.QName(item).localname) for item in others)) or "text"
        message = (
            f"{url} answered with a {verb} that contains {shorten(names, _LONGEST_NAMES)}, where its records should be "
            "(OAI-PMH 2.0, section 4). Tell the operator of the source."
        )
        raise ProtocolError(message)


def _decoded(value: str) -> str:
    """Return an argument without percent-encoding: some servers repeat it encoded."""
    return unquote(value).strip()


def _raise_unless_empty(
    errors: list[etree._Element], empty_codes: Collection[str], *, verb: str, url: str
) -> None:
    """Raise the exception for the first error, unless all errors mean an empty list."""
    for error in errors:
        code = error.get("code", "").strip()
        if not code or code not in empty_codes or verb not in LISTS:
            text = " ".join(str(error.xpath("string()")).split())
            problem = oai_error(code=code or "no code", text=text, request=url)
            problem.needs_shorter_list = verb in LISTS and says_too_many(text)
            raise problem


def _find_token(content: etree._Element, url: str) -> etree._Element | None:
    """Return the resumptionToken of a list, None if there is none. Its namespace and its case do not count.

    A token that is overlooked ends the list after its first page (docs/failures.md#token-overlooked).

    Raises:
        ProtocolError: there are several, or the token is inside of an element that is no record.
    """
    # The metadata of a record may contain an OAI-PMH response.
    found = [element for element in content.iter(*_TOKENS) if _item_of(element, content).tag not in _ITEMS]
    if len(found) > 1 or any(element.getparent() is not content for element in found):
        message = (
            f"{url} answered with {len(found)} resumptionToken elements, or with one inside of another element. It is "
            "not clear how the list continues. Tell the operator of the source."
        )
        raise ProtocolError(message)
    return found[0] if found else None


def _item_of(element: etree._Element, content: etree._Element) -> etree._Element:
    """Return the child of `content` that contains the element, or is it."""
    item = element
    while (parent := item.getparent()) is not None and parent is not content:
        item = parent
    return item


def _token(element: etree._Element | None, url: str, limits: ResponseLimits) -> Token:
    if element is None:
        return Token()
    raise_if_long_token((element.text or "").strip(), "resumptionToken", url=url, limits=limits)
    return Token(
        text=(element.text or "").strip() or None,
        total=_count(element.get("completeListSize")),
        position=_count(element.get("cursor")),
        expires=lenient_instant(element.get("expirationDate")),
    )


def _count(text: str | None) -> int | None:
    """Return a non-negative number, or None for any other text, such as the -1 by which some sources mean "unknown"."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None
