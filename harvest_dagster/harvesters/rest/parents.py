"""One list for each parent: a client that requests the list of parents, and then the list of each of them.

The list of a parent is requested by a `RestClient` of its own, with `{parent}` replaced in its arguments. All lists
have the same windows, and `Cursor.list_number` is the number of the parent. Each list is compared with its own total.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from harvest_dagster.errors import (
    CursorRefused,
    MisconfiguredSource,
    PaginationLoop,
    ProtocolError,
    SourceError,
)
from harvest_dagster.harvesters.interface import Session
from harvest_dagster.harvesters.rest.arguments import PARENT, Next, Parents, RestArguments
from harvest_dagster.harvesters.rest.client import RestClient
from harvest_dagster.harvesters.rest.further_urls import with_user
from harvest_dagster.harvesters.rest.identifiers import identifier_texts
from harvest_dagster.harvesters.rest.parser import RestParser
from harvest_dagster.harvesters.rest.paths import find
from harvest_dagster.harvesters.rest.placeholders import find_placeholders
from harvest_dagster.records import Cursor, Page
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window

_USELESS_PAGES = 100  # pages of the list of parents in a row without a new value
_ATTEMPTS = 2  # to receive as many parents as the source counts: the list may change while it is read

_ListPages = Callable[[RestClient, Window, Cursor], Iterator[Page]]


class ParentsClient(RestClient):
    """Requests one list for each parent."""

    def __init__(
        self,
        arguments: RestArguments,
        session: Session,
        limits: ResponseLimits | None = None,
        of_records: RestArguments | None = None,
    ) -> None:
        super().__init__(arguments, session, limits, of_records)
        self._parents: tuple[str, ...] | None = None
        self._are_counted = False

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield the pages of all lists from a cursor on, parent by parent.

        After the last list, the list of parents is requested again. Lists of parents that are new follow.

        Raises:
            CursorRefused: see `RestClient.pages`. Also if the parents before that of the cursor are others now.
            SourceError: a list breaks, or the list of parents. The pages yielded before are complete.
        """
        for page in self._lists(window, cursor, RestClient.pages):
            if page.next is not None or page.single_record is not None:
                yield page
                continue
            self._add_new_parents()
            yield replace(page, next=self._first_cursor(page.cursor.list_number + 1))

    def list_pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """Yield the pages of all lists from a cursor on, without the pages of details."""
        return self._lists(window, cursor, RestClient.list_pages)

    @property
    def list_count(self) -> int | None:
        """The number of lists; None if it is not known yet, or may grow from one.

        With one list, a recovery step continues from the last datestamp. Another parent may be added meanwhile.
        """
        return len(self._parents) if self._parents is not None and len(self._parents) > 1 else None

    @property
    def lists_are_sorted(self) -> bool:
        """Whether all lists together are one sorted list: they are not, even if each of them is."""
        return False

    def has_all_lists(self) -> bool:
        """Return whether a total shows that the list of parents is complete."""
        with suppress(SourceError):  # a run that was killed after the last page has not requested it yet
            self._known_parents()
        if not self._are_counted:
            self._observations.note(
                f"{self._settings.url}: no total shows that the list of parents is complete, so no window can be"
            )
        return self._are_counted

    def _lists(self, window: Window, cursor: Cursor | None, pages_of: _ListPages) -> Iterator[Page]:
        if cursor is None:
            self._parents = None
        start = cursor or Cursor()
        parents, number = self._known_parents(), start.list_number
        if start.lists is not None and start.lists != _digest(parents[: number + 1]):
            message = (
                f"{self._settings.url}: the parents have changed since the list was interrupted. The lists of "
                "all parents start again."
            )
            raise CursorRefused(message, code="parents")
        first: Cursor | None = replace(start, list_number=0, lists=None)
        while number < len(self._known_parents()):
            for page in pages_of(self._client_of(number), window, first or Cursor()):
                yield self._numbered(page, number)
            number, first = number + 1, None

    def _client_of(self, number: int) -> RestClient:
        arguments = with_parent(self.arguments, self._known_parents()[number])
        client = RestClient(arguments, self.session, self._limits)
        client.use_observations(self._observations)
        client.whole_window = self.whole_window
        return client

    def _numbered(self, page: Page, number: int) -> Page:
        """Return the page of a parent's list as a page of all lists."""
        lists = _digest(self._known_parents()[: number + 1])
        following = (
            self._first_cursor(number + 1)
            if page.next is None
            else replace(page.next, list_number=number, lists=lists)
        )
        return replace(page, cursor=replace(page.cursor, list_number=number, lists=lists), next=following)

    def _first_cursor(self, number: int) -> Cursor | None:
        """Return the cursor of the first page of a parent's list; None after the last parent."""
        parents = self._known_parents()
        if number >= len(parents):
            return None
        return Cursor(None, number, lists=_digest(parents[: number + 1]))

    def _known_parents(self) -> tuple[str, ...]:
        if self._parents is None:
            self._parents = self._request_parents()
        return self._parents

    def _add_new_parents(self) -> None:
        known, now = self._known_parents(), self._request_parents()
        added = tuple(value for value in now if value not in known)
        gone = len(set(known).difference(now))
        if added or gone:
            self._observations.note(
                f"{self._settings.url}: the list of parents changed during the harvest: {len(added)} are new, "
                f"and {gone} are gone"
            )
        self._parents = (*known, *added)

    def _request_parents(self) -> tuple[str, ...]:
        """Request the list of parents. Return each value once, sorted: some sources have another order each time.

        Raises:
            SourceError: the list breaks, is shorter than its total, or is of no use.
        """
        total, count = None, 0
        for _ in range(_ATTEMPTS):
            values, count, total = self._read_parents()
            self._are_counted = total is not None
            if total is None or count >= total:
                break
        else:
            numbers = f"the source announced {total} parents, but delivered {count}"
            message = f"{self._settings.url}: {numbers}. Run again."
            raise ProtocolError(message)
        if not values:
            message = f"{self._settings.url} has no parents. Check `records` in `parents`."
            raise MisconfiguredSource(message)
        return tuple(sorted(values))

    def _read_parents(self) -> tuple[set[str], int, int | None]:
        """Return the values of the parents, the number of rows of their list, and its total."""
        arguments = list_arguments(self.arguments)
        parser = RestParser(arguments, self._limits)
        values: set[str] = set()
        count, total, useless = 0, None, 0
        for page in RestClient(arguments, self.session, self._limits).undated_pages():
            before = len(values)
            values.update(self._value(parser, item, page) for item in _items(parser, page))
            self._raise_if_too_many(values)
            useless = 0 if len(values) > before else useless + 1
            if useless >= _USELESS_PAGES:
                message = f"{page.request.url}: {useless} pages in a row had no new parent. Check `next` in `parents`."
                raise PaginationLoop(message)
            count += page.count
            total = total if page.total is None else max(page.total, total or 0)
        return values, count, total

    def _value(self, parser: RestParser, item: Any, page: Page) -> str:
        path = self._settings.value
        text = "".join(identifier_texts([find(item, path)]))
        if not text or text in {".", ".."} or find_placeholders([text]) or parser.identifier(item) is None:
            message = (
                f"{page.request.url}: a parent has {text!r} at {path}, the path `value` of `parents`. It must be a "
                "text or a number that can stand in a request."
            )
            raise MisconfiguredSource(message)
        return text

    def _raise_if_too_many(self, values: set[str]) -> None:
        most = self._settings.most
        if len(values) > most:
            message = (
                f"{self._settings.url} has more than {most} parents. Each of them costs a request for each "
                "window. If that is intended, raise `most` in `parents`."
            )
            raise MisconfiguredSource(message)

    @property
    def _settings(self) -> Parents:
        assert self.arguments.parents is not None  # noqa: S101  # see RestHarvester.client
        return self.arguments.parents


