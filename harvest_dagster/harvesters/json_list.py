"""JSON list APIs, as the YAML describes them: Crossref, DataCite, Europe PMC, OSF, OpenAlex, Zenodo and their like.

Here: from windows to pages, from pages to records. What can be said of an API is in `json_list_arguments`, the
way from page to page in `json_list_paging`, what a page says of itself in `json_answer`, text and numbers in
`exact_json`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from harvest_dagster.errors import CursorRefused, MalformedResponse, ProtocolError
from harvest_dagster.harvesters.exact_json import Ambiguous, canonical, parse, pieces
from harvest_dagster.harvesters.interface import Harvester, Response
from harvest_dagster.harvesters.json_answer import described, raise_if_error, total
from harvest_dagster.harvesters.json_list_arguments import JsonListArguments
from harvest_dagster.harvesters.json_list_paging import Pager
from harvest_dagster.harvesters.json_paths import along, find, keys, remove
from harvest_dagster.harvesters.source_dates import inside, lenient_instant
from harvest_dagster.records import Cursor, Page, Record, Request, Unreadable
from harvest_dagster.texts import seen
from harvest_dagster.windows import DAY, SECOND, Window, whole_days

# How APIs say that a cursor has expired, or was never one of theirs.
_CURSOR_REFUSED = frozenset({400, 404, 410, 422})


class JsonListHarvester(Harvester):
    """One list of a JSON API."""

    VERSION = 1
    Arguments = JsonListArguments
    arguments: JsonListArguments

    def pages(self, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        """The pages of the list, from a cursor on.

        Raises:
            CursorRefused: the source no longer accepts the cursor, or nobody would notice that it was used before.
            SourceError: the list breaks; the pages given so far are whole.
        """
        if cursor is not None and cursor.token is not None and not self.repeatable and not self._tells_total:
            message = (
                f"{self.arguments.base_url} may have given the page of this cursor before, to a run that broke off, "
                "and without a total nobody would miss it. The list must be begun again."
            )
            raise CursorRefused(message, code="single_use")
        asked = self._asked(window)
        pager = Pager(self.arguments, *self._dates(asked))
        following: Cursor | None = cursor or Cursor()
        while following is not None:
            page = self._page(pager, following, None if asked == window else asked)
            yield page
            following = page.next

    def records(self, page: Page, window: Window) -> Iterator[Record | Unreadable]:
        """The records of a page of `pages`, in the source's order, but for those that neighbouring windows have."""
        document = self._document(page.body, page.request.url, page.content_type)
        bodies: list[bytes] = []
        for number, item in enumerate(self._listed(document, page.request.url)):
            record = self._record(item)
            if isinstance(record, Record):
                if inside(record.datestamp, window, page.asked):
                    yield record
                continue
            bodies = bodies or list(pieces(page.body, keys(self.arguments.records)))
            yield Unreadable(bodies[number], record, self._identifier(item))

    @property
    def smallest(self) -> timedelta:
        """A day or a second, as the API's dates are."""
        return DAY if self.arguments.granularity == "day" else SECOND

    @property
    def parts(self) -> int:
        """One list."""
        return 1

    @property
    def repeatable(self) -> bool:
        """Not where `next` says `single_use`."""
        return not self.arguments.next.single_use

    def _asked(self, window: Window) -> Window:
        """What is asked for: the days or seconds that the window touches, and the second at an inclusive end.

        That second, because datestamps may be finer than what can be asked: `until` 23:59:59 leaves out what
        changed half a second later.
        """
        if self.arguments.granularity == "day":
            return whole_days(window)
        start, end = window.start.replace(microsecond=0), window.end.replace(microsecond=0)
        end += SECOND if end < window.end or self.arguments.until == "inclusive" else timedelta()
        return Window(start, end)

    def _dates(self, asked: Window) -> tuple[str, str]:
        is_inclusive = self.arguments.until == "inclusive"
        if self.arguments.granularity == "day":
            return f"{asked.start:%Y-%m-%d}", f"{asked.end - is_inclusive * DAY:%Y-%m-%d}"
        return _instant(asked.start), _instant(asked.end - is_inclusive * SECOND)

    def _page(self, pager: Pager, cursor: Cursor, widened: Window | None) -> Page:
        response = self._ask(pager, cursor)
        document = self._document(response.body, response.url, response.content_type)
        items = self._listed(document, response.url)
        token = pager.following(cursor.token, len(items), document, url=response.url)
        return Page(
            body=response.body,
            request=Request(response.url),
            status=response.status,
            received=response.received,
            cursor=cursor,
            next=None if token is None else Cursor(token),
            count=len(items),
            total=self._total(document, response.url),
            content_type=response.content_type,
            asked=widened,
            identifiers=tuple(filter(None, map(self._identifier, items))),
        )

    def _ask(self, pager: Pager, cursor: Cursor) -> Response:
        url, params = pager.request(cursor.token)
        is_given = cursor.token is not None and self.arguments.next.is_given
        response = self.session.get(
            url,
            params,
            self.arguments.headers,
            allow_status=_CURSOR_REFUSED if is_given else frozenset(),
            repeatable=self.repeatable,
        )
        if response.status in _CURSOR_REFUSED:
            message = (
                f"{response.url} was refused with HTTP status {response.status}, {seen(response.body)}: "
                "the cursor has expired, or the list is too long. Begin it again, or harvest shorter windows."
            )
            raise CursorRefused(message, code=str(response.status))
        return response

    def _document(self, body: bytes, url: str, content_type: str) -> Any:
        document = parse(body, url=url, content_type=content_type)
        error = self.arguments.error
        ways = filter(None, (self.arguments.records, self.arguments.next.path, self.arguments.total, error))
        if any(isinstance(value, Ambiguous) for way in ways for value in along(document, way)):
            message = f"{url} answered with an object that has a key twice. Tell the operator of the source."
            raise MalformedResponse(message)
        if error is not None:
            raise_if_error(document, error, url=url)
        return document

    def _listed(self, document: Any, url: str) -> list[Any]:
        items = find(document, self.arguments.records)
        if isinstance(items, list):
            return items
        message = (
            f"{url} answered with JSON that has no list at {self.arguments.records}, but {described(document)}. "
            "Check `records`; where it is right, the source answered with an error."
        )
        raise ProtocolError(message)

    def _total(self, document: Any, url: str) -> int | None:
        return total(document, self.arguments.total or "", url=url) if self._tells_total else None

    @property
    def _tells_total(self) -> bool:
        return self.arguments.total is not None and self.arguments.trust_total

    def _record(self, item: Any) -> Record | str:
        """The record, or what is wrong with it."""
        if not isinstance(item, dict):
            return "a member of the list that is no object"
        identifier = self._identifier(item)
        if identifier is None:
            return f"a record without identifier at {', '.join(self.arguments.identifier)}"
        datestamp, deleted = self._datestamp(item), self._is_deleted(item)
        for path in self.arguments.volatile:
            remove(item, path)
        try:
            return Record(identifier, datestamp, deleted, canonical(item))
        except ValueError as error:
            return f"a record that has no canonical form: {error}"
        except RecursionError:
            return "a record that has no canonical form: its values are nested too deeply"

    def _identifier(self, item: Any) -> str | None:
        found = [_text(find(item, path)) for path in self.arguments.identifier]
        return ":".join(found) if all(found) else None

    def _datestamp(self, item: Any) -> datetime | None:
        return (
            lenient_instant(_text(find(item, self.arguments.datestamp))) if self.arguments.datestamp else None
        )

    def _is_deleted(self, item: Any) -> bool:
        if self.arguments.deleted is None:
            return False
        found = find(item, self.arguments.deleted.path)
        said = str(found).lower() if isinstance(found, bool) else _text(found)
        return said in self.arguments.deleted.values


def _text(value: Any) -> str:
    """A text or number without the white space around it; empty for anything else."""
    return value.strip() if isinstance(value, str) else ""  # a Number is one


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
