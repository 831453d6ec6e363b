"""REST APIs without a network: a session that returns prepared responses, and an API in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlencode

from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.client import RestClient
from harvest_dagster.harvesters.rest.parser import RestParser
from harvest_dagster.observations import Observation, Observations
from harvest_dagster.records import InvalidRecord, Page, Record
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.sources import Answered, NoDownload

BASE_URL = "https://api.test/works"
DAY = Window(parse_instant("2024-01-01"), parse_instant("2024-01-02"))
DATES = {"since": "{from}", "before": "{until}"}

Asked = tuple[str, dict[str, str]]


class RestSession(NoDownload):
    """Answers each request with the result of a function of its URL and parameters, and records the requests."""

    def __init__(self, answer: Callable[[str, dict[str, str]], Any]) -> None:
        self._answer = answer
        self.asked: list[Asked] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Any] = []
        self.repeatable: list[bool] = []

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,
    ) -> Answered:
        assert params is not None
        assert headers is not None
        self.asked.append((url, dict(params)))
        self.headers.append(dict(headers))
        self.repeatable.append(repeatable)
        answer = self._answer(url, dict(params))
        if isinstance(answer, Answered):
            assert answer.status < 400 or answer.status in allow_status
            return answer
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return Answered(body, f"{url}?{urlencode(params)}", content_type="application/json")

    def post(self, url: str, body: bytes, *args: Any, **options: Any) -> Answered:
        """Record the content of a POST request, and answer as to a GET request."""
        self.bodies.append(json.loads(body or b"null"))
        return self.get(url, *args, **options)


def arguments(**changed: Any) -> RestArguments:
    """Return the arguments of a simple API with a cursor. `None` removes an argument."""
    defaults = {
        "base_url": BASE_URL,
        "params": DATES,
        "records": "items",
        "identifier": "id",
        "datestamp": "changed",
        "total": "total",
        "next": {"by": "cursor", "path": "next", "param": "cursor"},
    }
    kwargs = {name: value for name, value in {**defaults, **changed}.items() if value is not None}
    return RestArguments.model_validate(kwargs)


EXACT_ENDS = Observation(
    "window_ends",
    {
        "granularity": "YYYY-MM-DD",
        "from_is_whole": True,
        "until_is_whole": True,
        "one_unit": True,
        "days": ["1900-01-01", "2024-01-01"],
    },
    DAY.end,
)
"""An earlier harvest observed that the source includes the whole days of `{from}` and `{until}`."""


class RestSource(RestClient):
    """A client together with the parser of its pages."""

    def records(self, page: Page, window: Window) -> Iterator[Record | InvalidRecord]:
        return RestParser(self.arguments).records(page, window)


def scripted(*answers: Any, **changed: Any) -> RestSource:
    """Return an API that returns these responses in turn. It is known to include whole days."""
    remaining = iter(answers)
    source = RestSource(arguments(**changed), RestSession(lambda *_: next(remaining)))
    source.use_observations(Observations([EXACT_ENDS]))
    return source


def listed(*identifiers: str, **more: Any) -> dict[str, Any]:
    """Return a page of that API."""
    items = [{"id": identifier, "changed": "2024-01-01T10:00:00Z"} for identifier in identifiers]
    return {"items": items, "next": None, "total": None, **more}


def pages(source: RestSource, window: Window = DAY) -> list[Page]:
    return list(source.pages(window))


def harvest(source: RestSource, window: Window = DAY) -> Iterator[Record | InvalidRecord]:
    for page in source.pages(window):
        yield from source.records(page, window)


def found(source: RestSource) -> list[str | None]:
    return [record.identifier for record in harvest(source)]


def tokens(source: RestSource) -> list[str | None]:
    """Return the parameter `cursor` of each request."""
    return [params.get("cursor") for _, params in cast("RestSession", source.session).asked]


@dataclass(frozen=True)
class Item:
    """A record of the API in memory."""

    identifier: str
    changed: datetime


@dataclass
class Api:
    """An API in memory. It compares days as days, and seconds with the fractions of the records' datestamps."""

    items: Iterable[Item]
    granularity: str
    until: str
    session: RestSession = field(init=False)

    def __post_init__(self) -> None:
        self.session = RestSession(lambda _, params: self._page(params))

    def source(self) -> RestSource:
        kwargs = arguments(
            granularity=self.granularity, until=self.until, next={"by": "offset", "param": "offset"}
        )
        return RestSource(kwargs, self.session)

    def _page(self, params: dict[str, str]) -> dict[str, Any]:
        listed = [item for item in self.items if self._is_in_range(item, params)]
        first = int(params["offset"])
        page = [{"id": item.identifier, "changed": item.changed.isoformat()} for item in listed[first:][:3]]
        return {"items": page, "total": len(listed)}

    def _is_in_range(self, item: Item, params: dict[str, str]) -> bool:
        first, last = parse_instant(params["since"]), parse_instant(params["before"])
        changed = item.changed
        if self.granularity == "day":
            changed = changed.replace(hour=0, minute=0, second=0, microsecond=0)
        return first <= changed and (changed < last or (self.until == "inclusive" and changed == last))
