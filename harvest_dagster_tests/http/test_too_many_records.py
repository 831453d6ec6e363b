"""Which refusals say that a list is too long."""

from __future__ import annotations

import pytest

from harvest_dagster.http.too_many_records import is_list_too_long, says_too_many

REASONS = [
    "Too many records match (96, 40 are allowed). Restrict the period.",
    "The query returns too many results",
    "Result window is too large, from + size must be less than or equal to: [10000]",
    "Only the first 10,000 results can be paged through",
    "Cannot page beyond 20 results",
    "Paging past the first 10,000 is not supported",
    "Please narrow the date range",
    "Maximum number of records exceeded",
    "<title>Error</title> <p>The date range is too long</p>",
]
OTHERS = [
    "",
    "too many requests",
    "from is not a date",
    "invalid range",
    "from must be within the past 30 days",
    "page 3 is past the last page",
    "limit must not exceed 100",
    "The combination of the values of the from, until, set and metadataPrefix arguments results in an empty list.",
]


@pytest.mark.parametrize("text", REASONS)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_list_that_is_too_long_is_recognized(status, text) -> None:
    """The window failed forever, although shorter windows succeed (docs/failures.md#list-too-long)."""
    assert is_list_too_long(status, text)


@pytest.mark.parametrize("text", OTHERS)
@pytest.mark.parametrize("status", [400, 422])
def test_another_error_is_not_taken_for_a_list_that_is_too_long(status, text) -> None:
    """An error in the config would cost a request for each half of the window."""
    assert not is_list_too_long(status, text)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_other_statuses_keep_their_meaning(status) -> None:
    """Status 429 says `too many requests` and requires a pause, not a shorter window."""
    assert not is_list_too_long(status, REASONS[0])


def test_status_413_needs_no_reason() -> None:
    """Its name is the reason (RFC 9110, section 15.5.14)."""
    assert is_list_too_long(413, "")


@pytest.mark.parametrize("text", ["too many " * 50_000, "limit the " * 50_000, "1" * 400_000, " " * 400_000])
def test_the_time_for_a_long_text_is_bounded(text) -> None:
    """Only the beginning of a body is read, whatever the source sends."""
    assert not says_too_many(text)
