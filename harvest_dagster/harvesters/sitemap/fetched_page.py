"""A page of the website with what is known about it: the unit of the spool and of the quarantine.

Its bytes are a line of JSON, followed by the body as it was received and a line break.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harvest_dagster.harvesters.sitemap.document import Entry

_SIZE = "size"


@dataclass(frozen=True)
class FetchedPage:
    """A page that a sitemap lists.

    Attributes:
        url: its URL, as the sitemap has it.
        lastmod: its date, as the sitemap has it; empty if it has none.
        status: the HTTP status; 0 if the page was not requested.
        content_type: the value of the header Content-Type.
        problem: why the page was not requested; empty if it was.
        body: the bytes of the response after content decoding.
    """

    url: str
    lastmod: str
    status: int = 0
    content_type: str = ""
    problem: str = ""
    body: bytes = b""

    @property
    def entry(self) -> Entry:
        """Its entry in the sitemap."""
        return Entry(self.url, self.lastmod)

    def to_bytes(self) -> bytes:
        """Return the page as bytes."""
        fields = {name: value for name, value in vars(self).items() if name != "body"}
        return json.dumps({**fields, _SIZE: len(self.body)}).encode() + b"\n" + self.body + b"\n"


def join_pages(pages: Iterable[FetchedPage]) -> bytes:
    """Return the body of a page of the list."""
    return b"".join(page.to_bytes() for page in pages)


def split_pages(body: bytes) -> Iterator[FetchedPage]:
    """Yield the pages in the bytes that `join_pages` returned.

    Raises:
        ValueError: the bytes are something else.
    """
    position = 0
    while position < len(body):
        start = body.index(b"\n", position) + 1
        fields = json.loads(body[position:start])
        try:
            position = start + fields.pop(_SIZE) + 1
            yield FetchedPage(**fields, body=body[start : position - 1])
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError("no page of a website") from error
