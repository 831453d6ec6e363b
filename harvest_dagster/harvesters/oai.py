"""OAI-PMH 2.0, the whole protocol: http://www.openarchives.org/OAI/openarchivesprotocol.html.

Here: from windows to pages, from pages to records, and the verbs that tools ask. How an answer is read is in
`oai_response`, the walk along tokens in `oai_endpoint`, dates in `oai_time`, single records in `oai_records`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.interface import Arguments, Harvester, Session
from harvest_dagster.harvesters.oai_endpoint import Endpoint, Reply
from harvest_dagster.harvesters.oai_records import Header, read_header, read_record
from harvest_dagster.harvesters.oai_repository import (
    Identity,
    MetadataFormat,
    Set,
    read_identity,
    read_metadata_format,
    read_set,
)
from harvest_dagster.harvesters.oai_response import read
from harvest_dagster.harvesters.oai_time import Granularity, asked_for, from_until, inside
from harvest_dagster.records import Cursor, Page, Record, Request, Unreadable
from harvest_dagster.windows import Window

_RESERVED = frozenset({"verb", "identifier", "metadataPrefix", "from", "until", "set", "resumptionToken"})
_SetSpec = Annotated[str, Field(min_length=1)]  # some sources break the protocol's pattern for them


class OaiArguments(Arguments):
    """`harvester_kwargs` of an OAI-PMH source.

    Attributes:
        base_url: of the repository; http or https.
        metadata_prefix: which format of the records.
        set: the setSpec of one set, or of several: one list each, in this order.
        trust_total: False where the source's completeListSize is known to be wrong; it is then not read.
    """

    base_url: str
    metadata_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-_.!~*'()]+$")] = "oai_dc"
    set: _SetSpec | Annotated[tuple[_SetSpec, ...], Field(min_length=1)] | None = None
    trust_total: bool = True

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
            raise ValueError("base_url must be an http or https URL without a fragment")
        if taken := sorted(_RESERVED & {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}):
            raise ValueError(
                f"base_url must not carry arguments of OAI-PMH: {', '.join(taken)}. Leave them out"
            )
        return url

    @property
    def lists(self) -> tuple[dict[str, str], ...]:
        """The arguments of each list, but for the dates."""
        prefix = {"metadataPrefix": self.metadata_prefix}
        if self.set is None:
            return (prefix,)
        return tuple(
            {**prefix, "set": name}
            for name in dict.fromkeys([self.set] if isinstance(self.set, str) else self.set)
        )


class OaiHarvester(Harvester):
    """One OAI-PMH 2.0 repository.

    Identify is asked once for each instance, before the first list: its granularity says how to ask for a
    window.
    """

    VERSION = 1
    Arguments = OaiArguments
    arguments: OaiArguments

    def __init__(self, arguments: OaiArguments, session: Session) -> None:
        super().__init__(arguments, session)
        self._endpoint = Endpoint(arguments.base_url, session)

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """The pages of ListRecords, set by set; `Cursor.part` counts the sets.

        A day-granular source is asked for all the days that the window touches, a second-granular one for the
        whole seconds that lie in it; a window that holds none is not asked for. A list that is empty
        (`noRecordsMatch`) is a page without records.

        Raises:
            BadResumptionToken: the cursor is no longer accepted; it is a CursorRefused.
            OaiError: any other error of the protocol.
            SourceError: the list breaks; the pages given so far are whole.
        """
        asked = asked_for(window, self.identity.granularity)
        if asked is not None:
            for part, reply in self._lists("ListRecords", asked, cursor or Cursor()):
                yield self._page(reply, part, self._widened(window))

    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        """The records of a page of `pages`, in the source's order.

        Left out are those that only the widening to whole days brought in: a neighbouring window has them.
        All others are given, also without a datestamp, or with one that lies outside of what was asked.
        """
        answer = read(page.body, verb="ListRecords", url=page.request.url, content_type=page.content_type)
        for element in answer.items:
            record = read_record(element)
            if isinstance(record, Unreadable) or inside(record.datestamp, window, page.asked):
                yield record

    @cached_property
    def identity(self) -> Identity:
        """What Identify said, asked once."""
        return self.identify()

    def identify(self) -> Identity:
        """What the repository says of itself."""
        return read_identity(self._endpoint.ask("Identify").answer.content)

    def list_sets(self) -> Iterator[Set]:
        """The sets.

        Raises:
            NoSetHierarchy: the repository has none.
        """
        for reply in self._endpoint.walk("ListSets", {}):
            yield from map(read_set, reply.answer.items)

    def list_metadata_formats(self, identifier: str | None = None) -> list[MetadataFormat]:
        """The formats of the repository, or of one record.

        Raises:
            IdDoesNotExist: no such record.
            NoMetadataFormats: the record has none.
        """
        arguments = {} if identifier is None else {"identifier": identifier}
        return [
            read_metadata_format(item)
            for item in self._endpoint.ask("ListMetadataFormats", arguments).answer.items
        ]

    def get_record(self, identifier: str) -> Record | Unreadable:
        """One record, as `records` gives it.

        Raises:
            IdDoesNotExist: no such record.
            CannotDisseminateFormat: not in this format.
        """
        arguments = {"identifier": identifier, "metadataPrefix": self.arguments.metadata_prefix}
        reply = self._endpoint.ask("GetRecord", arguments)
        if len(reply.answer.items) != 1:
            found = f"{len(reply.answer.items)} records where one was asked for"
            message = f"{reply.response.url} answered with {found}. Tell the operator of the source."
            raise ProtocolError(message)
        return read_record(reply.answer.items[0])

    def list_identifiers(self, window: Window) -> Iterator[Header]:
        """The headers of the records that `pages` and `records` give for the window."""
        asked = asked_for(window, self.identity.granularity)
        if asked is not None:
            for _, reply in self._lists("ListIdentifiers", asked, Cursor()):
                headers = map(read_header, reply.answer.items)
                yield from (
                    header for header in headers if inside(header.datestamp, window, self._widened(window))
                )

    def _lists(self, verb: str, asked: Window, cursor: Cursor) -> Iterator[tuple[int, Reply]]:
        """The replies of all lists from the cursor on, each with the number of its list."""
        dates = from_until(asked, self.identity.granularity)
        for part in range(cursor.part, len(self.arguments.lists)):
            token = cursor.token if part == cursor.part else None
            for reply in self._endpoint.walk(verb, {**self.arguments.lists[part], **dates}, token):
                yield part, reply

    def _widened(self, window: Window) -> Window | None:
        """What is asked for in place of the window, where that is more."""
        granularity = self.identity.granularity
        asked = asked_for(window, granularity)
        return asked if granularity is Granularity.DAY and asked != window else None

    def _page(self, reply: Reply, part: int, widened: Window | None) -> Page:
        token = reply.answer.token
        return Page(
            body=reply.response.body,
            request=Request(reply.response.url),
            status=reply.response.status,
            received=reply.response.received,
            cursor=Cursor(reply.token, part),
            next=self._next(token.text, part),
            count=len(reply.answer.items),
            total=self._total(reply),
            content_type=reply.response.content_type,
            source_time=reply.answer.source_time,
            position=token.position,
            expires=token.expires,
            asked=widened,
        )

    def _total(self, reply: Reply) -> int | None:
        """The source's own count; `noRecordsMatch` counts none, but as an answer to a token it only ends the list."""
        total = reply.answer.token.total
        is_told = self.arguments.trust_total and (total != 0 or reply.token is None)
        return total if is_told else None

    def _next(self, token: str | None, part: int) -> Cursor | None:
        if token is not None:
            return Cursor(token, part)
        return Cursor(None, part + 1) if part + 1 < len(self.arguments.lists) else None
