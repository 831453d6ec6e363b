"""Parse Retry-After and the headers in which a source states its rate limit.

Retry-After is a standard (RFC 9110). Of the rate limit headers, three families are in use, and none is a standard yet:

- `RateLimit` and `RateLimit-Policy` of the IETF draft (draft-ietf-httpapi-ratelimit-headers), in the syntax of
  version 8 and later (`"default";r=0;t=30`, `"default";q=100;w=60`) and of version 7 (`limit=100, remaining=0,
  reset=30`, `100;w=60`);
- `RateLimit-Limit` (`100, 100;w=60`), `-Remaining` and `-Reset`, the same draft up to version 6;
- `X-RateLimit-*` and `X-Rate-Limit-*`. Reset is a number of seconds or a Unix time (Zenodo, GitHub). Crossref sends
  no Reset, but an `Interval`, which is the period of its Limit.

The functions have no side effects. A header with an invalid or an impossibly large value counts as absent, because the
source controls the headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from math import ceil

from harvest_dagster.rate_limits import Limit

MAX_PAUSE = 3600.0
"""Seconds: the longest pause that a source can ask for. The source writes the header, so its value is not trusted."""

RETRY_AFTER_STATUSES = frozenset({429, 503})
"""The statuses with which a source asks for fewer requests."""

_MAX_CALLS = 1_000_000
# A Reset of at least this value is a Unix time (1e9 is in September 2001), because no pause has so many seconds.
_MIN_EPOCH_SECONDS = 1e9
_MIN_EPOCH_MILLISECONDS = 1e12
_SECONDS_PER_UNIT = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# Families with one header for each of Limit, Remaining and Reset.
_PREFIXES = ("RateLimit", "X-RateLimit", "X-Rate-Limit")


@dataclass(frozen=True)
class RateLimitHeaders:
    """What a response states about the source's own rate limit.

    Attributes:
        limits: The limits for which the source gives both the number of calls and the period.
        pause: Seconds until the source accepts requests again, if it states that none remains. Otherwise 0.
    """

    limits: frozenset[Limit] = frozenset()
    pause: float = 0.0

    def stricter_than(self, limit: Limit) -> list[Limit]:
        """Return the source's limits that forbid requests which `limit` allows.

        A limit with a higher rate can be stricter. If `limit` allows 60 requests in a minute, all 60 may be sent in one
        second. A source that allows 2 requests in a second forbids this.
        """
        return [own for own in self.limits if limit.calls * ceil(own.period / limit.period) > own.calls]


def parse_rate_limit_headers(headers: Mapping[str, str], now: datetime) -> RateLimitHeaders:
    """Return what the headers of a response state about the source's rate limit.

    Args:
        headers: The headers, with case-insensitive names.
        now: The current time. It is used if the response has no Date.
    """
    # The source takes a Unix time from its own clock, which differs from ours (docs/failures.md#clock-differs).
    source_time = http_date(headers.get("Date", "")) or now
    limits = frozenset([*_policies(headers.get("RateLimit-Policy", "")), *_limits_by_prefix(headers)])
    states = [*_states(headers.get("RateLimit", "")), *_states_by_prefix(headers)]
    pauses = [_seconds_until(reset, source_time) for remaining, reset in states if _number(remaining) == 0]
    return RateLimitHeaders(limits, max(pauses, default=0.0))


def _policies(value: str) -> Iterator[Limit]:
    """Yield the limits of `"burst";q=10;w=1, 100;w=60` that give both the calls and the period."""
    for item in value.split(","):
        value_of_item, parameters = _parse_item(item)
        limit = _limit(parameters.get("q", value_of_item), parameters.get("w", ""))
        if limit is not None:
            yield limit


def _limits_by_prefix(headers: Mapping[str, str]) -> Iterator[Limit]:
    for prefix in _PREFIXES:
        value = headers.get(f"{prefix}-Limit", "")
        yield from _policies(value)
        limit = _limit(value, headers.get(f"{prefix}-Interval", ""))
        if limit is not None:
            yield limit


def _states(value: str) -> Iterator[tuple[str, str]]:
    """Yield remaining and reset of `"burst";r=0;t=1, "day";r=70;t=400`, or of `limit=10, remaining=0, reset=1`."""
    pairs = dict(_parse_pair(item) for item in value.split(","))
    if "remaining" in pairs:
        yield pairs["remaining"], pairs.get("reset", "")
        return
    for item in value.split(","):
        _, parameters = _parse_item(item)
        yield parameters.get("r", ""), parameters.get("t", "")


def _states_by_prefix(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for prefix in _PREFIXES:
        yield headers.get(f"{prefix}-Remaining", ""), headers.get(f"{prefix}-Reset", "")


def _parse_item(text: str) -> tuple[str, dict[str, str]]:
    """Return the value of a list item and its parameters (RFC 9651, section 3.1)."""
    value, *parameters = text.split(";")
    return value.strip(), dict(_parse_pair(parameter) for parameter in parameters)


def _parse_pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip()


def _limit(calls: str, period: str) -> Limit | None:
    count, seconds = _number(calls), _duration(period)
    if count is None or not 1 <= count <= _MAX_CALLS or not 0 < seconds <= MAX_PAUSE:
        return None
    return Limit(int(count), seconds)


def _duration(text: str) -> float:
    """Return the seconds of a text such as `1s`, `60` or `1m`; 0 if it is not a duration."""
    found = re.fullmatch(r"([\d.]+)\s*(ms|s|m|h|)", text.strip(), re.ASCII | re.IGNORECASE)
    number = _number(found[1]) if found else None
    return 0.0 if found is None or number is None else number * _SECONDS_PER_UNIT[found[2].lower()]


def _seconds_until(reset: str, now: datetime) -> float:
    """Return the seconds until a reset: seconds, a Unix time in seconds or milliseconds, or an HTTP date."""
    number = _number(reset)
    if number is None:
        instant = http_date(reset)
        number = 0.0 if instant is None else (instant - now).total_seconds()
    elif number >= _MIN_EPOCH_SECONDS:
        number = (number / 1000 if number >= _MIN_EPOCH_MILLISECONDS else number) - now.timestamp()
    return max(0.0, min(number, MAX_PAUSE))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d{1,15}(\.\d{0,9})?\s*", text, re.ASCII) else None


def retry_after(status: int, value: str | None, now: datetime) -> float | None:
    """Return the seconds that Retry-After asks to wait, from 0 to `MAX_PAUSE`. None if it asks for nothing valid.

    The header gives seconds or an HTTP date (RFC 9110, section 10.2.3). A date in the past means 0 seconds.

    Args:
        status: The header counts with 429 and 503 only. Zenodo sends it with every response, 200 included.
        value: The value of the header, None if there is none.
        now: The current time.
    """
    if status not in RETRY_AFTER_STATUSES or value is None:
        return None
    text = value.strip()
    if re.fullmatch(r"[+-]?\d+(\.\d*)?", text, re.ASCII):
        return _bounded(float(text))
    instant = http_date(text)
    return None if instant is None else _bounded((instant - now).total_seconds())


def http_date(text: str) -> datetime | None:
    """Return the instant of an HTTP date in any of its formats (RFC 9110, section 5.6.7). None if it is not valid."""
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    # The result has no zone if the text has "-0000" or no zone. An HTTP date is always in UTC.
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=timezone.utc)


def _bounded(seconds: float) -> float:
    return max(0.0, min(seconds, MAX_PAUSE))
