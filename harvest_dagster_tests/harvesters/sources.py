"""OAI-PMH sources without a network: a session that returns prepared responses, and a repository in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, cast
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from harvest_dagster.harvesters.interface import Download
from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.client import OaiClient
from harvest_dagster.harvesters.oai.parser import OaiParser
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.windows import Window, parse_instant

BASE_URL = "http://repository.test/oai"
RECEIVED = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)
DAYS = "YYYY-MM-DD"
SECONDS = "YYYY-MM-DDThh:mm:ssZ"

Parameters = dict[str, str]

DAY = Window(parse_instant("2024-01-01"), parse_instant("2024-01-02"))
FIRST = {
    "verb": "ListRecords",
    "metadataPrefix": "oai_dc",
    "from": "2023-12-31T23:59:59Z",  # with a second more at each end
    "until": "2024-01-02T00:00:00Z",
}


@dataclass(frozen=True)
class Answered:
    """The response of a session."""

    body: bytes
    url: str
    status: int = 200
    content_type: str = "text/xml;charset=utf-8"
    received: datetime = RECEIVED


class NoDownload:
    """A session whose clients download no file."""

    def download(self, *_: object, **__: object) -> Download:
        """Fail: the client reads each response from memory."""
        raise AssertionError


class GetOnly(NoDownload):
    """The part of a session that its clients do not use."""

    def post(self, *_: object, **__: object) -> Answered:
        """Fail: the client sends only GET requests."""
        raise AssertionError


class ScriptedSession(GetOnly):
    """Answers each request with the result of a function of its parameters, and records the requests.

    If the result is an exception, it is raised.
    """

    def __init__(self, answer: Callable[[Parameters], str | bytes | Answered | Exception]) -> None:
        self._answer = answer
        self.asked: list[Parameters] = []
        self.repeatable: list[bool] = []

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Answered:
        assert params is not None
        assert headers is None
        self.asked.append(dict(params))
        self.repeatable.append(repeatable)
        answer = self._answer(dict(params))
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Answered):
            assert answer.status < 400 or answer.status in allow_status
            return answer
        body = answer.encode() if isinstance(answer, str) else answer
        return Answered(body, f"{url}?{urlencode(params)}")


def envelope(content: str, *, declaration: str = '<?xml version="1.0" encoding="UTF-8"?>') -> str:
    """Return an OAI-PMH response that contains an error or the element of a verb."""
    return (
        f'{declaration}<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
        f"<responseDate>2024-06-01T11:59:58Z</responseDate><request>{BASE_URL}</request>{content}</OAI-PMH>"
    )


def identify(granularity: str = SECONDS) -> str:
    return envelope(
        "<Identify><repositoryName>The model</repositoryName>"
        f"<baseURL>{BASE_URL}</baseURL><protocolVersion>2.0</protocolVersion>"
        "<adminEmail>admin@repository.test</adminEmail><earliestDatestamp>2001-02-03</earliestDatestamp>"
        f"<deletedRecord>persistent</deletedRecord><granularity>{granularity}</granularity></Identify>"
    )


def error(code: str, text: str = "") -> str:
    return envelope(f'<error code="{code}">{text}</error>')


def header(
    identifier: str | None,
    datestamp: str | None = "2024-01-01",
    *,
    sets: Iterable[str] = (),
    deleted: bool = False,
) -> str:
    status = ' status="deleted"' if deleted else ""
    parts = [] if identifier is None else [f"<identifier>{escape(identifier)}</identifier>"]
    parts += [] if datestamp is None else [f"<datestamp>{datestamp}</datestamp>"]
    parts += [f"<setSpec>{name}</setSpec>" for name in sets]
    return f"<header{status}>{''.join(parts)}</header>"


def record(
    identifier: str | None, datestamp: str | None = "2024-01-01", *, title: str = "A title", **more: Any
) -> str:
    dc = (
        '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title></oai_dc:dc>'
    )
    metadata = "" if more.get("deleted") else f"<metadata>{dc}</metadata>"
    return f"<record>{header(identifier, datestamp, **more)}{metadata}</record>"


def listed(*items: str, token: str | None = None, verb: str = "ListRecords", **attributes: object) -> str:
    """Return a page of a list. With token="" it has an empty resumptionToken, with None it has no resumptionToken."""
    attribute_text = "".join(f' {name}="{value}"' for name, value in attributes.items())
    token_element = (
        "" if token is None else f"<resumptionToken{attribute_text}>{escape(token)}</resumptionToken>"
    )
    return envelope(f"<{verb}>{''.join(items)}{token_element}</{verb}>")


class OaiSource(OaiClient):
    """A client together with the parser of its pages."""

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        return OaiParser(self.arguments).records(page, window)


def scripted(
    *pages: str | bytes | Answered | Exception, granularity: str = SECONDS, **arguments: Any
) -> OaiSource:
    """Return a source that answers Identify, and list requests with these pages in turn."""
    remaining = iter(pages)
    session = ScriptedSession(
        lambda asked: identify(granularity) if asked["verb"] == "Identify" else next(remaining)
    )
    return oai_source(session, **arguments)


def oai_source(session: ScriptedSession, **arguments: Any) -> OaiSource:
    return OaiSource(OaiArguments(base_url=BASE_URL, **arguments), session)


def requests(source: OaiSource) -> list[Parameters]:
    """Return the parameters of all requests except Identify."""
    session = cast("ScriptedSession", source.session)
    return [asked for asked in session.asked if asked["verb"] != "Identify"]


def found(source: OaiSource) -> list[str | None]:
    """Return the identifiers of all records of `DAY`."""
    return [record.identifier for record in harvest(source, DAY)]


def one_record(source: OaiSource) -> Record | InvalidRecord:
    """Return the only record of `DAY`."""
    (only,) = harvest(source, DAY)
    return only


def harvest(source: OaiSource, window: Window) -> Iterator[Record | InvalidRecord]:
    for page in source.pages(window):
        yield from source.records(page, window)


@dataclass(frozen=True)
class Item:
    """A record of the repository in memory."""

    identifier: str
    changed: datetime
    sets: Sequence[str] = ()


@dataclass
class Model:
    """A repository in memory that follows the specification: `from` and `until` are inclusive."""

    items: Iterable[Item]
    granularity: str = SECONDS
    page_size: int = 3
    session: ScriptedSession = field(init=False)

    def __post_init__(self) -> None:
        self.session = ScriptedSession(self._answer)

    def _answer(self, asked: Parameters) -> str:
        if asked["verb"] == "Identify":
            return identify(self.granularity)
        if "resumptionToken" in asked:
            assert set(asked) == {"verb", "resumptionToken"}, "the token is an exclusive argument"
            first, last, set_spec, offset = asked["resumptionToken"].split("|")
        else:
            first, last, set_spec, offset = asked["from"], asked["until"], asked.get("set", ""), "0"
        return self._page(asked["verb"], first, last, set_spec, int(offset))

    def _page(self, verb: str, first: str, last: str, set_spec: str, offset: int) -> str:
        assert len(first) == len(last) == len(self._stamp(RECEIVED)), (
            "badArgument: the request has another granularity"
        )
        found = [
            item
            for item in self.items
            if first <= self._stamp(item.changed) <= last and (not set_spec or set_spec in item.sets)
        ]
        if not found:
            return error("noRecordsMatch")
        element = record if verb == "ListRecords" else header
        page = [
            element(item.identifier, self._stamp(item.changed))
            for item in found[offset : offset + self.page_size]
        ]
        next_offset = offset + self.page_size
        token = f"{first}|{last}|{set_spec}|{next_offset}" if next_offset < len(found) else ""
        return listed(*page, token=token, verb=verb, completeListSize=len(found), cursor=offset)

    def _stamp(self, instant: datetime) -> str:
        return f"{instant:%Y-%m-%d}" if self.granularity == DAYS else f"{instant:%Y-%m-%dT%H:%M:%SZ}"
