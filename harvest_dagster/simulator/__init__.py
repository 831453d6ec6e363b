"""A hostile source on loopback, for tests of any harvester, for benchmarks and for the demo.

It is an OAI-PMH 2.0 repository and, with the same records, a JSON API. Its records are computed from their
number on demand, so that a repository of millions costs no memory, and two of the same settings give the same
bytes. What it holds can be edited while it runs (`server.edits`), what it answers can be spoiled (`behaviours`,
or by name: `REGISTRY`, `scenario`), and what it was asked is in its log (`server.requests`):

>>> from urllib.request import urlopen
>>> from harvest_dagster.simulator import REGISTRY, Repository, Server, nth, scenario
>>> login = REGISTRY["html-login"](when=nth(1, "ListRecords"))
>>> with Server(Repository(days=1), behaviours=[login, scenario.behaviour("gzip@records")]) as server:
...     for url in (f"{server.url}?verb=ListRecords&metadataPrefix=oai_dc", server.json_url):
...         with urlopen(url) as response:
...             print(response.headers["Content-Type"])
text/html; charset=utf-8
application/json
>>> [(request.operation, request.status, request.behaviours) for request in server.requests]
[('ListRecords', 200, ('html-login',)), ('records', 200, ('gzip',))]

It stands alone: the standard library, PyYAML for scenarios in files, nothing of the rest of this package. So it
can test what others wrote.
"""

from harvest_dagster.simulator import scenario
from harvest_dagster.simulator.behaviours import Behaviour, Cut, Fail, Hold, Html, every, nth
from harvest_dagster.simulator.edits import Edit, Edits
from harvest_dagster.simulator.exchange import Delivery, Page, Request, Response
from harvest_dagster.simulator.registry import REGISTRY
from harvest_dagster.simulator.repository import SETS, Repository, Subset
from harvest_dagster.simulator.server import Server

__all__ = [
    "REGISTRY",
    "SETS",
    "Behaviour",
    "Cut",
    "Delivery",
    "Edit",
    "Edits",
    "Fail",
    "Hold",
    "Html",
    "Page",
    "Repository",
    "Request",
    "Response",
    "Server",
    "Subset",
    "every",
    "nth",
    "scenario",
]
