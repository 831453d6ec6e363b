"""Read the sitemaps of a source one after the other, and find the entries of a window in them.

Memory holds one index and one sitemap, whatever the size of the site.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit

from harvest_dagster.errors import (
    CursorRefused,
    MisconfiguredPath,
    MisconfiguredSource,
    ProtocolError,
    SourceRefused,
)
from harvest_dagster.harvesters.interface import Response
from harvest_dagster.harvesters.sitemap.arguments import SitemapArguments
from harvest_dagster.harvesters.sitemap.document import MOST_URLS, Entry, SitemapDocument, parse_sitemap
from harvest_dagster.harvesters.sitemap.requester import Requester
from harvest_dagster.rate_limits import host_of
from harvest_dagster.records import Cursor
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.texts import shorten
from harvest_dagster.windows import DAY, Window

_DIGITS = 16  # of a digest
_LONGEST_URL = 200  # characters


@dataclass(frozen=True)
class Position:
    """A position in the sitemaps of a source. It is the token of a cursor, so a harvest can resume from it.

    Attributes:
        root: the number of the sitemap or index, among those of robots.txt.
        child: the number of the sitemap in its index.
        entry: the number of the entry, among those of the window in the sitemap.
        digest: a digest of the URLs of the sitemaps up to this one, and of the entries of the window in this one.
    """

    root: int
    child: int
    entry: int
    digest: str

    @classmethod
    def of(cls, cursor: Cursor) -> Position | None:
        """Return the position that a cursor contains; None for the start."""
        return None if cursor.token is None else cls(**json.loads(cursor.token))

    @property
    def cursor(self) -> Cursor:
        """The cursor of the position."""
        return Cursor(json.dumps(asdict(self), separators=(",", ":")))


@dataclass(frozen=True)
class Step:
    """One step of a traversal: an entry of the window, or the start of a sitemap.

    Attributes:
        position: the position before the entry.
        entry: the entry; None at the start of a sitemap.
    """

    position: Position
    entry: Entry | None


class SitemapTraversal:
    """Requests the sitemaps of a source in order, and yields the entries of a window.

    Attributes:
        first: the response of the first sitemap or index; None before it.
        may_be_cut: whether the only sitemap has as many entries as the protocol allows, so that others may be missing.

    Args:
        arguments: the arguments of the source.
        requester: sends the requests.
        limits: the limits of a sitemap.
    """

    def __init__(self, arguments: SitemapArguments, requester: Requester, limits: ResponseLimits) -> None:
        self._arguments, self._requester, self._limits = arguments, requester, limits
        self._match = re.compile(arguments.match or "")
        self._listed = self._matching = 0  # number of entries, of all windows
        self.first: Response | None = None
        self.may_be_cut = False

    def steps(self, window: Window, start: Position | None) -> Iterator[Step]:
        """Yield the start of each sitemap, and the entries of the window in it, from a position on.

        An entry without a date belongs to each window.

        Raises:
            CursorRefused: the sitemaps have changed before the position (`changed`).
            MisconfiguredSource: `match` is found in no URL of all sitemaps.
            SourceError: a sitemap is missing or invalid.
        """
        sought = start
        for root, child, digest, document in self._sitemaps(window, start):
            entries = self._entries(document, window)
            position = Position(root, child, 0, _digest(digest, entries))
            if sought is not None:
                if replace(sought, entry=0) != position:
                    raise _changed(self._arguments.base_url)
                position, sought = sought, None
            yield Step(position, None)
            for number in range(position.entry, len(entries)):
                yield Step(replace(position, entry=number), entries[number])
        if sought is not None:
            raise _changed(self._arguments.base_url)
        if start is None and not self._arguments.trust_index_dates:  # otherwise some sitemaps were not read
            self._raise_if_nothing_matches()

    def _raise_if_nothing_matches(self) -> None:
        if self._listed and not self._matching:
            message = (
                f"the sitemaps of {host_of(self._arguments.base_url)} list {self._listed} pages, but `match` "
                f"({self._arguments.match}) is found in none of their URLs. Correct `match`."
            )
            raise MisconfiguredSource(message)

    def _sitemaps(
        self, window: Window, start: Position | None
    ) -> Iterator[tuple[int, int, hashlib._Hash, SitemapDocument]]:
        """Yield the sitemaps from a position on: root, child, digest of the URLs up to it, and document."""
        first, digest = (0, 0) if start is None else (start.root, start.child), hashlib.sha256()
        roots = self._roots()
        for root, url in enumerate(roots):
            digest.update(f"{url}\n".encode())
            if root < first[0]:
                continue
            document = self._request(url)
            if not document.is_index:
                self.may_be_cut = len(roots) == 1 and len(document.entries) == MOST_URLS
                yield root, 0, digest.copy(), document
                continue
            for child, entry in enumerate(document.entries):
                digest.update(f"{entry.url}\n".encode())
                is_start = start is not None and (root, child) == first
                if (root, child) >= first and (is_start or not self._is_older(entry, window)):
                    yield root, child, digest.copy(), self._request_child(entry.url, url)

    def _roots(self) -> list[str]:
        if not self._arguments.is_site:
            return [self._arguments.base_url]
        if roots := self._requester.robots.sitemaps(self._arguments.base_url):
            return roots
        message = (
            f"the robots.txt of {host_of(self._arguments.base_url)} names no sitemap. Set base_url to the URL of the "
            "sitemap."
        )
        raise MisconfiguredPath(message)

    def _request(self, url: str) -> SitemapDocument:
        if problem := self._requester.problem(url):
            message = f"{_shown(url)}: this sitemap is not requested: {problem}"
            raise SourceRefused(message, code="notAllowed")
        response = self._requester.get(url)
        self.first = self.first or response
        return parse_sitemap(
            response.body, url=response.url, content_type=response.content_type, limits=self._limits
        )

    def _request_child(self, url: str, index: str) -> SitemapDocument:
        document = self._request(url)
        if document.is_index:
            message = (
                f"the index of sitemaps {_shown(index)} lists another index, {_shown(url)}, which the protocol does "
                "not allow. Set base_url to the inner index."
            )
            raise ProtocolError(message)
        return document

    def _is_older(self, entry: Entry, window: Window) -> bool:
        """Return whether a sitemap has not changed since the start of a window. Its date may have no time."""
        date = entry.date if self._arguments.trust_index_dates else None
        return date is not None and date + DAY <= window.start

    def _entries(self, document: SitemapDocument, window: Window) -> list[Entry]:
        """Return the entries of a window. Of several entries for a page, the last one counts."""
        matching = [entry for entry in document.entries if not entry.url or self._match.search(entry.url)]
        self._listed += len(document.entries)
        self._matching += len(matching)
        found = {entry.url: entry for entry in matching if entry.date is None or entry.date in window}
        return list(found.values())


def _digest(digest: hashlib._Hash, entries: list[Entry]) -> str:
    for entry in entries:
        digest.update(f"{entry.url} {entry.lastmod}\n".encode())
    return digest.hexdigest()[:_DIGITS]


def _changed(url: str) -> CursorRefused:
    message = (
        f"the sitemaps of {host_of(url)} have changed since their first pages were requested, so the list must be read "
        "again from the start. If this repeats, harvest shorter windows: set max_window."
    )
    return CursorRefused(message, code="changed")


def _shown(url: str) -> str:
    """Return a URL for a message, without user, password and query."""
    parts = urlsplit(url)
    return shorten(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", _LONGEST_URL)
