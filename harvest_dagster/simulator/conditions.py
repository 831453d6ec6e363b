"""Which requests a behaviour is meant for: small conditions that combine with `&`, `|` and `~`.

    nth(3, "ListRecords")            the third ListRecords
    on_list & from_nth(2)            pages of lists, but for the first request
    ~with_token & chance(0.1, 7)     one in ten of those without token, always the same ones

Any function from a request to a truth value does as well; `scenario` reads them from text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b

from harvest_dagster.simulator.exchange import JSON_LIST, Request
from harvest_dagster.simulator.tokens import page_number

When = Callable[[Request], bool]
_SIZE = 50  # records a page where a client that counts them itself does not say


@dataclass(frozen=True)
class Condition:
    """A test of a request that can be combined with others."""

    test: When

    def __call__(self, request: Request) -> bool:  # noqa: D102 - see the class
        return self.test(request)

    def __and__(self, other: When) -> Condition:
        return Condition(lambda request: self.test(request) and other(request))

    def __or__(self, other: When) -> Condition:
        return Condition(lambda request: self.test(request) or other(request))

    def __invert__(self) -> Condition:
        return Condition(lambda request: not self.test(request))


every = Condition(lambda request: True)  # noqa: ARG005 - it has the shape of all of them
with_token = Condition(lambda request: request.token is not None)
on_list = Condition(lambda request: request.is_list)


def verb(name: str) -> Condition:
    """Meant for requests with this verb; `list` is every list of records or identifiers, in any protocol."""
    return on_list if name == "list" else Condition(lambda request: request.operation == name)


def nth(number: int, name: str | None = None) -> Condition:
    """Meant for the n-th request, from 1: of all, or of those with this verb."""
    return between(number, number, name)


def from_nth(number: int, name: str | None = None) -> Condition:
    """Meant for the n-th request and all that come after it."""
    return between(number, None, name)


def between(first: int, last: int | None, name: str | None = None) -> Condition:
    """Meant for the requests from `first` to `last`, both included; None leaves the end open."""
    return Condition(
        lambda request: first <= _count(request, name) and (last is None or _count(request, name) <= last)
    )


def every_nth(step: int, name: str | None = None) -> Condition:
    """Meant for every n-th request: with 3 the third, the sixth and so on."""
    return Condition(lambda request: bool(_count(request, name)) and _count(request, name) % step == 0)


def token(text: str) -> Condition:
    """Meant for requests with a token of this form; `*` and `?` stand for what they do in file names."""
    return Condition(lambda request: fnmatchcase(request.token or "", text) and request.token is not None)


def path(pattern: str) -> Condition:
    """Meant for requests of this path, `*` and `?` as in file names."""
    return Condition(lambda request: fnmatchcase(request.path, pattern))


def page(first: int, last: int | None = None) -> Condition:
    """Meant for the pages of a list from `first` to `last`, however often they are asked for; None: to its end.

    Unlike `nth` it meets a client again that begins anew.
    """
    return Condition(lambda request: first <= place(request) <= (last or place(request)))


def chance(share: float, seed: int = 0) -> Condition:
    """Meant for this share of the requests, 0 to 1; which ones follows from the seed and their number."""

    def test(request: Request) -> bool:
        digest = blake2b(b"%d:%d" % (seed, request.number), digest_size=4).digest()
        return int.from_bytes(digest, "big") < share * 2**32

    return Condition(test)


def _count(request: Request, name: str | None) -> int:
    """Which it is of those that are counted; 0 where it is none of them."""
    if name is None:
        return request.number
    if name == "list":
        return request.list_number
    return request.verb_number if request.operation == name else 0


def place(request: Request) -> int:
    """Which page of its list is asked for, from 1; 0 where that is none, or cannot be told."""
    if not request.is_list:
        return 0
    if request.token:
        return page_number(request.token) or 0
    if request.operation != JSON_LIST:
        return 1
    given = {name: int(value) for name, value in request.arguments if value.isdecimal()}
    return given.get("page", given.get("offset", 0) // max(given.get("size", _SIZE), 1) + 1)
