"""Recognize the end of a list of a REST API, and what contradicts it (docs/failures.md#odd-list-ends).

A client that counts pages or records requests one page too many. Past the end, sources answer with an empty page, with
404 or 400, with 204, with null or nothing in place of the list, or with the last page again. Each of these ends the
list if the records of the source's own total have come. The pipeline compares the total again, with the different
records. Without a total, the end is accepted if nothing contradicts it, and the window is `unverified`.

A response that refuses the list as too long does not end it: the total may be the limit (docs/failures.md#result-cap).
"""

from __future__ import annotations

from typing import Any

from harvest_dagster.errors import CursorRefused, PaginationLoop, ProtocolError, WebPage
from harvest_dagster.harvesters.interface import Response
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.lists.missing_paths import (
    NEXT_PATH,
    RECORDS,
    describe_missing_path,
    requested_page_size,
)
from harvest_dagster.harvesters.rest.lists.page_metadata import describe_value, find_usual_error
from harvest_dagster.harvesters.rest.lists.state import NULL, ListState, PageContent, shape_of
from harvest_dagster.harvesters.rest.paths import PathTarget, members_of, selects_from_list
from harvest_dagster.harvesters.rest.placeholders import NEXT
from harvest_dagster.harvesters.rest.responses.rules import FORMAT_NAMES
from harvest_dagster.http.html.page_detection import detect_page, web_page_error
from harvest_dagster.http.too_many_records import says_too_many
from harvest_dagster.texts import describe_start, shorten

NO_CONTENT = 204
PAST_THE_END = frozenset({400, 404, 410, 416, 422})
"""Statuses past the end of a list. With a cursor, they also mean that the cursor has expired or is unknown."""

_FAILED = ("error", "exception", "fail", "timeout", "timed out", "unavailable", "denied")
_LIMITED = ("exceed", "too many", "limit", "quota", "throttl")
_MESSAGES = frozenset({"message", "messages", "warning", "warnings", "detail", "details", "reason", "msg"})
_LONGEST_MESSAGE = 300  # characters of a message of the source
_USUAL_SIZE = 5  # sources send pages of 10, 20, 25, 50 and so on, unless a parameter sets another size


def allowed_statuses(arguments: RestArguments, token: str | None) -> frozenset[int]:
    """Return the error statuses that may be a page of the list: past its end, or an empty one."""
    return frozenset(arguments.empty_status) | (frozenset() if token is None else PAST_THE_END)


def is_empty_response(arguments: RestArguments, state: ListState, response: Response) -> bool:
    """Return whether a response has no page because there is no record, or none is left.

    Raises:
        CursorRefused: the status ends the list too early, or the cursor has expired.
        WebPage: the response is the page of a login, of a maintenance or of a bot protection.
    """
    if response.status != NO_CONTENT and response.status not in allowed_statuses(arguments, ""):
        return False
    page = detect_page(response.body, response.content_type)
    if page not in (None, WebPage):
        raise web_page_error(response.body, url=response.url, expected=FORMAT_NAMES[arguments.response])
    is_end = response.status == NO_CONTENT or response.status in arguments.empty_status
    is_too_long = refuses_long_list(response)
    if is_too_long:
        is_end = state.total_is_reached is True
    if state.more or not (is_end or _is_past_the_end(arguments, state, is_too_long=is_too_long)):
        error = CursorRefused(_refusal(state, response), code=str(response.status))
        error.needs_shorter_list = is_too_long
        raise error
    return True


def _is_past_the_end(arguments: RestArguments, state: ListState, *, is_too_long: bool) -> bool:
    if state.total_is_reached is not None:
        return state.total_is_reached
    return not arguments.next.is_read_from_page and not is_too_long


def refuses_long_list(response: Response) -> bool:
    """Return whether a response says that the list is too long, so that a total that is reached may be the limit."""
    return says_too_many(response.body.decode("utf-8", "replace"))


def _refusal(state: ListState, response: Response) -> str:
    if state.more:
        problem = "the page before says that there are more records"
    elif state.total_is_reached is False:
        problem = f"only {state.records} of {state.total} records have come"
    else:
        problem = "the cursor has expired, or the list is too long"
    return (
        f"{response.url} was refused with HTTP status {response.status}, {describe_start(response.body)}: {problem}. "
        "Start the list again, or harvest shorter windows."
    )


def raise_if_no_list(arguments: RestArguments, state: ListState, page: PageContent) -> None:
    """Raise an error for a page that has nothing at the path `records`, unless the list has no more records.

    Raises:
        ProtocolError: the first page has no list, and does not count 0 records. Or a later page has no list, and
            something contradicts the end.
    """
    known = state.with_total(page.total)
    if known.total == 0 or page.more is False:
        return
    if known.pages == 0 and known.is_from_start:
        # Not MisconfiguredPath: an error in place of a page looks the same, and a later answer may be right.
        raise ProtocolError(_describe_missing_list(arguments, page))
    is_end = known.total_is_reached
    if is_end is None:
        is_end = known.total is not None or _is_empty(arguments, known, page.document)
    if not is_end or page.more or known.more:
        message = (
            f"{page.url} answered with {FORMAT_NAMES[arguments.response]} that has no list at {arguments.records}, but "
            f"{describe_value(page.document)}, after {known.records} records. Check `records`. If it is right, the "
            "source answered with an error."
        )
        raise ProtocolError(message)


