"""`harvest identify`, `sets`, `formats` and `fetch`: what a source says, without a harvest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harvest_dagster.testing.simulator import RecordSet, Repository, Server, scenario
from harvest_dagster_tests.cli.commands import imported_modules, run
from harvest_dagster_tests.cli.recorded_service import recorded_service
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.recorded import requires_recorded

DAYS = Repository(first_day=date(2024, 1, 1), days=4, records_per_day=100, page_size=50)


@pytest.fixture
def source(deployment: Deployment) -> Iterator[Server]:
    """The simulator, as the source `example`. The database has tables, as after a harvest."""
    with Server(DAYS) as server:
        deployment.source("example", server.url, earliest_date="2024-01-01")
        deployment.source(
            "rest",
            harvester="json",
            transformer=None,
            harvester_kwargs={
                "base_url": server.json_url,
                "params": {"from": "{from}", "until": "{until}"},
                "records": "records",
                "identifier": "id",
                "datestamp": "updated",
                "total": "total",
                "next": {"by": "cursor", "path": "next", "param": "cursor"},
            },
        )
        yield server


def test_identify_shows_the_statements_of_a_repository(source: Server) -> None:
    """A person who adds a source has to know its policy before the first harvest."""
    found = run("identify", source.url, "--json").json
    assert found["repository_name"] == "Example Repository"
    assert (found["earliest_datestamp"], found["granularity"]) == ("2024-01-01", "YYYY-MM-DDThh:mm:ssZ")
    assert (found["deleted_record"], found["unknown"]) == ("persistent", [])
    text = run("identify", "example")  # a label is as good as a URL
    assert "Example Repository" in text.out
    assert text.status == 0


@requires_recorded
def test_recorded_repositories_are_shown(deployment: Deployment) -> None:
    """Real repositories have thousands of sets on many pages, and forms that the simulator does not have."""
    with recorded_service("scythe_zenodo_oai", "/oai2d") as url:
        deployment.source("zenodo", url)  # its rate limit is that of a test
        identity = run("identify", "zenodo", "--json").json
        formats = run("formats", "zenodo", "--json").json
        examined = run("doctor", "zenodo", "--json").json
    assert identity["repository_name"] == "Zenodo"
    assert identity["granularity"] == "YYYY-MM-DDThh:mm:ssZ"
    assert {"oai_dc", "oai_datacite", "marcxml"} <= {one["prefix"] for one in formats}
    topics = {finding["topic"]: finding for finding in examined["findings"]}
    assert topics["metadata prefix"]["status"] == "ok"
    assert topics["clock"]["status"] == "problem"  # the recordings are years old
    # No response was recorded for the other questions, so nothing is claimed about them.
    assert topics["wrong set"]["status"] == "unknown"
    with recorded_service("mit_oai", "/oai/request") as url:
        deployment.source("mit", url)
        sets = run("sets", "mit", "--json").json
        no_identify = run("identify", "mit")
    assert len(sets) == len({one["spec"] for one in sets}) == 1000
    assert (no_identify.status, no_identify.err.count("\n")) == (1, 1)


def test_sets_follow_resumption_tokens_and_report_a_list_that_breaks(deployment: Deployment) -> None:
    """A repository has thousands of sets on many pages. A broken list must not look like the whole one."""
    many = tuple(RecordSet(f"s{number}", f"Set {number}", 5000, number) for number in range(3000))
    with Server(Repository(days=1, sets=many)) as server:
        found = run("sets", server.url, "--json").json
        pages = len([request for request in server.requests if request.operation == "ListSets"])
    assert [one["spec"] for one in found] == [one.spec for one in many]
    assert pages >= 1
    with Server(Repository(days=1, sets=())) as server:
        none = run("sets", server.url)
    assert (none.status, none.out) == (0, "")
    assert "the repository has no sets" in none.err


def test_fetch_shows_records_and_stores_nothing(source: Server, deployment: Deployment) -> None:
    """A person looks at records before they decide to harvest. Nothing may count as harvested afterwards."""
    before = deployment.folder.joinpath("harvest.db").read_bytes()
    arguments = ("fetch", "example", "--from", "2024-01-02", "--until", "2024-01-03", "--json")
    done = run(*arguments)
    records = [json.loads(line) for line in done.out.splitlines()]
    assert len({record["identifier"] for record in records}) == 100
    assert set(records[0]) == {"label", "identifier", "datestamp", "deleted", "hash", "datum"}
    assert all(record["datestamp"].startswith("2024-01-02") for record in records)
    assert not deployment.data("example")
    assert not deployment.harvest_logs("example")
    assert not deployment.spooled()
    assert len(run("fetch", "example", "--limit", "3").out.splitlines()) == 3
    assert len(run("fetch", "rest", "--limit", "3", "--json").out.splitlines()) == 3
    assert before  # the budget of the host is the only thing that requests write
    identifier = records[0]["identifier"]
    (one,) = run("fetch", "example", "--id", identifier, "--json").out.splitlines()
    assert json.loads(one) == records[0]


@pytest.mark.parametrize("harvester", ["oai", "rest"])
def test_fetch_requests_one_list_of_a_source_that_cannot_be_asked_by_date(
    deployment: Deployment, harvester: str
) -> None:
    """A source that ignores dates showed records of other days. A REST source without dates was refused."""
    with Server(Repository(first_day=date(2024, 1, 1), days=3, records_per_day=5)) as server:
        kwargs: dict[str, Any] = {"base_url": server.url}
        if harvester == "rest":
            names = {"records": "records", "identifier": "id", "datestamp": "updated"}
            paging = {"next": {"by": "cursor", "path": "next", "param": "cursor"}}
            kwargs = {"base_url": server.json_url, **names, **paging}
        deployment.source(
            "all", harvester=harvester, harvester_kwargs=kwargs, selective=False, transformer=None
        )
        done = run("fetch", "all", "--from", "2024-01-02", "--until", "2024-01-03", "--json")
        asked = [dict(request.arguments) for request in server.requests]
        doctor = run("doctor", "all", "--json").json
    records = [json.loads(line) for line in done.out.splitlines()]
    assert (done.status, {record["datestamp"][:10] for record in records}) == (0, {"2024-01-02"})
    assert len(records) == 5
    assert "without dates. The records of" in done.err
    assert not any({"from", "until"} & set(arguments) for arguments in asked)
    statuses = {one["topic"]: one["status"] for one in doctor["findings"]}
    assert statuses["selective harvesting"] == "ok"


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("fetch", "example", "--id", "nobody"), 1, "idDoesNotExist"),
        (("fetch", "rest", "--id", "1"), 1, "only OAI-PMH repositories can be asked this"),
        (("fetch", "example", "--id", "1", "--limit", "2"), 2, "cannot be combined"),
        (("fetch", "nobody"), 1, "there is no source 'nobody'"),
        (("identify", "ftp://example.org"), 1, "no http or https URL"),
        (("identify", "rest"), 1, "only OAI-PMH repositories"),
        (("sets", "http://127.0.0.1:9/oai"), 1, "127.0.0.1:9"),
    ],
)
def test_an_error_is_one_line(source: Server, arguments: tuple[str, ...], status: int, expected: str) -> None:
    """A traceback in place of a reason helps nobody."""
    done = run(*arguments)
    assert done.status == status
    assert expected in done.err.splitlines()[-1]
    assert "Traceback" not in done.err


def test_a_secret_reaches_no_output(
    source: Server, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Output of commands ends up in logs of cron and in tickets."""
    monkeypatch.setenv("TOKEN", "s3cr3t-value")
    with Server(DAYS, behaviours=scenario.parse_behaviours(["gone"])) as server:
        deployment.source("locked", f"{server.url}?api_key=${{TOKEN}}", earliest_date="2024-01-01")
        for arguments in (("fetch", "locked"), ("doctor", "locked"), ("identify", "locked")):
            done = run(*arguments)
            assert done.status == 1
            assert "s3cr3t-value" not in done.out + done.err
        done = run("add", f"{server.url}?api_key=s3cr3t-value")
    assert done.status == 1
    assert "s3cr3t-value" not in done.out + done.err


@pytest.mark.parametrize("command", ["identify", "fetch", "doctor", "add", "plan"])
def test_a_question_to_a_source_does_not_import_dagster(command: str) -> None:
    """A command that takes seconds to start is not used."""
    assert "dagster" not in imported_modules(command, "--help")


def test_a_command_creates_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a database, the rate limit holds within the process, and no file may appear."""
    monkeypatch.setenv("HARVEST_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    with Server(Repository(days=1)) as server:
        assert run("formats", server.url).status == 0
    assert not list(tmp_path.iterdir())
