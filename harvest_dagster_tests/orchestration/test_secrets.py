"""Lesson 32: a secret of a config stands nowhere but in the request itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import zstandard
from sqlalchemy import select

from harvest_dagster.simulator import Behaviour, Fail, Html, Request, Response, Server, every
from harvest_dagster.simulator.behaviours import Answer
from harvest_dagster.storage import tables
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, REPOSITORY, Deployment

SECRET = "s3cr3t-key"


class Gate(Behaviour):
    """Lets in who has the key, and answers as a repository that knows of none."""

    when = staticmethod(every)

    def apply(self, request: Request, answer: Answer) -> Response:
        if request.parameters.get("key") != SECRET:
            return Response(b"", 401)
        return answer(
            replace(request, arguments=tuple(pair for pair in request.arguments if pair[0] != "key"))
        )


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVEST_TEST_KEY", SECRET)


def everything_written(deployment: Deployment, result: dg.ExecuteInProcessResult) -> str:
    """Every row, every event and every spooled file, as one text."""
    events = [repr(entry) for entry in deployment.instance.all_logs(result.run_id)]
    run = repr(deployment.instance.get_run_by_id(result.run_id))
    with Database.open(deployment.database_url) as database, database.read() as connection:
        rows = [
            repr(tuple(row))
            for table in tables.metadata.sorted_tables
            for row in connection.execute(select(table))
        ]
    return "\n".join([*events, run, *rows, *map(_content, deployment.spool.rglob("*"))])


def _content(path: Path) -> str:
    if not path.is_file():
        return str(path)
    data = path.read_bytes()
    return (zstandard.decompress(data) if path.suffix == ".zst" else data).decode(errors="replace")


@pytest.mark.parametrize(
    "behaviours",
    [[], [Html()], [Fail(404)], [Fail(403, when=lambda request: request.verb == "ListRecords")]],
    ids=["well", "html", "404", "403"],
)
def test_a_secret_in_the_query_of_base_url_is_written_nowhere(
    behaviours: list[Behaviour], deploy: Deploy, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither when all goes well nor in the text, the traceback or the causes of an error."""
    with Server(REPOSITORY, behaviours=[Gate(), *behaviours]) as source:
        deployment = deploy(f"{source.url}?key=${{HARVEST_TEST_KEY}}")
        result = deployment.materialize(*DAYS[::3])
        asked = source.requests
    assert result.success is not bool(behaviours)
    assert {request.parameters["key"] for request in asked} == {SECRET}
    printed = capfd.readouterr()
    written = everything_written(deployment, result) + printed.out + printed.err
    assert "${HARVEST_TEST_KEY}" in written
    assert SECRET not in written


@pytest.mark.usefixtures("without_retries")
def test_a_bug_that_quotes_the_secret_is_redacted(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A plug-in's exception may hold its arguments, in its text or in that of its cause."""
    from harvest_dagster.harvesters.oai import OaiHarvester

    def pages(self: OaiHarvester, *_: object) -> object:
        try:
            {}[self.arguments.base_url]
        except KeyError as error:
            raise ValueError("cannot be parsed") from error

    monkeypatch.setattr(OaiHarvester, "pages", pages)
    deployment = deploy("http://127.0.0.1:1/oai?key=${HARVEST_TEST_KEY}")
    result = deployment.materialize(*DAYS[::3])
    assert not result.success
    printed = capfd.readouterr()
    written = everything_written(deployment, result) + printed.out + printed.err
    assert "cannot be parsed" in written
    assert SECRET not in written
