"""The client of an OAI-PMH 2.0 repository: it turns windows into requests, and responses into pages.

It also offers the requests that tools use: Identify, ListSets, ListMetadataFormats and GetRecord. `endpoint` sends the
requests and follows resumptionTokens, `response` parses a response, `dates` computes `from` and `until`.

Specification: http://www.openarchives.org/OAI/openarchivesprotocol.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import ClassVar, Literal

from harvest_dagster.errors import ProtocolError, SourceError
from harvest_dagster.harvesters.interface import Client, Session
from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.endpoint import Endpoint, Reply
from harvest_dagster.harvesters.oai.errors import CannotDisseminateFormat, IdDoesNotExist
from harvest_dagster.harvesters.oai.identify import (
    Identity,
    MetadataFormat,
    Set,
    parse_identity,
    parse_metadata_format,
    parse_set,
)
from harvest_dagster.harvesters.oai.missing_sets import find_missing_sets
from harvest_dagster.harvesters.oai.pages import (
    formats_of,
    has_utc_seconds,
    identifier_with_format,
    identifiers_to_request,
    list_page,
    parse_record_page,
    record_page,
)
from harvest_dagster.harvesters.oai.records import parse_record
from harvest_dagster.harvesters.oai.windows.dated_lists import DatedLists, DatedReply
from harvest_dagster.harvesters.window_ends.kept_records import is_kept
from harvest_dagster.harvesters.window_ends.requested_dates import Granularity, aligned_window
from harvest_dagster.observations import Observations
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import ALL_TIME, Window


class OaiClient(Client):
    """Requests the pages of one OAI-PMH 2.0 repository.

    Each client requests Identify once, before its first list, because the granularity determines the dates of a
    request (section 3.3.1).
    """

    arguments: OaiArguments
    list_verb: ClassVar[Literal["ListRecords", "ListIdentifiers"]] = "ListRecords"

    def __init__(
        self, arguments: OaiArguments, session: Session, limits: ResponseLimits | None = None
    ) -> None:
        super().__init__(arguments, session)
        self._limits = limits or ResponseLimits()
        self._endpoint = Endpoint(
            arguments.base_url,
            session,
            single_use_tokens=arguments.single_use_tokens,
            several_names=arguments.several_names,
            limits=self._limits,
        )
        self._observations = Observations()

    def use_observations(self, observations: Observations) -> None:
        """Take what is known about the repository: how it treats the ends of windows, and which requests worked."""
        self._observations = observations

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield the pages of ListRecords, set by set. `Cursor.list_number` is the number of the set.

        The repository is asked for all days or seconds that the window touches, and for one more at each end that may
        not include its whole unit (see `window_ends`). A window before earliestDatestamp gives no page. An empty list
        (`noRecordsMatch`, or another error if that means an empty list, see `empty_windows`) is one page without
        records. ALL_TIME is requested without dates.

        If a page does not parse because of some records, GetRecord is requested for them. The responses with a valid
        record come as pages of their own before that page.

        Raises:
            BadResumptionToken: the repository does not accept the cursor; it is a CursorRefused.
            ResumptionTokenConsumed: a page did not arrive and its token may be used only once; it is a CursorRefused.
            OaiError: the repository reports any other error.
            SourceError: the list breaks. The pages yielded before are complete.
        """
        cursor = cursor or Cursor()
        for part in range(cursor.list_number, len(self.arguments.lists)):
            token = cursor.token if part == cursor.list_number else None
            yield from self._list(window, Cursor(token, part, cursor.one_by_one))

    def _list(self, window: Window, cursor: Cursor) -> Iterator[Page]:
        for dated in self._lists.replies(window, cursor):
            page, reply = self._list_page(dated, cursor, window), dated.reply
            identifiers = []
            for single in self._record_pages(page, reply, window):
                identifiers.append(single.single_record)
                yield single
            yield replace(page, sent_separately=tuple(filter(None, identifiers)))

    def one_by_one(self, window: Window) -> Iterator[Page] | None:
        """Yield pages of ListIdentifiers, each after the GetRecord responses for its headers.

        `pages` can resume from the cursors of these pages. Total and count are those of the list of headers. A
        deleted record is only its header. A GetRecord response without a valid record is an InvalidRecord.
        """
        return self.pages(window, Cursor(one_by_one=True))

    def confirm_format(self, page: Page, name: str) -> bool:
        """Return whether GetRecord returns a record of the page in this format, too.

        Some sources have several formats under one prefix, such as two versions of DataCite. A source that continues a
        list in another format returns each record in the right one (docs/failures.md#format-changes-after-token).
        """
        if (identifier := identifier_with_format(page, name, self._limits)) is None:
            return False
        arguments = {"identifier": identifier, "metadataPrefix": self.arguments.metadata_prefix}
        try:
            return name in formats_of(self._endpoint.request("GetRecord", arguments).items)
        except SourceError as error:
            if error.transient:
                raise
            return False

    def doubt_of_empty_list(self) -> str | None:
        """Return the doubt that a set of the arguments is not in ListSets (section 4.6).

        A repository that deletes a set answers noRecordsMatch forever. ListSets is requested at most once a day.
        """
        missing = find_missing_sets(self.arguments.lists, self.list_sets, self._observations)
        return f"ListSets has no {' or '.join(missing)}" if missing else None

    def has_record(self, identifier: str, window: Window) -> bool | None:
        """Return whether GetRecord returns a live record with a datestamp in the window; None if that is unknown.

        For ALL_TIME, a record counts whatever its datestamp is, also if it is invalid or not available in the format.

        Raises:
            SourceError: for ALL_TIME, if the source gives no answer now.
        """
        try:
            record = self.get_record(identifier)
        except IdDoesNotExist:
            return False
        except CannotDisseminateFormat:
            return True if window == ALL_TIME else None
        except SourceError:
            if window == ALL_TIME:
                raise
            return None
        if window == ALL_TIME:
            return _is_live(record, identifier)
        if isinstance(record, InvalidRecord) or record.datestamp is None:
            return None
        return not record.deleted and record.datestamp in window

    @property
    def smallest_window(self) -> timedelta:
        """The length of the shortest window: a day or a second, depending on the granularity."""
        return self.identity.granularity.unit

    @property
    def list_count(self) -> int:
        """The number of lists: one for each set."""
        return len(self.arguments.lists)

    @property
    def cursors_are_reusable(self) -> bool:
        """Whether a resumptionToken may be sent twice: False with `single_use_tokens`."""
        return not self.arguments.single_use_tokens

    @cached_property
    def identity(self) -> Identity:
        """The response to Identify. It is requested once."""
        return self.identify()

    def identify(self) -> Identity:
        """Request Identify (section 4.2)."""
        return parse_identity(self._endpoint.request("Identify").oai_response.content)

    def list_sets(self) -> Iterator[Set]:
        """Request ListSets (section 4.6) and yield the sets.

        Raises:
            NoSetHierarchy: the repository has no sets.
        """
        for reply in self._endpoint.list_pages("ListSets", {}):
            yield from map(parse_set, reply.oai_response.items)

    def list_metadata_formats(self, identifier: str | None = None) -> list[MetadataFormat]:
        """Request ListMetadataFormats (section 4.4) of the repository, or of one record.

        Raises:
            IdDoesNotExist: the record does not exist.
            NoMetadataFormats: the record has no formats.
        """
        arguments = {} if identifier is None else {"identifier": identifier}
        reply = self._endpoint.request("ListMetadataFormats", arguments)
        return [parse_metadata_format(item) for item in reply.oai_response.items]

    def get_record(self, identifier: str) -> Record | InvalidRecord:
        """Request GetRecord (section 4.1). The result is the same as that of `records` for a list.

        Raises:
            IdDoesNotExist: the record does not exist.
            CannotDisseminateFormat: the record is not available in the format of the arguments.
            ProtocolError: the response contains no record or more than one.
        """
        arguments = {"identifier": identifier, "metadataPrefix": self.arguments.metadata_prefix}
        reply = self._endpoint.request("GetRecord", arguments)
        if len(reply.oai_response.items) != 1:
            message = (
                f"{reply.http_response.url} answered with {len(reply.oai_response.items)} records, but one was "
                "requested. Tell the operator of the source."
            )
            raise ProtocolError(message)
        return parse_record(reply.oai_response.items[0])

    @cached_property
    def _lists(self) -> DatedLists:
        return DatedLists(
            self._endpoint, self.arguments, self.identity, self._observations, verb=self.list_verb
        )

    def _list_page(self, dated: DatedReply, cursor: Cursor, window: Window) -> Page:
        reply, part = dated.reply, cursor.list_number
        requested = dated.dates.window if dated.dates else window
        is_dropped = self._neighbours_are_known(reply) and not window.encloses(requested)
        asked = requested if is_dropped else None
        next_cursor = self._next_cursor(reply.oai_response.token.text, part, one_by_one=cursor.one_by_one)
        page = list_page(reply, Cursor(reply.token, part, cursor.one_by_one), next_cursor)
        aligned = aligned_window(window, self.identity.granularity)
        page = replace(
            page,
            requested_window=aligned
            if self.identity.granularity is Granularity.DAY and aligned != window
            else None,
            overlap=asked,
            neighbours=sum(not is_kept(datestamp, window, asked) for _, datestamp in dated.headers)
            if asked
            else 0,
        )
        # In response to a token, `noRecordsMatch` only ends the list. Its total of 0 is not the total of the list.
        has_total = self.arguments.trust_total and (page.total != 0 or reply.token is None)
        return page if has_total else replace(page, total=None)

    def _neighbours_are_known(self, reply: Reply) -> bool:
        """Return whether the datestamps of a page show which records belong to neighbouring windows.

        They do if they are as precise as the request. A record of 23:30 whose datestamp is only the date of the next
        day, in local time, is in no list of that day (docs/decisions/0055).
        """
        return self.identity.granularity is Granularity.DAY or all(map(has_utc_seconds, reply.items))

    def _next_cursor(self, token: str | None, part: int, *, one_by_one: bool) -> Cursor | None:
        if token is not None:
            return Cursor(token, part, one_by_one)
        return Cursor(None, part + 1, one_by_one) if part + 1 < len(self.arguments.lists) else None

    def _record_pages(self, page: Page, reply: Reply, window: Window) -> Iterator[Page]:
        """Yield a GetRecord page for each record that a list page names and does not contain.

        For an invalid record of ListRecords, the page is skipped if its record is not valid, either: the bytes in the
        list page are then the better evidence.
        """
        for identifier in identifiers_to_request(reply.items, page, window):
            response = self._endpoint.get_record(identifier, self.arguments.metadata_prefix)
            if response is None:
                continue
            single = record_page(response, identifier, page)
            if page.cursor.one_by_one or isinstance(parse_record_page(single, self._limits), Record):
                yield single


def _is_live(record: Record | InvalidRecord, identifier: str) -> bool | None:
    """Return whether the response to GetRecord shows a live record; None if it is another record."""
    if record.identifier != identifier:
        return None
    return isinstance(record, InvalidRecord) or not record.deleted
