"""A small OAI-PMH 2.0 repository on loopback: for the demo, for benchmarks, and for tests of any harvester.

    with Server(Repository(days=5, records_per_day=200)) as server:
        harvest(server.url)
        assert [request.verb for request in server.requests] == ["Identify", "ListRecords", …]

Its records are computed from their number on demand, so that a repository of millions costs no memory, and
two of the same settings give the same bytes. What it holds can be edited while it runs (`server.edits`), and
what it answers can be spoiled (`behaviours`). It stands alone: standard library only, nothing of the rest of
this package, and so it can test what others wrote.
"""

from harvest_dagster.simulator.behaviours import Behaviour, Cut, Fail, Hold, Html, every, nth
from harvest_dagster.simulator.edits import Edit, Edits
from harvest_dagster.simulator.exchange import Request, Response
from harvest_dagster.simulator.repository import SETS, Repository, Subset
from harvest_dagster.simulator.server import Server

__all__ = [
    "SETS",
    "Behaviour",
    "Cut",
    "Edit",
    "Edits",
    "Fail",
    "Hold",
    "Html",
    "Repository",
    "Request",
    "Response",
    "Server",
    "Subset",
    "every",
    "nth",
]
