"""Over HTTP, a list of headers shows each fault of a source as a list of records does, and sends no other request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest

from harvest_dagster.errors import HarvestError
from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.harvester import OaiHarvester
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.http.rate_limit.retry import RetryPolicy
from harvest_dagster.http.session import HttpSession
from harvest_dagster.rate_limits import Limit
from harvest_dagster.records import InvalidRecord, RecordHeader
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.testing.simulator import REGISTRY, Repository, Server, scenario
from harvest_dagster.testing.simulator.behaviours.base import OAI, Contract, NamedBehaviour
from harvest_dagster.testing.simulator.protocols.oai import VERBS
from harvest_dagster.windows import ALL_TIME, Window

REPOSITORY = Repository(first_day=date(2024, 3, 1), days=2, records_per_day=20, page_size=8, deleted=0.2)
WINDOW = Window(REPOSITORY.midnight, REPOSITORY.midnight + timedelta(days=2))
LIMITS = ResponseLimits(received_bytes=4 * 2**20, response_bytes=16 * 2**20)
RETRY = RetryPolicy(attempts=2, base=0.001, max_backoff=0.01, min_backoff=0.001, max_seconds=1.0)
# These faults are in the content of a record, which a list of headers does not have.
IN_CONTENT = frozenset(
    {
        "charset-undeclared",
        "cut-in-character",
        "record-ampersand",
        "record-bad-utf-8",
        "record-control-character",
        "record-entity",
        "record-nesting",
        "record-prefix",
    }
)
A_FEW = frozenset(
    {
        "cut",
        "cut-unannounced",
        "error",
        "token-circle",
        "token-burns",
        "total-none",
        "empty-page",
        "ends-in-error",
        "duplicate",
        "record-no-identifier",
        "record-control-character",
        "datestamp-outside",
        "https-namespace",
        "until-exclusive",
    }
)

Header = tuple[str | None, datetime | None, bool | None]


def applicable() -> Iterator[object]:
    for name, entry in REGISTRY.items():
        if entry.applies_to(OAI) and not entry.never_answers and entry.contract is not Contract.CONVERGES:
            yield pytest.param(entry, id=name, marks=[] if name in A_FEW else [pytest.mark.slow])


def listed(
    entry: NamedBehaviour | None, *, as_headers: bool, window: Window = WINDOW
) -> tuple[str, list[Header], set[str]]:
    """Return the error that ended a list, its headers, and the requested verbs."""
    behaviours = [] if entry is None else [scenario.for_conformance(entry)]
    session = HttpSession(
        Limit(10_000, 1.0),
        budget=ProcessBudget(),
        retry=RETRY,
        max_retry_after=0.01,
        response_limits=LIMITS,
    )
    with Server(REPOSITORY, behaviours=behaviours) as server, session:
        source = OaiHarvester(OaiArguments(base_url=server.url))
        client = source.header_client(session) if as_headers else source.client(session)
        parser = source.header_parser() if as_headers else source.parser()
        found: list[Header] = []
        error = ""
        try:
            for page in client.pages(window):
                found += map(_values, parser.headers(page, window))
        except HarvestError as caught:
            error = type(caught).__name__
        return error, sorted(found, key=str), {request.operation for request in server.requests}


def _values(one: RecordHeader | InvalidRecord) -> Header:
    if isinstance(one, InvalidRecord):
        return one.identifier, None, None
    return one.identifier, one.datestamp, one.deleted


@pytest.mark.parametrize("entry", list(applicable()))
def test_a_list_of_headers_meets_each_fault_like_a_list_of_records(entry: NamedBehaviour) -> None:
    """A fault that only one of the lists notices would make records missing or gone."""
    error, found, verbs = listed(entry, as_headers=True)
    assert (verbs & VERBS.keys()) <= {"Identify", "ListIdentifiers", "ListMetadataFormats"}
    expected = listed(None if entry.name in IN_CONTENT else entry, as_headers=False)
    assert (error, found) == expected[:2]


def test_a_list_of_all_time_has_all_headers() -> None:
    """A source that ignores dates is compared with one list."""
    error, found, verbs = listed(None, as_headers=True, window=ALL_TIME)
    assert (error, len(found)) == ("", 40)
    assert found == listed(None, as_headers=False, window=ALL_TIME)[1]
    assert verbs == {"Identify", "ListIdentifiers"}
    assert any(deleted for _, _, deleted in found)
