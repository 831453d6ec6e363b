"""One answer of an OAI-PMH repository, read strictly: what was asked for, or an error of its own.

Here: the envelope, the errors, the resumptionToken. Not here: single records (`oai_records`), walking a list
from page to page (`oai_endpoint`).

Section numbers are those of http://www.openarchives.org/OAI/openarchivesprotocol.html.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from lxml import etree

from harvest_dagster.errors import HttpStatusError, MalformedResponse, ProtocolError, WrongVerb
from harvest_dagster.harvesters.oai_errors import oai_error
from harvest_dagster.harvesters.source_dates import lenient_instant
from harvest_dagster.harvesters.strict_xml import parse
from harvest_dagster.texts import brief, seen

NAMESPACE = "http://www.openarchives.org/OAI/2.0/"
OAI = f"{{{NAMESPACE}}}"
LISTS = frozenset({"ListRecords", "ListIdentifiers"})

_VERBS = LISTS | {"GetRecord", "Identify", "ListMetadataFormats", "ListSets"}
# What servers repeat in `request` as it was sent, in each of 500 recorded responses. Dates and tokens they rewrite.
_REPEATED = ("verb", "metadataPrefix", "set", "identifier")
_LONGEST_NAMES = 200  # characters
_LONGEST_COUNT = 9  # digits: no repository has a thousand million records
_ERROR_STATUS = 400


@dataclass(frozen=True)
class Token:
    """A resumptionToken, section 3.5.

    Attributes:
        text: what to send for the next page; None at the end of the list, where it is empty or missing.
        total: completeListSize, where it is a number.
        position: cursor, where it is a number.
        expires: expirationDate, where it is a date.
    """

    text: str | None = None
    total: int | None = None
    position: int | None = None
    expires: datetime | None = None


@dataclass(frozen=True)
class Answer:
    """What a repository answered to a verb.

    Attributes:
        content: the element named like the verb; of an empty list the error that says so.
        items: its child elements without the resumptionToken, in order.
        token: what it says of the rest of the list.
        source_time: responseDate, where it is a date.
        repository: as it names itself, by host and path of its base URL; empty where it does not.
    """

    content: etree._Element
    items: Sequence[etree._Element]
    token: Token
    source_time: datetime | None
    repository: str = ""


def read(
    body: bytes,
    *,
    verb: str,
    url: str,
    content_type: str = "",
    status: int = 200,
    asked: Mapping[str, str] | None = None,
) -> Answer:
    """Read the answer to a verb.

    Args:
        body: the whole response.
        verb: what was asked for.
        url: how, redacted; for messages.
        content_type: the header's value.
        status: of HTTP. Zenodo sends errors of the protocol with 422, others with 400 or 404.
        asked: the arguments that went with the verb, to notice an answer that was meant for others; None where
            that has been seen to.

    Raises:
        OaiError: the repository says no; a class for each code. `noRecordsMatch` to a list is an empty list.
        HttpStatusError: an error status, and no error of the protocol that explains it.
        MalformedResponse: no OAI-PMH 2.0 at all.
        WrongVerb: OAI-PMH, but the answer to another request.
        ProtocolError: OAI-PMH, but no answer to any.
    """
    root = _root(body, url=url, content_type=content_type, status=status)
    source_time, repository = lenient_instant(root.findtext(f"{OAI}responseDate")), _repository(root)
    if errors := root.findall(f"{OAI}error"):
        _raise_unless_empty(errors, verb=verb, url=url)
        _raise_if_for_another(root, verb, asked, url=url)
        _raise_if_more(root, errors[0], url=url)
        return Answer(errors[0], (), Token(total=0), source_time, repository)
    if status >= _ERROR_STATUS:
        raise _status_error(body, url=url, status=status)
    content = root.find(OAI + verb)
    if content is None:
        raise _no_answer(root, verb=verb, url=url)
    _raise_if_for_another(root, verb, asked, url=url)
    _raise_if_more(root, content, url=url)
    tag = f"{OAI}resumptionToken"
    items = [child for child in content if child.tag != tag]
    return Answer(content, items, _token(content.find(tag)), source_time, repository)


def _repository(root: etree._Element) -> str:
    """The base URL in `request` (section 3.2), without scheme and query: some write the whole request there."""
    said = (root.findtext(f"{OAI}request") or "").strip()
    return said.partition("?")[0].rpartition("://")[2].rstrip("/")


def _root(body: bytes, *, url: str, content_type: str, status: int) -> etree._Element:
    try:
        return _envelope(body, url=url, content_type=content_type)
    except MalformedResponse as error:
        if status >= _ERROR_STATUS:
            raise _status_error(body, url=url, status=status) from error
        raise


def _envelope(body: bytes, *, url: str, content_type: str) -> etree._Element:
    root = parse(body, url=url, content_type=content_type)
    if root.tag != f"{OAI}OAI-PMH":
        message = (
            f"{url} answered with XML that is not OAI-PMH 2.0: its root is {root.tag}, {seen(body)}. "
            "Check that base_url is that of an OAI-PMH 2.0 repository."
        )
        raise MalformedResponse(message)
    return root


def _status_error(body: bytes, *, url: str, status: int) -> HttpStatusError:
    message = (
        f"{url} answered with HTTP status {status} and no OAI-PMH error, {seen(body)}. "
        "Check base_url and whether the source lets harvesters in."
    )
    return HttpStatusError(message, status=status, url=url)


def _no_answer(root: etree._Element, *, verb: str, url: str) -> ProtocolError:
    found = [etree.QName(child).localname for child in root]
    message = (
        f"{url} asked for {verb} and was answered with {', '.join(found) or 'nothing'}. Try again; where it "
        "stays so, see whether base_url is right, and tell the operator of the source."
    )
    return ProtocolError(message) if _VERBS.isdisjoint(found) else WrongVerb(message)


def _raise_if_for_another(
    root: etree._Element, verb: str, arguments: Mapping[str, str] | None, *, url: str
) -> None:
    """Raise where the answer itself says that it was meant for another request (section 3.2).

    A cache or a proxy that mixes up answers would otherwise give a list of another set, or an empty one.
    """
    request = root.find(f"{OAI}request")
    if request is None or arguments is None:
        return
    asked = {"verb": verb, **arguments}
    said = {name: request.get(name, "") for name in _REPEATED}
    differs = [
        name for name in said if said[name] and name in asked and _bare(said[name]) != _bare(asked[name])
    ]
    if request.get("resumptionToken") and "resumptionToken" not in asked:
        differs.append("resumptionToken")
    if differs:
        message = (
            f"{url} was answered with what another request asked for, by its {' and '.join(differs)}. "
            "Try again; where it stays so, look for a cache or proxy that mixes up answers."
        )
        raise WrongVerb(message)


def _raise_if_more(root: etree._Element, content: etree._Element, *, url: str) -> None:
    """Raise where an answer holds more than its head, its errors and what is read of it: that would be lost.

    A second list in one answer, say, or a list beside noRecordsMatch (section 3.2).
    """
    known = (f"{OAI}responseDate", f"{OAI}request", f"{OAI}error")
    if any(child.tag not in known and child is not content for child in root):
        found = ", ".join(etree.QName(child).localname for child in root if child.tag not in known[:2])
        message = (
            f"{url} answered with {brief(found, _LONGEST_NAMES)} at once, where an answer has one of them. "
            "Tell the operator of the source."
        )
        raise ProtocolError(message)


def _bare(text: str) -> str:
    return unquote(text).strip()


def _raise_unless_empty(errors: list[etree._Element], *, verb: str, url: str) -> None:
    """Raise the first error that is more than an empty list."""
    for error in errors:
        code = error.get("code", "").strip()
        if code != "noRecordsMatch" or verb not in LISTS:
            text = " ".join(str(error.xpath("string()")).split())
            raise oai_error(code=code or "no code", text=text, request=url)


def _token(element: etree._Element | None) -> Token:
    if element is None:
        return Token()
    return Token(
        text=(element.text or "").strip() or None,
        total=_count(element.get("completeListSize")),
        position=_count(element.get("cursor")),
        expires=lenient_instant(element.get("expirationDate")),
    )


def _count(text: str | None) -> int | None:
    """A non-negative number; None for anything else, such as the -1 that stands for "unknown", or an absurd one."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_COUNT else None
