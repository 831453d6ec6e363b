"""An OAI-PMH repository in memory with random habits and a script of failures. The real harvester asks it.

It takes the place of the HTTP session: it receives the arguments of a request and returns a response, or raises the
error that the session raises for such a response.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from xml.sax.saxutils import escape
from zlib import crc32

from harvest_dagster.errors import SourceUnreachable, TruncatedResponse
from harvest_dagster.http.error_mapping import http_status_error
from harvest_dagster.http.models import Response
from harvest_dagster.windows import DAY
from harvest_dagster_tests.harvesters.sources import GetOnly
from harvest_dagster_tests.pipeline.fakes import Clock

URL = "https://random.test/oai"
FAILURES = ("500", "down", "cut", "html", "expired", "empty page", "other format")
_DC = "http://www.openarchives.org/OAI/2.0/oai_dc/"
_MARC = "http://www.loc.gov/MARC21/slim"


@dataclass(frozen=True)
class Version:
    """One version of a record. The source shows it from `stamp` on, until a later version replaces it."""

    identifier: str
    stamp: datetime
    deleted: bool
    content: str


@dataclass(frozen=True)
class Habits:
    """How the repository answers.

    Attributes:
        granularity: of datestamps and arguments, `day` or `second`.
        fractions: whether it compares with the milliseconds that its datestamps do not show.
        until: `inclusive`, `exclusive`, or `midnight`: it reads the day in `until` as the midnight at its start.
        from_: `inclusive` or `exclusive`.
        refuses_equal: whether it refuses `from` = `until` with badArgument.
        order: `oldest`, `newest`, `any`, `content` or `live first`.
        totals: whether lists have a completeListSize.
        page_size: records on a page.
        offset: its clock minus ours.
        repeats_answers: how long it repeats an earlier answer to the same request, as a cache does that ignores
            `no-cache`.
    """

    granularity: str = "second"
    fractions: bool = False
    until: str = "inclusive"
    from_: str = "inclusive"
    refuses_equal: bool = False
    order: str = "oldest"
    totals: bool = True
    page_size: int = 5
    offset: timedelta = timedelta(0)
    repeats_answers: timedelta = timedelta(0)


@dataclass
class RandomRepository(GetOnly):
    """Answers requests. Each request for a page of a list uses one entry of the script; "" means no failure.

    Attributes:
        requests: the arguments of all requests.
    """

    clock: Clock
    habits: Habits
    versions: list[Version]
    script: list[str] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, tuple[datetime, bytes]] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The time by the clock of the source."""
        return self.clock() + self.habits.offset

    def current(self) -> dict[str, Version]:
        """Return the version of each record that the source shows now."""
        shown = sorted((one for one in self.versions if one.stamp <= self.now), key=lambda one: one.stamp)
        return {one.identifier: one for one in shown}

    def get(
        self,
        url: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,  # noqa: ARG002
        *,
        allow_status: frozenset[int] = frozenset(),  # noqa: ARG002
        repeatable: bool = True,  # noqa: ARG002
    ) -> Response:
        """Answer one request, in place of `HttpSession.get`."""
        arguments = dict(params or {})
        self.requests.append(arguments)
        is_list = arguments["verb"] in ("ListRecords", "ListIdentifiers")
        failure = self.script.pop(0) if self.script and is_list else ""
        self._raise(failure)
        body = self._cached(arguments, failure) if is_list else self._answer(arguments)
        if failure == "html":
            body = b"<!DOCTYPE html><html><body>Down for maintenance</body></html>"
        return Response(200, body, "text/xml", url, self.clock())

    def _raise(self, failure: str) -> None:
        if failure == "500":
            raise http_status_error("the server failed. Try later.", 500, URL)
        if failure == "down":
            raise SourceUnreachable("no answer. Try later.")
        if failure == "cut":
            raise TruncatedResponse("the response was cut short. Try later.")

    def _cached(self, arguments: dict[str, str], failure: str) -> bytes:
        key = repr(sorted(arguments.items()))
        answered, body = self.answers.get(key, (None, b""))
        if answered is not None and self.clock() - answered < self.habits.repeats_answers:
            return body
        body = self._list(arguments, failure)
        if not failure:
            self.answers[key] = (self.clock(), body)
        return body

    def _answer(self, arguments: dict[str, str]) -> bytes:
        verb = arguments["verb"]
        if verb == "Identify":
            form = "YYYY-MM-DD" if self.habits.granularity == "day" else "YYYY-MM-DDThh:mm:ssZ"
            content = (
                f"<repositoryName>R</repositoryName><baseURL>{URL}</baseURL><protocolVersion>2.0</protocolVersion>"
                "<adminEmail>a@example.org</adminEmail><earliestDatestamp>2000-01-01</earliestDatestamp>"
                f"<deletedRecord>persistent</deletedRecord><granularity>{form}</granularity>"
            )
            return self._envelope(verb, f"<Identify>{content}</Identify>")
        if verb == "GetRecord" and (found := self.current().get(arguments["identifier"])):
            return self._envelope(verb, f"<GetRecord>{self._record(found, _DC)}</GetRecord>")
        code = {"GetRecord": "idDoesNotExist", "ListSets": "noSetHierarchy"}.get(verb, "badVerb")
        return self._envelope(verb, f'<error code="{code}"/>')

    def _list(self, arguments: dict[str, str], failure: str) -> bytes:
        verb, token = arguments["verb"], arguments.get("resumptionToken")
        if token is not None and failure == "expired":
            return self._envelope(verb, '<error code="badResumptionToken"/>')
        since, until, first = token.split("|") if token else (arguments["from"], arguments["until"], "0")
        if self.habits.refuses_equal and since == until:
            return self._envelope(verb, '<error code="badArgument">from = until</error>')
        listed, start = self._selected(since, until), int(first)
        page = listed[start : start + self.habits.page_size]
        end = start + len(page)
        is_empty = failure == "no records" or (failure == "no records after token" and token is not None)
        if not page or is_empty:
            return self._envelope(verb, '<error code="noRecordsMatch"/>')
        if failure == "empty page":
            page, end = [], start
        namespace = _MARC if failure == "other format" and token is not None else _DC
        records = "".join(self._record(one, namespace, verb) for one in page)
        size = f' completeListSize="{len(listed)}"' if self.habits.totals else ""
        rest = f"{since}|{until}|{end}" if end < len(listed) else ""
        next_token = f"<resumptionToken{size}>{rest}</resumptionToken>" if rest or start else ""
        return self._envelope(verb, f"<{verb}>{records}{next_token}</{verb}>")

    def _selected(self, since: str, until: str) -> list[Version]:
        """Return the records of a list in its order. The order does not change from page to page."""
        listed = [one for one in self.current().values() if self._is_between(one.stamp, since, until)]
        listed.sort(key=lambda one: (one.stamp, one.identifier))
        if self.habits.order == "newest":
            listed.reverse()
        elif self.habits.order == "any":
            listed.sort(
                key=lambda one: crc32(one.content.encode())
            )  # the same in each process, unlike hash()
        elif self.habits.order == "content":
            listed.sort(key=lambda one: one.content)
        elif self.habits.order == "live first":
            listed.sort(key=lambda one: one.deleted)
        return listed

    def _is_between(self, stamp: datetime, since: str, until: str) -> bool:
        start, end = _instant(since), _instant(until)
        is_midnight = self.habits.until == "midnight"
        unit = timedelta(seconds=1)
        if self.habits.granularity == "day" and not is_midnight:
            stamp, unit = stamp.replace(hour=0, minute=0, second=0, microsecond=0), DAY
        elif not self.habits.fractions:
            stamp = stamp.replace(microsecond=0)
        if stamp < start or (self.habits.from_ == "exclusive" and stamp < start + unit):
            return False
        return stamp < end if self.habits.until == "exclusive" else stamp <= end

    def _record(self, version: Version, namespace: str, verb: str = "ListRecords") -> str:
        stamp = self._shown(version.stamp)
        status = ' status="deleted"' if version.deleted else ""
        header = f"<header{status}><identifier>{version.identifier}</identifier><datestamp>{stamp}</datestamp></header>"
        if verb == "ListIdentifiers":
            return header
        content = f'<m:dc xmlns:m="{namespace}">{escape(version.content)}</m:dc>'
        return f"<record>{header}{'' if version.deleted else f'<metadata>{content}</metadata>'}</record>"

    def _shown(self, stamp: datetime) -> str:
        return f"{stamp:%Y-%m-%d}" if self.habits.granularity == "day" else f"{stamp:%Y-%m-%dT%H:%M:%SZ}"

    def _envelope(self, verb: str, content: str) -> bytes:
        return (
            '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">'
            f"<responseDate>{self.now:%Y-%m-%dT%H:%M:%SZ}</responseDate>"
            f'<request verb="{verb}">{URL}</request>{content}</OAI-PMH>'
        ).encode()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).replace(tzinfo=timezone.utc)
