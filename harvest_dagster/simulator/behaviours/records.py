"""One record that is not as it should be, in the lists and when it is asked for alone; all others are well."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harvest_dagster.simulator.behaviours.base import (
    BOTH,
    OAI,
    Answer,
    Behaviour,
    Demand,
    Fate,
    Named,
    parameter,
)
from harvest_dagster.simulator.conditions import When, every
from harvest_dagster.simulator.exchange import Request, Response

_IDENTIFIER = r'<identifier>[^<]*</identifier>|"id": "[^"]*", '
_STAMP = r'<datestamp>[^<]*</datestamp>|"updated": "[^"]*", '
_STAMP_TEXT = r'(?<=<datestamp>)[^<]*|(?<="updated": ")[^"]*'
_TITLE = r'(?<=<dc:title>)|(?<="title": \[")'
# What is done to a record: where in its text, XML or JSON, and what is put there. Bytes that are no UTF-8 are
# surrogates (PEP 383).
_FLAWS: Mapping[str, tuple[str, str]] = {
    "control-character": (_TITLE, "\x0b"),
    "bad-utf-8": (_TITLE, "\udcff\udcfe"),
    "entity": (_TITLE, "&nbsp;"),
    "ampersand": (_TITLE, "R & D "),
    "prefix": (_TITLE, "<xlink:href/>"),
    "nesting": (_TITLE, "<i>"),
    "no-identifier": (_IDENTIFIER, ""),
    "no-datestamp": (_STAMP, ""),
}
# Without a datestamp it is a record still, and in JSON a bare control character leaves no doubt of what is meant.
_READABLE = frozenset({"no-datestamp", "control-character"})


@dataclass(frozen=True)
class Flaw(Behaviour):
    """One record of the repository is broken, wherever it appears."""

    kind: str = parameter("control-character", "what is wrong with it", tuple(_FLAWS))
    record: int = parameter(3, "its number in the repository, from 0")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        return _changed(answer(request), self.record, *_FLAWS[self.kind])

    @property
    def fates(self) -> Mapping[str, Fate]:  # noqa: D102
        fate = Fate.EITHER if self.kind in _READABLE else Fate.ASIDE
        return {_identifier(self.record): fate}


@dataclass(frozen=True)
class Stamp(Behaviour):
    """One record has another datestamp than the one by which it was selected."""

    text: str = parameter("2024-02-30", "the datestamp")
    record: int = parameter(3, "its number in the repository, from 0")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        return _changed(answer(request), self.record, _STAMP_TEXT, self.text)

    @property
    def fates(self) -> Mapping[str, Fate]:  # noqa: D102
        return {_identifier(self.record): Fate.EITHER}


@dataclass(frozen=True)
class SameIdentifier(Behaviour):
    """Two records with one identifier: the second takes that of the first."""

    record: int = parameter(3, "the number of the second in the repository, from 1")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        text = r'(?<=<identifier>)oai:[^<]*|(?<="id": ")[^"]*'
        return _changed(answer(request), self.record, text, _identifier(self.record - 1))

    @property
    def fates(self) -> Mapping[str, Fate]:  # noqa: D102
        return {_identifier(self.record - 1): Fate.EITHER, _identifier(self.record): Fate.ABSENT}


def _identifier(number: int) -> str:
    return f"oai:repository.example.org:{number:09d}"


def _changed(whole: Response, number: int, where: str, text: str) -> Response:
    """The answer with one place of one record changed; the same where the record, or the place, is not on it."""
    if whole.page is None:
        return whole
    name = re.compile(re.escape(_identifier(number)) + '[<"]')
    at = next((at for at, record in enumerate(whole.page.records) if name.search(record)), None)
    if at is None:
        return whole
    changed, count = re.subn(where, lambda _: text, whole.page.records[at], count=1)
    if not count:
        return whole
    records = (*whole.page.records[:at], changed, *whole.page.records[at + 1 :])
    return whole.rewritten(replace(whole.page, records=records))


_ASIDE = "sets the one record aside, with its bytes, and keeps all others"


def _flaw(
    kind: str, about: str, protocols: tuple[str, ...] = BOTH, lessons: tuple[int, ...] = (10,)
) -> Named:
    return Named(
        f"record-{kind}",
        Flaw,
        about,
        Demand.OTHERS,
        _ASIDE,
        at="",
        lessons=lessons,
        protocols=protocols,
        preset={"kind": kind},
    )


def _stamp(name: str, text: str, about: str, demand: Demand, proves: str) -> Named:
    return Named(
        f"datestamp-{name}", Stamp, about, demand, proves, at="", lessons=(10, 25), defaults={"text": text}
    )


_STORED = "stores the record, counts and reports it"
ENTRIES = (
    _flaw("control-character", "puts a control character into one record"),
    _flaw("bad-utf-8", "puts bytes that are no UTF-8 into one record"),
    _flaw("entity", "uses an entity of HTML in one record, undeclared", (OAI,)),
    _flaw("ampersand", "leaves an ampersand bare in one record", (OAI,)),
    _flaw("prefix", "uses a namespace prefix in one record, undeclared", (OAI,)),
    _flaw("nesting", "leaves a tag open in one record", (OAI,)),
    _flaw("no-identifier", "leaves the identifier out of one record"),
    _flaw("no-datestamp", "leaves the datestamp out of one record"),
    _stamp(
        "outside",
        "1999-12-31T23:59:59Z",
        "gives one record a datestamp outside of every window",
        Demand.COMPLETE,
        _STORED,
    ),
    _stamp(
        "impossible",
        "2024-02-30T00:00:00Z",
        "gives one record a day that no calendar has",
        Demand.OTHERS,
        f"{_STORED}, or sets it aside",
    ),
    _stamp(
        "local",
        "2024-03-01 02:00:00+02:00",
        "gives one record a datestamp in local time and another form",
        Demand.OTHERS,
        f"{_STORED}, or sets it aside",
    ),
    Named(
        "same-identifier",
        SameIdentifier,
        "gives two records of a page one identifier",
        Demand.OTHERS,
        "does not stumble over an identifier that comes twice with different content",
        at="",
        lessons=(29,),
    ),
)
