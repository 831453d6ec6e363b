"""Fault-injection simulator: an OAI-PMH 2.0 repository and a JSON API on loopback that show faults on request.

It serves tests of any harvester, benchmarks and the demo. Records are computed from their number on demand. A
repository with millions of records therefore needs no memory, and the same settings always give the same bytes.
`server.edits` changes the records while the server runs, and a `History` changes them as the clock advances.
`server.truth` says which records the source really has, whatever it answers. Behaviours add faults to the responses;
they are created from classes, from `REGISTRY`, or from text with `scenario`. `server.requests` is the log of all
requests:

>>> from urllib.request import urlopen
>>> from harvest_dagster.testing.simulator import REGISTRY, Repository, Server, nth, scenario
>>> login = REGISTRY["html-login"](when=nth(1, "ListRecords"))
>>> with Server(Repository(days=1), behaviours=[login, scenario.parse_behaviour("gzip@records")]) as server:
...     for url in (f"{server.url}?verb=ListRecords&metadataPrefix=oai_dc", server.json_url):
...         with urlopen(url) as response:
...             print(response.headers["Content-Type"])
text/html; charset=utf-8
application/json
>>> [(request.operation, request.status, request.behaviours) for request in server.requests]
[('ListRecords', 200, ('html-login',)), ('records', 200, ('gzip',))]

>>> from datetime import datetime, timedelta, timezone
>>> from harvest_dagster.testing.simulator import Hide, History
>>> noon = datetime(2024, 3, 10, 12, tzinfo=timezone.utc)
>>> repository = Repository(days=1, records_per_day=3, deleted=0)
>>> history = History(repository, [Hide(noon, repository.identifier(1))])
>>> with Server(history=history, clock=lambda: noon + timedelta(hours=1)) as server:
...     print(len(server.truth.live), server.truth.deleted)
2 {'oai:repository.example.org:000000001': '2024-03-10T12:00:00Z'}

The simulator needs only the standard library and PyYAML (for scenario files), and nothing else of this package. It can
therefore test harvesters of other projects.
"""

from harvest_dagster.testing.simulator import scenario
from harvest_dagster.testing.simulator.behaviours import (
    Behaviour,
    HtmlPage,
    HttpErrorStatus,
    RequestGate,
    TruncatedBody,
    every_request,
    nth,
)
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster.testing.simulator.protocols.renderer import RenderedList, Renderer
from harvest_dagster.testing.simulator.protocols.rest import RecordContent
from harvest_dagster.testing.simulator.repository.edits import Edit, Edits
from harvest_dagster.testing.simulator.repository.history import (
    Add,
    Change,
    Delete,
    Event,
    Hide,
    History,
    Late,
    Outage,
    Return,
)
from harvest_dagster.testing.simulator.repository.repository import SETS, RecordSet, Repository
from harvest_dagster.testing.simulator.serving.messages import Delivery, ListQuery, Page, Request, Response
from harvest_dagster.testing.simulator.serving.server import Server
from harvest_dagster.testing.simulator.truth import Truth

__all__ = [
    "REGISTRY",
    "SETS",
    "Add",
    "Behaviour",
    "Change",
    "Delete",
    "Delivery",
    "Edit",
    "Edits",
    "Event",
    "Hide",
    "History",
    "HtmlPage",
    "HttpErrorStatus",
    "Late",
    "ListQuery",
    "Outage",
    "Page",
    "RecordContent",
    "RecordSet",
    "RenderedList",
    "Renderer",
    "Repository",
    "Request",
    "RequestGate",
    "Response",
    "Return",
    "Server",
    "TruncatedBody",
    "Truth",
    "every_request",
    "nth",
    "scenario",
]
