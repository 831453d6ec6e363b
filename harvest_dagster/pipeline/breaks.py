"""Why lists break, and what may help: the verdicts by which `pipeline.ladder` chooses its rungs."""

from __future__ import annotations

from harvest_dagster.errors import (
    BotWall,
    CursorRefused,
    EmptyBody,
    HttpStatusError,
    LoginPage,
    MalformedResponse,
    SourceError,
    SourceRefused,
    SourceUnreachable,
    Truncated,
    WebPage,
    WrongVerb,
)

_REFUSALS = frozenset({401, 402, 403, 404, 405, 407, 410, 451})


def is_permanent(error: SourceError, *, deep: bool) -> bool:
    """Whether it is of no use to ask for less, or once more.

    Args:
        error: why a list broke.
        deep: whether pages of it had come. A source that then calls a request bad may mean the list's length: some
            answer 400 to pages beyond a bound.
    """
    if isinstance(error, HttpStatusError):
        return not error.transient and (error.status in _REFUSALS or not deep)
    if isinstance(error, SourceRefused):
        return not (isinstance(error, CursorRefused) and deep)
    if isinstance(error, SourceUnreachable):
        return not error.transient
    return isinstance(error, (LoginPage, BotWall))


def may_pass(error: SourceError) -> bool:
    """Whether the same request may be answered well the next time."""
    return error.transient or isinstance(error, (MalformedResponse, WrongVerb))


def may_be_one_record(error: SourceError) -> bool:
    """Whether a page that came whole cannot be read, perhaps because of one of its records (Lesson 10)."""
    soft = isinstance(error, (EmptyBody, Truncated, WebPage))
    return isinstance(error, MalformedResponse) and not soft
