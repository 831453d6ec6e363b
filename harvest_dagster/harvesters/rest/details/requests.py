"""Request the detail of each record of a list page. The detail is the full record; the list has only a part of it.

Each detail is a page of its own (`Page.single_record`). The pages of details come before the page of the list that
names their records, so the page of the list is stored after all of them. The cursor of each detail contains the number
of records of the page that are done. A run that resumes requests the page of the list again, and then the missing
details. If the records of that page have changed, it requests all details of the page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote, urlsplit

from harvest_dagster.errors import (
    BotChallenge,
    HttpStatusError,
    LoginPage,
    MaintenancePage,
    MalformedResponse,
    MisconfiguredPath,
    SourceError,
    SourceUnreachable,
    release_locals,
)
from harvest_dagster.harvesters.interface import Response, Session
from harvest_dagster.harvesters.rest.arguments import PARENT, RestArguments
from harvest_dagster.harvesters.rest.details.arguments import IDENTIFIER
from harvest_dagster.harvesters.rest.details.spooled_pages import StoredDetail, find_record, pack_detail
from harvest_dagster.harvesters.rest.further_urls import with_user
from harvest_dagster.harvesters.rest.identifiers import identifier_texts, split_identifier
from harvest_dagster.harvesters.rest.parser import RestParser
from harvest_dagster.harvesters.rest.paths import find
from harvest_dagster.records import Page, Request
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window

# These statuses say who may ask, how often, or that the source is down. They concern all records.
_STATUSES_FOR_ALL = frozenset({401, 402, 403, 407, 408, 421, 425, 429, 451, 502, 503, 504})
_PAGES_FOR_ALL = (LoginPage, BotChallenge, MaintenancePage)
_MISSING = frozenset({404, 410})
_FAILURES_IN_A_ROW = 3  # transient ones: then the source is down, and not only these records are damaged
_MISSING_IN_A_ROW = 100  # details, if none was found before them: then `url` is wrong


@dataclass(frozen=True)
class ListItem:
    """A record of a list page.

    Attributes:
        identifier: its identifier, as it is stored.
        datestamp: its datestamp; None if it has none.
        texts: the values of its identifier, as the source writes them.
        raw: its bytes.
    """

    identifier: str
    datestamp: datetime | None
    texts: tuple[str, ...]
    raw: bytes


@dataclass(frozen=True)
class _Answer:
    """The response for one item, or why there is none."""

    item: ListItem
    response: Response | None = None
    error: SourceError | ValueError | None = None


class DetailRequests:
    """Requests the details of the records of one source.

    Args:
        arguments: the arguments of the source, with `detail`.
        session: sends the requests.
        parser: reads the pages of the list.
        limits: what parsing a response may cost.
    """

    def __init__(
        self, arguments: RestArguments, session: Session, parser: RestParser, limits: ResponseLimits
    ) -> None:
        self._arguments = arguments
        self._session = session
        self._parser = parser
        self._limits = limits
        self._missing_in_a_row: int | None = 0

    def pages(self, list_pages: Iterator[Page], done: str | None, window: Window) -> Iterator[Page]:
        """Yield each page of a list after the pages of its details.

        Args:
            list_pages: the pages of the list.
            done: the details of the first page that are done (`Cursor.separate`); None for none.
            window: the window whose records need a detail. It is the whole window, if the list is of a part of it.

        Raises:
            SourceError: the list breaks, or a detail fails in a way that concerns all records.
        """
        for page in list_pages:
            items = self._items(page, window)
            yield from self._detail_pages(page, items, _count_done(items, done))
            yield replace(page, sent_separately=tuple(item.identifier for item in items))
            done = None

    def has_record(self, identifier: str) -> bool | None:
        """Return whether the source answers the request for the detail of a record: False for 404 and 410.

        None if it cannot be asked: there is no `detail`, or its URL needs more than the identifier.

        Raises:
            SourceError: the source gives another answer.
        """
        texts = split_identifier(identifier, len(self._arguments.identifier))
        if self._arguments.detail is None or texts is None or PARENT in self._arguments.detail.url:
            return None
        try:
            self._get(detail_url(self._arguments, texts))
        except HttpStatusError as error:
            if error.status in _MISSING and error.page not in _PAGES_FOR_ALL:
                return False
            raise
        except ValueError:  # the identifier cannot stand in the path of a URL
            return None
        return True

    def _items(self, page: Page, window: Window) -> Sequence[ListItem]:
        """Return the records of a page that need a detail. Of an identifier that comes twice, the last one counts."""
        found = dict(self._parser.items_with_detail(page, window))
        raw = self._parser.raw_items(page, found) if found else {}
        items: dict[str, ListItem] = {}
        for location, item in found.items():
            identifier, datestamp = self._parser.dated_record(item) or ("", None)
            texts = identifier_texts([find(item, path) for path in self._arguments.identifier])
            items[identifier] = ListItem(identifier, datestamp, texts, raw[location])
        return tuple(items.values())

    def _detail_pages(self, page: Page, items: Sequence[ListItem], done: int) -> Iterator[Page]:
        # A transient failure waits until the next detail shows that the source works.
        waiting: list[_Answer] = []
        progress = _DetailProgress.of(items[:done])
        for item in items[done:]:
            answer = self._request(item)
            waiting.append(answer)
            if not isinstance(answer.error, SourceError) or not answer.error.transient:
                yield from (_detail_page(page, one, progress.add(one.item)) for one in waiting)
                waiting = []
            elif len(waiting) >= _FAILURES_IN_A_ROW:
                raise answer.error
        yield from (_detail_page(page, one, progress.add(one.item)) for one in waiting)

    def _request(self, item: ListItem) -> _Answer:
        """Request the detail of a record, and once more if it is damaged.

        Raises:
            SourceError: the failure concerns all records.
        """
        try:
            url = detail_url(self._arguments, item.texts)
            response = self._get(url)
            try:
                self._raise_if_unusable(response)
            except MalformedResponse:
                response = self._get(url)
                self._raise_if_unusable(response)
        except (SourceError, ValueError) as error:
            release_locals(error)
            if isinstance(error, SourceError) and _concerns_all(error):
                raise
            self._raise_if_all_are_missing(error)
            return _Answer(item, error=error)
        self._missing_in_a_row = None
        return _Answer(item, response)

    def _get(self, url: str) -> Response:
        return self._session.get(url, {}, self._arguments.headers)

    def _raise_if_unusable(self, response: Response) -> None:
        find_record(
            self._arguments,
            response.body,
            url=response.url,
            content_type=response.content_type,
            limits=self._limits,
        )

    def _raise_if_all_are_missing(self, error: SourceError | ValueError) -> None:
        """Raise MisconfiguredPath if no detail was found and too many were requested."""
        if self._missing_in_a_row is None:
            return
        self._missing_in_a_row += 1
        if self._missing_in_a_row >= _MISSING_IN_A_ROW:
            message = (
                f"The details of the first {self._missing_in_a_row} records are all missing or invalid. The last one: "
                f"{error} Check `url` and `record` in `detail`."
            )
            raise MisconfiguredPath(message)


def detail_url(arguments: RestArguments, texts: Sequence[str]) -> str:
    """Return the URL of a detail, with the user and the password of `base_url`.

    Args:
        arguments: the arguments of the source, with `detail`.
        texts: the values of the identifier, as the source writes them.

    Raises:
        ValueError: the identifier cannot stand in the path of a URL.
    """
    assert arguments.detail is not None  # noqa: S101  # the caller has checked it
    url = arguments.detail.url.replace(IDENTIFIER, quote(":".join(texts), safe=""))
    for number, text in enumerate(texts):
        url = url.replace(f"{{identifier.{number}}}", quote(text, safe=""))
    if any(segment in {".", ".."} for segment in urlsplit(url).path.split("/")):
        message = f"the identifier {':'.join(texts)!r} would lead to another path of the source."
        raise ValueError(message)
    return with_user(url, arguments.base_url)


def _concerns_all(error: SourceError) -> bool:
    """Return whether a failure concerns the source or the access to it, and not only one record."""
    if isinstance(error, HttpStatusError):
        return error.status in _STATUSES_FOR_ALL or error.page in _PAGES_FOR_ALL
    if isinstance(error, SourceUnreachable):
        return not (error.transient and error.was_connected)
    return isinstance(error, _PAGES_FOR_ALL)


def _detail_page(page: Page, answer: _Answer, progress: str) -> Page:
    """Return the page for an answer. `progress` says which details are done after it."""
    item, response, error = answer.item, answer.response, answer.error
    stored = StoredDetail(item.raw, None if response is None else response.body, str(error or ""))
    return Page(
        body=pack_detail(stored),
        request=Request(getattr(error, "url", page.request.url) if response is None else response.url),
        status=getattr(error, "status", page.status) if response is None else response.status,
        received=page.received if response is None else response.received,
        cursor=page.cursor,
        next=replace(page.cursor, separate=progress),
        count=0,
        content_type="" if response is None else response.content_type,
        requested_window=page.requested_window,
        overlap=page.overlap,
        single_record=item.identifier,
    )


class _DetailProgress:
    """The number of the records that are done, with a digest of their identifiers and datestamps."""

    def __init__(self) -> None:
        self._count = 0
        self._digest = hashlib.blake2b(digest_size=16)

    def __str__(self) -> str:
        return f"{self._count}:{self._digest.hexdigest()}"

    @classmethod
    def of(cls, items: Sequence[ListItem]) -> _DetailProgress:
        """Return the progress after these records."""
        progress = cls()
        for item in items:
            progress.add(item)
        return progress

    def add(self, item: ListItem) -> str:
        """Add a record. Return the progress as text."""
        self._count += 1
        self._digest.update(f"{item.identifier}\0{item.datestamp}\0".encode("utf-8", "surrogatepass"))
        return str(self)


def _count_done(items: Sequence[ListItem], done: str | None) -> int:
    """Return how many of the items are done. Return 0 if `done` was written for other items."""
    count = int((done or "0").partition(":")[0])
    return count if done is not None and str(_DetailProgress.of(items[:count])) == done else 0
