"""Send requests to an OAI-PMH repository: one request, or all pages of a list.

This module knows request arguments, resumptionTokens and the end of a list. `response` and `page_recovery` parse the
responses, and `client` maps windows to lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from harvest_dagster.errors import (
    BotChallenge,
    HttpStatusError,
    LoginPage,
    MaintenancePage,
    MalformedResponse,
    PaginationLoop,
    ResponseTooLarge,
    SourceError,
    SourceRefused,
    UnexpectedResponse,
)
from harvest_dagster.harvesters.interface import Response, Session
from harvest_dagster.harvesters.oai.errors import OaiError, ResumptionTokenConsumed
from harvest_dagster.harvesters.oai.page_recovery import ListItem, ListResponse, parse_list
from harvest_dagster.harvesters.oai.records import parse_if_flat
from harvest_dagster.harvesters.oai.response import LISTS, OaiResponse, parse_response
from harvest_dagster.harvesters.oai.source_clock import SourceClock
from harvest_dagster.http.html.page_detection import detect_page, web_page_error
from harvest_dagster.records import InvalidRecord
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.texts import keep_ends, shorten

# Error statuses whose body may be a valid OAI-PMH error. Zenodo sends 422. The session handles all other statuses.
_ALLOWED_STATUS = frozenset({400, 404, 406, 409, 410, 422})
# The server itself failed. With 502, 504 or 520 to 526, a proxy reports that it did not reach the server.
_SERVER_ERROR = 500
_LONGEST_SHOWN = 200  # characters of the source
_LONGEST_TOKEN = 60
_UNAVAILABLE = frozenset({MaintenancePage, LoginPage, BotChallenge})


MeansEmpty = Callable[[OaiError], bool]


@dataclass(frozen=True)
class Reply:
    """One page of a list, or the response to a single request.

    Attributes:
        token: the resumptionToken that was sent, None for the first page.
        http_response: the response of the session.
        oai_response: the parsed response.
        items: all items in order. An item of a list that does not parse is an InvalidRecord. A flat record is parsed.
    """

    token: str | None
    http_response: Response
    oai_response: OaiResponse
    items: Sequence[ListItem]


class Endpoint:
    """One repository at its base URL.

    Args:
        base_url: base URL of the repository.
        session: sends the requests.
        single_use_tokens: whether a resumptionToken must not be sent twice.
        several_names: whether pages may contain different base URLs in `request`.
        limits: what a page may cost.
    """

    def __init__(
        self,
        base_url: str,
        session: Session,
        *,
        single_use_tokens: bool = False,
        several_names: bool = False,
        limits: ResponseLimits | None = None,
    ) -> None:
        self.base_url = base_url
        self.session = session
        self.single_use_tokens = single_use_tokens
        self.several_names = several_names
        self.limits = limits or ResponseLimits()
        self._clock = SourceClock()
        self._repositories: dict[str, str] = {}  # by verb: the repository that the first page named

    def get(self, verb: str, arguments: Mapping[str, str]) -> Response:
        """Send one request and return the response without parsing it.

        Raises:
            SourceError: no response, or an error status that OAI-PMH errors are not sent with.
        """
        repeatable = not (self.single_use_tokens and "resumptionToken" in arguments)
        return self.session.get(
            self.base_url, {"verb": verb, **arguments}, allow_status=_ALLOWED_STATUS, repeatable=repeatable
        )

    def request(
        self,
        verb: str,
        arguments: Mapping[str, str] | None = None,
        list_arguments: Mapping[str, str] | None = None,
        means_empty: MeansEmpty | None = None,
    ) -> Reply:
        """Send one request and return the parsed reply.

        Args:
            verb: the verb.
            arguments: the arguments of the request.
            list_arguments: the arguments of the list to which the page belongs. The response may repeat them, although
                a request with a token does not contain them.
            means_empty: whether an error of the repository means that the list is empty; None if it never does.

        Raises:
            ResumptionTokenConsumed: the page did not arrive, and its token may be used only once.
            SourceError: no response, or a response that does not answer this verb; see `response.parse_response`.
        """
        arguments = dict(arguments or {})
        token = arguments.get("resumptionToken")
        try:
            asked = {**(list_arguments or {}), **arguments}
            http_response, parsed = self._get_confirmed(verb, arguments, asked, means_empty)
            if self._is_old(http_response, parsed) and not (self.single_use_tokens and token is not None):
                # Once: a cache that ignores no-cache repeats its answer. The list then counts as begun at its date.
                http_response, parsed = self._get_confirmed(verb, arguments, asked, means_empty)
        except SourceError as error:
            if self.single_use_tokens and token is not None and not isinstance(error, SourceRefused):
                raise ResumptionTokenConsumed(error) from error
            raise
        items = parsed.items
        if verb == "ListRecords":
            items = [item if isinstance(item, InvalidRecord) else parse_if_flat(item) for item in items]
        return Reply(token, http_response, parsed.oai_response, items)

    def _is_old(self, response: Response, parsed: ListResponse) -> bool:
        return self._clock.is_old(parsed.oai_response.source_time, response.received)

    def get_record(self, identifier: str, metadata_prefix: str) -> Response | None:
        """Return the response to GetRecord without parsing it, or None if the server fails on this record.

        The server fails on the record if it answers with status 500 or with more bytes than the session permits.

        Raises:
            SourceError: the source is busy, unavailable, or refuses the harvester. That is not a fault of the record.
        """
        try:
            response = self.get("GetRecord", {"identifier": identifier, "metadataPrefix": metadata_prefix})
        except HttpStatusError as error:
            if error.status != _SERVER_ERROR or error.page in _UNAVAILABLE:
                raise
            return None
        except ResponseTooLarge:
            return None
        if detect_page(response.body, response.content_type) in _UNAVAILABLE:
            raise web_page_error(response.body, url=response.url)
        return response

    def list_pages(
        self,
        verb: str,
        arguments: Mapping[str, str],
        token: str | None = None,
        means_empty: MeansEmpty | None = None,
    ) -> Iterator[Reply]:
        """Yield the pages of a list, one request each, from a token on (None: from the first page).

        A list ends with a page that has an empty resumptionToken or none (section 3.5). A page without items that has
        a token does not end it: the next pages may have records (docs/failures.md#empty-page-with-token). A token is
        an exclusive argument (section 3.5), so only the verb is sent with it. The last token of commons.mla.org leads
        to a noRecordsMatch error. That is a page without items and without a token, so the list ends there.

        Raises:
            PaginationLoop: a token of this list comes again. The page that contains it is not yielded.
            UnexpectedResponse: a page belongs to another repository.
            SourceError: see `request`.
        """
        loop_detector = TokenLoopDetector(token)
        while True:
            request = arguments if token is None else {"resumptionToken": token}
            reply = self.request(verb, request, arguments, means_empty if token is None else None)
            self._raise_if_other_repository(verb, reply)
            token = reply.oai_response.token.text
            if token is not None and loop_detector.is_repeated(token):
                message = (
                    f"{reply.http_response.url} answered with the resumptionToken "
                    f"{keep_ends(token, _LONGEST_TOKEN)!r}, "
                    "which this list has used before. The list would never end. Tell the operator of the source."
                )
                raise PaginationLoop(message)
            yield reply
            if token is None:
                return

    def _raise_if_other_repository(self, verb: str, reply: Reply) -> None:
        """Raise UnexpectedResponse if a page names another repository than the first page did.

        A proxy or a cache may confuse two repositories. The first page of any list of this verb counts: a list may
        have only one page, and a list that breaks starts again. A repository often gives another base URL than the
        one that was requested, but within a recorded list the base URL never changes.
        """
        named = reply.oai_response.repository
        expected = self._repositories.setdefault(verb, named) if named else named
        if named != expected and not self.several_names:
            message = (
                f"{reply.http_response.url} answered with a page of {shorten(named, _LONGEST_SHOWN)}, but "
                f"earlier pages are from {shorten(expected, _LONGEST_SHOWN)}. "
                "Try again. If the error persists, tell the operator of the source. If both names belong to this "
                "source, set several_names: true in harvester_kwargs."
            )
            raise UnexpectedResponse(message)

    def _get_confirmed(
        self,
        verb: str,
        arguments: Mapping[str, str],
        asked: Mapping[str, str],
        means_empty: MeansEmpty | None,
    ) -> tuple[Response, ListResponse]:
        """Return the response to a request. Accept invalid records only if a second response has the same ones.

        If bytes were lost in transit, the second response is complete. A single response cannot show how many records
        it lost: if the bytes between the middle of one record and the middle of a later one are missing, the rest
        looks like one invalid record.
        """
        response, first = self._get_parsed(verb, arguments, asked, means_empty)
        if not first.invalid_records:
            return response, first
        if "resumptionToken" in arguments and self.single_use_tokens:
            raise MalformedResponse(f"{response.url} answered with {_describe_invalid(first)}.")
        response, second = self._get_parsed(verb, arguments, asked)
        if second.invalid_records and not second.is_equally_invalid(first):
            message = (
                f"{response.url} answered with {_describe_invalid(second)}. An earlier response had other invalid "
                "records. Try again. If the error persists, tell the operator of the source."
            )
            raise MalformedResponse(message)
        return response, second

    def _get_parsed(
        self,
        verb: str,
        arguments: Mapping[str, str],
        asked: Mapping[str, str],
        means_empty: MeansEmpty | None = None,
    ) -> tuple[Response, ListResponse]:
        response = self.get(verb, arguments)
        options: dict[str, Any] = {
            "verb": verb,
            "url": response.url,
            "content_type": response.content_type,
            "status": response.status,
            "asked": asked,
            "limits": self.limits,
        }
        if verb in LISTS:
            parse = partial(parse_list, response.body, **options)
            try:
                parsed = parse()
            except OaiError as error:
                if means_empty is None or not means_empty(error):
                    raise
                parsed = parse(empty_code=error.code)
        else:
            oai_response = parse_response(response.body, **options)
            parsed = ListResponse(oai_response, oai_response.items)
        return response, parsed


def _describe_invalid(parsed: ListResponse) -> str:
    invalid = parsed.invalid_records
    return f"{len(invalid)} invalid of {len(parsed.items)} records, the first one: {invalid[0].error}"


class TokenLoopDetector:
    """Detects that the tokens of a list repeat. It remembers only two tokens (Brent's algorithm).

    It replaces one remembered token after 1, 2, 4, 8, ... tokens. It therefore detects a loop of length L after K
    other tokens within 3 (K + L) + 1 tokens, and a token that follows itself at once.
    """

    def __init__(self, first: str | None) -> None:
        self._checkpoint = first
        self._previous = first
        self._steps = 0
        self._steps_to_next_checkpoint = 1

    def is_repeated(self, token: str) -> bool:
        """Return whether the next token is one of the remembered tokens, and remember it."""
        if token in (self._checkpoint, self._previous):
            return True
        self._previous = token
        self._steps += 1
        if self._steps == self._steps_to_next_checkpoint:
            self._checkpoint, self._steps = token, 0
            self._steps_to_next_checkpoint *= 2
        return False