def raise_if_empty_with_message(arguments: RestArguments, state: ListState, page: PageContent) -> None:
    """Raise an error for an empty list beside a message of a failure or a limit, unless the total is reached.

    Only the usual keys of messages count, and only if the pages before did not have them. With `error` in the config,
    only that path counts.

    Raises:
        ProtocolError: the source may have sent the message in place of records.
    """
    known = state.with_total(page.total)
    if arguments.error is not None or page.count or known.total == 0 or known.total_is_reached:
        return
    for key, value in members_of(page.document).items():
        is_message = key.lower() in _MESSAGES and key not in state.shape and isinstance(value, str)
        if is_message and any(word in value.lower() for word in (*_FAILED, *_LIMITED)):
            message = (
                f"{page.url} answered with an empty list and the {key} {shorten(value, _LONGEST_MESSAGE)!r}, after "
                f"{known.records} records. Try again later. If this is no error, set `error` to the path of an error."
            )
            raise ProtocolError(message)


def _describe_missing_list(arguments: RestArguments, page: PageContent) -> str:
    error = find_usual_error(page.document)
    if error is None:
        return describe_missing_path(arguments, RECORDS, page, "Each page has the list of its records")
    return (
        f"{page.url} answered with {error}. It has no list at {arguments.records}. Check `params`. If they are right, "
        "try again later. If this is no error, correct `records`."
    )


def _is_empty(arguments: RestArguments, state: ListState, document: Any) -> bool:
    """Return whether a page without list has no more records, as far as its document shows.

    A filter such as `$.items[?@.type == 'work']` may find nothing on a page that has other items. A list whose
    pages are counted goes on after it.
    """
    is_counted = not arguments.next.is_read_from_page
    if is_counted and selects_from_list(document, arguments.records):
        return False
    return _has_only_known_keys(state, document)


def _has_only_known_keys(state: ListState, document: Any) -> bool:
    """Return whether a page without list has nothing that the last page lacks, and no word of an error."""
    if state.pages == 0:
        return False  # another run has read the pages before
    if not isinstance(document, (dict, PathTarget)):
        return not document
    is_known = all(
        state.shape.get(key) == kind or (kind == NULL and key in state.shape)
        for key, kind in shape_of(document).items()
    )
    texts = [value.lower() for value in members_of(document).values() if isinstance(value, str)]
    return is_known and not any(word in text for text in texts for word in _FAILED)


def is_repeated_end(arguments: RestArguments, state: ListState, page: PageContent) -> bool:
    """Return whether a page is the page before again, because the list has ended.

    Raises:
        PaginationLoop: the list has not ended, or it is not clear that the source reads the number of the page.
    """
    if not state.repeats(page) or page.more:
        return False
    known = state.with_total(page.total)
    is_end = known.total_is_reached
    if arguments.next.is_read_from_page:
        return is_end is True
    if is_end is None:
        is_end = known.total is not None or known.pages_differ or _is_short(arguments, page.count)
    if not is_end or state.more:
        raise PaginationLoop(_repetition(arguments, known, page))
    return True


def _repetition(arguments: RestArguments, state: ListState, page: PageContent) -> str:
    reached = f"only {state.records} of {state.total} records have come"
    unclear = "nothing shows that the source reads the number of the page"
    param = arguments.next.param or NEXT
    return (
        f"{page.url} answered with the {page.count} records of the page before, and "
        f"{unclear if state.total_is_reached is None else reached}. Check `next.param` ({param}). If the source "
        "repeats its last page past the end, name its `total`, or add the parameter for the size of a page to `params`."
    )


def may_be_cut_after(arguments: RestArguments, state: ListState) -> bool:
    """Return whether a list may continue after its last page, because that page may be full.

    A source that refuses deep pages, or repeats the deepest one, ends its lists with an error or a repeated page, too.
    """
    return 0 < state.last_page == state.largest_page and not _is_short(arguments, state.last_page)


def total_may_be_of_page(arguments: RestArguments, state: ListState, page: PageContent) -> bool:
    """Return whether a first page that is sent again has a total that may only count its own records.

    A source that ignores the number of the page, and counts the records of each page, looks like a list of one page.
    """
    is_only_page = state.is_from_start and state.pages == 1 and not state.pages_differ
    return is_only_page and page.total == page.count == requested_page_size(arguments)


def ends_after_full_page(arguments: RestArguments, state: ListState, page: PageContent) -> bool:
    """Return whether an empty page ends a list whose page before was full, or was read by another run."""
    is_continued = state.pages == 0 and not state.is_from_start
    return page.count == 0 and (is_continued or may_be_cut_after(arguments, state))


def may_be_cut_by_status(arguments: RestArguments, state: ListState, status: int) -> bool:
    """Return whether a list that ends with this status may continue after its last page."""
    is_doubtful = status in PAST_THE_END and status not in arguments.empty_status
    return is_doubtful and may_be_cut_after(arguments, state)


def may_lack_next_page(arguments: RestArguments, state: ListState, page: PageContent) -> bool:
    """Return whether a first page may be full although it has no next page, because the path of that may be wrong."""
    is_known = not arguments.next.is_read_from_page or NEXT_PATH in state.found_paths | page.found_paths
    is_first = state.pages == 0 and state.is_from_start
    return is_first and not is_known and page.count > 0 and not _is_short(arguments, page.count)


def _is_short(arguments: RestArguments, count: int) -> bool:
    """Return whether a page with this number of records is shorter than a full one, as far as that is known."""
    size = requested_page_size(arguments)
    return count % _USUAL_SIZE != 0 if size is None else count < size
