"""What can go wrong with an answer, each as a value that one hands to a server.

    busy = Fail(503, {"Retry-After": "1"}, when=nth(2))
    Server(repository, behaviours=[busy, Cut(1000, when=nth(3, "ListRecords"))])

A behaviour sees every request that it is meant for, together with the way to the answer that would have been
given: it may wait, replace that answer, or change it. They are asked in the order given, the first one
outermost. Another kind is another subclass of `Behaviour`; nothing else needs to know of it, and with an entry
in the registry it has a name. A module holds those of a kind, with their entries.
"""

from harvest_dagster.simulator.behaviours.base import Answer, Behaviour, Demand, Named, Parameter
from harvest_dagster.simulator.behaviours.bodies import Body, Html, OtherRepository, WrongVerb
from harvest_dagster.simulator.behaviours.refusals import Busy, ErrorStatus, Fail, Headers, RateLimit
from harvest_dagster.simulator.behaviours.transport import Cut, CutAt, Deliver, Hold
from harvest_dagster.simulator.conditions import When, every, nth

__all__ = [
    "Answer", "Behaviour", "Body", "Busy", "Cut", "CutAt", "Deliver", "Demand", "ErrorStatus", "Fail", "Headers",
    "Hold", "Html", "Named", "OtherRepository", "Parameter", "RateLimit", "When", "WrongVerb", "every", "nth",
]  # fmt: skip