def with_parent(arguments: RestArguments, value: str) -> RestArguments:
    """Return the arguments for the list of one parent. In a URL, its value is percent-encoded, `/` included."""
    quoted = quote(value, safe="")
    detail = arguments.detail
    return arguments.model_copy(
        update={
            "base_url": arguments.base_url.replace(PARENT, quoted),
            "params": _fill(arguments.params, value),
            "body": _fill(arguments.body, value),
            "detail": detail and detail.model_copy(update={"url": detail.url.replace(PARENT, quoted)}),
            "parents": None,
        }
    )


def list_arguments(arguments: RestArguments) -> RestArguments:
    """Return the arguments for the list of parents."""
    parents = arguments.parents
    assert parents is not None  # noqa: S101  # the caller has checked it
    return RestArguments.model_construct(
        base_url=with_user(parents.url, arguments.base_url),
        params=parents.params,
        headers=arguments.headers,
        records=parents.records,
        identifier=(parents.value,),
        total=parents.total,
        error=arguments.error,
        next=parents.next or Next(by="link_header"),
    )


def _fill(value: Any, parent: str) -> Any:
    """Return a value with nested lists and mappings whose texts contain the parent in place of `{parent}`."""
    if isinstance(value, dict):
        return {key: _fill(member, parent) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_fill(member, parent) for member in value)
    return value.replace(PARENT, parent) if isinstance(value, str) else value


def _items(parser: RestParser, page: Page) -> Iterator[Any]:
    if page.count == 0:
        return  # its body may be an error past the end of the list
    document = parser.document(page.body, page.request.url, page.content_type)
    for _, item in parser.find_items(document, page.request.url) or ():
        yield item


def _digest(parents: Sequence[str]) -> str:
    return hashlib.blake2b("\0".join(parents).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
