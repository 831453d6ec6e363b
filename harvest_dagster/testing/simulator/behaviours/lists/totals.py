"""Wrong totals, and lists that end before their last record."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from harvest_dagster.testing.simulator.behaviours.base import (
    ALL,
    JSON,
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.errors import OaiError
from harvest_dagster.testing.simulator.serving.messages import Page, Request, Response

_KINDS = ("higher", "lower", "changing", "negative", "absurd", "zero", "string", "text", "none")


@dataclass(frozen=True)
class WrongTotal(Behaviour):
    """Sends a wrong total (completeListSize in OAI-PMH); the list itself is complete."""

    kind: str = parameter("higher", "the kind of wrong total", _KINDS)
    by: int = parameter(1, "the difference from the true total, for `higher`, `lower` and `changing`")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        page = response.page
        if page is None or not isinstance(page.total, int):
            return response
        return response.with_content(replace(page, total=self._wrong_total(page.total, page.offset)))

    def _wrong_total(self, total: int, offset: int) -> int | str | None:
        totals: dict[str, int | str] = {
            "higher": total + self.by,
            "lower": max(total - self.by, 0),
            "changing": total + self.by if offset else total,
            "negative": -1,
            "absurd": 10**12,
            "zero": 0,
            "string": str(total),
            "text": "many",
        }
        return totals.get(self.kind)


@dataclass(frozen=True)
class ResultCap(Behaviour):
    """Ends the list after a number of records, without an error."""

    limit: int = parameter(10, "number of records after which the list ends")
    total: str = parameter("true", "the total on the pages", ("true", "limit", "none"))
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if response.page is None or not request.is_list:
            return response
        return response.with_content(self._capped(response.page))

    def _capped(self, page: Page) -> Page:
        true_total = page.total if isinstance(page.total, int) else None
        limit = self.limit if true_total is None else min(self.limit, true_total)
        total = {"true": true_total, "limit": limit}.get(self.total)
        records = page.records[: max(self.limit - page.offset, 0)]
        if page.offset + len(page.records) < self.limit:
            return replace(page, total=total)
        return replace(page, records=records, total=total, token="" if page.offset else None, expires=None)


@dataclass(frozen=True)
class PagingDepthLimit(Behaviour):
    """Refuses pages beyond a number of records, as search engines do: 400 in the JSON API, an error in OAI-PMH."""

    limit: int = parameter(10, "number of records beyond which pages are refused")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if response.page is None or response.page.offset < self.limit:
            return response
        problem = f"Only the first {self.limit} results can be paged through; narrow your query"
        return response.with_content(
            OaiError("badResumptionToken" if request.token else "badArgument", problem)
        )


@dataclass(frozen=True)
class ListLengthLimit(Behaviour):
    """Refuses the first page of a list that would have too many records, and asks for a shorter period."""

    limit: int = parameter(10, "number of records that a list may have")
    status: int = parameter(413, "the status of the refusal")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        total = response.page.total if response.page is not None else None
        if not request.is_list or request.token or not isinstance(total, int) or total <= self.limit:
            return response
        text = f"Too many records match ({total}, {self.limit} are allowed). Restrict the period."
        body = f"<html><head><title>Error</title></head><body>{text}</body></html>".encode()
        return Response(body, self.status, {"Content-Type": "text/html"})


@dataclass(frozen=True)
class MissingKey(Behaviour):
    """Leaves out a key of the pages of the JSON API, as if the config had a typo."""

    key: str = parameter("total", "the key")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if response.page is None or not request.is_list:
            return response
        document = json.loads(response.body)
        document.pop(self.key, None)
        return replace(response, body=json.dumps(document).encode())


def _missing_key(key: str, condition: str) -> NamedBehaviour:
    return NamedBehaviour(
        f"{key}-missing",
        MissingKey,
        f"The server leaves out the key `{key}` of the pages, as if the config had a typo.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must not take a page that lacks a configured path for the end of the list.",
        condition=condition,
        failures=("paths-that-never-match",),
        protocols=(JSON,),
        preset={"key": key},
    )


def _wrong_total(
    kind: str, description: str, contract: Contract, requirement: str, protocols: tuple[str, ...] = ALL
) -> NamedBehaviour:
    return NamedBehaviour(
        f"total-{kind}",
        WrongTotal,
        description,
        contract,
        requirement,
        condition="list",
        failures=("truncated-page", "result-cap"),
        protocols=protocols,
        needs=("totals",),
        preset={"kind": kind},
    )


_COUNT = "A harvester must compare the number of distinct records with the total and report both numbers."
_NO_PROOF = "A harvester must not accept an impossible total as proof of completeness."
_CAP = ("result-cap",)
_TOO_LONG = ("list-too-long",)
ENTRIES = (
    _wrong_total("higher", "The server sends a total that is too high.", Contract.NO_FALSE_CLAIM, _COUNT),
    _wrong_total(
        "lower",
        "The server sends a total that is too low.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must follow the list to its end.",
    ),
    _wrong_total(
        "changing",
        "The server sends another total from the second page on.",
        Contract.NO_FALSE_CLAIM,
        "A harvester must compare the totals of the first and the last page.",
    ),
    _wrong_total("negative", "The server sends the total -1.", Contract.COMPLETE_OR_FAIL, _NO_PROOF),
    _wrong_total("absurd", "The server sends a total of 10^12.", Contract.NO_FALSE_CLAIM, _COUNT),
    _wrong_total("zero", "The server sends the total 0.", Contract.COMPLETE_OR_FAIL, _NO_PROOF),
    _wrong_total(
        "string",
        "The server sends the true total as a string, as bioRxiv does.",
        Contract.COMPLETE,
        "A harvester must read a string of digits as a number.",
        (JSON,),
    ),
    _wrong_total("text", "The server sends a word as the total.", Contract.COMPLETE_OR_FAIL, _NO_PROOF),
    _wrong_total(
        "none",
        "The server sends no total.",
        Contract.COMPLETE,
        "A harvester must report the window as unverified.",
    ),
    _missing_key("total", "list"),
    _missing_key("next", "list"),
    NamedBehaviour(
        "cap",
        ResultCap,
        "The server ends the list after a number of records without an error; the total is correct.",
        Contract.COMPLETE_OR_FAIL,
        _COUNT,
        condition="list",
        failures=_CAP,
        preset={"total": "true"},
        needs=("totals",),
    ),
    NamedBehaviour(
        "cap-hidden",
        ResultCap,
        "The server ends the list after a number of records without an error, and sends no total.",
        Contract.NO_FALSE_CLAIM,
        "A harvester cannot detect the loss; it must report the window as unverified.",
        condition="list",
        failures=_CAP,
        preset={"total": "none"},
    ),
    NamedBehaviour(
        "depth",
        PagingDepthLimit,
        "The server refuses pages beyond a number of records.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must fail or use smaller windows.",
        condition="list",
        failures=_CAP,
    ),
    NamedBehaviour(
        "too-many-413",
        ListLengthLimit,
        "The server refuses lists with too many records by status 413 and asks for a shorter period.",
        Contract.COMPLETE,
        "A harvester must request smaller windows.",
        condition="list",
        failures=_TOO_LONG,
        preset={"status": 413},
        needs=("dates",),
    ),
    NamedBehaviour(
        "too-many-400",
        ListLengthLimit,
        "The server refuses lists with too many records by status 400 and asks for a shorter period.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must read the reason and request smaller windows.",
        condition="list",
        failures=_TOO_LONG,
        preset={"status": 400},
    ),
)
