"""Repositories that treat `from` and `until` in another way than the specification, or answer an empty list wrongly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from harvest_dagster.testing.simulator.behaviours.base import (
    OAI,
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.errors import OaiError
from harvest_dagster.testing.simulator.repository.edits import Edits
from harvest_dagster.testing.simulator.serving.messages import Request, Response

_FORMATS = {10: ("%Y-%m-%d", timedelta(days=1)), 20: ("%Y-%m-%dT%H:%M:%SZ", timedelta(seconds=1))}


@dataclass(frozen=True)
class ExclusiveEnd(Behaviour):
    """Leaves out the unit of `from` or of `until`, a day or a second."""

    end: str = parameter("until", "the argument that is exclusive", ("from", "until"))
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        value = request.parameters.get(self.end, "")
        if not request.is_list or len(value) not in _FORMATS:
            return handler(request)
        form, unit = _FORMATS[len(value)]
        moved = datetime.strptime(value, form) + (unit if self.end == "from" else -unit)  # noqa: DTZ007 - UTC
        arguments = tuple(
            (name, moved.strftime(form) if name == self.end else text) for name, text in request.arguments
        )
        parameters = dict(arguments)
        if parameters.get("from", "") > parameters.get("until", "9"):
            return handler(request).with_content(OaiError("noRecordsMatch", "No records match"))
        return handler(replace(request, arguments=arguments))


@dataclass(frozen=True)
class RefusedSingleUnit(Behaviour):
    """Refuses from = until with badArgument, as xoai does."""

    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response, parameters = handler(request), request.parameters
        if not request.is_list or "from" not in parameters or parameters["from"] != parameters.get("until"):
            return response
        return response.with_content(OaiError("badArgument", "from and until must differ"))


@dataclass
class RefusedEarlyFrom(Behaviour):
    """Refuses a `from` before the first record with badArgument, as Dataverse does."""

    when: RequestPredicate = every_request
    _earliest: str = ""

    def open(self, edits: Edits) -> None:  # noqa: D102
        self._earliest = edits.repository.format_instant(0)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response, start = handler(request), request.parameters.get("from", "9")
        if not request.is_list or start >= self._earliest[: len(start)]:
            return response
        return response.with_content(OaiError("badArgument", "from is before the earliest datestamp"))


@dataclass(frozen=True)
class WrongCodeForEmpty(Behaviour):
    """Answers an empty list with another error code than noRecordsMatch."""

    code: str = parameter("cannotDisseminateFormat", "the code", ("cannotDisseminateFormat", "badArgument"))
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if not request.is_list or response.error_code != "noRecordsMatch":
            return response
        return response.with_content(OaiError(self.code, "none"))


_ONE_UNIT = "A harvester must ask for one unit more, and keep the records of the window by their datestamp."
ENTRIES = (
    NamedBehaviour(
        "until-exclusive",
        ExclusiveEnd,
        "The server leaves out the day or the second of `until`; a server that reads a day as its midnight does so.",
        Contract.COMPLETE,
        _ONE_UNIT,
        condition="list",
        failures=("until-as-midnight", "milliseconds-omitted"),
        protocols=(OAI,),
        preset={"end": "until"},
    ),
    NamedBehaviour(
        "from-exclusive",
        ExclusiveEnd,
        "The server leaves out the day or the second of `from`.",
        Contract.COMPLETE,
        _ONE_UNIT,
        condition="list",
        failures=("until-as-midnight",),
        protocols=(OAI,),
        preset={"end": "from"},
    ),
    NamedBehaviour(
        "single-day-refused",
        RefusedSingleUnit,
        "The server refuses `from` = `until`.",
        Contract.COMPLETE,
        "A harvester must ask for one unit more if a window is a single one.",
        condition="list",
        failures=("until-as-midnight",),
        protocols=(OAI,),
    ),
    NamedBehaviour(
        "from-too-early",
        RefusedEarlyFrom,
        "The server refuses a `from` before its earliestDatestamp.",
        Contract.COMPLETE,
        "A harvester must ask from earliestDatestamp on.",
        condition="list",
        failures=("from-too-early",),
        protocols=(OAI,),
    ),
    NamedBehaviour(
        "wrong-code-for-empty",
        WrongCodeForEmpty,
        "The server answers an empty list with cannotDisseminateFormat.",
        Contract.COMPLETE,
        "A harvester must treat the code as an empty list if the format has worked before.",
        condition="list",
        failures=("wrong-code-for-empty",),
        protocols=(OAI,),
    ),
)
