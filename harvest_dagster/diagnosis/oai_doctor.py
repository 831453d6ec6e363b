"""Send a few requests to an OAI-PMH repository, and compare the responses with its config.

About fifteen requests: Identify, ListMetadataFormats, ListSets if the config names a set, two pages of ListRecords, the
second of them twice, and short lists of ListIdentifiers for dates, prefixes and sets that cannot exist.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from harvest_dagster.catalog.problems import did_you_mean
from harvest_dagster.diagnosis.connection import Connection
from harvest_dagster.diagnosis.findings import Finding, ignored_dates
from harvest_dagster.diagnosis.http_checks import (
    URL_KEY,
    check_clock,
    check_http,
    check_scheme,
    explain_failure,
)
from harvest_dagster.errors import CursorRefused, SourceError, SourceRefused
from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.endpoint import Endpoint, Reply
from harvest_dagster.harvesters.oai.errors import NoSetHierarchy, OaiError
from harvest_dagster.harvesters.oai.flat_records import FlatRecord
from harvest_dagster.harvesters.oai.identify import Identity, parse_identity, parse_metadata_format
from harvest_dagster.harvesters.oai.records import Item, datestamp_of, identifier_of
from harvest_dagster.harvesters.oai.response import OAI
from harvest_dagster.harvesters.window_ends.requested_dates import Granularity
from harvest_dagster.records import InvalidRecord
from harvest_dagster.texts import shorten
from harvest_dagster.windows import DAY, format_instant

_MOST_SET_PAGES = 5
_NOBODY = "harvest-doctor-no-such-name"
_LONGEST_ERROR = 300
_KWARGS = "harvester_kwargs"


@dataclass(frozen=True)
class _Header:
    """The header of a record: what a list of identifiers contains."""

    identifier: str
    datestamp: datetime | None


@dataclass
class OaiDoctor:
    """The examination of one repository.

    Attributes:
        connection: the open client of the repository.
        now: the time, aware, in UTC.
    """

    connection: Connection
    now: datetime
    _sample: list[_Header] = field(default_factory=list)

    def __post_init__(self) -> None:
        client = self.connection.oai
        self.arguments: OaiArguments = client.arguments
        self.config = self.connection.source.config
        self.endpoint = Endpoint(self.arguments.base_url, self.connection.session, several_names=True)

    def findings(self) -> Iterator[Finding]:
        """Yield the findings in the order of the requests."""
        identity = yield from self._identify()
        if identity is None:
            return
        for topic, findings in (
            ("metadata prefix", self._check_formats()),
            ("set", self._check_sets()),
            ("pages", self._check_pages()),
            ("dates", self._check_dates(identity)),
            ("wrong prefix", self._check_wrong_prefix()),
            ("wrong set", self._check_wrong_set()),
        ):
            yield from _report_failure(topic, findings)
        yield from self._check_http()

    def statements(self) -> Iterator[Finding]:
        """Yield what two requests show: Identify and ListMetadataFormats."""
        if (yield from self._identify()) is not None:
            yield from _report_failure("metadata prefix", self._check_formats())
            yield from self._check_http()

    def _identify(self) -> Generator[Finding, None, Identity | None]:
        """Yield what Identify shows, and return it; None if the repository does not answer."""
        yield check_scheme(self.arguments.base_url)
        try:
            reply = self.endpoint.request("Identify")
        except SourceError as error:
            failure = explain_failure(error)
            yield failure
            yield from (finding for finding in self._check_http() if finding.topic != failure.topic)
            yield Finding("all other topics", "unknown", "Identify failed, so nothing else was asked")
            return None
        identity = parse_identity(reply.oai_response.content)
        yield from self._check_identity(identity)
        yield check_clock(reply.oai_response.source_time, reply.http_response.received, self.config.settle)
        return identity

    def _check_http(self) -> Iterator[Finding]:
        yield from check_http(self.config, self.connection.responses, self.connection.source.redact, self.now)

    def _check_identity(self, identity: Identity) -> Iterator[Finding]:
        if _without_scheme(identity.base_url) != _without_scheme(self.arguments.base_url):
            yield Finding(
                "base URL",
                "advice",
                "the repository calls itself by another base URL than the config",
                f"baseURL: {identity.base_url or 'missing'}",
                f"if it answers there, too, set base_url to {identity.base_url}" if identity.base_url else "",
                URL_KEY,
            )
        unit = "days" if identity.granularity is Granularity.DAY else "seconds"
        text = f"the repository knows {unit}; the harvester takes this from Identify, so no key is needed"
        yield Finding("granularity", "ok", text, f"granularity: {identity.granularity.value}")
        yield self._check_earliest(identity.earliest_datestamp)
        yield _check_deletions(identity.deleted_record)

    def _check_earliest(self, earliest: datetime | None) -> Finding:
        topic, key, ours = "earliest date", ("earliest_date",), self.config.earliest_date
        if earliest is None:
            return Finding(topic, "unknown", "Identify has no valid earliestDatestamp")
        evidence, change = (
            f"earliestDatestamp: {format_instant(earliest)}",
            f"earliest_date: {earliest.date()}",
        )
        if earliest.date() < ours:
            text = f"there are older records than earliest_date, {ours}: no partition harvests them"
            return Finding(topic, "problem", text, evidence, change, key)
        if earliest.date() - ours > timedelta(days=366):
            text = f"earliest_date, {ours}, is {(earliest.date() - ours).days:,} days too early: these days are empty"
            return Finding(topic, "advice", text, evidence, change, key)
        return Finding(topic, "ok", f"earliest_date, {ours}, fits", evidence)

    def _check_formats(self) -> Iterator[Finding]:
        topic, key, prefix = "metadata prefix", (_KWARGS, "metadata_prefix"), self.arguments.metadata_prefix
        items = self.endpoint.request("ListMetadataFormats").oai_response.items
        offered = [parse_metadata_format(item).prefix for item in items]
        evidence = f"it offers {shorten(', '.join(offered), _LONGEST_ERROR)}"
        if prefix in offered:
            yield Finding(topic, "ok", f"the repository offers {prefix}", evidence)
            return
        text = f"the repository does not offer {prefix!r}{did_you_mean(prefix, offered)}"
        yield Finding(topic, "problem", text, evidence, "choose one of the prefixes that it offers", key)

    def _check_sets(self) -> Iterator[Finding]:
        topic, key = "set", (_KWARGS, "set")
        wanted = {arguments["set"] for arguments in self.arguments.lists if "set" in arguments}
        if not wanted:
            yield Finding(topic, "ok", "the config names no set: everything is harvested")
            return
        missing, is_whole = self._missing_sets(set(wanted))
        if not missing:
            yield Finding(topic, "ok", f"the repository has {', '.join(sorted(wanted))}")
        elif is_whole:
            names = ", ".join(sorted(missing))
            text = f"ListSets does not name {names}; such a set stays empty without an error"
            yield Finding(topic, "problem", text, "all pages of ListSets", "correct or remove the set", key)
        else:
            text = f"the first {_MOST_SET_PAGES} pages of ListSets do not name {', '.join(sorted(missing))}"
            yield Finding(topic, "unknown", text, "`harvest sets` lists all of them")

    def _missing_sets(self, wanted: set[str]) -> tuple[set[str], bool]:
        """Return the sets that the first pages of ListSets do not name, and whether these are all pages."""
        try:
            for number, reply in enumerate(self.endpoint.list_pages("ListSets", {}), 1):
                wanted -= {
                    (item.findtext(f"{OAI}setSpec") or "").strip() for item in reply.oai_response.items
                }
                if not wanted or number == _MOST_SET_PAGES:
                    return wanted, not reply.oai_response.token.text
        except NoSetHierarchy:
            pass
        return wanted, True

    def _check_pages(self) -> Iterator[Finding]:
        first = self.endpoint.request("ListRecords", self.arguments.lists[0])
        headers, token = _headers(first), first.oai_response.token
        self._sample = [header for header in headers if header.datestamp is not None]
        if not headers:
            yield Finding("page size", "unknown", "the repository has no records in this format and set")
            return
        rest = "of a longer list" if token.text else "and the list ends there"
        yield Finding("page size", "ok", f"a page has {len(headers)} records", f"the first page {rest}")
        yield _check_total(
            token.total, len(headers), has_more=token.text is not None, arguments=self.arguments
        )
        yield from self._check_tokens(first, headers)

    def _check_tokens(self, first: Reply, headers: Sequence[_Header]) -> Iterator[Finding]:
        topic, key, token = "resumption tokens", (_KWARGS, "single_use_tokens"), first.oai_response.token.text
        if token is None:
            yield Finding(topic, "unknown", "the list has one page, so there is no token")
            return
        second = _headers(
            self.endpoint.request("ListRecords", {"resumptionToken": token}, self.arguments.lists[0])
        )
        if _identifiers(second) <= _identifiers(headers):
            text = "the token of the first page leads to the first page again: the list would never end"
            yield Finding(topic, "problem", text, f"{len(second)} records, all of them known")
            return
        try:
            again = self.endpoint.request("ListRecords", {"resumptionToken": token}, self.arguments.lists[0])
        except CursorRefused as error:
            yield self._single_use("the repository accepts each token only once", _refusal(error))
            return
        if _identifiers(_headers(again)) != _identifiers(second):
            yield self._single_use(
                "a token that is sent again leads to another page: a repeated request would lose one",
                "two requests with the same token returned different identifiers",
            )
        elif self.arguments.single_use_tokens:
            text = "the repository accepts a token twice, so broken lists could be continued"
            yield Finding(topic, "advice", text, "the same page came twice", "remove single_use_tokens", key)
        else:
            yield Finding(topic, "ok", "a token may be sent twice", "the same page came twice")
        yield from _check_expiry(first.oai_response.token.expires, self.now)

    def _single_use(self, text: str, evidence: str) -> Finding:
        topic, key = "resumption tokens", (_KWARGS, "single_use_tokens")
        if self.arguments.single_use_tokens:
            return Finding(topic, "ok", f"{text}, as the config says", evidence)
        return Finding(topic, "problem", text, evidence, "single_use_tokens: true", key)

    def _check_dates(self, identity: Identity) -> Iterator[Finding]:
        topic = "selective harvesting"
        if not self._sample:
            yield Finding(topic, "unknown", "no record with a datestamp came, so dates could not be tried")
            return
        known = self._sample[len(self._sample) // 2]
        assert known.datestamp is not None  # noqa: S101
        unit, format_date = identity.granularity.unit, _format_of(identity.granularity)
        oldest = min(header.datestamp for header in self._sample if header.datestamp is not None)
        future = self._list({"from": format_date(self.now + 2 * DAY)})
        past = self._list({"until": format_date(min(oldest, known.datestamp) - 2 * DAY)})
        late = [one for one in past if one.datestamp is not None and one.datestamp >= oldest]
        ignored = [name for name, found in (("from", future), ("until", late)) if found]
        if ignored:
            text = (
                f"the repository ignores {' and '.join(ignored)}: each window contains records of other days"
            )
            evidence = f"{len(future)} records after the future, {len(late)} records before the oldest one"
            yield ignored_dates(self.config, text, evidence)
            return
        yield Finding(topic, "ok", "the repository obeys from and until")
        yield from self._check_ends(known, unit, format_date)

    def _check_ends(
        self, known: _Header, unit: timedelta, format_date: Callable[[datetime], str]
    ) -> Iterator[Finding]:
        """Yield how the repository treats the units at both ends of a window."""
        topic, instant = "ends of windows", known.datestamp
        assert instant is not None  # noqa: S101

        def contains(first: datetime, last: datetime) -> bool:
            found = self._list({"from": format_date(first), "until": format_date(last)})
            return known.identifier in _identifiers(found)

        if contains(instant, instant):
            yield Finding(
                topic, "ok", "from and until include their whole unit", f"{known.identifier} was listed"
            )
            return
        includes_until = contains(instant - unit, instant)
        includes_from = contains(instant, instant + unit)
        ends = {
            (False, True): "it leaves out the unit of until",
            (True, False): "it leaves out the unit of from",
            (True, True): "it returns nothing if from and until are the same",
            (
                False,
                False,
            ): "it leaves out the units of both ends, or the record is on a later page",
        }
        text = f"{ends[includes_until, includes_from]}; the harvester requests one unit more, so no key is needed"
        yield Finding(topic, "advice", text, f"{known.identifier}, {format_instant(instant)}, was not listed")

    def _check_wrong_prefix(self) -> Iterator[Finding]:
        yield self._check_wrong("wrong prefix", {"metadataPrefix": _NOBODY}, "metadata_prefix")

    def _check_wrong_set(self) -> Iterator[Finding]:
        arguments = {"metadataPrefix": self.arguments.metadata_prefix, "set": _NOBODY}
        yield self._check_wrong("wrong set", arguments, "set")

    def _check_wrong(self, topic: str, arguments: Mapping[str, str], key: str) -> Finding:
        try:
            found = _headers(self.endpoint.request("ListIdentifiers", arguments))
        except SourceRefused as error:
            return Finding(topic, "ok", f"a {key} that does not exist is an error", _refusal(error))
        if found:
            text = f"the repository ignores a {key} that does not exist: a misspelt one would harvest other records"
            return Finding(topic, "advice", text, f"{len(found)} records came", f"check {key} yourself")
        return Finding(topic, "advice", f"a {key} that does not exist is an empty list, not an error")

    def _list(self, dates: Mapping[str, str]) -> list[_Header]:
        """Return the first page of a list of headers; nothing if the repository refuses the dates."""
        try:
            return _headers(self.endpoint.request("ListIdentifiers", {**self.arguments.lists[0], **dates}))
        except SourceRefused:
            return []


def _report_failure(topic: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield the findings of a check. If the source does not answer, yield that the topic is unknown."""
    try:
        yield from findings
    except SourceError as error:
        yield Finding(
            topic, "unknown", "the source gave no usable answer", shorten(str(error), _LONGEST_ERROR)
        )


