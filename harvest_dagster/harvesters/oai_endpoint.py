"""Requests to an OAI-PMH repository: one verb, or a list from its first page to its last.

Here: arguments, tokens, the end of a list. Not here: what the pages hold, and windows (`oai`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from harvest_dagster.errors import (
    BotWall,
    EndlessList,
    HttpStatusError,
    LoginPage,
    MaintenancePage,
    MalformedResponse,
    ResponseTooLarge,
    SourceError,
    SourceRefused,
    WrongVerb,
)
from harvest_dagster.harvesters.interface import Response, Session
from harvest_dagster.harvesters.oai_errors import TokenSpent
from harvest_dagster.harvesters.oai_response import LISTS, Answer, read
from harvest_dagster.harvesters.oai_salvage import Culprit, Listed, read_list
from harvest_dagster.http.webpages import recognise, web_page_error

# Error statuses that may carry a valid OAI-PMH error: 422 is Zenodo's. All others are the session's business.
_ALLOWED = frozenset({400, 404, 406, 409, 410, 422})
# What a server says when it breaks down itself. With 502, 504 or 520 to 526 another says that it did not reach it.
_BROKE_DOWN = 500
_AWAY = frozenset({MaintenancePage, LoginPage, BotWall})


@dataclass(frozen=True)
class Reply:
    """One page of a list, or the answer to a single request.

    Attributes:
        token: the resumptionToken that was sent, None for the first page.
        response: as the session gave it.
        answer: what it says.
        pieces: its items, and in their place those that cannot be read.
    """

    token: str | None
    response: Response
    answer: Answer
    pieces: Sequence[etree._Element | Culprit]


class Endpoint:
    """A repository at its base URL.

    Args:
        base_url: where requests go.
        session: through which they go.
        single_use_tokens: whether a resumptionToken must not be sent twice.
        several_names: whether its pages may name different repositories.
    """

    def __init__(
        self, base_url: str, session: Session, *, single_use_tokens: bool = False, several_names: bool = False
    ) -> None:
        self.base_url = base_url
        self.session = session
        self.single_use_tokens = single_use_tokens
        self.several_names = several_names
        self._named: dict[str, str] = {}  # by verb, what the repository calls itself

    def get(self, verb: str, arguments: Mapping[str, str]) -> Response:
        """One request; what the answer says is not looked at.

        Raises:
            SourceError: no answer, or an error status that no error of the protocol goes with.
        """
        repeatable = not (self.single_use_tokens and "resumptionToken" in arguments)
        return self.session.get(
            self.base_url, {"verb": verb, **arguments}, allow_status=_ALLOWED, repeatable=repeatable
        )

    def ask(self, verb: str, arguments: Mapping[str, str] | None = None) -> Reply:
        """One request and what it was answered with; of a list, single records may be Culprits.

        Raises:
            TokenSpent: no page came, and its token may be used once only.
            SourceError: no answer, or none to this verb; see `oai_response.read`.
        """
        arguments = dict(arguments or {})
        token = arguments.get("resumptionToken")
        try:
            response, listed = self._ask(verb, arguments)
        except SourceError as error:
            if self.single_use_tokens and token is not None and not isinstance(error, SourceRefused):
                raise TokenSpent(error) from error
            raise
        return Reply(token, response, listed.answer, listed.pieces)

    def get_one(self, identifier: str, metadata_prefix: str) -> Response | None:
        """The answer to GetRecord, whatever it says; None where the server breaks down over this record.

        Raises:
            SourceError: the source is busy, away or lets nobody in, which says nothing of the record.
        """
        try:
            response = self.get("GetRecord", {"identifier": identifier, "metadataPrefix": metadata_prefix})
        except HttpStatusError as error:
            if error.status != _BROKE_DOWN or error.page in _AWAY:
                raise
            return None
        except ResponseTooLarge:
            return None
        if recognise(response.body, response.content_type) in _AWAY:
            raise web_page_error(response.body, url=response.url)
        return response

    def walk(self, verb: str, arguments: Mapping[str, str], token: str | None = None) -> Iterator[Reply]:
        """The pages of a list, lazily, from a token on (None: from the first).

        A list ends with an empty token or none; a page without items does not end it (Lesson 2). A token is
        an exclusive argument (section 3.5): nothing but the verb goes beside it. commons.mla.org hands out a
        last token whose page is noRecordsMatch: an empty page without a token, so the end.

        Raises:
            EndlessList: the tokens go round in a circle; the page that closes it is not given.
            WrongVerb: a page is another repository's.
            SourceError: see `ask`.
        """
        circle = CircleDetector(token)
        while True:
            reply = self.ask(verb, arguments if token is None else {"resumptionToken": token})
            self._refuse_another(verb, reply)
            token = reply.answer.token.text
            if token is not None and circle.closes(token):
                message = (
                    f"{reply.response.url} answered with a resumptionToken that this list had before, "
                    f"{token!r}: it would never end. Tell the operator of the source."
                )
                raise EndlessList(message)
            yield reply
            if token is None:
                return

    def _refuse_another(self, verb: str, reply: Reply) -> None:
        """Refuse a page that names another repository than the first one did: a proxy or a cache mixed them up.

        The first page that this endpoint gave, of whichever list: a list may be a single page, and one that breaks
        is begun anew. What a repository calls itself is often not how it was asked; that it changes was seen in
        none of the recorded lists.
        """
        said = reply.answer.repository
        known = self._named.setdefault(verb, said) if said else said
        if said != known and not self.several_names:
            message = (
                f"{reply.response.url} answered with a page of {said}, where the pages before are of {known}. "
                "Try again; where it stays so, tell the operator of the source, or, if both are this one, set "
                "several_names: true in harvester_kwargs."
            )
            raise WrongVerb(message)

    def _ask(self, verb: str, arguments: Mapping[str, str]) -> tuple[Response, Listed]:
        """An answer; one with Culprits only where it comes with the same ones twice.

        What went astray once on the way comes whole the next time. And it may have been more than one record: with
        a part of the page, from the midst of one to that of another, all between them is gone.
        """
        response, listed = self._once(verb, arguments)
        if not listed.culprits:
            return response, listed
        blamed = listed.shape
        if "resumptionToken" in arguments and self.single_use_tokens:
            raise MalformedResponse(f"{response.url} answered with {_culprits(listed)}.")
        response, listed = self._once(verb, arguments)
        if listed.culprits and listed.shape != blamed:
            message = (
                f"{response.url} answered with {_culprits(listed)}, and with others when it was asked before. "
                "Try again; where it stays so, tell the operator of the source."
            )
            raise MalformedResponse(message)
        return response, listed

    def _once(self, verb: str, arguments: Mapping[str, str]) -> tuple[Response, Listed]:
        response = self.get(verb, arguments)
        return response, _listed(response, verb, arguments)


def _listed(response: Response, verb: str, arguments: Mapping[str, str]) -> Listed:
    how = {"verb": verb, "url": response.url, "content_type": response.content_type}
    if verb in LISTS:
        return read_list(response.body, **how, status=response.status, asked=arguments)
    answer = read(response.body, **how, status=response.status, asked=arguments)
    return Listed(answer, answer.items)


def _culprits(listed: Listed) -> str:
    bad = listed.culprits
    return f"{len(bad)} of {len(listed.pieces)} records unreadable, the first one {bad[0].error}"


class CircleDetector:
    """Notices when tokens go round in a circle, in the memory of two of them (Brent's algorithm).

    The remembered token is replaced after 1, 2, 4, 8, … steps, so a circle is found before three times its
    length and what led into it have been walked, however long the list. A token that follows itself is found
    at once.
    """

    def __init__(self, first: str | None) -> None:
        self._kept = first
        self._last = first
        self._steps = 0
        self._patience = 1

    def closes(self, token: str) -> bool:
        """Whether this next token has been here before."""
        if token in (self._kept, self._last):
            return True
        self._last = token
        self._steps += 1
        if self._steps == self._patience:
            self._kept, self._steps, self._patience = token, 0, 2 * self._patience
        return False
