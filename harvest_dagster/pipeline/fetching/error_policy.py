"""Classify the errors of a source. `pipeline.fetching.recovery` chooses the next request by these answers."""

from __future__ import annotations

from harvest_dagster.errors import (
    BotChallenge,
    CursorRefused,
    EmptyBody,
    HttpStatusError,
    LoginPage,
    MalformedResponse,
    MisconfiguredSource,
    SourceError,
    SourceRefused,
    SourceUnreachable,
    TruncatedResponse,
    UnexpectedResponse,
    WebPage,
)
from harvest_dagster.pipeline.fetching.recovery_limits import LIMITS


def is_permanent(error: SourceError, *, has_pages: bool) -> bool:
    """Return whether no further request can help: not the same one, and not one for a shorter list.

    Args:
        error: the reason why a list broke.
        has_pages: whether the list delivered a page before it broke. An error after that may only mean that the list
            is too long: some sources answer 400 to all pages beyond a certain number of records. A host that had
            answered and refuses connections now may be restarting.
    """
    if error.needs_shorter_list:
        return False
    if isinstance(error, HttpStatusError):
        return not error.transient and (error.status in LIMITS.permanent_statuses or not has_pages)
    if isinstance(error, SourceRefused):
        return not (isinstance(error, CursorRefused) and has_pages)
    if isinstance(error, SourceUnreachable):
        return not error.transient or not (error.was_connected or has_pages)
    return isinstance(error, (LoginPage, BotChallenge, MisconfiguredSource))


def may_succeed_if_repeated(error: SourceError) -> bool:
    """Return whether the source may answer the same request correctly next time."""
    return error.transient or isinstance(error, (MalformedResponse, UnexpectedResponse))


def may_be_one_invalid_record(error: SourceError) -> bool:
    """Return whether one invalid record may be the reason why a page cannot be parsed.

    That is possible if a page of records arrived completely (docs/failures.md#one-invalid-record).
    """
    has_other_cause = isinstance(error, (EmptyBody, TruncatedResponse, WebPage))
    return isinstance(error, MalformedResponse) and not has_other_cause
