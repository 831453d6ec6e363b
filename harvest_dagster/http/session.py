"""Send the requests of a harvester: rate limit, timeouts, size limits, retries and redirects.

`HttpSession` is the only way to a source. One call of `get`, `post` or `download` returns one complete response, or
raises one clear error.

Not here: waiting (`http.rate_limit.deadline`), the socket (`http.transport.watched_adapter`), the body
(`http.transport.body`), the texts of errors (`http.error_mapping`), and the meaning of a response in its protocol (the
harvesters).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import count
from math import inf
from os import SEEK_END
from types import TracebackType
from typing import IO
from urllib.parse import urljoin

from requests import RequestException

from harvest_dagster.errors import HttpStatusError, SourceError, SourceUnreachable
from harvest_dagster.http.auth import Auth, SessionAuth
from harvest_dagster.http.error_mapping import (
    TRANSPORT_ERRORS,
    content_not_sent_error,
    dropped_query_error,
    error_for_status,
    http_status_error,
    invalid_url_error,
    to_source_error,
)
from harvest_dagster.http.html.page_detection import detect_page
from harvest_dagster.http.models import Download, Response, Statistics, Timeouts
from harvest_dagster.http.rate_limit.budget import Budget
from harvest_dagster.http.rate_limit.deadline import Deadline
from harvest_dagster.http.rate_limit.limiter import RateLimiter, raise_retry_later
from harvest_dagster.http.rate_limit.response_headers import http_date
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.http.redaction import Redactor, proxy_credentials
from harvest_dagster.http.transport.addresses import Network, RedirectGuard
from harvest_dagster.http.transport.redirects import ContentNotSent, QueryDropped, RedirectStep, first_step
from harvest_dagster.http.transport.secret_echoes import SecretMasker
from harvest_dagster.http.transport.transport import FailedAttempt, RawResponse, Transport
from harvest_dagster.http.transport.watched_adapter import ConnectionClosed, Exchange
from harvest_dagster.masking import build_masker
from harvest_dagster.rate_limits import Limit, host_of
from harvest_dagster.request_hours import RequestHours
from harvest_dagster.response_limits import ResponseLimits, raise_limit
from harvest_dagster.windows import utc_now

__all__ = ["MAX_REDIRECTS", "Download", "HttpSession", "Response", "Statistics", "Timeouts"]

MAX_REDIRECTS = 5


class HttpSession:
    """The HTTP session of one harvest, for one thread. It sends every request of a harvester.

    Each request waits until the budget of its host allows it. A transient failure is retried if that is safe. Every
    response is bounded in time and size. The secrets of the config never appear in a response, a log or an error.

    The session keeps cookies until it is closed. It takes proxies (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) and certificate
    authorities (REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE) from the environment, because networks of institutions require
    them. It ignores ~/.netrc: a harvest sends only the credentials of its config.

    Args:
        limit: The rate limit of the config. It applies to each host that the session contacts.
        budget: The request budgets of all hosts, shared by all sessions in all processes that use the same hosts. N
            sessions with a budget each would send N times the allowed requests
            (docs/failures.md#budget-per-process).
        timeouts: See Timeouts.
        response_limits: See ResponseLimits.
        retry: See RetryPolicy.
        redact: Masks every secret of the config in a text for people.
        secrets: The secrets of the config. They are masked in responses, see SecretMasker.
        contact: An address or a web page for the operators of sources, sent in the User-Agent.
        deadline: The clock and the end of the harvest, and the callbacks of waits.
        max_retry_after: Seconds. If a source asks for a longer pause, `get` raises RetryLater.
        max_budget_wait: Seconds. If the budget of the host requires a longer wait, `get` raises RetryLater.
        hours: The hours in which the session may send requests; None if it always may. Retries, redirects and requests
            for tokens count. A response whose request was sent in time may arrive later.
        max_closed_wait: Seconds. If the hours begin later than that, `get` raises OutsideHours.
        redirect_networks: The networks of loopback, link-local and private addresses to which a redirect may lead from
            a public address.
        auth: Authenticates the requests. Its secrets are masked like those of the config.
        auth_hosts: The hosts that receive the credentials of `auth`. If there are none, the host of the first request
            receives them.
        now: Returns the current time in UTC.
        draw: Returns a number from [0, 1), for the jitter of retries.
        on_response: Called with the URL, secrets masked, the status and the headers of each response, redirects
            included.
    """

    def __init__(
        self,
        limit: Limit,
        *,
        budget: Budget,
        timeouts: Timeouts | None = None,
        response_limits: ResponseLimits | None = None,
        retry: RetryPolicy | None = None,
        redact: Callable[[str], str] = str,
        secrets: Sequence[str] = (),
        contact: str = "",
        deadline: Deadline | None = None,
        max_retry_after: float = inf,
        max_budget_wait: float = inf,
        hours: RequestHours | None = None,
        max_closed_wait: float = 0.0,
        redirect_networks: Sequence[Network] = (),
        auth: Auth | None = None,
        auth_hosts: frozenset[str] = frozenset(),
        now: Callable[[], datetime] = utc_now,
        draw: Callable[[], float] = random.random,
        on_response: Callable[[str, int, Mapping[str, str]], None] | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._response_limits = response_limits or ResponseLimits()
        self._retry = retry or RetryPolicy()
        proxy_secrets = proxy_credentials(os.environ)
        mask_proxy, mask_config = build_masker(proxy_secrets), redact
        self._deadline = deadline or Deadline()
        self._redactor = Redactor(lambda text: self._auth.mask(mask_proxy(mask_config(text))))
        self._limiter = RateLimiter(
            budget,
            limit,
            self._deadline,
            self._redactor.replace,
            max_budget_wait,
            hours,
            max_closed_wait,
            now,
        )
        self._max_retry_after = max_retry_after
        self._now = now
        self._draw = draw
        self._on_response = on_response
        # The secrets of the config come first: the number in a mark must not depend on the proxy.
        masker = SecretMasker([*secrets, *(auth.secrets if auth else ()), *proxy_secrets])
        self._transport = Transport(self._timeouts, self._response_limits, contact, masker)
        self._auth = SessionAuth(
            auth,
            auth_hosts,
            send=self._send_token_request,
            on_issued=self._transport.add_issued_secret,
            clock=self._deadline.clock,
        )
        self._guard = RedirectGuard(redirect_networks)
        self._statistics = Statistics()

    def __enter__(self) -> HttpSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of the session."""
        self._transport.close()

    @property
    def statistics(self) -> Statistics:
        """What the session has done so far. Later requests do not change the value."""
        return self._statistics + Statistics(seconds_waited=self._limiter.seconds_waited)

    def keep_limit(self, url: str, limit: Limit) -> None:
        """Keep a limit that the source asks for, in addition to that of the config. It holds for some minutes.

        Args:
            url: A URL of the host.
            limit: The limit.
        """
        self._limiter.keep_limit(host_of(url), limit)

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Response:
        """Send a GET request and return its complete response.

        The request waits for the rate limit of its host. It is retried if the failure is transient and a retry is
        safe. Up to five redirects are followed.

        Args:
            url: An http or https URL.
            params: The parameters of the query string, not encoded.
            headers: Additional headers.
            allow_status: Error statuses to return as a response instead of raising, because their body holds an error
                of the protocol. Example: Zenodo sends OAI-PMH errors with status 422.
            repeatable: False for a request that must not reach the server twice, such as one with a single-use token
                (docs/failures.md#single-use-token). It is retried only while it cannot have reached the server.

        Raises:
            SourceUnreachable: No connection, or no complete response in time; or the URL or a header is invalid.
            HttpStatusError: The response has an error status, or is a redirect that is not followed.
            ResponseTooLarge: The response exceeds `received_bytes` or `response_bytes` of ResponseLimits.
            MalformedResponse: The response is not HTTP, or not encoded as its header says.
            RetryLater: The necessary wait is longer than `max_retry_after` or `max_budget_wait`.
            OutsideHours: `hours` begin later than `max_closed_wait`.
            DeadlineExceeded: The time limit of the harvest is over, or ends before the necessary wait.
        """
        step = self._first_step(first_step, url, params, headers)
        return self._request(step, allow_status, repeatable=repeatable)

    def post(
        self,
        url: str,
        body: bytes,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Response:
        """Send a POST request that only reads, and return its complete response.

        It is sent, retried and limited like a request of `get`. Only a redirect with the status 307 or 308 to the same
        host is followed.

        Args:
            url: An http or https URL.
            body: The content. Name its type in `headers`.
            params: The parameters of the query string, not encoded.
            headers: Additional headers.
            allow_status: See `get`.
            repeatable: See `get`.

        Raises: see `get`.
        """
        step = self._first_step(partial(first_step, method="POST", body=body), url, params, headers)
        return self._request(step, allow_status, repeatable=repeatable)

    def download(self, url: str, target: IO[bytes], headers: dict[str, str] | None = None) -> Download:
        """Send a GET request, and write the content of its response to a file.

        It is sent, retried and redirected like a request of `get`. Its limits are `file_bytes`, the timeouts `connect`
        and `read`, and the deadline of the harvest: a large file takes longer than the timeout `response`.

        Args:
            url: An http or https URL.
            target: A file that can be truncated. It receives the content with its secrets, see Download.
            headers: Additional headers.

        Raises: see `get`. ResponseTooLarge: The file exceeds `file_bytes` of ResponseLimits.
        """
        step = replace(self._first_step(first_step, url, None, headers), target=target)
        redacted_url = self._redactor.url(step.url)
        raw, last = self._send_with_redirects(step, frozenset(), repeatable=True)
        return Download(
            url=redacted_url,
            received=self._now(),
            size=target.seek(0, SEEK_END),
            date=http_date(raw.headers.get("Date", "")),
            last_modified=http_date(raw.headers.get("Last-Modified", "")),
            etag=raw.headers.get("ETag", ""),
            mask=partial(self._transport.mask, last.url),
        )

    def _request(self, step: RedirectStep, allow_status: frozenset[int], *, repeatable: bool) -> Response:
        """Return the response to a request, after its redirects."""
        raw, _ = self._send_with_redirects(step, allow_status, repeatable=repeatable)
        return Response(
            status=raw.status,
            body=raw.body,
            content_type=raw.content_type,
            url=self._redactor.url(step.url),
            received=self._now(),
            date=http_date(raw.headers.get("Date", "")),
            next_link=raw.next_link,
            request_body=self._redactor.content(step.body) if step.body else None,
        )

    def _send_with_redirects(
        self, step: RedirectStep, allow_status: frozenset[int], *, repeatable: bool
    ) -> tuple[RawResponse, RedirectStep]:
        """Return the response after the last redirect, and the request that it answers."""
        redacted_url = self._redactor.url(step.url)
        for redirects in range(MAX_REDIRECTS + 1):
            raw = self._send_with_retries(
                step, allow_status, repeatable=repeatable, is_redirected=redirects > 0
            )
            if raw.location is None:
                return raw, step
            step = self._follow(step, raw.status, raw.location)
        message = (
            f"{redacted_url}: redirected more than {MAX_REDIRECTS} times. Check whether the URL is right."
        )
        raise http_status_error(message, raw.status, redacted_url)

    def _first_step(
        self,
        build: Callable[[str, dict[str, str] | None, dict[str, str] | None], RedirectStep],
        url: str,
        params: dict[str, str] | None,
        headers: dict[str, str] | None,
    ) -> RedirectStep:
        try:
            return self._auth.first(build(url, params, headers))
        except (ValueError, RequestException):
            failure = invalid_url_error(self._redactor.url(url))
        raise failure  # outside the handler, because the message of requests contains the whole URL

    def _follow(self, step: RedirectStep, status: int, location: str) -> RedirectStep:
        try:
            return self._auth.follow(step, step.follow(location, status))
        except ContentNotSent:
            target = self._redactor.url(urljoin(step.url, location))
            failure = content_not_sent_error(self._redactor.url(step.url), status, target)
        except QueryDropped as dropped:
            target = self._redactor.url(urljoin(step.url, location))
            names = self._redactor.replace(str(dropped))
            failure = dropped_query_error(self._redactor.url(step.url), status, target, names)
        except (ValueError, RequestException):
            redacted_url = self._redactor.url(step.url)
            message = (
                f"{redacted_url}: HTTP {status} redirects to {self._redactor.url(location)!r}; only http and https"
                " are followed, and never from https to http. Put the right URL into the config."
            )
            failure = http_status_error(message, status, redacted_url)
        raise failure

    def _send_with_retries(
        self, step: RedirectStep, allowed: frozenset[int], *, repeatable: bool, is_redirected: bool
    ) -> RawResponse:
        """Return the response to one request, after as many attempts as the retry policy allows."""
        began = self._deadline.clock()
        for attempt in count(1):
            outcome = self._send_authenticated(step, allowed, is_redirected=is_redirected)
            if isinstance(outcome, RawResponse):
                return outcome
            retry_after = outcome.retry_after or 0.0
            pause = max(self._retry.backoff(attempt, self._draw()), retry_after)
            elapsed = self._deadline.clock() - began
            is_safe = outcome.error.transient and (repeatable or not outcome.was_sent)
            if is_safe and retry_after > self._max_retry_after:
                raise_retry_later(
                    retry_after, self._redactor.replace(f"{step.host} asks for a pause: {outcome.error}")
                )
            if not is_safe or not self._retry.allows(attempt, elapsed, pause):
                raise self._with_attempts(outcome.error, attempt, elapsed)
            self._sleep_before_retry(step, attempt, pause, outcome)
        raise AssertionError  # count() has no end

    def _send_authenticated(
        self, step: RedirectStep, allowed: frozenset[int], *, is_redirected: bool
    ) -> RawResponse | FailedAttempt:
        """Make one request attempt. If the source refuses an issued token, repeat it once with a new token."""
        self._auth.prepare(step)
        outcome = self._send_once(step, allowed, is_redirected=is_redirected)
        if isinstance(outcome, FailedAttempt) and self._auth.forget_refused_token(step, outcome.error):
            self._auth.prepare(step)
            return self._send_once(step, allowed, is_redirected=is_redirected)
        return outcome

    def _send_token_request(self, step: RedirectStep) -> bytes:
        """Send a request for a token within the budget of its host, and return the body of the response."""
        source = self._guard.source
        raw = self._send_with_retries(step, frozenset(), repeatable=True, is_redirected=False)
        # The scope of the token's host must not count as that of the source.
        self._guard = replace(self._guard, source=source)
        if raw.location is None:
            return raw.body
        url = self._redactor.url(step.url)
        message = (
            f"{url}: HTTP {raw.status} redirects a request for a token. Put the right URL into token_url."
        )
        raise http_status_error(message, raw.status, url)

    def _sleep_before_retry(
        self, step: RedirectStep, attempt: int, pause: float, failed: FailedAttempt
    ) -> None:
        hint = "" if failed.retry_after is None else f" (the source asks for {failed.retry_after:g} s)"
        reason = f"{step.host}: attempt {attempt + 1} of {self._retry.attempts}{hint}, after: {failed.error}"
        waited = self._deadline.sleep(pause, self._redactor.replace(reason))
        self._statistics += Statistics(retries=1, seconds_waited=waited if failed.retry_after else 0.0)

    def _send_once(
        self, step: RedirectStep, allowed: frozenset[int], *, is_redirected: bool
    ) -> RawResponse | FailedAttempt:
        """Make one request attempt. It counts against the budget, whatever its outcome."""
        exchange = Exchange(
            url=self._redactor.url(step.url),
            host=step.host,
            limiter=self._limiter,
            deadline=self._deadline,
            timeouts=self._timeouts if step.target is None else replace(self._timeouts, response=inf),
            guard=self._guard,
            is_redirected=is_redirected,
            response_limits=self._response_limits,
            size_limit="received_bytes" if step.target is None else "file_bytes",
        )
        try:
            raw = self._send_when_allowed(step, exchange, allowed)
        except SourceError as error:
            failure = error
        except TRANSPORT_ERRORS as error:
            failure = to_source_error(error, exchange.url)
        else:
            return self._evaluate(step, raw, exchange.url)
        finally:
            self._guard = exchange.guard
            if exchange.sent_at is not None:
                self._statistics += Statistics(requests=1, bytes=exchange.received)
        if exchange.sent_at is None:
            if isinstance(failure, SourceUnreachable):
                failure.was_connected = False
            self._limiter.record_failed_connection(step.host)
            self._statistics += Statistics(requests=1)
        return FailedAttempt(failure, was_sent=exchange.sent_at is not None)

    def _send_when_allowed(
        self, step: RedirectStep, exchange: Exchange, allowed: frozenset[int]
    ) -> RawResponse:
        """Send one request when the rate limiter allows it, and return its response.

        Connect only then, and reconnect if the server closed the connection meanwhile.
        """
        while True:
            self._limiter.wait(step.host)
            with suppress(ConnectionClosed):
                return self._transport.send(self._auth.apply(step), exchange, allowed)

    def _evaluate(
        self, step: RedirectStep, raw: RawResponse, redacted_url: str
    ) -> RawResponse | FailedAttempt:
        """Report a response to the rate limiter. Return it, or a failed attempt if its status is an error."""
        if self._on_response is not None and not step.is_token_request:
            self._on_response(redacted_url, raw.status, raw.headers)
        retry_after = self._limiter.record_response(
            step.host, raw.status, raw.headers, self._now(), is_success=raw.is_success
        )
        if raw.is_success or raw.location is not None:
            return raw
        page = detect_page(raw.body, raw.content_type)
        error = error_for_status(raw.status, self._redactor.excerpt(raw.body), redacted_url, page)
        return FailedAttempt(error, was_sent=True, retry_after=retry_after)

    def _with_attempts(self, error: SourceError, attempts: int, elapsed: float) -> SourceError:
        """Return the error of the last attempt, with the number of attempts in its message, secrets masked."""
        prefix = f"after {attempts} attempts in {elapsed:.0f} s: " if attempts > 1 else ""
        error.args = (f"{prefix}{self._redactor.replace(str(error))}{self._dropped_cookies(error)}",)
        return error

    def _dropped_cookies(self, error: SourceError) -> str:
        """Return a sentence about cookies that were dropped: a source may refuse a request without them."""
        dropped = self._transport.dropped_cookies
        if not dropped or not isinstance(error, HttpStatusError) or error.transient:
            return ""
        keys = ("cookies", "cookie_bytes", "cookie_header_bytes")
        limits = ", ".join(map(self._response_limits.describe, keys))
        return f" {dropped} cookies of the source were dropped: {limits}. If it needs them, {raise_limit(*keys)}."
