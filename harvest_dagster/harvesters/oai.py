"""OAI-PMH 2.0, the whole protocol: http://www.openarchives.org/OAI/openarchivesprotocol.html.

Here: from windows to pages, and the verbs that tools ask. What pages hold is in `oai_pages`, the walk along tokens
in `oai_endpoint`, how an answer is read in `oai_response`, a page that single records break in `oai_salvage`, dates
in `oai_time`, single records in `oai_records`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.interface import Harvester, Session
from harvest_dagster.harvesters.oai_arguments import OaiArguments
from harvest_dagster.harvesters.oai_endpoint import Endpoint, Reply
from harvest_dagster.harvesters.oai_pages import alone_page, list_page, read_alone, records_of, to_ask_for
from harvest_dagster.harvesters.oai_records import read_record
from harvest_dagster.harvesters.oai_repository import (
    Identity,
    MetadataFormat,
    Set,
    read_identity,
    read_metadata_format,
    read_set,
)
from harvest_dagster.harvesters.oai_time import Granularity, asked_for, from_until
from harvest_dagster.harvesters.source_dates import inside
from harvest_dagster.records import Cursor, Page, Record, Unreadable
from harvest_dagster.windows import DAY, SECOND, Window


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
        self._endpoint = Endpoint(
            arguments.base_url,
            session,
            single_use_tokens=arguments.single_use_tokens,
            several_names=arguments.several_names,
        )

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """The pages of ListRecords, set by set; `Cursor.part` counts the sets.

        A day-granular source is asked for all the days that the window touches, a second-granular one for the
        whole seconds that lie in it; a window that holds none is not asked for. A list that is empty
        (`noRecordsMatch`) is a page without records. Before a page that does not parse because of single records
        come the answers of GetRecord to these, as far as they are better.

        Raises:
            BadResumptionToken: the cursor is no longer accepted; it is a CursorRefused.
            TokenSpent: a single-use token brought no page; it is one, too.
            OaiError: any other error of the protocol.
            SourceError: the list breaks; the pages given so far are whole.
        """
        cursor = cursor or Cursor()
        asked = asked_for(window, self.identity.granularity)
        if asked is None:
            return
        verb = "ListIdentifiers" if cursor.singly else "ListRecords"
        for part, reply in self._lists(verb, asked, cursor):
            page = self._page(reply, part, self._widened(window), singly=cursor.singly)
            elsewhere = []
            for alone in self._pages_alone(page, reply, window):
                elsewhere.append(alone.alone)
                yield alone
            yield replace(page, elsewhere=tuple(filter(None, elsewhere)))

    def one_by_one(self, window: Window) -> Iterator[Page]:
        """The same by ListIdentifiers, and a GetRecord for each; `pages` goes on from the cursors of these pages.

        The total and the number of the headers are those of the list. A deleted record is its header; one whose
        answer cannot be read is Unreadable, with that answer.
        """
        return self.pages(window, Cursor(singly=True))

    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        """The records of a page of `pages`, in the source's order.

        Left out are those that only the widening to whole days brought in: a neighbouring window has them.
        All others are given, also without a datestamp, or with one that lies outside of what was asked.
        """
        for record in records_of(page, window):
            if isinstance(record, Unreadable) or inside(record.datestamp, window, page.asked):
                yield record

    @property
    def smallest(self) -> timedelta:
        """A day or a second, as Identify says."""
        return DAY if self.identity.granularity is Granularity.DAY else SECOND

    @property
    def parts(self) -> int:
        """How many sets are asked for, one list each."""
        return len(self.arguments.lists)

    @property
    def repeatable(self) -> bool:
        """Not where `single_use_tokens` says so."""
        return not self.arguments.single_use_tokens

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

    def _page(self, reply: Reply, part: int, asked: Window | None, *, singly: bool) -> Page:
        following = self._next(reply.answer.token.text, part, singly=singly)
        page = list_page(reply, Cursor(reply.token, part, singly), following, asked)
        # `noRecordsMatch` counts no records, but as an answer to a token it only ends the list.
        is_told = self.arguments.trust_total and (page.total != 0 or reply.token is None)
        return page if is_told else replace(page, total=None)

    def _next(self, token: str | None, part: int, *, singly: bool) -> Cursor | None:
        if token is not None:
            return Cursor(token, part, singly)
        return Cursor(None, part + 1, singly) if part + 1 < len(self.arguments.lists) else None

    def _pages_alone(self, page: Page, reply: Reply, window: Window) -> Iterator[Page]:
        """The pages of those records that the list's page names and does not bring."""
        for identifier in to_ask_for(reply.pieces, page, window):
            response = self._endpoint.get_one(identifier, self.arguments.metadata_prefix)
            if response is None:
                continue
            alone = alone_page(response, identifier, page)
            # A culprit that comes no better by itself is best kept as it stands in its page.
            if page.cursor.singly or isinstance(read_alone(alone), Record):
                yield alone
