"""Conditions that select requests. They combine with `&`, `|` and `~`.

    nth(3, "ListRecords")            the third ListRecords request
    is_list & from_nth(2)            requests for list pages, except if they are the first request of all
    ~has_token & chance(0.1, 7)      a reproducible tenth of the requests without a token

Every function from a request to a bool can be used as a condition. `scenario` parses conditions from text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b

from harvest_dagster.testing.simulator.repository.tokens import page_number
from harvest_dagster.testing.simulator.serving.messages import JSON_LIST, Request

RequestPredicate = Callable[[Request], bool]
_DEFAULT_PAGE_SIZE = 50  # if a client of the JSON API counts offsets and sends no size


@dataclass(frozen=True)
class Condition:
    """A predicate on requests that combines with others."""

    predicate: RequestPredicate

    def __call__(self, request: Request) -> bool:  # noqa: D102 - see the class
        return self.predicate(request)

    def __and__(self, other: RequestPredicate) -> Condition:
        return Condition(lambda request: self.predicate(request) and other(request))

    def __or__(self, other: RequestPredicate) -> Condition:
        return Condition(lambda request: self.predicate(request) or other(request))

    def __invert__(self) -> Condition:
        return Condition(lambda request: not self.predicate(request))


every_request = Condition(lambda request: True)  # noqa: ARG005 - the signature of a predicate
has_token = Condition(lambda request: request.token is not None)
is_list = Condition(lambda request: request.is_list)


def has_verb(name: str) -> Condition:
    """Select requests with this verb. `list` selects every list of records or identifiers, in both protocols."""
    return is_list if name == "list" else Condition(lambda request: request.operation == name)


def nth(number: int, name: str | None = None) -> Condition:
    """Select the n-th request, counted from 1: of all requests, or of those with this verb."""
    return between(number, number, name)


def from_nth(number: int, name: str | None = None) -> Condition:
    """Select the n-th request and all later ones."""
    return between(number, None, name)


def between(first: int, last: int | None, name: str | None = None) -> Condition:
    """Select the requests from `first` to `last`, both included; None means no upper bound."""
    return Condition(
        lambda request: first <= _count(request, name) and (last is None or _count(request, name) <= last)
    )


def every_nth(step: int, name: str | None = None) -> Condition:
    """Select every n-th request: 3 selects the third, the sixth and so on."""
    return Condition(lambda request: bool(_count(request, name)) and _count(request, name) % step == 0)


def token_matches(pattern: str) -> Condition:
    """Select requests whose token matches a pattern, with `*` and `?` as in file names."""
    return Condition(lambda request: fnmatchcase(request.token or "", pattern) and request.token is not None)


def path_matches(pattern: str) -> Condition:
    """Select requests whose path matches a pattern, with `*` and `?` as in file names."""
    return Condition(lambda request: fnmatchcase(request.path, pattern))


def on_page(first: int, last: int | None = None) -> Condition:
    """Select every request for the pages from `first` to `last` of a list; None means up to the end of the list.

    Unlike `nth`, this condition selects the page again if a client requests it again or starts the list again.
    """
    return Condition(lambda request: first <= page_of(request) <= (last or page_of(request)))


def on_every_nth_page(step: int) -> Condition:
    """Select every request for every n-th page of a list."""
    return Condition(lambda request: bool(page_of(request)) and page_of(request) % step == 0)


def chance(share: float, seed: int = 0) -> Condition:
    """Select this share (0 to 1) of the requests. The seed and the number of a request decide whether it belongs."""

    def is_selected(request: Request) -> bool:
        digest = blake2b(b"%d:%d" % (seed, request.number), digest_size=4).digest()
        return int.from_bytes(digest, "big") < share * 2**32

    return Condition(is_selected)


def _count(request: Request, name: str | None) -> int:
    """Return the number of a request among those that are counted; 0 if it is not counted."""
    if name is None:
        return request.number
    if name == "list":
        return request.list_number
    return request.verb_number if request.operation == name else 0


def page_of(request: Request) -> int:
    """Return the number of the requested list page, from 1; 0 if it is no list page or cannot be determined."""
    if not request.is_list:
        return 0
    if request.token:
        return page_number(request.token) or 0
    if request.query is not None:
        return request.query.offset // (request.query.size or _DEFAULT_PAGE_SIZE) + 1
    if request.operation != JSON_LIST:
        return 1
    numbers = {name: int(value) for name, value in request.arguments if value.isdecimal()}
    return numbers.get(
        "page", numbers.get("offset", 0) // max(numbers.get("size", _DEFAULT_PAGE_SIZE), 1) + 1
    )
