"""One record that is invalid or unusual, in lists and in single-record requests. All other records are correct."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harvest_dagster.testing.simulator.behaviours.base import (
    BOTH,
    OAI,
    AllowedResult,
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.serving.messages import Request, Response

_IDENTIFIER = r'<identifier>[^<]*</identifier>|"id": "[^"]*", '
_IDENTIFIER_TEXT = r'(?<=<identifier>)oai:[^<]*|(?<="id": ")[^"]*'
_DATESTAMP = r'<datestamp>[^<]*</datestamp>|"updated": "[^"]*", '
_DATESTAMP_TEXT = r'(?<=<datestamp>)[^<]*|(?<="updated": ")[^"]*'
_TITLE_START = r'(?<=<dc:title>)|(?<="title": \[")'
# The pattern to replace in the text of the record, XML or JSON, and the replacement. Surrogates stand for bytes that
# are not UTF-8 (PEP 383).
_CORRUPTIONS: Mapping[str, tuple[str, str]] = {
    "control-character": (_TITLE_START, "\x0b"),
    "bad-utf-8": (_TITLE_START, "\udcff\udcfe"),
    "entity": (_TITLE_START, "&nbsp;"),
    "ampersand": (_TITLE_START, "R & D "),
    "prefix": (_TITLE_START, "<xlink:href/>"),
    "nesting": (_TITLE_START, "<i>"),
    "no-identifier": (_IDENTIFIER, ""),
    "no-datestamp": (_DATESTAMP, ""),
}
# A record without a datestamp is still a record, and a bare control character in JSON is unambiguous.
_STORABLE = frozenset({"no-datestamp", "control-character"})


@dataclass(frozen=True)
class CorruptRecord(Behaviour):
    """Corrupts one record of the repository wherever it appears."""

    kind: str = parameter("control-character", "the kind of corruption", tuple(_CORRUPTIONS))
    record: int = parameter(3, "the number of the record in the repository, from 0")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        return _replace_in_record(handler(request), self.record, *_CORRUPTIONS[self.kind])

    @property
    def allowed_results(self) -> Mapping[str, AllowedResult]:  # noqa: D102
        is_storable = self.kind in _STORABLE
        allowed = AllowedResult.STORED_OR_QUARANTINED if is_storable else AllowedResult.QUARANTINED
        return {_identifier(self.record): allowed}


@dataclass(frozen=True)
class WrongDatestamp(Behaviour):
    """Shows one record with another datestamp than the one by which the repository selected it."""

    text: str = parameter("2024-02-30", "the datestamp")
    record: int = parameter(3, "the number of the record in the repository, from 0")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        return _replace_in_record(handler(request), self.record, _DATESTAMP_TEXT, self.text)

    @property
    def allowed_results(self) -> Mapping[str, AllowedResult]:  # noqa: D102
        return {_identifier(self.record): AllowedResult.STORED_OR_QUARANTINED}


@dataclass(frozen=True)
class SharedIdentifier(Behaviour):
    """Gives a record the identifier of the record before it, so that two records share one identifier."""

    record: int = parameter(3, "the number of the second record in the repository, from 1")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        return _replace_in_record(
            handler(request), self.record, _IDENTIFIER_TEXT, _identifier(self.record - 1)
        )

    @property
    def allowed_results(self) -> Mapping[str, AllowedResult]:  # noqa: D102
        return {
            _identifier(self.record - 1): AllowedResult.STORED_OR_QUARANTINED,
            _identifier(self.record): AllowedResult.ABSENT,
        }


def _identifier(number: int) -> str:
    return f"oai:repository.example.org:{number:09d}"


def _replace_in_record(response: Response, number: int, pattern: str, text: str) -> Response:
    """Return the response with one replacement in one record; the same response if there is nothing to replace."""
    if response.page is None:
        return response
    records = response.page.records
    name = re.compile(re.escape(_identifier(number)) + '[<"]')
    position = next((at for at, record in enumerate(records) if name.search(record)), None)
    if position is None:
        return response
    changed, count = re.subn(pattern, lambda _: text, records[position], count=1)
    if not count:
        return response
    records = (*records[:position], changed, *records[position + 1 :])
    return response.with_content(replace(response.page, records=records))


_QUARANTINE = "A harvester must quarantine this record with its bytes and keep all other records."


def _corrupt_record(kind: str, description: str, protocols: tuple[str, ...] = BOTH) -> NamedBehaviour:
    return NamedBehaviour(
        f"record-{kind}",
        CorruptRecord,
        description,
        Contract.OTHERS_OR_FAIL,
        _QUARANTINE,
        condition="",
        failures=("one-invalid-record",),
        protocols=protocols,
        preset={"kind": kind},
    )


def _wrong_datestamp(
    name: str, text: str, description: str, contract: Contract, requirement: str
) -> NamedBehaviour:
    return NamedBehaviour(
        f"datestamp-{name}",
        WrongDatestamp,
        description,
        contract,
        requirement,
        condition="",
        failures=("one-invalid-record", "clock-differs"),
        protocols=BOTH,
        defaults={"text": text},
    )


_STORE = "A harvester must store the record, count it and report it."
_STORE_OR_QUARANTINE = "A harvester must store the record, count it and report it, or quarantine it."
ENTRIES = (
    _corrupt_record("control-character", "The page contains a record with a control character."),
    _corrupt_record("bad-utf-8", "The page contains a record with bytes that are not UTF-8."),
    _corrupt_record("entity", "The page contains a record with an undeclared HTML entity.", (OAI,)),
    _corrupt_record("ampersand", "The page contains a record with an unescaped ampersand.", (OAI,)),
    _corrupt_record("prefix", "The page contains a record with an undeclared namespace prefix.", (OAI,)),
    _corrupt_record("nesting", "The page contains a record with an unclosed tag.", (OAI,)),
    _corrupt_record("no-identifier", "The page contains a record without an identifier."),
    _corrupt_record("no-datestamp", "The page contains a record without a datestamp."),
    _wrong_datestamp(
        "outside",
        "1999-12-31T23:59:59Z",
        "The page contains a record whose datestamp is outside the requested window.",
        Contract.COMPLETE,
        _STORE,
    ),
    _wrong_datestamp(
        "impossible",
        "2024-02-30T00:00:00Z",
        "The page contains a record whose datestamp is not a calendar date.",
        Contract.OTHERS_OR_FAIL,
        _STORE_OR_QUARANTINE,
    ),
    _wrong_datestamp(
        "local",
        "2024-03-01 02:00:00+02:00",
        "The page contains a record whose datestamp is in local time and in another format.",
        Contract.OTHERS_OR_FAIL,
        _STORE_OR_QUARANTINE,
    ),
    NamedBehaviour(
        "same-identifier",
        SharedIdentifier,
        "The page contains two different records with the same identifier.",
        Contract.OTHERS_OR_FAIL,
        "A harvester must accept an identifier that appears twice with different content.",
        condition="",
        failures=("identifier-reuse",),
        protocols=BOTH,
    ),
)
