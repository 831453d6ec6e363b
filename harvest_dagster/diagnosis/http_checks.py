"""Checks of what every source sends over HTTP: redirects, https, rate limits, bot protection, clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from harvest_dagster.catalog.hosts import rate_limit_of
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.diagnosis.connection import ObservedResponse
from harvest_dagster.diagnosis.findings import Finding, KeyPath
from harvest_dagster.errors import BotChallenge, HttpStatusError, LoginPage, SourceError, SourceRefused
from harvest_dagster.harvesters.feed.reach import OUT_OF_REACH
from harvest_dagster.http.rate_limit.response_headers import RETRY_AFTER_STATUSES, parse_rate_limit_headers
from harvest_dagster.texts import shorten

URL_KEY: KeyPath = ("harvester_kwargs", "base_url")
PERMANENT_REDIRECTS = frozenset({301, 308})
_LARGEST_CLOCK_DIFFERENCE = timedelta(minutes=5)  # a smaller one changes nothing
_LARGEST_SETTLE = timedelta(days=2)  # a longer difference is no time zone
# Headers by which a protection in front of the source can be recognized.
_PROTECTIONS = {
    "cf-mitigated": "Cloudflare",
    "cf-ray": "Cloudflare",
    "x-datadome": "DataDome",
    "x-sucuri-id": "Sucuri",
    "x-iinfo": "Imperva",
    "x-amzn-waf-action": "AWS WAF",
}
_LONGEST = 300  # characters of evidence


def check_http(
    config: IngestConfig, responses: Sequence[ObservedResponse], redact: Callable[[str], str], now: datetime
) -> Iterator[Finding]:
    """Yield what the responses of a diagnosis show about redirects, rate limits and protection."""
    yield from _check_redirects(responses, redact)
    yield _check_rate_limit(config, responses, now)
    yield _check_protection(responses)


def _check_redirects(
    responses: Sequence[ObservedResponse], redact: Callable[[str], str]
) -> Iterator[Finding]:
    topic = "redirects"
    found = [one for one in responses if "location" in one.headers and 300 <= one.status < 400]  # noqa: PLR2004
    if not found:
        yield Finding(topic, "ok", "the source redirects no request")
    else:
        first = found[0]
        target = shorten(redact(first.headers["location"].partition("?")[0]), _LONGEST)
        permanent = " permanently" if first.status in PERMANENT_REDIRECTS else ""
        yield Finding(
            topic,
            "problem" if first.status in PERMANENT_REDIRECTS else "advice",
            f"each request is redirected{permanent}, which doubles their number",
            f"HTTP {first.status}, Location: {target}",
            f"set base_url to {target}",
            URL_KEY,
        )


def check_scheme(url: str) -> Finding:
    """Return whether the URL of a source uses https."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return Finding("https", "ok", "the URL uses https")
    return Finding(
        "https",
        "advice",
        "the URL uses http, so that others on the network can change the records",
        f"base_url begins with {parts.scheme}://",
        "if the source answers at the https URL, too, use that one; this was not tried",
        URL_KEY,
    )


def _check_rate_limit(config: IngestConfig, responses: Sequence[ObservedResponse], now: datetime) -> Finding:
    topic, key = "rate limit", ("rate_limit",)
    own = rate_limit_of(config)
    refused = [one for one in responses if one.status in RETRY_AFTER_STATUSES]
    limits = {limit for one in responses for limit in parse_rate_limit_headers(one.headers, now).limits}
    stricter = [
        limit for one in responses for limit in parse_rate_limit_headers(one.headers, now).stricter_than(own)
    ]
    if stricter:
        strictest = min(stricter, key=lambda limit: limit.rate)
        return Finding(
            topic,
            "problem",
            "the source announces a stricter limit than rate_limit",
            f"its headers allow {strictest}; the config allows {own}",
            f"rate_limit: {{calls: {strictest.calls}, period: {strictest.period:g}}}",
            key,
        )
    if refused:
        wait = refused[0].headers.get("retry-after", "no Retry-After")
        return Finding(
            topic,
            "problem",
            "the source refused a request of this diagnosis, because there were too many",
            f"HTTP {refused[0].status}, Retry-After: {wait}",
            f"a longer period than {own.period:g} s for {own.calls} calls",
            key,
        )
    if limits:
        return Finding(
            topic, "ok", "rate_limit is within what the source announces", f"{min(limits, key=str)}"
        )
    if announced := _rate_limit_headers(responses):
        text = f"the source announces a rate limit without its period; the config allows {own}"
        return Finding(
            topic, "advice", text, announced, "compare rate_limit with the source's documentation", key
        )
    return Finding(topic, "unknown", f"the source announces no rate limit; the config allows {own}")


