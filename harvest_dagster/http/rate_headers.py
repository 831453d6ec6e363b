"""What a source says of its own rate limit in the headers of an answer.

Three families are in use, and none of them is a standard yet:

- `RateLimit` and `RateLimit-Policy`, the IETF's draft (draft-ietf-httpapi-ratelimit-headers), in the form of its
  versions 8 and later (`"default";r=0;t=30`, `"default";q=100;w=60`) and of version 7 (`limit=100, remaining=0,
  reset=30`, `100;w=60`);
- `RateLimit-Limit` (`100, 100;w=60`), `-Remaining`, `-Reset`, the same draft up to version 6;
- `X-RateLimit-*` and `X-Rate-Limit-*`: Reset in seconds, or as an epoch (Zenodo, GitHub); Crossref gives no Reset,
  and with Limit the `Interval` that it is for.

Pure. What cannot be read, and what is absurd, is as good as absent: the source writes the header, not we.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from harvest_dagster.http.retry import LONGEST_PAUSE, http_date
from harvest_dagster.limits import Limit

_MOST_CALLS = 1_000_000
_EPOCH = 1e9  # seconds: no pause is so long, and every instant since 2001 is later
_EPOCH_MS = 1e12
_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SEPARATE = ("RateLimit", "X-RateLimit", "X-Rate-Limit")


@dataclass(frozen=True)
class Notice:
    """What an answer says of the source's limit.

    Attributes:
        limits: the source's own, those that it names with their periods.
        pause: seconds until it takes requests again, where it says that none remains; else 0.
    """

    limits: frozenset[Limit] = frozenset()
    pause: float = 0.0

    def stricter_than(self, limit: Limit) -> list[Limit]:
        """The source's limits for which there is a stretch of time in which the other one allows more."""
        return [own for own in self.limits if limit.calls * ceil(own.period / limit.period) > own.calls]


def read(headers: Mapping[str, str], now: datetime) -> Notice:
    """What the headers of an answer say.

    Args:
        headers: of any case, if the mapping takes any.
        now: the time, where the answer has no Date of its own.
    """
    # By the source's own clock: it differs from ours (Lesson 25), and an epoch is of that clock.
    there = http_date(headers.get("Date", "")) or now
    limits = frozenset([*_policies(headers.get("RateLimit-Policy", "")), *_separate_limits(headers)])
    states = [*_states(headers.get("RateLimit", "")), *_separate_states(headers)]
    pauses = [_seconds(reset, there) for remaining, reset in states if _number(remaining) == 0]
    return Notice(limits, max(pauses, default=0.0))


def _policies(value: str) -> Iterator[Limit]:
    """`"burst";q=10;w=1, 100;w=60`: those that say both how many and in which window."""
    for item in value.split(","):
        first, parameters = _item(item)
        limit = _limit(parameters.get("q", first), parameters.get("w", ""))
        if limit is not None:
            yield limit


def _separate_limits(headers: Mapping[str, str]) -> Iterator[Limit]:
    for family in _SEPARATE:
        value = headers.get(f"{family}-Limit", "")
        yield from _policies(value)
        limit = _limit(value, headers.get(f"{family}-Interval", ""))
        if limit is not None:
            yield limit


def _states(value: str) -> Iterator[tuple[str, str]]:
    """Remaining and reset of `"burst";r=0;t=1, "day";r=70;t=400`, or of `limit=10, remaining=0, reset=1`."""
    whole = dict(_pair(item) for item in value.split(","))
    if "remaining" in whole:
        yield whole["remaining"], whole.get("reset", "")
        return
    for item in value.split(","):
        _, parameters = _item(item)
        yield parameters.get("r", ""), parameters.get("t", "")


def _separate_states(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for family in _SEPARATE:
        yield headers.get(f"{family}-Remaining", ""), headers.get(f"{family}-Reset", "")


def _item(text: str) -> tuple[str, dict[str, str]]:
    """An item of a list and its parameters (RFC 9651, section 3.1)."""
    first, *parameters = text.split(";")
    return first.strip(), dict(_pair(parameter) for parameter in parameters)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip()


def _limit(calls: str, period: str) -> Limit | None:
    count, seconds = _number(calls), _duration(period)
    if count is None or not 1 <= count <= _MOST_CALLS or not 0 < seconds <= LONGEST_PAUSE:
        return None
    return Limit(int(count), seconds)


def _duration(text: str) -> float:
    """Seconds of `1s`, `60` or `1m`; 0 for what is no duration."""
    found = re.fullmatch(r"([\d.]+)\s*(ms|s|m|h|)", text.strip(), re.ASCII | re.IGNORECASE)
    number = _number(found[1]) if found else None
    return 0.0 if found is None or number is None else number * _UNITS[found[2].lower()]


def _seconds(reset: str, now: datetime) -> float:
    """Seconds until a reset: given as such, as an epoch in seconds or milliseconds, or as an HTTP date."""
    number = _number(reset)
    if number is None:
        instant = http_date(reset)
        number = 0.0 if instant is None else (instant - now).total_seconds()
    elif number >= _EPOCH:
        number = (number / 1000 if number >= _EPOCH_MS else number) - now.timestamp()
    return max(0.0, min(number, LONGEST_PAUSE))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d{1,15}(\.\d{0,9})?\s*", text, re.ASCII) else None
