"""Requests to an OAI-PMH repository: one verb, or a list from its first page to its last.

Here: arguments, tokens, the end of a list. Not here: what the pages hold, and windows (`oai`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from harvest_dagster.errors import EndlessList
from harvest_dagster.harvesters.interface import Response, Session
from harvest_dagster.harvesters.oai_response import Answer, read

# Error statuses that may carry a valid OAI-PMH error: 422 is Zenodo's. All others are the session's business.
_ALLOWED = frozenset({400, 404, 406, 409, 410, 422})


@dataclass(frozen=True)
class Reply:
    """One page of a list, or the answer to a single request.

    Attributes:
        token: the resumptionToken that was sent, None for the first page.
        response: as the session gave it.
        answer: what it says.
    """

    token: str | None
    response: Response
    answer: Answer


class Endpoint:
    """A repository at its base URL."""

    def __init__(self, base_url: str, session: Session) -> None:
        self.base_url = base_url
        self.session = session

    def ask(self, verb: str, arguments: Mapping[str, str] | None = None) -> Reply:
        """One request.

        Raises:
            SourceError: no answer, or none to this verb; see `oai_response.read`.
        """
        arguments = dict(arguments or {})
        response = self.session.get(self.base_url, {"verb": verb, **arguments}, allow_status=_ALLOWED)
        answer = read(
            response.body,
            verb=verb,
            url=response.url,
            content_type=response.content_type,
            status=response.status,
            asked=arguments,
        )
        return Reply(arguments.get("resumptionToken"), response, answer)

    def walk(self, verb: str, arguments: Mapping[str, str], token: str | None = None) -> Iterator[Reply]:
        """The pages of a list, lazily, from a token on (None: from the first).

        A list ends with an empty token or none; a page without items does not end it (Lesson 2). A token is
        an exclusive argument (section 3.5): nothing but the verb goes beside it. commons.mla.org hands out a
        last token whose page is noRecordsMatch: an empty page without a token, so the end.

        Raises:
            EndlessList: the tokens go round in a circle; the page that closes it is not given.
            SourceError: see `ask`.
        """
        circle = CircleDetector(token)
        while True:
            reply = self.ask(verb, arguments if token is None else {"resumptionToken": token})
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
