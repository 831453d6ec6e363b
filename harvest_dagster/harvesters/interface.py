"""The interface of a harvester: a client that requests pages, and a parser that turns pages into records.

Each protocol has one subclass of `Harvester`. `harvest_dagster.plugins` lists ours. A harvester of another package is
registered as an entry point in the group `harvest_dagster.harvesters`. The session that a client gets applies the rate
limit, retries, timeouts and size limits. The client must send every request through it. A harvester does not store
records, acquire leases or cut ranges into windows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from copy import copy
from datetime import datetime, timedelta
from typing import IO, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from harvest_dagster.observations import Observations
from harvest_dagster.plugins import NotDeciding
from harvest_dagster.records import Cursor, InvalidRecord, Page, Record, RecordHeader
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window

__all__ = ["Arguments", "Client", "Download", "Harvester", "NotDeciding", "Parser", "Response", "Session"]


class Response(Protocol):
    """A response of the session: the whole body, with a status below 400 or an allowed one. `url` has no secret.

    The responses of `http.session` also have `date`, `next_link` and `request_body` (`http.models`). Sessions of tests
    and tools may lack them, so a client reads them with `getattr`.
    """

    @property
    def status(self) -> int: ...  # noqa: D102

    @property
    def body(self) -> bytes: ...  # noqa: D102

    @property
    def content_type(self) -> str: ...  # noqa: D102

    @property
    def url(self) -> str: ...  # noqa: D102

    @property
    def received(self) -> datetime: ...  # noqa: D102


class Download(Protocol):
    """What a response says about the file that was downloaded. `url` has no secret."""

    @property
    def url(self) -> str: ...  # noqa: D102

    @property
    def size(self) -> int: ...  # noqa: D102

    @property
    def date(self) -> datetime | None: ...  # noqa: D102

    @property
    def last_modified(self) -> datetime | None: ...  # noqa: D102

    @property
    def etag(self) -> str: ...  # noqa: D102

    @property
    def mask(self) -> Callable[[bytes], bytes]: ...  # noqa: D102


class Session(Protocol):
    """Sends the requests of a client within the request budget of the host."""

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Response:
        """Send one GET request within the budget of the host. Repeat it if that is safe.

        Args:
            url: http or https.
            params: the query; the session encodes it.
            headers: additional headers.
            allow_status: error statuses whose body the protocol can read (Zenodo sends OAI errors with 422).
            repeatable: False for a request that must not be sent twice (single-use tokens).

        Raises:
            SourceError: there is no usable response; `transient` says whether a later attempt may succeed.
        """

    def post(
        self,
        url: str,
        body: bytes,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Response:
        """Send one POST request that only reads, within the same budget. Repeat it if that is safe.

        Args:
            url: http or https.
            body: the content; name its type in `headers`.
            params: the query; the session encodes it.
            headers: additional headers.
            allow_status: see `get`.
            repeatable: see `get`.

        Raises: see `get`.
        """

    def download(self, url: str, target: IO[bytes], headers: dict[str, str] | None = None) -> Download:
        """Send one GET request within the same budget, and write the content to a file.

        Args:
            url: http or https.
            target: a file that can be truncated. It receives the content with its secrets; mask what is read of it
                with `mask` of the result.
            headers: additional headers.

        Raises: see `get`.
        """


class Arguments(BaseModel):
    """Base of a harvester's arguments: `harvester_kwargs` of the YAML, validated when the catalog is loaded.

    A changed argument invalidates the coverage of earlier harvests, unless its field is marked with `NotDeciding`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def has_open_end(self) -> bool:
        """Whether the source can only be asked from an instant on. One list then serves a range of any length."""
        return False


class Client(ABC):
    """Requests the pages of one source. Every request goes through `session`.

    Attributes:
        whole_window: the window of the harvest, if `pages` may be called for parts of it. The pipeline sets this. It
            matters to a client that requests records separately: the parser keeps the records of the whole window.
        lists_everything: whether a list of the whole source has all its records. A feed has only the newest ones, so
            a record that it does not list may still exist.
    """

    whole_window: Window | None = None
    lists_everything: bool = True

    def __init__(self, arguments: Any, session: Session) -> None:
        self.arguments = arguments
        self.session = session

    def use_observations(self, observations: Observations) -> None:  # noqa: B027  # most clients need none
        """Take what earlier harvests observed about the source. The pipeline calls this before the first request.

        A client may keep the object, read from it, and record new observations while it requests pages. They are
        kept in the database with the source until the arguments of the harvester change.
        """

    @abstractmethod
    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield the pages of a window lazily and in order.

        The generator ends only where the source says that its list ends.

        Args:
            window: the window to ask for. `windows.ALL_TIME` stands for one list of the whole source: request it
                without dates.
            cursor: the page to begin with; None for the first page.

        Raises:
            SourceError: the list breaks. The pages yielded before are complete.
        """

    def list_pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield the pages of `pages` that belong to the list, without those for single records.

        Tools call this to read a list. A client that requests records separately must not request them here.
        """
        return (page for page in self.pages(window, cursor) if page.single_record is None)

    def confirm_format(self, page: Page, name: str) -> bool:  # noqa: ARG002  # most protocols have one format
        """Return whether the source confirms that records of the list may have this format.

        Called for a page with a format (`Page.formats`) that earlier pages of the window lack. If the answer is False,
        the page is not stored, and its list counts as broken.

        Args:
            page: the page, with its body.
            name: one of its formats.

        Raises:
            SourceError: the source gives no answer now.
        """
        return False

    @property
    def smallest_window(self) -> timedelta:
        """The shortest window that the source can distinguish. Recovery halves a window down to this length."""
        return timedelta(seconds=1)

    @property
    def has_open_end(self) -> bool:
        """Whether each list reaches from the start of a window to the present. Recovery cannot halve such a list."""
        return getattr(self.arguments, "has_open_end", False)

    @property
    def lists_are_sorted(self) -> bool:
        """Whether the config declares that lists are ordered by datestamp, so that a broken one can be continued.

        The client raises an error if the records of a list show that this is wrong.
        """
        return False

    @property
    def list_count(self) -> int | None:
        """The number of lists that `pages` reads one after the other; None if it is not known.

        Resuming from the last datestamp is safe only when there is exactly one list.
        """
        return None

    @property
    def requests_records_separately(self) -> bool:
        """Whether `pages` requests each record separately, so that a page of a list costs as many requests."""
        return False

    @property
    def cursors_are_reusable(self) -> bool:
        """Whether the source accepts the same cursor twice. Some tokens may be used only once."""
        return True

    def doubt_of_empty_list(self) -> str | None:
        """Return the reason why an empty list may be wrong, as a clause; None if there is none.

        It is called if a window has no record. Example: the set is not in the list of sets.
        """
        return None

    def has_all_lists(self) -> bool:
        """Return whether the source proves that `pages` requests all its lists. If not, a window is unverified.

        It is called after the last page of a window.
        """
        return True

    def has_record(self, identifier: str, window: Window) -> bool | None:  # noqa: ARG002  # the default cannot ask
        """Return whether the source has a live record with a datestamp in the window; None if it cannot be asked.

        It is called for a few records if a window had records before and its list is empty. For ALL_TIME, it is called
        for records that a list of the whole source lacks. The answer False may then delete the record here, so return
        it only if the source itself says that it does not have the record, or that the record is deleted.

        Raises:
            SourceError: for ALL_TIME, if the source gives no answer now. For other windows, return None instead.
        """
        return None

    def one_by_one(self, window: Window) -> Iterator[Page] | None:  # noqa: ARG002  # the default has no such way
        """Yield one page for each record of the window, or return None if records cannot be requested alone.

        Recovery uses them if one record makes a whole page invalid. The pages and their records have the same form as
        those of `pages`.
        """
        return None


