"""Split the pages of a container into the first and the last page, in the same way for all formats."""

from __future__ import annotations

import re

from msgspec.structs import replace

from harvest_dagster.transformers.document import Container

# A number with letters or signs (`e12`, `S57`, `1.e3`), or a Roman number. `n/a` is no page.
_DASHES = r"\u2010-\u2015-"
_PAGE = rf"(?:[^\s,;{_DASHES}]*\d[^\s,;{_DASHES}]*|[ivxlcdm]+|[IVXLCDM]+)"
_RANGE = re.compile(rf"({_PAGE})(?:\s?[{_DASHES}]\s?({_PAGE}))?")
# The number of an article in a journal without pages, `elocation-id` in JATS.
_ELECTRONIC = re.compile(r"[eE]\d+")


def with_split_pages(container: Container) -> Container:
    """Return a container whose `pages` are its first and last page, if they are one page or one range.

    A single `e12` is the number of the article, also if the source writes it as first and last page. The last page of
    `127-8` is 128.

    >>> split = with_split_pages(Container(pages="127-8"))
    >>> split.first_page, split.last_page, split.pages
    ('127', '128', None)
    >>> with_split_pages(Container(pages="e0178914")).number, with_split_pages(Container(pages="1-2, 5")).pages
    ('e0178914', '1-2, 5')
    """
    first, last = container.first_page, container.last_page
    if container.pages is not None and first is None and last is None:
        match = _RANGE.fullmatch(container.pages)
        if match is None:
            return container
        first, last = match[1], _whole(match[1], match[2])
        container = replace(container, first_page=first, last_page=last, pages=None)
    is_number = first is not None and last in (None, first) and _ELECTRONIC.fullmatch(first)
    if is_number and container.number in (None, first):
        return replace(container, first_page=None, last_page=None, number=first)
    return container


def _whole(first: str, last: str | None) -> str | None:
    """Return the last page with the digits that it shares with the first page."""
    if last is None or len(last) >= len(first) or not (first.isdigit() and last.isdigit()):
        return last
    whole = first[: -len(last)] + last
    return whole if int(whole) >= int(first) else last
