"""A secret of a config appears only in requests, never in logs, events or tables: docs/failures.md#secret-in-log"""

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

from harvest_dagster.storage import tables
from harvest_dagster.storage.database import Database
from harvest_dagster.testing.simulator import (
    Behaviour,
    HtmlPage,
    HttpErrorStatus,
    Request,
    Response,
    Server,
    every_request,
)
from harvest_dagster.testing.simulator.behaviours import Handler, RequestPredicate
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
    """Answer 401 without the key. Otherwise remove the key and answer as the repository."""

    when = staticmethod(every_request)

    def apply(self, request: Request, answer: Handler) -> Response:
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
    """Return every row, every event and every spooled file as one text."""
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
    before, *frames = data.split(zstandard.FRAME_HEADER) if path.suffix == ".zst" else [data]
    bodies = [
        zstandard.ZstdDecompressor().decompressobj().decompress(zstandard.FRAME_HEADER + frame)
        for frame in frames
    ]
    return b"\n".join([before, *bodies]).decode(errors="replace")


@pytest.mark.parametrize(
    "behaviours",
    [
        [],
        [HtmlPage()],
        [HttpErrorStatus(404)],
        [HttpErrorStatus(403, when=lambda request: request.verb == "ListRecords")],
    ],
    ids=["success", "html", "404", "403"],
)
def test_a_secret_in_the_query_of_base_url_is_written_nowhere(
    behaviours: list[Behaviour], deploy: Deploy, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither a success nor the text, the traceback or the causes of an error may write it."""
    with Server(REPOSITORY, behaviours=[Gate(), *behaviours]) as source:
        deployment = deploy(f"{source.url}?key=${{HARVEST_TEST_KEY}}")
        result = deployment.materialize(*DAYS[::3])
        requests = source.requests
    assert result.success is not bool(behaviours)
    assert {request.parameters["key"] for request in requests} == {SECRET}
    printed = capfd.readouterr()
    written = everything_written(deployment, result) + printed.out + printed.err
    assert "${HARVEST_TEST_KEY}" in written
    assert SECRET not in written


@pytest.mark.usefixtures("without_retries")
def test_a_secret_in_the_exception_of_a_bug_is_masked(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The exception of a plug-in may contain its arguments, in its text or in the text of its cause."""
    from harvest_dagster.harvesters.oai.client import OaiClient

    def pages(self: OaiClient, *_: object) -> object:
        try:
            {}[self.arguments.base_url]
        except KeyError as error:
            raise ValueError("cannot be parsed") from error

    monkeypatch.setattr(OaiClient, "pages", pages)
    deployment = deploy("http://127.0.0.1:1/oai?key=${HARVEST_TEST_KEY}")
    result = deployment.materialize(*DAYS[::3])
    assert not result.success
    printed = capfd.readouterr()
    written = everything_written(deployment, result) + printed.out + printed.err
    assert "cannot be parsed" in written
    assert SECRET not in written


@dataclass(frozen=True)
class Echo(Behaviour):
    """A response that repeats the secrets of the request in all their forms. By default, it is not XML."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "<OAI-PMH><error>no such key: {}</error>"
    when: RequestPredicate = every_request

    def apply(self, request: Request, answer: Handler) -> Response:
        del request, answer
        return Response(self.body.format(" ".join(FORMS)).encode(), self.status, self.headers)


ECHOES: dict[str, list[Behaviour]] = {
    "success": [],
    "401": [Echo(401)],
    "not XML": [Echo()],
    "redirect to a host that is down": [
        Echo(302, {"Location": f"http://127.0.0.1:1/{SECRET}?p={quote(PASSWORD)}"})
    ],
}


@pytest.mark.usefixtures("without_retries")
def test_dagster_stores_and_prints_no_secret(
    on_sqlite: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The event log and the step logs of an instance on disk must not contain the secrets that a source repeats."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\nnux: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    results = {}
    with dg.DagsterInstance.get() as instance:
        for case, behaviours in ECHOES.items():
            with Server(REPOSITORY, behaviours=[*behaviours, Gate()]) as source:
                url = source.url.replace("//", "//aggregator:${HARVEST_TEST_PASSWORD}@")
                deployment = replace(on_sqlite(f"{url}?key=${{HARVEST_TEST_KEY}}"), instance=instance)
                results[case] = deployment.materialize(superfluous=True, force=True)
        url = "http://aggregator:${HARVEST_TEST_PASSWORD}@127.0.0.1:1/oai?key=${HARVEST_TEST_KEY}"
        deployment = replace(on_sqlite(url), instance=instance)
        results["down"] = deployment.materialize(superfluous=True, force=True)
        written = [everything_written(deployment, result) for result in results.values()]
    assert [case for case, result in results.items() if result.success] == ["success"]
    files = [path.read_bytes().decode(errors="replace") for path in home.rglob("*") if path.is_file()]
    printed = capfd.readouterr()
    everything = "\n".join([*written, *files, printed.out, printed.err])
    assert "no such key: ***" in everything
    assert len(files) > len(results)  # the run storage, and at least one log for each run
    assert [form for form in FORMS if form in everything] == []


class SecretsInAnswers(Behaviour):
    """Repeat the secrets in valid records, in a record without an identifier, and in tokens.

    A token must come back with the secret in it.
    """

    when = staticmethod(every_request)

    def apply(self, request: Request, answer: Handler) -> Response:
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


def test_a_secret_that_a_source_repeats_is_not_stored(
    on_sqlite: Deploy, capfd: pytest.CaptureFixture[str]
) -> None:
    """Raw data, quarantine and spool store what a source sends, and it may send our secrets."""
    with Server(REPOSITORY, behaviours=[Gate(), SecretsInAnswers()]) as source:
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


def test_a_secret_in_plain_text_in_the_config_is_masked(
    on_sqlite: Deploy, capfd: pytest.CaptureFixture[str]
) -> None:
    """People write secrets in plain text. The database's copy of the config and the responses then contained them."""
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