def _check_deletions(policy: str) -> Finding:
    topic, evidence = "deletion policy", f"deletedRecord: {policy or 'missing'}"
    if policy == "persistent":
        return Finding(topic, "ok", "removed records stay in the lists as deleted", evidence)
    if policy == "transient":
        text = "removed records are reported for some time only: harvest often enough to see them"
        return Finding(topic, "advice", text, evidence, "set a schedule", ("schedule",))
    if policy == "no":
        text = "removed records are not reported, so they stay in the database"
        return Finding(topic, "advice", text, evidence)
    return Finding(topic, "unknown", "it is not known whether removed records are reported", evidence)


def _check_total(total: int | None, count: int, *, has_more: bool, arguments: OaiArguments) -> Finding:
    topic, key = "totals", (_KWARGS, "trust_total")
    if total is None:
        if not has_more:
            return Finding(topic, "ok", "the list has one page, which is the whole list", f"{count} records")
        text = "the repository gives no totals, so lists of several pages cannot be proven complete"
        return Finding(topic, "advice", text, "no completeListSize")
    evidence = f"completeListSize: {total:,}"
    if (has_more and total <= count) or (not has_more and total != count):
        text = f"the total is wrong: the first page alone has {count} records"
        change = "" if not arguments.trust_total else "trust_total: false"
        return Finding(topic, "problem" if change else "ok", text, evidence, change, key)
    return Finding(topic, "ok", f"the repository has {total:,} records in this format and set", evidence)


