"""Sources without a network: a session that answers from a script, and a repository in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from harvest_dagster.harvesters.oai import OaiArguments, OaiHarvester
from harvest_dagster.records import Record, Unreadable
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
    "from": "2024-01-01T00:00:00Z",
    "until": "2024-01-01T23:59:59Z",
}


@dataclass(frozen=True)
class Answered:
    """What a session gives back."""

    body: bytes
    url: str
    status: int = 200
    content_type: str = "text/xml;charset=utf-8"
    received: datetime = RECEIVED


class ScriptedSession:
    """Answers each request with what a function makes of its parameters, and remembers the requests.

    An exception among the answers is raised.
    """

    def __init__(self, answer: Callable[[Parameters], str | bytes | Answered | Exception]) -> None:
        self._answer = answer
        self.asked: list[Parameters] = []
        self.repeatable: list[bool] = []

    def get(self, url, params, *, allow_status=frozenset(), repeatable=True) -> Answered:
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
    """An OAI-PMH response around an error or the element of a verb."""
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
    identifier: str | None, datestamp: str | None = "2024-01-01", *, sets=(), deleted: bool = False
) -> str:
    status = ' status="deleted"' if deleted else ""
    parts = [] if identifier is None else [f"<identifier>{escape(identifier)}</identifier>"]
    parts += [] if datestamp is None else [f"<datestamp>{datestamp}</datestamp>"]
    parts += [f"<setSpec>{name}</setSpec>" for name in sets]
    return f"<header{status}>{''.join(parts)}</header>"


def record(
    identifier: str | None, datestamp: str | None = "2024-01-01", *, title: str = "A title", **more
) -> str:
    dc = (
        '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title></oai_dc:dc>'
    )
    metadata = "" if more.get("deleted") else f"<metadata>{dc}</metadata>"
    return f"<record>{header(identifier, datestamp, **more)}{metadata}</record>"


def listed(*items: str, token: str | None = None, verb: str = "ListRecords", **attributes: object) -> str:
    """A page of a list; token="" is the empty one of the last page, None is none at all."""
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    end = "" if token is None else f"<resumptionToken{written}>{escape(token)}</resumptionToken>"
    return envelope(f"<{verb}>{''.join(items)}{end}</{verb}>")


def scripted(
    *pages: str | bytes | Answered | Exception, granularity: str = SECONDS, **arguments
) -> OaiHarvester:
    """A harvester of a source that answers Identify, then these in turn."""
    rest = iter(pages)
    session = ScriptedSession(
        lambda asked: identify(granularity) if asked["verb"] == "Identify" else next(rest)
    )
    return harvester(session, **arguments)


def harvester(session: ScriptedSession, **arguments) -> OaiHarvester:
    return OaiHarvester(OaiArguments(base_url=BASE_URL, **arguments), session)


def requests(harvester: OaiHarvester) -> list[Parameters]:
    """What was asked but for Identify."""
    return [asked for asked in harvester.session.asked if asked["verb"] != "Identify"]


def found(source: OaiHarvester) -> list[str]:
    """The identifiers that a harvest of `DAY` brings."""
    return [record.identifier for record in harvest(source, DAY)]


def one_record(source: OaiHarvester) -> Record | Unreadable:
    """The only record of `DAY`."""
    (only,) = harvest(source, DAY)
    return only


def harvest(harvester: OaiHarvester, window: Window) -> Iterator[Record | Unreadable]:
    for page in harvester.pages(window):
        yield from harvester.records(page, window)


@dataclass(frozen=True)
class Item:
    """A record of the model."""

    identifier: str
    changed: datetime
    sets: Sequence[str] = ()


@dataclass
class Model:
    """A repository as the specification has it: from and until inclusive, at the granularity it declares."""

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
            first, last, chosen, offset = asked["resumptionToken"].split("|")
        else:
            first, last, chosen, offset = asked["from"], asked["until"], asked.get("set", ""), "0"
        return self._page(asked["verb"], first, last, chosen, int(offset))

    def _page(self, verb: str, first: str, last: str, chosen: str, offset: int) -> str:
        assert len(first) == len(last) == len(self._stamp(RECEIVED)), (
            "badArgument: the granularity is another"
        )
        found = [
            item
            for item in self.items
            if first <= self._stamp(item.changed) <= last and (not chosen or chosen in item.sets)
        ]
        if not found:
            return error("noRecordsMatch")
        write = record if verb == "ListRecords" else header
        page = [
            write(item.identifier, self._stamp(item.changed))
            for item in found[offset : offset + self.page_size]
        ]
        rest = offset + self.page_size
        token = f"{first}|{last}|{chosen}|{rest}" if rest < len(found) else ""
        return listed(*page, token=token, verb=verb, completeListSize=len(found), cursor=offset)

    def _stamp(self, instant: datetime) -> str:
        return f"{instant:%Y-%m-%d}" if self.granularity == DAYS else f"{instant:%Y-%m-%dT%H:%M:%SZ}"