def _rate_limit_headers(responses: Sequence[ObservedResponse]) -> str:
    """Return the rate limit headers of the last response that has some, in one line."""
    for response in reversed(responses):
        found = [f"{name}: {text}" for name, text in response.headers.items() if "rate" in name.lower()]
        if limits := [line for line in found if "limit" in line.lower()]:
            return shorten("; ".join(limits), _LONGEST)
    return ""


def _check_protection(responses: Sequence[ObservedResponse]) -> Finding:
    topic = "bot protection"
    names = {
        product for one in responses for header, product in _PROTECTIONS.items() if header in one.headers
    }
    if names:
        return Finding(
            topic,
            "advice",
            "a protection is in front of the source; it let this diagnosis through, but may block a harvest",
            f"response headers of {', '.join(sorted(names))}",
            "set contact, so that the operator can exempt the harvester",
            ("contact",),
        )
    return Finding(topic, "ok", "no sign of a bot protection in the headers")


def check_clock(source_time: datetime | None, ours: datetime, settle: timedelta) -> Finding:
    """Compare the clock of the source with ours."""
    topic = "clock"
    if source_time is None:
        return Finding(topic, "unknown", "the source does not name its time")
    ahead = source_time - ours
    evidence = f"it said {source_time:%Y-%m-%dT%H:%M:%SZ} at {ours:%Y-%m-%dT%H:%M:%SZ} by our clock"
    if abs(ahead) <= _LARGEST_CLOCK_DIFFERENCE:
        return Finding(topic, "ok", "the clock of the source agrees with ours", evidence)
    direction = "ahead of" if ahead > timedelta() else "behind"
    hours = abs(ahead) / timedelta(hours=1)
    text = f"the clock of the source is {hours:.1f} h {direction} ours"
    if -ahead <= settle:
        return Finding(topic, "advice", text, evidence)
    if -ahead > _LARGEST_SETTLE:
        change = "tell the operator; perhaps the response came from a cache"
        return Finding(topic, "problem", text, evidence, change)
    change = f"settle: {int(hours) + 1}h, so that a day is harvested after its end by the source's clock"
    return Finding(topic, "problem", text, evidence, change, ("settle",))


def explain_failure(error: SourceError) -> Finding:
    """Return the finding for a source that does not answer its first request."""
    if isinstance(error, BotChallenge) or (isinstance(error, HttpStatusError) and error.page is BotChallenge):
        return Finding(
            "bot protection",
            "problem",
            "a bot protection blocks the harvester",
            str(error),
            "ask the operator to exempt the harvester; set contact, so that they know whom to answer",
            ("contact",),
        )
    if isinstance(error, LoginPage) or (isinstance(error, HttpStatusError) and error.page is LoginPage):
        return Finding(
            "access", "problem", "the source requires a login", str(error), "check the URL", URL_KEY
        )
    if isinstance(error, SourceRefused) and error.code == OUT_OF_REACH:
        text = "the feed does not reach back to earliest_date, or to the start of the last 30 days"
        change = "set earliest_date and max_window as the evidence says"
        return Finding("earliest date", "problem", text, str(error), change, ("earliest_date",))
    return Finding("access", "problem", "the source does not answer", str(error), "check base_url", URL_KEY)
