"""Faults that a server can apply to its responses. Each fault is a value that is passed to the server.

    unavailable = HttpErrorStatus(503, {"Retry-After": "1"}, when=nth(2))
    Server(repository, behaviours=[unavailable, TruncatedBody(1000, when=nth(3, "ListRecords"))])

A behaviour receives every request that its condition selects, and a handler that returns the response which the server
would send without it. A behaviour can wait, replace this response or change it. The first behaviour in the list is the
outermost. A new kind of fault is a new subclass of `Behaviour`; nothing else must change. An entry in the registry
gives it a name. Each module contains the behaviours of one subject and their registry entries.
"""

from harvest_dagster.testing.simulator.behaviours.base import (
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    Parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request, nth
from harvest_dagster.testing.simulator.behaviours.content.wrong_content import (
    FixedBody,
    HtmlPage,
    OtherRepositoryResponse,
    OtherVerbResponse,
)
from harvest_dagster.testing.simulator.behaviours.delivery.delivery_faults import (
    DeliveryFault,
    RequestGate,
    TruncatedAtPosition,
    TruncatedBody,
)
from harvest_dagster.testing.simulator.behaviours.delivery.http_errors import (
    ExtraHeader,
    HttpErrorStatus,
    OaiErrorStatus,
    RateLimit,
    RetryAfterResponse,
)

__all__ = [
    "Behaviour",
    "Contract",
    "DeliveryFault",
    "ExtraHeader",
    "FixedBody",
    "Handler",
    "HtmlPage",
    "HttpErrorStatus",
    "NamedBehaviour",
    "OaiErrorStatus",
    "OtherRepositoryResponse",
    "OtherVerbResponse",
    "Parameter",
    "RateLimit",
    "RequestGate",
    "RequestPredicate",
    "RetryAfterResponse",
    "TruncatedAtPosition",
    "TruncatedBody",
    "every_request",
    "nth",
]
