"""Recognize a refusal of a list that would be too long. A request for a shorter window may then succeed.

The German National Library answers a list request with status 413 and the advice to restrict the period (metha#6).
Other sources use status 400 or 422, and search engines refuse pages beyond a number of results
(docs/failures.md#list-too-long). A wrong guess costs some requests for shorter windows, and the same error then ends
the harvest.
"""

from __future__ import annotations

import re

_CONTENT_TOO_LARGE = 413  # RFC 9110, section 15.5.14
_STATUSES_WITH_REASON = frozenset({400, 422})
_MAX_READ = 4096  # characters

_THINGS = (
    r"(?:records?|results?|items?|hits?|matches|rows?|entries|documents?|objects?|works|datasets?|features?)"
)
_PERIOD = (
    r"(?:period|range|interval|window|time ?frame|time ?span|dates?|query|search|criteria|selection|results?)"
)
_TOO_MANY = re.compile(
    rf"too many (?:\w+ )?{_THINGS}\b"
    r"|\b(?:narrow|restrict|reduce|shorten|refine|limit|smaller|shorter|narrower)"
    rf"(?: down)?(?: (?:the|your|a|date|time))* {_PERIOD}\b"
    rf"|\b{_PERIOD} (?:is |are )?too (?:large|long|big|wide|broad)\b"
    r"|\b(?:first|most|maximum(?: of| number of)?|more than|exceeds?|exceeded|limit(?: of| is)?)"
    rf" \d{{1,12}} {_THINGS}\b"
    r"|\bpag\w+ (?:to |go )?(?:beyond|past|over|deeper than)(?: the)?(?: first)? \d{1,12}\b"
    rf"|\b(?:beyond|past|deeper than)(?: the)?(?: first)? \d{{1,12}} {_THINGS}\b"
    rf"|\bmaximum (?:number|amount|count) of {_THINGS}\b"
    rf"|\b{_THINGS} (?:limit|count) (?:is |was )?exceeded\b"
    r"|\b(?:max_result_window|maximum result window|response (?:is )?too (?:large|big))\b",
    re.IGNORECASE,
)
_DIGIT_GROUPS = re.compile(r"(?<=\d)[,.'](?=\d{3})")


def is_list_too_long(status: int, text: str) -> bool:
    """Return whether an error response says that the requested list is too long.

    Args:
        status: The HTTP status.
        text: The body.
    """
    return status == _CONTENT_TOO_LARGE or (status in _STATUSES_WITH_REASON and says_too_many(text))


def says_too_many(text: str) -> bool:
    """Return whether a text says that a list has too many records, or asks for a shorter period."""
    beginning = " ".join(text[:_MAX_READ].split())
    return _TOO_MANY.search(_DIGIT_GROUPS.sub("", beginning)) is not None
