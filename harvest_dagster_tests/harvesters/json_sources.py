"""JSON list APIs without a network: a session that answers from a script, and an API in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from harvest_dagster.harvesters.json_list import JsonListArguments, JsonListHarvester
from harvest_dagster.records import Page, Record, Unreadable
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import Answered

BASE_URL = "https://api.test/works"
DAY = Window(parse_instant("2024-01-01"), parse_instant("2024-01-02"))
DATES = {"since": "{from}", "before": "{until}"}

Asked = tuple[str, dict[str, str]]


class JsonSession:
    """Answers each request with what a function makes of it, and remembers the requests."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Any]) -> None:
        self._answer = answer
        self.asked: list[Asked] = []
        self.headers: list[dict[str, str]] = []
        self.repeatable: list[bool] = []

    def get(self, url, params, headers, *, allow_status, repeatable) -> Answered:
        self.asked.append((url, dict(params)))
        self.headers.append(dict(headers))
        self.repeatable.append(repeatable)
        answer = self._answer(url, dict(params))
        if isinstance(answer, Answered):
            assert answer.status < 400 or answer.status in allow_status
            return answer
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Answered(body, f"{url}?{urlencode(params)}", content_type="application/json")


def arguments(**changed: Any) -> JsonListArguments:
    """Those of a plain API with a cursor; `None` leaves one out."""
    usual = {
        "base_url": BASE_URL,
        "params": DATES,
        "records": "items",
        "identifier": "id",
        "datestamp": "changed",
        "total": "total",
        "next": {"by": "cursor", "path": "next", "param": "cursor"},
    }
    kwargs = {name: value for name, value in {**usual, **changed}.items() if value is not None}
    return JsonListArguments.model_validate(kwargs)


def scripted(*answers: Any, **changed: Any) -> JsonListHarvester:
    """A harvester of an API that answers these in turn."""
    rest = iter(answers)
    return JsonListHarvester(arguments(**changed), JsonSession(lambda *_: next(rest)))


def listed(*identifiers: str, **more: Any) -> dict[str, Any]:
    """A page of that API."""
    items = [{"id": identifier, "changed": "2024-01-01T10:00:00Z"} for identifier in identifiers]
    return {"items": items, "next": None, **more}


def pages(harvester: JsonListHarvester, window: Window = DAY) -> list[Page]:
    return list(harvester.pages(window))


def harvest(harvester: JsonListHarvester, window: Window = DAY) -> Iterator[Record | Unreadable]:
    for page in harvester.pages(window):
        yield from harvester.records(page, window)


def found(harvester: JsonListHarvester) -> list[str | None]:
    return [record.identifier for record in harvest(harvester)]


def tokens(harvester: JsonListHarvester) -> list[str | None]:
    """What the parameter `cursor` of each request was."""
    return [params.get("cursor") for _, params in harvester.session.asked]


@dataclass(frozen=True)
class Item:
    """A record of the API in memory."""

    identifier: str
    changed: datetime


@dataclass
class Api:
    """Compares dates as APIs do: days as days, seconds with whatever fraction the record has."""

    items: Iterable[Item]
    granularity: str
    until: str
    session: JsonSession = field(init=False)

    def __post_init__(self) -> None:
        self.session = JsonSession(lambda _, params: self._page(params))

    def harvester(self) -> JsonListHarvester:
        made = arguments(
            granularity=self.granularity, until=self.until, next={"by": "offset", "param": "offset"}
        )
        return JsonListHarvester(made, self.session)

    def _page(self, params: dict[str, str]) -> dict[str, Any]:
        listed = [item for item in self.items if self._holds(item, params)]
        first = int(params["offset"])
        page = [{"id": item.identifier, "changed": item.changed.isoformat()} for item in listed[first:][:3]]
        return {"items": page, "total": len(listed)}

    def _holds(self, item: Item, params: dict[str, str]) -> bool:
        first, last = parse_instant(params["since"]), parse_instant(params["before"])
        changed = item.changed
        if self.granularity == "day":
            changed = changed.replace(hour=0, minute=0, second=0, microsecond=0)
        return first <= changed and (changed < last or (self.until == "inclusive" and changed == last))
