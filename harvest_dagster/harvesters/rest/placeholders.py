"""The placeholders `{from}`, `{until}` and `{next}` in `base_url`, `params` and `body`, and the formats of dates.

`{from:%m/%d/%Y}` names a format of strftime, `{from:epoch}` seconds and `{from:epoch_ms}` milliseconds since 1970. All
other braces are literal, as in Lucene, Solr and GraphQL. `{{from}}` stands for a literal `{from}`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from difflib import get_close_matches
from typing import Any

FROM, UNTIL, NEXT = "{from}", "{until}", "{next}"

_PLACEHOLDER = re.compile(
    r"\{(?P<literal>\{)?(?P<name>from|until|next)(?::(?P<format>[^{}]*))?\}(?(literal)\})"
)
_NAME = re.compile(r"\{(\w+)(?::[^{}]*)?\}")
_DIRECTIVE = re.compile("%(.?)", re.DOTALL)
# strftime has more directives, which depend on the platform or are never right in a filter by date.
_DIRECTIVES = frozenset("YymdjbBaAHMSfz%")
_YEAR, _MONTH, _TIME = frozenset("Yy"), frozenset("mbB"), frozenset("HMS")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNITS = {"epoch": timedelta(seconds=1), "epoch_ms": timedelta(milliseconds=1)}
_DEFAULTS = {"day": "%Y-%m-%d", "second": "%Y-%m-%dT%H:%M:%SZ"}


@dataclass(frozen=True)
class Placeholder:
    """A placeholder in a text.

    Attributes:
        name: `from`, `until` or `next`.
        format: the text after the colon; None if there is none.
    """

    name: str
    format: str | None

    def __str__(self) -> str:
        return f"{{{self.name}}}" if self.format is None else f"{{{self.name}:{self.format}}}"

    @property
    def fault(self) -> str | None:
        """Why the format is not allowed, with the remedy; None if it is."""
        if self.format is None or self.format in _UNITS:
            return None
        if self.name == "next":
            return f"{self} must not have a format: write {NEXT}"
        directives = self._directives
        if directives and directives <= _DIRECTIVES:
            return None
        allowed = ", ".join(f"%{letter}" for letter in sorted(_DIRECTIVES))
        literal = f"{{{self}}}"
        return (
            f"{self} has no format of a date. Use epoch, epoch_ms, or a text with {allowed}; or write {literal} if the "
            "braces are literal"
        )

    @property
    def _directives(self) -> frozenset[str]:
        return frozenset(_DIRECTIVE.findall(self.format or ""))

    def parts(self, granularity: str) -> frozenset[str]:
        """Return the directives of the format, or those that it stands for."""
        if self.format in _UNITS:
            return frozenset("YmdHMS")
        return frozenset(_DIRECTIVE.findall(_DEFAULTS[granularity] if self.format is None else self.format))


def find_placeholders(texts: Iterable[str]) -> list[Placeholder]:
    """Return the placeholders in some texts, without those that are written as literals."""
    return [
        Placeholder(found["name"], found["format"])
        for text in texts
        for found in _PLACEHOLDER.finditer(text)
        if not found["literal"]
    ]


def find_misspelt(texts: Iterable[str], missing: Collection[str]) -> str | None:
    """Return a message about a name in braces that is similar to a missing placeholder; None if there is none."""
    for text in texts:
        for written in _NAME.findall(text):
            if similar := get_close_matches(written.lower(), [name[1:-1] for name in missing], cutoff=0.7):
                return (
                    f"{{{written}}} is no placeholder. Did you mean {{{similar[0]}}}? If the braces are literal, write "
                    f"{{ {written} }}"
                )
    return None


def texts_of(value: Any) -> Iterator[str]:
    """Yield the texts in a value with nested lists and mappings, without the keys of mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for member in value.values() if isinstance(value, dict) else value:
            yield from texts_of(member)


def precision_fault(placeholders: Iterable[Placeholder], granularity: str) -> str | None:
    """Return why the formats of one date are too coarse or too fine for the granularity; None if they are neither.

    A date may be distributed over several placeholders, such as a year, a month and a day.
    """
    found = list(placeholders)
    names, parts = ", ".join(dict.fromkeys(map(str, found))), frozenset[str]()
    for placeholder in found:
        parts |= placeholder.parts(granularity)
    if granularity == "day" and (precise := [str(one) for one in found if _TIME & one.parts(granularity)]):
        return (
            f"{', '.join(precise)}: a time needs granularity: second. With granularity: day, write a literal time "
            "after a date, such as 00:00:00 for {from} and 23:59:59 for {until}"
        )
    if not (parts & _YEAR and (("d" in parts and parts & _MONTH) or "j" in parts)):
        return f"{names}: the format must contain year, month and day, such as %Y-%m-%d"
    if granularity == "second" and not parts >= _TIME:
        return f"{names}: granularity: second needs %H, %M and %S, too. Add them, or set granularity: day"
    return None


@dataclass(frozen=True)
class Values:
    """What the placeholders stand for in one request.

    Attributes:
        start: the instant of `{from}`.
        end: the instant of `{until}`.
        granularity: `day` or `second`.
        token: the cursor or the number of the page; None for a first page without one.
        is_number: whether the token counts pages or records.
    """

    start: datetime
    end: datetime
    granularity: str
    token: str | None = None
    is_number: bool = False

    def fill(self, text: str) -> str:
        """Return a text with the values in place of its placeholders."""
        return _PLACEHOLDER.sub(self._value, text)

    def fill_json(self, value: Any) -> Any:
        """Return a JSON value with its texts filled.

        A text that is only `{next}` becomes a number if the token is one. Without a token, it is left out of its list
        or mapping, like a parameter.
        """
        if isinstance(value, dict):
            return {
                key: self.fill_json(member) for key, member in value.items() if not self._is_left_out(member)
            }
        if isinstance(value, list):
            return [self.fill_json(member) for member in value if not self._is_left_out(member)]
        if not isinstance(value, str):
            return value
        if value == NEXT and self.is_number and self.token is not None:
            return int(self.token)
        return self.fill(value)

    def _is_left_out(self, value: Any) -> bool:
        return value == NEXT and self.token is None

    def _value(self, found: re.Match[str]) -> str:
        placeholder = Placeholder(found["name"], found["format"])
        if found["literal"]:
            return str(placeholder)
        if placeholder.name == "next":
            return self.token or ""
        instant = self.start if placeholder.name == "from" else self.end
        if placeholder.format in _UNITS:
            return str((instant - _EPOCH) // _UNITS[placeholder.format])
        return instant.strftime(placeholder.format or _DEFAULTS[self.granularity])
