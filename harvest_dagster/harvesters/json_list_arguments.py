"""What the YAML of a JSON list API says: `harvester_kwargs` of the harvester `json`. See docs/json.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from harvest_dagster.harvesters.interface import Arguments
from harvest_dagster.harvesters.json_paths import PATTERN, Path
from harvest_dagster.http.headers import fault

FROM, UNTIL, NEXT = "{from}", "{until}", "{next}"


def _as_text(value: Any) -> Any:
    """Numbers and truth values of YAML as they stand in a URL."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_Text = Annotated[str, BeforeValidator(_as_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
_PATH = {"type": "string", "pattern": PATTERN}
_Paths = Annotated[
    tuple[Path, ...],
    BeforeValidator(_as_list),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [_PATH, {"type": "array", "items": _PATH, "minItems": 1}]}),
]


class Next(Arguments):
    """How the next page of a list is asked for, and how its end is known.

    Attributes:
        by: `cursor`, a text that the page gives; `link`, a URL that the page gives; `page`, the number of the
            page; `offset`, how many records come before it.
        path: where the page gives the cursor or the link.
        param: which parameter takes the cursor or the number; where there is none, `{next}` in `base_url`.
        first: its value for the first page: of a cursor none unless given, of a page 1, of an offset 0.
        end: what ends a list: that a page gives no cursor or link (`no_next`), that it holds no records
            (`empty_page`), or whichever comes first (`either`). By default a cursor or a link ends with
            `no_next`, and an empty page is followed; numbers end with `empty_page`, as nothing else can.
        single_use: whether the same request would bring another page, so that none is sent twice.
    """

    by: Literal["cursor", "link", "page", "offset"]
    path: Path | None = None
    param: str | None = None
    first: _Text | None = None
    end: Literal["no_next", "empty_page", "either"] | None = None
    single_use: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Next:
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.is_given and self.path is None:
            yield f"next by {self.by} needs `path`: where the page gives the {self.by}"
        if not self.is_given and self.path is not None:
            yield f"next by {self.by} takes no `path`: we count"
        if self.by == "link" and (self.param or self.first):
            yield "next by link takes neither `param` nor `first`: the link holds all"
        if not self.is_given and self.end not in (None, "empty_page"):
            yield f"next by {self.by} can end with an empty page only"
        if not self.is_given and not (self.start or "").isdecimal():
            yield "`first` must be a whole number"

    @property
    def is_given(self) -> bool:
        """Whether the page gives what asks for the next one."""
        return self.by in ("cursor", "link")

    @property
    def ends(self) -> str:
        """`end`, or what it is by default."""
        return self.end or ("no_next" if self.is_given else "empty_page")

    @property
    def start(self) -> str | None:
        """`first`, or what it is by default."""
        return self.first or {"page": "1", "offset": "0"}.get(self.by)


class Deleted(Arguments):
    """What says that a record is gone.

    Attributes:
        path: where.
        values: which texts; numbers and truth values are compared as JSON writes them.
    """

    path: Path
    values: tuple[_Text, ...] = ("true",)


class JsonListArguments(Arguments):
    """`harvester_kwargs` of a JSON list API.

    Attributes:
        base_url: http or https; `{from}`, `{until}` and `{next}` may stand in its path.
        params: of every request but those to a link; `{from}` and `{until}` in their values are the dates.
        headers: of every request.
        granularity: of `{from}` and `{until}`: a date, or an instant in UTC to the second.
        until: whether the source takes `{until}` as part of the range.
        records: where a page has its list of records.
        identifier: where a record has its identifier; of several, joined by colons.
        datestamp: where a record has the date that `{from}` and `{until}` are compared with.
        deleted: what says that a record is gone.
        total: where a page has the source's own count of the list.
        trust_total: False where that is known to be wrong; it is then not read.
        error: where a page tells that it failed, for an API that does so with a status that is a success.
        next: how the next page is asked for.
        volatile: what of a record changes without a change, such as scores; left out of what is stored.
    """

    base_url: str
    params: dict[str, _Text] = Field(default_factory=dict)
    headers: dict[str, _Text] = Field(default_factory=dict)
    granularity: Literal["day", "second"] = "day"
    until: Literal["inclusive", "exclusive"] = "inclusive"
    records: Path
    identifier: _Paths
    datestamp: Path | None = None
    deleted: Deleted | None = None
    total: Path | None = None
    trust_total: bool = True
    error: Path | None = None
    next: Next
    volatile: tuple[Path, ...] = ()

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(
                "base_url must be an http or https URL without a query or fragment: those go into params"
            )
        if any(name in parts.netloc for name in (FROM, UNTIL, NEXT)):
            raise ValueError("base_url must name its host: {from}, {until} and {next} may stand in its path")
        return url

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        if (wrong := fault(headers)) is not None:
            raise ValueError(wrong)
        return headers

    @model_validator(mode="after")
    def _asks_for_dates(self) -> JsonListArguments:
        written = [self.base_url, *self.params.values()]
        if missing := [name for name in (FROM, UNTIL) if not any(name in text for text in written)]:
            raise ValueError(
                f"{' and '.join(missing)} must stand in params or base_url: a harvest asks for what has "
                "changed between two instants"
            )
        if (self.next.by != "link" and self.next.param is None) != (NEXT in self.base_url):
            raise ValueError(
                "next needs `param` or {next} in base_url, for the cursor or number to go to; a link needs neither"
            )
        if self.next.param in self.params:
            raise ValueError(f"params must not hold {self.next.param!r}: next fills it in")
        return self
