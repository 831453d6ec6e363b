"""What a harvester owes: pages between two instants, and the records of a page.

A protocol is one module and one entry point in the group `harvest_dagster.harvesters`. Rate limit, retries,
timeouts and size limits live in the session a harvester is given; it must send every request through it.
Storing, locking and splitting ranges is not its business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from harvest_dagster.records import Cursor, Page, Record, Unreadable
from harvest_dagster.windows import Window


class Response(Protocol):
    """What the session answers: a whole body, with a status below 400 or one that was allowed."""

    status: int
    body: bytes
    content_type: str
    url: str  # redacted
    received: datetime


class Session(Protocol):
    """The way out. Every request a harvester makes goes through it."""

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Response:
        """One GET within the host's budget, retried where that is safe.

        Args:
            url: http or https.
            params: the query string, encoded here.
            headers: additional ones.
            allow_status: error statuses whose body the protocol can read (Zenodo answers OAI errors with 422).
            repeatable: False for a request that must not be sent twice (single-use tokens).

        Raises:
            SourceError: no good answer; `transient` tells whether it may come later.
        """


class Arguments(BaseModel):
    """Base of a harvester's arguments: `harvester_kwargs` of the YAML, checked when the catalogue is loaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Harvester(ABC):
    """One source under one protocol.

    Attributes:
        VERSION: raise it when the same request would give other blobs: coverage of older versions ends.
        Arguments: the model of `harvester_kwargs`.
    """

    VERSION: ClassVar[int] = 1
    Arguments: ClassVar[type[BaseModel]] = Arguments

    def __init__(self, arguments: Any, session: Session) -> None:
        self.arguments = arguments
        self.session = session

    @abstractmethod
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """The pages of a window, lazily, from `cursor` on (None: from the first).

        Every page of the list, in order; the generator ends only where the source says that the list ends.

        Raises:
            SourceError: the list breaks; the pages given so far are whole.
        """

    @abstractmethod
    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        """The records of a page, without any request. One that cannot be read comes as Unreadable."""

    @property
    def smallest(self) -> timedelta:
        """The shortest window that the source can tell from its neighbours: a window is halved down to this."""
        return timedelta(seconds=1)

    @property
    def parts(self) -> int | None:
        """How many lists `pages` walks one after the other; None where that is not known.

        Only of a single list is it clear what a new one from its last datestamp on would bring.
        """
        return None

    @property
    def repeatable(self) -> bool:
        """Whether a cursor may be sent a second time: not where the source lets each be used once (Lesson 23)."""
        return True

    def one_by_one(self, window: Window) -> Iterator[Page] | None:  # noqa: ARG002  # it has no such way
        """The window's records asked for singly, where a page cannot be read because of one of them.

        None where the protocol has no such way. Pages and records are as those of `pages` and `records`.
        """
        return None
