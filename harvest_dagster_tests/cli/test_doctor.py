"""`harvest doctor`: each fault of a source is found, with its evidence and the line to change."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.diagnosis.connection import ObservedResponse
from harvest_dagster.diagnosis.http_checks import check_http
from harvest_dagster.testing.simulator import Repository, Server, scenario
from harvest_dagster.windows import DAY, utc_now
from harvest_dagster_tests.cli.commands import Done, run
from harvest_dagster_tests.cli.recorded_service import fixed_service
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.pipeline.list_api import ListApi, list_kwargs, serving

DAYS = Repository(first_day=date(2024, 1, 1), days=4, records_per_day=100, page_size=50)


def examine(
    deployment: Deployment, *behaviours: str, repository: Repository = DAYS, **keys: Any
) -> tuple[Done, dict[str, dict[str, Any]]]:
    """Run `harvest doctor` on the simulator. Return the findings by topic."""
    with Server(repository, behaviours=scenario.parse_behaviours(behaviours)) as server:
        deployment.source("example", server.url, **{"earliest_date": "2024-01-01", **keys})
        done = run("doctor", "example", "--json")
        assert len(server.requests) <= 15
    return done, {finding["topic"]: finding for finding in done.json["findings"]}


def test_a_source_without_a_fault_has_no_problem(deployment: Deployment) -> None:
    """A false alarm teaches people to ignore the others."""
    done, found = examine(deployment)
    assert done.status == 0
    assert {topic for topic, finding in found.items() if finding["status"] == "ok"} >= {
        "granularity",
        "earliest date",
        "deletion policy",
        "clock",
        "metadata prefix",
        "set",
        "page size",
        "totals",
        "resumption tokens",
        "token lifetime",
        "selective harvesting",
        "ends of windows",
        "wrong prefix",
        "redirects",
        "bot protection",
    }
    assert found["rate limit"]["status"] == "unknown"  # the simulator announces none


def test_a_wrong_config_is_found_with_its_lines(deployment: Deployment) -> None:
    """The report must say which line to change: nobody remembers the keys."""
    arguments = {"metadata_prefix": "oai_cd", "set": "sciense"}
    done, found = examine(deployment, earliest_date="2024-01-03", arguments=arguments)
    assert done.status == 1
    lines = (deployment.folder / "sources" / "example.yaml").read_text().splitlines()
    for topic, key, change in (
        ("earliest date", "earliest_date", "earliest_date: 2024-01-01"),
        ("metadata prefix", "metadata_prefix", "choose one of the prefixes that it offers"),
        ("set", "set", "correct or remove the set"),
    ):
        finding = found[topic]
        assert (finding["status"], finding["change"]) == ("problem", change)
        assert lines[finding["line"] - 1].strip().startswith(f"{key}:")
        assert finding["file"].endswith("sources/example.yaml")
    assert "oai_dc" in found["metadata prefix"]["evidence"]


@pytest.mark.parametrize(
    ("behaviour", "topic", "status", "text"),
    [
        ("total-lower:by=395", "totals", "problem", "the total is wrong"),
        ("total-none", "totals", "advice", "no totals"),
        ("token-burns:lost=0", "resumption tokens", "problem", "only once"),
        ("until-exclusive", "ends of windows", "advice", "leaves out the unit of until"),
        ("from-exclusive", "ends of windows", "advice", "leaves out the unit of from"),
        ("single-day-refused", "ends of windows", "advice", "if from and until are the same"),
        ("html-bot-wall", "bot protection", "problem", "blocks the harvester"),
        ("html-login", "access", "problem", "login"),
        ("dates-ignored", "selective harvesting", "problem", "ignores from and until"),
        ("gone", "access", "problem", "does not answer"),
        ("rate-headers:calls=50,period=10", "rate limit", "advice", "without its period"),
    ],
)
def test_a_fault_of_the_source_is_found(
    deployment: Deployment, behaviour: str, topic: str, status: str, text: str
) -> None:
    """Each of these faults has cost harvesters records, or requests."""
    done, found = examine(deployment, behaviour)
    assert found[topic]["status"] == status, done.out
    assert text in found[topic]["text"]
    assert found[topic]["evidence"]
    assert done.status == (1 if status == "problem" else 0)


def test_a_source_that_ignores_dates_gets_the_line_of_the_yaml(deployment: Deployment) -> None:
    """Each window would download everything. With the line, the report has no problem."""
    _, found = examine(deployment, "dates-ignored")
    assert found["selective harvesting"]["change"] == "selective: false"
    done, found = examine(deployment, "dates-ignored", selective=False)
    assert (done.status, found["selective harvesting"]["status"]) == (0, "ok")


def test_headers_are_compared_with_the_config() -> None:
    """A limit that the source announces must be a line of the config before the source refuses requests."""
    config = IngestConfig(label="x", harvester="oai", rate_limit={"calls": 10, "period": 1.0})
    headers = CaseInsensitiveDict(
        {
            "X-Rate-Limit-Limit": "50",
            "X-Rate-Limit-Interval": "10s",
            "CF-Ray": "1",
            "Location": "https://x.org/oai",
        }
    )
    responses = [ObservedResponse("http://x.org/oai", 301, headers)]
    found = {one.topic: one for one in check_http(config, responses, str, utc_now())}
    assert (found["rate limit"].status, found["rate limit"].change) == (
        "problem",
        "rate_limit: {calls: 50, period: 10}",
    )
    assert (found["redirects"].status, found["redirects"].change) == (
        "problem",
        "set base_url to https://x.org/oai",
    )
    assert (found["bot protection"].status, found["bot protection"].key) == ("advice", ("contact",))


def test_a_source_of_another_protocol_is_examined_by_two_pages(deployment: Deployment) -> None:
    """A JSON API says little about itself, and a date parameter without effect is its most frequent fault."""

    def write(label: str, base_url: str) -> None:
        kwargs = {
            "base_url": base_url,
            "params": {"from": "{from}", "until": "{until}"},
            "records": "records",
            "identifier": "id",
            "datestamp": "updated",
            "total": "total",
            "next": {"by": "cursor", "path": "next", "param": "cursor"},
        }
        deployment.source(label, harvester="json", harvester_kwargs=kwargs, transformer=None)

    with Server(Repository(days=1)) as server:
        write("good", server.json_url)
        good = run("doctor", "good", "--json")
    page = {"total": 1, "records": [{"id": "a", "updated": "2001-01-01"}], "next": None}
    with fixed_service("/list", json.dumps(page).encode(), "application/json") as url:
        write("bad", url)  # it ignores all parameters
        bad = run("doctor", "bad", "--json")
    topics = {finding["topic"]: finding for finding in bad.json["findings"]}
    assert (good.status, bad.status) == (0, 1)
    assert topics["selective harvesting"]["status"] == "problem"
    assert topics["selective harvesting"]["line"] > 0
    assert topics["selective harvesting"]["change"].startswith("selective: false, without {from} and {until}")
    assert topics["totals"]["evidence"]


@pytest.fixture
def doctor_of_feed(deployment: Deployment) -> Callable[[timedelta], dict[str, dict[str, Any]]]:
    """Return a function that examines a feed with one entry of yesterday. It takes the age of `earliest_date`."""

    def examine_feed(age: timedelta) -> dict[str, dict[str, Any]]:
        updated = (utc_now() - DAY).isoformat()
        entry = f"<entry><id>urn:a</id><title>A</title><updated>{updated}</updated></entry>"
        head = f"<id>f</id><title>F</title><updated>{updated}</updated>"
        feed = f'<feed xmlns="http://www.w3.org/2005/Atom">{head}{entry}</feed>'
        with fixed_service("/feed", feed.encode(), "application/atom+xml") as url:
            keys: dict[str, Any] = {"earliest_date": str((utc_now() - age).date()), "transformer": None}
            deployment.source("feed", harvester="feed", harvester_kwargs={"base_url": url}, **keys)
            findings = run("doctor", "feed", "--json").json["findings"]
        return {finding["topic"]: finding for finding in findings}

    return examine_feed


def test_a_feed_without_a_total_gets_no_advice_for_a_key_that_it_does_not_have(
    doctor_of_feed: Callable[[timedelta], dict[str, dict[str, Any]]],
) -> None:
    """The advice was to set `total`, which only the harvester `rest` accepts."""
    found = doctor_of_feed(DAY)
    assert (found["totals"]["status"], found["totals"]["change"]) == ("unknown", None)


def test_a_feed_that_begins_after_earliest_date_answers(
    doctor_of_feed: Callable[[timedelta], dict[str, dict[str, Any]]],
) -> None:
    """The finding was that the source does not answer, with the advice to check its address."""
    found = doctor_of_feed(9 * DAY)
    assert "access" not in found
    assert found["earliest date"]["key"] == "earliest_date"


def test_files_are_not_blamed_for_ignoring_dates(deployment: Deployment) -> None:
    """The harvester reads them as a whole and selects the records itself. The exit status was 1."""
    path = deployment.folder / "records.jsonl"
    path.write_text(f'{{"id": "a", "updated": "{utc_now() - DAY:%Y-%m-%d}"}}\n')
    kwargs = {"path": str(path), "format": "jsonl", "identifier": "id", "datestamp": "updated"}
    deployment.source("dump", harvester="files", harvester_kwargs=kwargs, transformer=None)
    done = run("doctor", "dump", "--json")
    findings = {finding["topic"]: finding["status"] for finding in done.json["findings"]}
    assert (done.status, findings["selective harvesting"], findings["totals"]) == (0, "ok", "ok")


def test_a_few_details_show_whether_their_address_is_right(deployment: Deployment) -> None:
    """The list of a source with details has no records, and a wrong address of details was not noticed."""
    answers = dict.fromkeys(("x0", "x1", "x2"), (404, b"{}"))
    with serving(ListApi([f"x{number}" for number in range(7)], answers=answers)) as api:
        kwargs = list_kwargs(api, detail={"url": f"{api.url}/works/{{identifier}}", "record": "work"})
        deployment.source("example", harvester="rest", harvester_kwargs=kwargs, transformer=None)
        topics = {found["topic"]: found for found in run("doctor", "example", "--json").json["findings"]}
        plan = run("plan", "example", "--from", "2024-01-01", "--until", "2024-01-11", "--json").json
    assert "a page has 3 records" in topics["page size"]["text"]
    assert (topics["records"]["status"], len(api.details)) == ("problem", 3)
    assert "3 of 3 records are invalid" in topics["records"]["text"]
    assert plan["requests"] > 7


def test_the_plan_of_a_source_with_parents_counts_their_lists(deployment: Deployment) -> None:
    """A list for each of a hundred parents was planned as one request."""
    parents = {name: [f"{name}{number}" for number in range(4)] for name in "abcde"}
    with serving(ListApi([], parents=parents)) as api:
        settings = {"url": f"{api.url}/collections", "records": "items", "value": "id"}
        paging = {"by": "cursor", "path": "next", "param": "cursor"}
        kwargs = list_kwargs(api, path="/collections/{parent}/works", parents={**settings, "next": paging})
        deployment.source("example", harvester="rest", harvester_kwargs=kwargs, transformer=None)
        plan = run("plan", "example", "--from", "2024-01-01", "--until", "2024-01-11", "--json").json
    assert (plan["records"], plan["requests"]) == (20, 7 + 5)
    assert "in the first of 5 lists" in plan["basis"]
