"""Find configured paths that match nothing (docs/failures.md#paths-that-never-match).

A source may omit the cursor and the total of a list that fits on one page. So a path is wrong only if the first page
lacks it, and the list continues after that page or must continue.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from harvest_dagster.errors import MisconfiguredPath, ProtocolError
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.lists.page_metadata import describe_value
from harvest_dagster.harvesters.rest.lists.state import ListState, PageContent
from harvest_dagster.harvesters.rest.paths import MISSING, known_part, look_up
from harvest_dagster.paths.syntax import ROOT

NEXT_PATH, MORE, TOTAL, RECORDS = "next.path", "next.more", "total", "records"
_SIZE_NAME = re.compile("size|limit|rows|count|per.?page|top|num|max|hits|length|results", re.IGNORECASE)
_SIZE = re.compile("[2-9]|[1-9][0-9]{1,6}")


def configured_paths(arguments: RestArguments) -> dict[str, str]:
    """Return the paths that a list needs, by their keys in the YAML."""
    paths = {
        NEXT_PATH: arguments.next.path,
        MORE: arguments.next.more,
        TOTAL: arguments.total if arguments.trust_total else None,
    }
    return {key: path for key, path in paths.items() if path is not None}


def find_paths(arguments: RestArguments, document: object, next_link: str | None = None) -> frozenset[str]:
    """Return the configured paths that a page has, by their keys in the YAML.

    A path to null counts, and so does a link in the header Link.
    """
    paths = configured_paths(arguments).items()
    found = frozenset(key for key, path in paths if look_up(document, path) is not MISSING)
    return found if next_link is None else found | {NEXT_PATH}


def raise_if_path_is_missing(
    arguments: RestArguments, state: ListState, page: PageContent, token: str | None
) -> None:
    """Raise an error if a list continues, or must continue, after a first page that lacks a configured path.

    Args:
        arguments: arguments of the source.
        state: the list before this page.
        page: the page.
        token: the token of the next page; None if the list ends.

    Raises:
        MisconfiguredPath: a path of `next` or `total` is wrong.
        ProtocolError: the same, but shorter lists may show that this page was the whole list.
    """
    if not page.count or not state.is_from_start or state.pages > 1:
        return
    missing = configured_paths(arguments).keys() - state.found_paths - page.found_paths
    if not missing:
        return
    proof = _proof_of_more(arguments, state, page, token)
    size = requested_page_size(arguments)
    full = f"The page is full: {size} records were requested" if size and page.count >= size else None
    for key in sorted(missing):
        if reason := proof or (full if key == TOTAL else None):
            raise MisconfiguredPath(describe_missing_path(arguments, key, page, reason))
    if NEXT_PATH in missing and full and page.total is None:
        raise ProtocolError(describe_missing_path(arguments, NEXT_PATH, page, full))


def _proof_of_more(
    arguments: RestArguments, state: ListState, page: PageContent, token: str | None
) -> str | None:
    """Return what proves that the list continues after its first page; None if nothing does."""
    if state.pages == 1:
        return "The list has a second page"
    if page.more:
        return "The page says that there are more records"
    if page.total is not None and page.total > page.count:
        return f"The page has {page.count} of {page.total} records"
    if token is not None and arguments.next.list_end == "no_next":
        return "The list goes on"
    return None


def describe_missing_path(arguments: RestArguments, key: str, page: PageContent, reason: str) -> str:
    """Return the message about a path that a page must have. It names keys of the page, and no values.

    Args:
        arguments: arguments of the source.
        key: its key in `harvester_kwargs`.
        page: the page that lacks it.
        reason: why it must have it, as the beginning of a sentence.
    """
    path = arguments.records if key == RECORDS else configured_paths(arguments)[key]
    return (
        f"{page.url} has nothing at {path}, the path `{key}` of harvester_kwargs. {reason}, so this path is wrong, or "
        f"the source answered with an error. {_describe_keys(page, path)} {_remedy(key, page)}"
    )


def _describe_keys(page: PageContent, path: str) -> str:
    beginning, known = known_part(page.document, path)
    place = "The page" if beginning == ROOT else f"`{beginning}`"
    return f"{place} is a list." if isinstance(known, list) else f"{place} has {describe_value(known)}."


def _remedy(key: str, page: PageContent) -> str:
    if key == RECORDS and isinstance(page.document, list):
        return "If the page itself is the list, write `records: $`."
    return f"Correct `{key}`."


def requested_page_size(arguments: RestArguments) -> int | None:
    """Return the size of a page that parameters or the body request, or None if nothing does so recognizably."""
    named = [*_named_values(arguments.params), *_named_values(arguments.body)]
    sizes = [value for name, value in named if _SIZE_NAME.search(name) and _SIZE.fullmatch(value)]
    return max(map(int, sizes), default=None)


def _named_values(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the names and the values of the texts and numbers in nested mappings."""
    for name, member in value.items() if isinstance(value, dict) else ():
        yield from _named_values(member)
        if isinstance(member, (str, int)):
            yield name, str(member)
