"""Lesson 32: a secret of a config stands nowhere but in the request itself."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest
import zstandard
from sqlalchemy import select

from harvest_dagster.simulator import Behaviour, Fail, Html, Request, Response, Server, every
from harvest_dagster.simulator.behaviours import Answer, When
from harvest_dagster.storage import tables
from harvest_dagster.storage.engine import Database
from harvest_dagster_tests.orchestration.conftest import Deploy
from harvest_dagster_tests.orchestration.deployment import DAYS, REPOSITORY, Deployment

SECRET = "s3cr3t-key"
PASSWORD = "pa55+w=rd&1"
FORMS = (
    SECRET,
    PASSWORD,
    quote(PASSWORD, safe=""),
    quote(PASSWORD),
    escape(PASSWORD),
    b64encode(f"aggregator:{PASSWORD}".encode()).decode(),
    b64encode(SECRET.encode()).decode()[:-2],
)


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
    monkeypatch.setenv("HARVEST_TEST_PASSWORD", PASSWORD)


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


@dataclass(frozen=True)
class Echo(Behaviour):
    """A page that gives back what was sent with the request, in all its forms; by default no XML."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "<OAI-PMH><error>no such key: {}</error>"
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:
        del request, answer
        return Response(self.body.format(" ".join(FORMS)).encode(), self.status, self.headers)


ECHOES: dict[str, list[Behaviour]] = {
    "well": [],
    "401": [Echo(401)],
    "not XML": [Echo()],
    "redirect to a host that is down": [
        Echo(302, {"Location": f"http://127.0.0.1:1/{SECRET}?p={quote(PASSWORD)}"})
    ],
}


@pytest.mark.usefixtures("without_retries")
def test_nothing_that_dagster_keeps_or_prints_holds_a_secret(
    on_sqlite: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An instance on disk: its event log, the logs of its steps, and what a source gives back of the secrets."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    ended = {}
    with dg.DagsterInstance.get() as instance:
        for case, behaviours in ECHOES.items():
            with Server(REPOSITORY, behaviours=[*behaviours, Gate()]) as source:
                url = source.url.replace("//", "//aggregator:${HARVEST_TEST_PASSWORD}@")
                deployment = replace(on_sqlite(f"{url}?key=${{HARVEST_TEST_KEY}}"), instance=instance)
                ended[case] = deployment.materialize(superfluous=True, force=True)
        url = "http://aggregator:${HARVEST_TEST_PASSWORD}@127.0.0.1:1/oai?key=${HARVEST_TEST_KEY}"
        deployment = replace(on_sqlite(url), instance=instance)
        ended["down"] = deployment.materialize(superfluous=True, force=True)
        written = [everything_written(deployment, result) for result in ended.values()]
    assert [case for case, result in ended.items() if result.success] == ["well"]
    files = [path.read_bytes().decode(errors="replace") for path in home.rglob("*") if path.is_file()]
    printed = capfd.readouterr()
    everything = "\n".join([*written, *files, printed.out, printed.err])
    assert "no such key: ***" in everything
    assert len(files) > len(ended)  # the run storage, and a log for each run at least
    assert [form for form in FORMS if form in everything] == []


class Telling(Behaviour):
    """Says what it was sent in good records, in one without an identifier, and in tokens, which it wants back whole."""

    when = staticmethod(every)

    def apply(self, request: Request, answer: Answer) -> Response:
        end = f" for {SECRET}"
        if request.token is not None and not request.token.endswith(end):
            return Response(f"no token for {SECRET}".encode(), 403)
        if request.token is not None:
            request = request.with_token(request.token.removesuffix(end))
        response = answer(request)
        body = response.body.decode().replace("<dc:title>", f"<dc:title>{escape(PASSWORD)}, {SECRET}: ")
        body = re.sub(r"(<resumptionToken[^>]*>[^<]+)", rf"\1{end}", body)
        if request.token is None:
            body = re.sub(r"<header><identifier>[^<]*</identifier>", "<header>", body, count=1)
        return replace(response, body=body.encode())


def test_a_secret_that_a_source_echoes_in_its_answers_is_stored_nowhere(
    on_sqlite: Deploy, capfd: pytest.CaptureFixture[str]
) -> None:
    """Raw data, quarantine, the spool's pages and cursors hold what a source sends, and it may send our key."""
    with Server(REPOSITORY, behaviours=[Gate(), Telling()]) as source:
        url = source.url.replace("//", "//aggregator:${HARVEST_TEST_PASSWORD}@")
        deployment = on_sqlite(f"{url}?key=${{HARVEST_TEST_KEY}}")
        result = deployment.materialize()
        tokens = [request.token for request in source.requests if request.token]
    assert result.success
    assert tokens
    assert all(SECRET in token for token in tokens)
    assert deployment.rows(tables.quarantine)
    printed = capfd.readouterr()
    written = everything_written(deployment, result) + printed.out + printed.err
    assert "***2***, ***1***: " in written
    assert [form for form in FORMS if form in written] == []


def test_a_secret_that_was_written_plainly_is_masked_as_well(
    on_sqlite: Deploy, capfd: pytest.CaptureFixture[str]
) -> None:
    """Somebody will; the database's copy of the config and the source's echo then held it."""
    with Server(REPOSITORY, behaviours=[Gate(), Echo(403)]) as source:
        url = source.url.replace("//", f"//aggregator:{quote(PASSWORD, safe='')}@")
        deployment = on_sqlite(f"{url}?key={SECRET}")
        results = [deployment.materialize(force=True) for _ in range(2)]
    assert not any(result.success for result in results)
    (mirrored,) = deployment.rows(tables.ingest_config)
    assert mirrored.definition["harvester_kwargs"]["base_url"].endswith("?key=***")
    printed = capfd.readouterr()
    written = (
        "".join(everything_written(deployment, result) for result in results) + printed.out + printed.err
    )
    assert [form for form in FORMS if form in written] == []
