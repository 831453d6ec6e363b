"""The one way out: every request of every harvester, within its host's budget, its timeouts and its limits.

Here: one GET from the harvester's call to a whole body or one clear error; the attempts, the redirects, the
verdicts. Not here: waiting (`http.waiting`), the socket (`http.wire`), the body (`http.body`), words for
failures (`http.failures`), and what a protocol makes of the answer (the harvesters).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial
from itertools import count
from math import inf
from types import TracebackType

from requests import RequestException

from harvest_dagster.errors import SourceError
from harvest_dagster.http.allowance import Allowance, refuse_to_sleep
from harvest_dagster.http.budget import Budget
from harvest_dagster.http.echoes import Echoes
from harvest_dagster.http.failures import (
    TRANSPORT_ERRORS,
    not_an_address,
    refused_status,
    status_error,
    translate,
)
from harvest_dagster.http.hop import Hop, first_hop
from harvest_dagster.http.redaction import Redactor
from harvest_dagster.http.retry import RetryPolicy
from harvest_dagster.http.transport import Answer, Failure, Transport
from harvest_dagster.http.values import Response, Sizes, Statistics, Timeouts
from harvest_dagster.http.waiting import Watch
from harvest_dagster.http.webpages import recognise
from harvest_dagster.http.wire import Exchange, HungUp
from harvest_dagster.limits import Limit

__all__ = ["MOST_REDIRECTS", "HttpSession", "Response", "Sizes", "Statistics", "Timeouts"]

MOST_REDIRECTS = 5


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class HttpSession:
    """A session for one harvest, in one thread. Cookies live as long as it does.

    Proxies (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) and certificate authorities (REQUESTS_CA_BUNDLE,
    CURL_CA_BUNDLE) are taken from the environment, as people behind a company's network need them. ~/.netrc
    is not: a harvest sends no credentials but those of its config.

    Args:
        limit: of the config; it holds for each host that the session meets.
        budget: shared by all sessions that ask the same hosts, wherever they run (Lesson 18).
        timeouts, sizes, retry: see their classes.
        redact: puts something harmless in the place of every secret of the config in a text.
        secrets: of the config; what an answer echoes of them comes masked, see Echoes.
        contact: an address or a page, for the operators of the sources; part of the User-Agent.
        watch: the harvest's clock, its deadline, and who is told of waits.
        longest_wait: seconds; where a source wants us to wait for longer, `get` raises WaitTooLong.
        longest_turn: seconds; the same for its turn within the host's budget.
        now: the wall clock, in UTC.
        draw: a number from [0, 1), for the jitter.
    """

    def __init__(
        self,
        limit: Limit,
        *,
        budget: Budget,
        timeouts: Timeouts | None = None,
        sizes: Sizes | None = None,
        retry: RetryPolicy | None = None,
        redact: Callable[[str], str] = str,
        secrets: Sequence[str] = (),
        contact: str = "",
        watch: Watch | None = None,
        longest_wait: float = inf,
        longest_turn: float = inf,
        now: Callable[[], datetime] = _utc_now,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._sizes = sizes or Sizes()
        self._retry = retry or RetryPolicy()
        self._redactor = Redactor(redact)
        self._watch = watch or Watch()
        self._allowance = Allowance(budget, limit, self._watch, redact, longest_turn)
        self._longest_wait = longest_wait
        self._now = now
        self._draw = draw
        self._transport = Transport(self._timeouts, self._sizes, contact, Echoes(secrets))
        self._statistics = Statistics()

    def __enter__(self) -> HttpSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()

    @property
    def statistics(self) -> Statistics:
        """What it has done so far."""
        return self._statistics

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Response:
        """One GET within the host's budget, retried where that is safe; redirects are followed, up to five.

        Args:
            url: http or https.
            params: the query string, encoded here.
            headers: additional ones.
            allow_status: error statuses whose body the protocol can read (Zenodo answers OAI errors with
                422).
            repeatable: False for a request that must not be sent twice (single-use tokens): it is tried again
                only while it cannot have reached the server.

        Raises:
            SourceUnreachable: no connection, or no whole answer in time.
            HttpStatusError: an error status, or a redirect that is not followed.
            ResponseTooLarge: see Sizes.
            MalformedResponse: not HTTP, or not encoded as it says.
            WaitTooLong: the wait that is due is longer than `longest_wait` or `longest_turn`.
            DeadlineExceeded: the harvest's time is over, or does not suffice for the wait that is due.
        """
        hop = self._first_hop(url, params, headers)
        asked = self._redactor.url(hop.url)
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._persist(hop, allow_status, repeatable=repeatable)
            if answer.location is None:
                return Response(answer.status, answer.body, answer.content_type, asked, self._now())
            hop = self._follow(hop, answer)
        message = f"{asked}: redirected more than {MOST_REDIRECTS} times. See whether the URL is right."
        raise status_error(message, answer.status, asked)

    def _first_hop(self, url: str, params: dict[str, str] | None, headers: dict[str, str] | None) -> Hop:
        try:
            return first_hop(url, params, headers)
        except (ValueError, RequestException):
            failure = not_an_address(self._redactor.url(url))
        raise failure  # out of the handler: what requests says of a URL holds all of it

    def _follow(self, hop: Hop, answer: Answer) -> Hop:
        try:
            return hop.follow(answer.location or "")
        except (ValueError, RequestException):
            place = self._redactor.url(hop.url)
            target = self._redactor.url(answer.location or "")
            message = (
                f"{place}: HTTP {answer.status} redirects to {target!r}; only http and https are followed,"
                " and never from https to http. Put the right address into the config."
            )
        raise status_error(message, answer.status, place)

    def _persist(self, hop: Hop, allowed: frozenset[int], *, repeatable: bool) -> Answer:
        """The answer for one hop, after as many attempts as it takes and the policy allows."""
        began = self._watch.clock()
        for attempt in count(1):
            outcome = self._attempt(hop, allowed)
            if isinstance(outcome, Answer):
                return outcome
            pause = max(self._retry.backoff(attempt, self._draw()), outcome.asked or 0.0)
            elapsed = self._watch.clock() - began
            safe = outcome.error.transient and (repeatable or not outcome.departed)
            if safe and (outcome.asked or 0.0) > self._longest_wait:
                refuse_to_sleep(
                    outcome.asked or 0.0, self._redactor.replace(f"{hop.host} says later: {outcome.error}")
                )
            if not safe or not self._retry.allows(attempt, elapsed, pause):
                raise self._final(outcome.error, attempt, elapsed)
            self._wait_between(hop, attempt, pause, outcome)
        raise AssertionError  # count() has no end

    def _wait_between(self, hop: Hop, attempt: int, pause: float, failure: Failure) -> None:
        asked = "" if failure.asked is None else f" (it asks for {failure.asked:g} s)"
        reason = f"{hop.host}: attempt {attempt + 1} of {self._retry.attempts}{asked}, after: {failure.error}"
        waited = self._watch.pause(pause, self._redactor.replace(reason))
        self._statistics += Statistics(retries=1, seconds_waited=waited if failure.asked else 0.0)

    def _attempt(self, hop: Hop, allowed: frozenset[int]) -> Answer | Failure:
        """One request; it counts against the budget whatever comes of it."""
        place = self._redactor.url(hop.url)
        exchange = Exchange(
            place=place,
            watch=self._watch,
            grant=partial(self._take, hop),
            left=partial(self._allowance.left, hop.host),
            silence=self._timeouts.read,
            longest=self._timeouts.response,
            largest=self._sizes.received,
        )
        try:
            answer = self._send(hop, exchange, allowed)
        except SourceError as error:
            failure = error
        except TRANSPORT_ERRORS as error:
            failure = translate(error, place)
        else:
            return self._judge(hop, answer, place)
        finally:
            if exchange.departed is not None:
                self._statistics += Statistics(requests=1, bytes=exchange.received)
        if exchange.departed is None:
            self._allowance.count(hop.host)
            self._statistics += Statistics(requests=1)
        return Failure(failure, departed=exchange.departed is not None)

    def _send(self, hop: Hop, exchange: Exchange, allowed: frozenset[int]) -> Answer:
        """One request, once there is room: it connects only then, and anew where that did not last."""
        while True:
            self._statistics += Statistics(seconds_waited=self._allowance.wait(hop.host))
            with suppress(HungUp):
                return self._transport.send(hop, exchange, allowed)

    def _take(self, hop: Hop, stands: Callable[[], bool]) -> None:
        self._statistics += Statistics(seconds_waited=self._allowance.take(hop.host, stands))

    def _judge(self, hop: Hop, answer: Answer, place: str) -> Answer | Failure:
        asked = self._allowance.heed(hop.host, answer.status, answer.headers, self._now(), good=answer.good)
        if answer.good or answer.location is not None:
            return answer
        page = recognise(answer.body, answer.content_type)
        error = refused_status(answer.status, self._redactor.excerpt(answer.body), place, page)
        return Failure(error, departed=True, asked=asked)

    def _final(self, error: SourceError, attempts: int, elapsed: float) -> SourceError:
        """The last attempt's error; its message says how many there were, and is redacted as a whole."""
        tried = f"after {attempts} attempts in {elapsed:.0f} s: " if attempts > 1 else ""
        error.args = (f"{tried}{self._redactor.replace(str(error))}",)
        return error