class Parser(ABC):
    """Parses the pages of one source into records.

    A parser sends no request. It gets the arguments with `${NAME}` left as it is, so it needs no secret.

    Attributes:
        keep_original: whether to set `Record.original`. The pipeline sets this to the source's `keep_original`. A
            parser that ignores it gives no originals; the harvest then logs a warning.
    """

    keep_original: bool = False

    def __init__(self, arguments: Any) -> None:
        self.arguments = arguments

    @abstractmethod
    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        """Yield the records of a page in the order of the source. Yield an InvalidRecord for one that cannot be read.

        Args:
            page: a page that a client of the same harvester yielded.
            window: the window that the page was asked for.
        """

    def headers(self, page: Page, window: Window) -> Iterator[RecordHeader | InvalidRecord]:
        """Yield the headers of the records of a page, in the order of the source.

        A parser of lists of identifiers overrides this. The default parses whole records.

        Args:
            page: a page that a client of the same harvester yielded.
            window: the window that the page was asked for.
        """
        for record in self.records(page, window):
            if isinstance(record, Record):
                yield RecordHeader(record.identifier, record.datestamp, record.deleted, record.sets)
            else:
                yield record

    def single_record(self, datum: bytes, window: Window) -> Record | InvalidRecord | None:  # noqa: ARG002
        """Parse the bytes of one record again, as an InvalidRecord or a canonical form has them.

        `harvest quarantine retry` calls it. Return None if this parser cannot parse a record without its page; the
        record then stays in quarantine until its window is harvested again.

        Args:
            datum: the bytes of an InvalidRecord that this harvester yielded, perhaps in an earlier version.
            window: the window in whose harvest the record was received.
        """
        return None


class Harvester(ABC):
    """One protocol: the model of its arguments, a client that asks a source, and a parser for its pages.

    Attributes:
        VERSION: raise it when the same response gives other blobs. Coverage by older versions then no longer counts.
        Arguments: the pydantic model of `harvester_kwargs`.
        limits: what a response may cost. The session applies those of bytes and cookies; client and parser apply those
            of nodes, values and tokens.
    """

    VERSION: ClassVar[int] = 1
    Arguments: ClassVar[type[BaseModel]] = Arguments
    limits: ResponseLimits = ResponseLimits()

    def __init__(self, arguments: Any) -> None:
        self.arguments = arguments

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Raise TypeError for a harvester of the former interface, which was client and parser in one class."""
        super().__init_subclass__(**kwargs)
        if combined := [name for name in ("pages", "records") if name in vars(cls)]:
            message = (
                f"{cls.__module__}.{cls.__qualname__} defines {' and '.join(combined)}. A harvester no longer asks and "
                "parses itself. Move `pages` to a subclass of Client and `records` to a subclass of Parser (both in "
                "harvest_dagster.harvesters.interface), and return them from `client(session)` and `parser()`; "
                "docs/plugins.md has an example."
            )
            raise TypeError(message)

    def with_limits(self, limits: ResponseLimits) -> Harvester:
        """Return a copy with the limits of the source."""
        harvester = copy(self)
        harvester.limits = limits
        return harvester

    @abstractmethod
    def client(self, session: Session) -> Client:
        """Return a client of the source that the arguments describe."""

    @abstractmethod
    def parser(self) -> Parser:
        """Return a parser for the pages of that source."""

    def header_client(self, session: Session) -> Client:
        """Return a client of the cheapest list that has all identifiers of the source, with their datestamps.

        Its pages have the form that `header_parser` reads. The default lists whole records.
        """
        return self.client(session)

    def header_parser(self) -> Parser:
        """Return a parser whose `headers` reads the pages of `header_client`."""
        return self.parser()
