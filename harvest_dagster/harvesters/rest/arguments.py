"""The arguments of a REST API: `harvester_kwargs` of the harvester `rest`, explained in docs/rest.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from harvest_dagster.harvesters.interface import Arguments, NotDeciding
from harvest_dagster.harvesters.request_headers import validate_headers
from harvest_dagster.harvesters.rest.details.arguments import Detail, detail_faults
from harvest_dagster.harvesters.rest.further_urls import find_address_faults
from harvest_dagster.harvesters.rest.placeholders import (
    FROM,
    UNTIL,
    Placeholder,
    find_misspelt,
    find_placeholders,
    precision_fault,
    texts_of,
)
from harvest_dagster.harvesters.rest.responses.rules import find_faults
from harvest_dagster.paths.syntax import PATTERN, Path, parse_path
from harvest_dagster.plugins import SELECTIVE

PARENT = "{parent}"


def _as_text(value: Any) -> Any:
    """Return a YAML number or boolean as the text that a URL contains."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _as_text_or_texts(value: Any) -> Any:
    """Return a YAML list as a tuple of texts, and any other value as a text."""
    return tuple(map(_as_text, value)) if isinstance(value, list) else _as_text(value)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (str, int)) else value


_Text = Annotated[str, BeforeValidator(_as_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
_SCALAR = {"type": ["string", "number", "boolean"]}
_Param = Annotated[
    str | Annotated[tuple[str, ...], Field(min_length=1)],
    BeforeValidator(_as_text_or_texts),
    WithJsonSchema({"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]}),
]
_Body = Annotated[
    dict[str, JsonValue] | list[JsonValue],
    WithJsonSchema({"type": ["object", "array"]}),
]
_PATH = {"type": "string", "pattern": PATTERN}
_Paths = Annotated[
    tuple[Path, ...],
    BeforeValidator(_as_list),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [_PATH, {"type": "array", "items": _PATH, "minItems": 1}]}),
]


_Statuses = Annotated[
    tuple[int, ...],
    BeforeValidator(_as_list),
    WithJsonSchema(
        {
            "anyOf": [
                _STATUS := {"type": "integer", "minimum": 400, "maximum": 499},
                {"type": "array", "items": _STATUS},
            ]
        }
    ),
]
# These statuses say something else: who may ask, and how often.
_NEVER_EMPTY = frozenset({401, 402, 403, 407, 408, 421, 425, 429, 451})


class Next(Arguments):
    """How to request the next page of a list, and how to recognize its end.

    Attributes:
        by: `cursor`: the page contains a text to send; `link`: the page contains a URL; `link_header`: the HTTP header
            Link contains it with rel="next" (RFC 8288); `page`: the harvester counts pages; `offset`: the harvester
            counts records.
        path: path of the cursor or the link in the page.
        param: parameter of the query for the cursor or the number. Without it, `{next}` in `base_url` or `body` takes
            that value.
        first: value for the first page. The default is none for a cursor, 1 for a page and 0 for an offset.
        end: what ends a list: a page without cursor or link (`no_next`), a page without records (`empty_page`), or
            whichever comes first (`either`). The default for a cursor or a link is `no_next`; an empty page does not
            end such a list. Numbers can only end with `empty_page`, which is their default.
        more: path of a flag in the page that says whether there are more records, also if the page is empty.
        single_use: whether the same request returns another page the second time. No request is then sent twice.
    """

    by: Literal["cursor", "link", "link_header", "page", "offset"]
    path: Path | None = None
    param: str | None = None
    first: _Text | None = None
    end: Literal["no_next", "empty_page", "either"] | None = None
    more: Path | None = None
    single_use: Annotated[bool, NotDeciding()] = False

    @model_validator(mode="after")
    def _fits(self) -> Next:
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.by in ("cursor", "link") and self.path is None:
            yield f"next by {self.by} needs `path`: the path of the {self.by} in the page"
        if self.by == "link_header" and self.path is not None:
            yield "next by link_header takes no `path`: the link is in the header Link"
        if not self.is_read_from_page and self.path is not None:
            yield f"next by {self.by} takes no `path`: the harvester counts"
        if self.has_links and (self.param or self.first):
            yield f"next by {self.by} takes neither `param` nor `first`: the link contains everything"
        if not self.is_read_from_page and self.end not in (None, "empty_page"):
            yield f"next by {self.by} can only end with an empty page"
        if not self.is_read_from_page and not (self.first_value or "").isdecimal():
            yield "`first` must be a whole number"

    @property
    def is_read_from_page(self) -> bool:
        """Whether the response contains the cursor or link of the next page."""
        return self.by in ("cursor", "link", "link_header")

    @property
    def has_links(self) -> bool:
        """Whether a link leads to the next page."""
        return self.by in ("link", "link_header")

    @property
    def place(self) -> str:
        """Where the cursor or the link is, for a message."""
        return self.path or "rel=next in the header Link"

    @property
    def list_end(self) -> str:
        """`end` or its default."""
        return self.end or ("no_next" if self.is_read_from_page else "empty_page")

    @property
    def first_value(self) -> str | None:
        """`first` or its default; None if the first page needs no value."""
        return self.first or {"page": "1", "offset": "0"}.get(self.by)


class Deleted(Arguments):
    """How to recognize a deleted record.

    Attributes:
        path: path in the record.
        values: texts that mean "deleted". Numbers and booleans are compared as JSON writes them.
    """

    path: Path
    values: tuple[_Text, ...] = ("true",)


class Parents(Arguments):
    """The list of parents, for an API that has one list of records for each of them.

    Attributes:
        url: URL of the list of parents, on the host of `base_url`, without a query.
        params: query parameters of the request for the list of parents.
        records: path of the list of parents in a page.
        value: path in a parent of the value that replaces `{parent}`.
        total: path of the source's own count of the parents.
        next: how to request the next page of the list of parents. By default, links in the HTTP header Link are
            followed.
        most: number of parents above which the window fails. Each of them costs a request for each window.
    """

    url: str
    params: dict[str, _Param] = Field(default_factory=dict)
    records: Path
    value: Path
    total: Path | None = None
    next: Next | None = None
    most: Annotated[int, NotDeciding()] = Field(default=1000, ge=1)


class Identifiers(Arguments):
    """How to request the list with few fields, to compare its identifiers and datestamps with what is stored.

    Attributes:
        params: query parameters that are added to those of the list, or replace them, such as the one that selects
            fields.
        records: path of the list of records in such a page; that of the list by default.
        identifier: path of the identifier in such a record; that of the list by default.
        datestamp: path of the datestamp in such a record; that of the list by default.
        deleted: how to recognize a deleted record in this list; as in the list by default.
    """

    params: dict[str, _Param] = Field(default_factory=dict)
    records: Path | None = None
    identifier: _Paths | None = None
    datestamp: Path | None = None
    deleted: Deleted | None = None


class RestArguments(Arguments):
    """`harvester_kwargs` of a REST API.

    Attributes:
        base_url: http or https URL; its path may contain `{from}`, `{until}` and `{next}`.
        method: HTTP method of every request.
        body: content of every request, sent as JSON. `{from}`, `{until}` and `{next}` in its texts are replaced.
            Needs the method POST.
        params: query parameters of every request except those to a link. `{from}` and `{until}` in their values are
            replaced by dates. A list repeats the parameter. Without `{until}` anywhere, each list reaches to the
            present.
        headers: HTTP headers of every request.
        granularity: precision of `{from}` and `{until}`, and their default format: a date, or an instant in UTC with
            seconds.
        until: whether the source's range includes `{until}`.
        response: format of a page: one JSON value, one JSON object on each line, XML, or CSV with a header.
        records: path of the list of records in a page; in XML, of the elements that are records.
        identifier: path of the identifier in a record. The values at several paths are joined by colons.
        datestamp: path in a record of the date that the source compares with `{from}` and `{until}`.
        sorted: `datestamp` if lists are ordered by it, the oldest first. A list that breaks then continues from the
            last datestamp.
        deleted: how to recognize a deleted record.
        total: path of the source's own count of the list in a page.
        empty_status: HTTP statuses that mean an empty page.
        trust_total: False if that count is known to be wrong. It is then ignored.
        error: path of an error message in a page, for an API that reports errors with a success status. Without it,
            the usual places count: `error`, `errors`, `timed_out`, `success` and `status`.
        next: how to request the next page.
        detail: how to request the full record, for an API whose lists have only a part of each record.
        parents: the list of parents, for an API that has one list for each of them. `{parent}` in base_url, params,
            body or the URL of `detail` is replaced by the value of the parent.
        volatile: paths in a record whose values change although the record does not, such as scores. They are not
            stored.
        identifiers: how to request the list with few fields, for the comparison of all identifiers (`reconcile`).
    """

    base_url: str
    method: Literal["GET", "POST"] = "GET"
    body: _Body | None = None
    params: dict[str, _Param] = Field(default_factory=dict, validate_default=True)
    headers: Annotated[dict[str, _Text], AfterValidator(validate_headers), NotDeciding()] = Field(
        default_factory=dict
    )
    granularity: Literal["day", "second"] = Field(default="day", validate_default=True)
    until: Literal["inclusive", "exclusive"] = "inclusive"
    response: Literal["json", "jsonl", "xml", "csv"] = "json"
    records: Path
    identifier: _Paths
    datestamp: Path | None = None
    sorted: Annotated[Literal["datestamp"] | None, NotDeciding()] = None
    deleted: Deleted | None = None
    total: Path | None = None
    trust_total: Annotated[bool, NotDeciding()] = True
    error: Annotated[Path | None, NotDeciding()] = None
    empty_status: _Statuses = ()
    next: Next
    detail: Detail | None = None
    parents: Parents | None = Field(default=None, validate_default=True)
    volatile: tuple[Path, ...] = ()
    identifiers: Annotated[Identifiers | None, NotDeciding()] = None

    @property
    def of_identifiers(self) -> RestArguments:
        """The arguments of the list of identifiers: with the values of `identifiers`, and without details."""
        other = self.identifiers or Identifiers()
        replaced = {
            name: value
            for name in ("records", "identifier", "datestamp", "deleted")
            if (value := getattr(other, name)) is not None
        }
        params = {**self.params, **other.params}
        unused = {"detail": None, "volatile": (), "identifiers": None}
        return self.model_copy(update={**replaced, **unused, "params": params})

    @property
    def has_open_end(self) -> bool:
        """Whether the source is asked from an instant on, without an upper bound."""
        return not _has_until({"base_url": self.base_url, "params": self.params, "body": self.body})

    @property
    def has_dates(self) -> bool:
        """Whether requests contain dates. Those of a source that cannot be asked by date do not."""
        found = find_placeholders(texts_of([self.base_url, self.params, self.body]))
        return any(placeholder.name != "next" for placeholder in found)

    @field_validator("base_url")
    @classmethod
    def _validate_base_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(
                "base_url must be an http or https URL without query and fragment. Put a query into params"
            )
        if find_placeholders([parts.netloc]):
            raise ValueError(
                "base_url must name its host. {from}, {until} and {next} are allowed only in its path"
            )
        _raise_if_wrong_format([url])
        return url

    @field_validator("records", "identifier", "datestamp", "deleted", "total", "error", "next", "volatile")
    @classmethod
    def _fits_the_response(cls, value: Any, info: ValidationInfo) -> Any:
        if faults := list(find_faults(info.data.get("response", "json"), info.field_name or "", value)):
            raise ValueError("; ".join(faults))
        return value

    @field_validator("records")
    @classmethod
    def _has_no_descendants(cls, path: str) -> str:
        if parse_path(path).has_descendants:
            raise ValueError(
                "the path of the records must not contain `..`: name each key on the way to the list"
            )
        return path

    @field_validator("empty_status")
    @classmethod
    def _can_mean_empty(cls, statuses: tuple[int, ...]) -> tuple[int, ...]:
        if wrong := [status for status in statuses if status in _NEVER_EMPTY or not 400 <= status < 500]:  # noqa: PLR2004
            raise ValueError(
                f"{', '.join(map(str, wrong))} cannot mean an empty page. Allowed are statuses from 400 to 499 that do "
                "not ask for credentials or a pause, such as 404"
            )
        return statuses

    # These validators belong to fields, not to the model: pydantic skips those of the model if a field has an error,
    # and `harvest check` reports all problems at once. `info.data` contains only the earlier fields without an error.
    @field_validator("body")
    @classmethod
    def _is_sent_with_post(cls, body: Any, info: ValidationInfo) -> Any:
        if body is not None and info.data.get("method", "POST") != "POST":
            raise ValueError("body needs `method: POST`: a GET request has no content")
        _raise_if_wrong_format(texts_of(body))
        return body

    @field_validator("params")
    @classmethod
    def _have_dates(
        cls, params: dict[str, str | tuple[str, ...]], info: ValidationInfo
    ) -> dict[str, str | tuple[str, ...]]:
        found = find_placeholders(texts_of(params))
        _raise_if_wrong_format(texts_of(params))
        if any(placeholder.name == "next" for placeholder in found):
            raise ValueError("params must not contain {next}: name the parameter in `param` of `next`")
        if not {"base_url", "body"} <= info.data.keys():
            return params  # one of them has an error, and may contain the dates
        if not (info.context or {}).get(SELECTIVE, True):
            _raise_if_dated({**info.data, "params": params})
            return params
        found += _placeholders_before(info)
        missing = [name for name in (FROM, UNTIL) if name[1:-1] not in {one.name for one in found}]
        texts = texts_of([params, info.data["base_url"], info.data["body"]])
        if misspelt := find_misspelt(texts, missing):
            raise ValueError(misspelt)
        if FROM in missing:
            raise ValueError(
                "params, body or base_url must contain {from}, and {until} if the source has an upper bound: a harvest "
                "requests what has changed since an instant. A source without a filter by date needs `selective: "
                "false` beside harvester_kwargs"
            )
        return params

    @field_validator("granularity")
    @classmethod
    def _fits_the_formats(cls, granularity: str, info: ValidationInfo) -> str:
        found = [*_placeholders_before(info), *find_placeholders(texts_of(info.data.get("params")))]
        for name in ("from", "until"):
            placeholders = [one for one in found if one.name == name]
            if placeholders and (fault := precision_fault(placeholders, granularity)):
                raise ValueError(fault)
        return granularity

    @field_validator("until")
    @classmethod
    def _has_an_upper_bound(cls, until: str, info: ValidationInfo) -> str:
        if {"base_url", "body", "params"} <= info.data.keys() and not _has_until(info.data):
            raise ValueError(
                "has no effect without {until}. Remove it, or put {until} into params, body or base_url"
            )
        return until

    @field_validator("sorted")
    @classmethod
    def _has_a_datestamp(cls, order: str | None, info: ValidationInfo) -> str | None:
        if order is not None and "datestamp" in info.data and info.data["datestamp"] is None:
            raise ValueError("needs `datestamp`: the path of the date by which the lists are ordered")
        return order

    @field_validator("headers")
    @classmethod
    def _name_no_form(cls, headers: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        types = [value.lower() for name, value in headers.items() if name.lower() == "content-type"]
        if info.data.get("body") is not None and any("form" in value for value in types):
            raise ValueError("body is sent as JSON, and never as a form. Leave the header Content-Type out")
        return headers

    @field_validator("next")
    @classmethod
    def _sends_the_token(cls, paging: Next, info: ValidationInfo) -> Next:
        has_place = any(placeholder.name == "next" for placeholder in _placeholders_before(info))
        needs_place = not paging.has_links and paging.param is None
        if {"base_url", "body"} <= info.data.keys() and needs_place != has_place:
            raise ValueError(
                "next needs either `param` or {next} in base_url or body to send the cursor or number; a link needs "
                "neither"
            )
        if paging.param in info.data.get("params", {}):
            raise ValueError(f"params must not contain {paging.param!r}: next sets it")
        return paging

    @field_validator("detail")
    @classmethod
    def _names_the_record(cls, detail: Detail | None, info: ValidationInfo) -> Detail | None:
        if detail is None:
            return None
        if faults := list(detail_faults(detail.url, info.data)):
            raise ValueError("; ".join(faults))
        return detail

    @field_validator("identifiers")
    @classmethod
    def _fit_the_list(cls, identifiers: Identifiers | None, info: ValidationInfo) -> Identifiers | None:
        if identifiers is not None and (faults := list(_identifiers_faults(identifiers, info.data))):
            raise ValueError("; ".join(faults))
        return identifiers

    @field_validator("parents")
    @classmethod
    def _have_a_place(cls, parents: Parents | None, info: ValidationInfo) -> Parents | None:
        if faults := list(_parent_faults(parents, info.data)):
            raise ValueError("; ".join(faults))
        return parents


def _identifiers_faults(identifiers: Identifiers, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the list of identifiers. `known` has the earlier arguments without an error."""
    for name in ("records", "identifier", "datestamp", "deleted"):
        if (value := getattr(identifiers, name)) is not None:
            yield from find_faults(known.get("response", "json"), name, value)
    if identifiers.records is not None and parse_path(identifiers.records).has_descendants:
        yield "the path of the records must not contain `..`: name each key on the way to the list"
    if dates := sorted({str(one) for one in find_placeholders(texts_of(identifiers.params))}):
        yield f"`params` of identifiers must not contain {', '.join(dates)}: the list has the dates of `params`"
    replaced = {name: known.get("params", {}).get(name) for name in identifiers.params}
    if dated := [name for name, value in replaced.items() if find_placeholders(texts_of(value))]:
        yield f"`params` of identifiers must not replace {', '.join(dated)}, which contains the dates of the list"
    if "next" in known and known["next"].param in identifiers.params:
        yield f"`params` of identifiers must not contain {known['next'].param!r}: next sets it"
    paths = known.get("identifier", ())
    if identifiers.identifier is not None and paths and len(identifiers.identifier) != len(paths):
        yield f"`identifier` of identifiers needs as many paths as `identifier`: {len(paths)}"


def _parent_faults(parents: Parents | None, known: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the list of parents. `known` has the earlier arguments without an error."""
    base_url = known.get("base_url")
    if parents is None:
        if base_url is not None and PARENT in base_url:
            yield f"base_url contains {PARENT}, so `parents` must say where the list of parents is"
        return
    yield from find_address_faults("`url` of parents", parents.url, base_url)
    if "?" in parents.url:
        yield "`url` of parents must not have a query. Put it into `params` of parents"
    if known.get("response", "json") != "json":
        yield "parents need `response: json`"
    if base_url is not None and PARENT in urlsplit(base_url).netloc:
        yield f"base_url must name its host: {PARENT} is allowed only in its path"
    places = [base_url, known.get("params"), known.get("body")]
    if {"base_url", "params", "body"} <= known.keys() and not any(
        PARENT in text for text in texts_of(places)
    ):
        yield f"base_url, params or body must contain {PARENT}: the value of the parent whose list is requested"
    yield from _parent_paging_faults(parents)


def _parent_paging_faults(parents: Parents) -> Iterator[str]:
    found = find_placeholders([parents.url, *texts_of(parents.params)])
    if dates := [str(one) for one in found if one.name != "next"]:
        yield f"the list of parents must not contain {', '.join(dates)}: it has no dates"
    has_place = any(one.name == "next" for one in find_placeholders([parents.url]))
    needs_place = parents.next is not None and not parents.next.has_links and parents.next.param is None
    if needs_place != has_place:
        yield "`next` of parents needs either `param` or {next} in `url` of parents; a link needs neither"


def _has_until(data: Mapping[str, Any]) -> bool:
    texts = texts_of([data["base_url"], data["params"], data["body"]])
    return any(placeholder.name == "until" for placeholder in find_placeholders(texts))


def _raise_if_dated(data: Mapping[str, Any]) -> None:
    """Raise ValueError if arguments contain {from} or {until} although the source is requested without dates."""
    for name in ("params", "body", "base_url"):
        placeholders = [str(one) for one in find_placeholders(texts_of([data[name]])) if one.name != "next"]
        if placeholders:
            raise ValueError(
                f"{name} must not contain {' or '.join(sorted(set(placeholders)))} with `selective: false`: each "
                f"harvest requests the whole source without dates. Remove it from {name}, or remove `selective: false`"
            )


def _placeholders_before(info: ValidationInfo) -> list[Placeholder]:
    """Return the placeholders of the valid ones among `base_url` and `body`."""
    return find_placeholders(texts_of([info.data.get("base_url"), info.data.get("body")]))


def _raise_if_wrong_format(texts: Iterable[str]) -> None:
    if faults := [fault for one in find_placeholders(texts) if (fault := one.fault) is not None]:
        raise ValueError("; ".join(faults))
