"""A JSON API in memory that pages, counts, announces and ends its lists in a chosen way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from harvest_dagster.windows import parse_instant
from harvest_dagster_tests.harvesters.sources import Answered, GetOnly

ENDS = ("empty", "404", "400", "204", "null", "no key", "clamp")
FAULTS = ("none", "404", "400", "204", "error body", "no key", "null", "ignores page", "more, then nothing")
_numbers = count(1)


@dataclass
class JsonApi(GetOnly):
    """An API, and the YAML that describes it.

    Attributes:
        items: identifiers with their datestamps, in the order of the API.
        paging: `page`, `offset`, `cursor` or `link`.
        page_size: records of a page.
        end: what a page past the end is, one of `ENDS`, or `too many`: a refusal with the number of the records.
        totals: whether its pages have a total.
        flag: whether its pages have a flag that announces more.
        holes: numbers of pages of the whole list, from 0. The API pages first and then leaves out their records, in
            every list: they exist for nobody.
        omits_next: whether the last page has no key for the next page, instead of null.
        sends_size: whether the YAML has a parameter for the size of a page.
        typos: keys of the YAML whose path is wrong: `next.path`, `next.more`, `total`, `next.param`.
        fault: what happens instead of the page `fault_at`, one of `FAULTS`.
        fault_at: number of a page from 0, not the first.
        cap: the length at which the API cuts each list and its total. It refuses the page after that.
        refusal: the content of that page, and its status.
    """

    items: list[tuple[str, datetime]]
    paging: str = "page"
    page_size: int = 2
    end: str = "empty"
    totals: bool = True
    flag: bool = False
    holes: frozenset[int] = frozenset()
    omits_next: bool = False
    sends_size: bool = False
    typos: frozenset[str] = frozenset()
    fault: str = "none"
    fault_at: int = 1
    cap: int | None = None
    refusal: tuple[Any, int] = ({"detail": "Cannot page beyond 20 results."}, 400)
    requests: int = 0
    # Observations are kept for each set of arguments, so each API has its own URL.
    base_url: str = field(default_factory=lambda: f"https://api.test/{next(_numbers)}")

    @property
    def arguments(self) -> dict[str, Any]:
        following: dict[str, Any] = {"by": self.paging}
        if self.paging in ("cursor", "link"):
            following["path"] = self._path("next.path", "paging.next")
        if self.paging != "link":
            following["param"] = self._path("next.param", "at")
        if self.flag:
            following["more"] = self._path("next.more", "has_more")
        return {
            "base_url": self.base_url,
            "params": {"from": "{from}", "until": "{until}"}
            | ({"limit": self.page_size} if self.sends_size else {}),
            "granularity": "second",
            "until": "exclusive",
            "records": "items",
            "identifier": "id",
            "datestamp": "changed",
            "next": following,
        } | ({"total": self._path("total", "paging.total")} if self.totals else {})

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: object = None,  # noqa: ARG002  # of the interface
        *,
        allow_status: frozenset[int] = frozenset(),
        repeatable: bool = True,  # noqa: ARG002  # of the interface
    ) -> Answered:
        """Answer as a session does."""
        self.requests += 1
        asked = dict(params or {}) or dict(parse_qsl(urlsplit(url).query))
        listed = [name for name, stamp in self.items if _lies_between(stamp, asked)]
        answer = self._answer(listed, self._start(asked), asked)
        assert answer.status < 400 or answer.status in allow_status or answer.status == 599
        return answer

    def visible(self) -> set[str]:
        """Return the identifiers that a client can get from a list of all items."""
        pages = [self.items[at : at + self.page_size] for at in range(0, len(self.items), self.page_size)]
        return {name for number, page in enumerate(pages) if number not in self.holes for name, _ in page}

    def _path(self, key: str, path: str) -> str:
        return f"{path}x" if key in self.typos else path

    def _start(self, asked: Mapping[str, str]) -> int:
        """Return the index of the first record of the page that is asked for."""
        value = int(asked.get("at", -1))
        if self.fault == "ignores page" or value < 0:
            return 0
        return {"page": (value - 1) * self.page_size, "offset": value}.get(
            self.paging, value * self.page_size
        )

    def _answer(self, listed: list[str], start: int, asked: Mapping[str, str]) -> Answered:
        if self.cap is not None and start >= self.cap:
            return _json(*self.refusal)
        listed = listed[: self.cap]
        number, last = start // self.page_size, max(0, len(listed) - 1) // self.page_size
        if number == self.fault_at <= last and self.fault not in ("none", "ignores page"):
            return self._fault(listed, start, asked)
        if start >= max(1, len(listed)):
            return self._past_the_end(listed, start, asked)
        return self._page(listed, start, asked)

    def _page(self, listed: list[str], at: int, asked: Mapping[str, str], **changed: Any) -> Answered:
        number, visible = at // self.page_size, self.visible()
        names = [name for name in listed[at : at + self.page_size] if name in visible]
        stamps = dict(self.items)
        page: dict[str, Any] = {
            "items": [{"id": name, "changed": stamps[name].isoformat()} for name in names],
            "paging": {},
        }
        if self.totals:
            page["paging"]["total"] = len(listed)
        is_last = at + self.page_size >= len(listed)
        if self.flag and not is_last:
            page["has_more"] = True
        if self.paging in ("cursor", "link") and not (is_last and self.omits_next):
            following = (
                str(number + 1) if self.paging == "cursor" else _link(self.base_url, asked, number + 1)
            )
            page["paging"]["next"] = None if is_last else following
        page |= changed
        return _json({key: value for key, value in page.items() if value is not ...})

    def _past_the_end(self, listed: list[str], start: int, asked: Mapping[str, str]) -> Answered:
        match self.end:
            case "404" | "400" | "too many":
                beyond = f"Cannot page beyond {len(listed)} results."
                is_long = self.end == "too many"
                return _json(
                    {"detail": beyond if is_long else "Invalid page."}, 400 if is_long else int(self.end)
                )
            case "204":
                return Answered(b"", self.base_url, 204, "")
            case "null":
                return self._page(listed, start, asked, items=None)
            case "no key":
                return self._page(listed, start, asked, items=...)
            case "clamp":
                return self._page(listed, max(0, len(listed) - 1) // self.page_size * self.page_size, asked)
        return self._page(listed, start, asked)

    def _fault(self, listed: list[str], start: int, asked: Mapping[str, str]) -> Answered:
        match self.fault:
            case "404" | "400":
                return _json({"detail": "Internal problem"}, int(self.fault))
            case "204":
                return Answered(b"", self.base_url, 204, "")
            case "null":
                return self._page(listed, start, asked, items=None)
            case "no key":
                return self._page(listed, start, asked, items=...)
            case "error body":
                return _json({"error": "try later"})
        return self._page(listed, start, asked, items=[])


def _lies_between(stamp: datetime, asked: Mapping[str, str]) -> bool:
    return parse_instant(asked["from"]) <= stamp < parse_instant(asked["until"])


def _link(base_url: str, asked: Mapping[str, str], number: int) -> str:
    kept = {name: value for name, value in asked.items() if name != "at"} | {"at": str(number)}
    return f"{base_url}?{urlencode(kept)}"


def _json(value: Any, status: int = 200) -> Answered:
    return Answered(json.dumps(value).encode(), "https://api.test/", status, "application/json")
