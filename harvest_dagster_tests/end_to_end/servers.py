"""OAI-PMH servers of other projects on the loopback interface: `oaipmh` (formerly pyoai) and `oai-repo` from PyPI.

This module only provides the data that each server needs: the matching items and the values of Identify. The servers
implement the protocol.
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
    """A running server and the arguments of the requests that it received."""

    url: str = ""
    requests: list[Arguments] = field(default_factory=list)

    @property
    def lists(self) -> list[Arguments]:
        return [arguments for arguments in self.requests if arguments.get("verb") == "ListRecords"]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None: ...


@contextmanager
def serve(answer: Callable[[Served], Answer], content_type: str = "text/xml") -> Iterator[Served]:
    """Serve on a free port of the loopback interface, in a thread, until the block ends."""
    served = Served()

    def application(environ: Mapping[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        arguments = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
        served.requests.append(dict(arguments))
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
    """Return a server that uses `oaipmh.server`. Its datestamps have seconds even if the granularity is a day."""
    registry = metadata.MetadataRegistry()
    registry.registerWriter(repository.prefix, lambda parent, element: parent.append(deepcopy(element)))

    def answer(served: Served) -> Answer:
        source = _Oaipmh(repository, served.url)
        handle: Answer = server.BatchingServer(
            source, registry, resumption_batch_size=page_size
        ).handleRequest
        return handle

    return answer


class _Oaipmh:
    """The interface of a repository for `oaipmh.server`, which uses naive datetimes."""

    def __init__(self, repository: Repository, url: str) -> None:
        self._repository = repository
        self._url = url

    def identify(self) -> common.Identify:
        earliest = _naive(self._repository.items[0].datestamp)
        granularity = self._repository.granularity
        return common.Identify(
            "Recorded", self._url, "2.0", [EMAIL], earliest, "persistent", granularity, ["identity"]
        )

    def listRecords(self, *, cursor: int, batch_size: int, **arguments: Any) -> list[Any]:  # noqa: N802 - the name in oaipmh
        if arguments["metadataPrefix"] != self._repository.prefix:
            raise error.CannotDisseminateFormatError(arguments["metadataPrefix"])
        first, last = _aware(arguments.get("from_")), _aware(arguments.get("until"))
        items = _matching(self._repository, arguments.get("set"), first, last)
        return [
            (
                common.Header(None, item.identifier, _naive(item.datestamp), item.sets, item.deleted),
                item.metadata,
                None,
            )
            for item in items[cursor : cursor + batch_size]
        ]


def oai_repository(repository: Repository, page_size: int = 100) -> Callable[[Served], Answer]:
    """Return a server that uses `oai_repo`. It does not support deleted records."""

    def answer(served: Served) -> Answer:
        source = oai_repo.OAIRepository(_OaiRepo(repository.live(), served.url, page_size))
        return lambda arguments: bytes(source.process(arguments))

    return answer


class _OaiRepo(oai_repo.DataInterface):
    """The interface of a repository for `oai_repo`, which passes `until` as the midnight at the start of the day."""

    def __init__(self, repository: Repository, url: str, page_size: int) -> None:
        self.limit = page_size
        self._repository = repository
        self._url = url
        self._by_identifier = {item.identifier: item for item in repository.items}

    def get_identify(self) -> oai_repo.Identify:
        day = self._repository.granularity == DAYS
        earliest = f"{self._repository.items[0].datestamp:{'%Y-%m-%d' if day else '%Y-%m-%dT%H:%M:%SZ'}}"
        return oai_repo.Identify("Recorded", self._url, [EMAIL], earliest, "no", self._repository.granularity)

    def get_metadata_formats(self, identifier: str | None = None) -> list[oai_repo.MetadataFormat]:  # noqa: ARG002 - the names in oai_repo
        return [oai_repo.MetadataFormat(self._repository.prefix, *FORMATS[self._repository.prefix])]

    def get_record_header(self, identifier: str) -> oai_repo.RecordHeader:
        item = self._by_identifier[identifier]
        return oai_repo.RecordHeader(identifier, item.datestamp, list(item.sets))

    def get_record_metadata(self, identifier: str, metadataprefix: str) -> Any:  # noqa: ARG002 - the names in oai_repo
        return deepcopy(self._by_identifier[identifier].metadata)

    def get_record_abouts(self, identifier: str) -> list[Any]:  # noqa: ARG002 - the names in oai_repo
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
        items = _matching(self._repository, filter_set, filter_from, filter_until)
        page = [item.identifier for item in items[cursor : cursor + self.limit]]
        return page, len(items), None


def _matching(
    repository: Repository, name: str | None, first: datetime | None, last: datetime | None
) -> list[Item]:
    """Return the items of a set between two instants. `last` is included, as in the protocol."""
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
