"""OAI-PMH servers that others wrote, on loopback: PyPI's `oaipmh` (once pyoai) and `oai-repo`.

Only what each wants to be told is here: which items match, and what Identify says. The protocol is theirs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, make_server

import oai_repo
from oaipmh import common, error, metadata, server

from harvest_dagster_tests.end_to_end.repositories import DAYS, Item, Repository

Arguments = dict[str, str]
Answer = Callable[[Arguments], bytes]
EMAIL = "admin@example.org"
FORMATS = {
    "oai_dc": (
        "http://www.openarchives.org/OAI/2.0/oai_dc.xsd",
        "http://www.openarchives.org/OAI/2.0/oai_dc/",
    ),
    "datacite": (
        "https://schema.datacite.org/meta/kernel-4/metadata.xsd",
        "http://datacite.org/schema/kernel-4",
    ),
}


@dataclass
class Served:
    """A server at work: where it is, and what it was asked."""

    url: str = ""
    asked: list[Arguments] = field(default_factory=list)

    @property
    def lists(self) -> list[Arguments]:
        return [arguments for arguments in self.asked if arguments.get("verb") == "ListRecords"]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None: ...


@contextmanager
def serve(answer: Callable[[Served], Answer], content_type: str = "text/xml") -> Iterator[Served]:
    """Serve on a free port of loopback, in a thread, until the block ends."""
    served = Served()

    def application(environ: Mapping[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        arguments = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        served.asked.append(dict(arguments))
        body = respond(arguments)
        start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as http:
        served.url = f"http://127.0.0.1:{http.server_port}/oai"
        respond = answer(served)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            http.shutdown()
            thread.join()


def oaipmh(repository: Repository, page_size: int = 100) -> Callable[[Served], Answer]:
    """By `oaipmh.server`. Its datestamps have seconds even where Identify says days."""
    registry = metadata.MetadataRegistry()
    registry.registerWriter(repository.prefix, lambda parent, element: parent.append(deepcopy(element)))

    def answer(served: Served) -> Answer:
        source = _Oaipmh(repository, served.url)
        return server.BatchingServer(source, registry, resumption_batch_size=page_size).handleRequest

    return answer


class _Oaipmh:
    """What `oaipmh.server` asks of a repository; its datetimes are naive."""

    def __init__(self, repository: Repository, url: str) -> None:
        self._repository = repository
        self._url = url

    def identify(self) -> common.Identify:
        earliest = _naive(self._repository.items[0].datestamp)
        granularity = self._repository.granularity
        return common.Identify(
            "Recorded", self._url, "2.0", [EMAIL], earliest, "persistent", granularity, ["identity"]
        )

    def listRecords(self, *, cursor: int, batch_size: int, **asked: Any) -> list[Any]:  # noqa: N802 - its name
        if asked["metadataPrefix"] != self._repository.prefix:
            raise error.CannotDisseminateFormatError(asked["metadataPrefix"])
        first, last = _aware(asked.get("from_")), _aware(asked.get("until"))
        found = _matching(self._repository, asked.get("set"), first, last)
        return [
            (
                common.Header(None, item.identifier, _naive(item.datestamp), item.sets, item.deleted),
                item.metadata,
                None,
            )
            for item in found[cursor : cursor + batch_size]
        ]


def oai_repository(repository: Repository, page_size: int = 100) -> Callable[[Served], Answer]:
    """By `oai_repo`, which cannot say that a record is deleted."""

    def answer(served: Served) -> Answer:
        source = oai_repo.OAIRepository(_OaiRepo(repository.live(), served.url, page_size))
        return lambda arguments: bytes(source.process(arguments))

    return answer


class _OaiRepo(oai_repo.DataInterface):
    """What `oai_repo` asks of a repository; `until` it hands on as the midnight that starts the day."""

    def __init__(self, repository: Repository, url: str, page_size: int) -> None:
        self.limit = page_size
        self._repository = repository
        self._url = url
        self._by_identifier = {item.identifier: item for item in repository.items}

    def get_identify(self) -> oai_repo.Identify:
        day = self._repository.granularity == DAYS
        earliest = f"{self._repository.items[0].datestamp:{'%Y-%m-%d' if day else '%Y-%m-%dT%H:%M:%SZ'}}"
        return oai_repo.Identify("Recorded", self._url, [EMAIL], earliest, "no", self._repository.granularity)

    def get_metadata_formats(self, identifier=None) -> list[oai_repo.MetadataFormat]:  # noqa: ARG002 - its names
        return [oai_repo.MetadataFormat(self._repository.prefix, *FORMATS[self._repository.prefix])]

    def get_record_header(self, identifier: str) -> oai_repo.RecordHeader:
        item = self._by_identifier[identifier]
        return oai_repo.RecordHeader(identifier, item.datestamp, list(item.sets))

    def get_record_metadata(self, identifier: str, metadataprefix: str) -> Any:  # noqa: ARG002 - its names
        return deepcopy(self._by_identifier[identifier].metadata)

    def get_record_abouts(self, identifier: str) -> list[Any]:  # noqa: ARG002 - its names
        return []

    def list_identifiers(
        self,
        metadataprefix: str,  # noqa: ARG002
        filter_from: datetime | None = None,
        filter_until: datetime | None = None,
        filter_set: str | None = None,
        cursor: int = 0,
    ) -> tuple[list[str], int, None]:
        if filter_until and self._repository.granularity == DAYS:
            filter_until += timedelta(days=1, seconds=-1)
        found = _matching(self._repository, filter_set, filter_from, filter_until)
        page = [item.identifier for item in found[cursor : cursor + self.limit]]
        return page, len(found), None


def _matching(
    repository: Repository, name: str | None, first: datetime | None, last: datetime | None
) -> list[Item]:
    """`last` is inclusive, as in the protocol."""
    return [
        item
        for item in repository.items
        if (not name or name in item.sets)
        and (first is None or first <= item.datestamp)
        and (last is None or item.datestamp <= last)
    ]


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(timezone.utc).replace(tzinfo=None)


def _aware(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=timezone.utc) if instant else None