def _check_expiry(expires: datetime | None, now: datetime) -> Iterator[Finding]:
    if expires is None:
        yield Finding("token lifetime", "unknown", "the repository does not say how long a token is valid")
        return
    minutes = (expires - now) / timedelta(minutes=1)
    yield Finding(
        "token lifetime",
        "ok" if minutes > 1 else "advice",
        f"a token is valid for {minutes:.0f} minutes",
        f"expirationDate: {format_instant(expires)}",
    )


def _headers(reply: Reply) -> list[_Header]:
    return [
        _Header(identifier_of(item) or "", datestamp_of(item))
        for item in reply.items
        if not isinstance(item, InvalidRecord) and _has_header(item)
    ]


def _refusal(error: SourceRefused) -> str:
    """Return the code and the text of an OAI-PMH error, without our remedy for a harvest."""
    text = f"{error.code}: {error.text}" if isinstance(error, OaiError) else str(error)
    return shorten(text, _LONGEST_ERROR)


def _has_header(item: Item) -> bool:
    return isinstance(item, FlatRecord) or item.tag == f"{OAI}header" or item.find(f"{OAI}header") is not None


def _identifiers(headers: Sequence[_Header]) -> set[str]:
    return {header.identifier for header in headers}


def _format_of(granularity: Granularity) -> Callable[[datetime], str]:
    pattern = "%Y-%m-%d" if granularity is Granularity.DAY else "%Y-%m-%dT%H:%M:%SZ"
    return lambda instant: instant.strftime(pattern)


def _without_scheme(url: str) -> str:
    return url.partition("://")[2].rstrip("/").lower()
