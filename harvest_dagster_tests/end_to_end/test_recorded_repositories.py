"""Recorded repositories, served by OAI-PMH servers that others wrote, harvested by the whole asset.

What the database holds is compared with what bare lxml reads in the recorded responses: every identifier,
datestamp, deletion and blob, nothing more and nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import dagster as dg
import pytest

from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.end_to_end.repositories import (
    DAYS,
    Item,
    Repository,
    medline,
    recorded_repository,
    window,
)
from harvest_dagster_tests.end_to_end.servers import Served, oai_repository, oaipmh, serve
from harvest_dagster_tests.recorded import requires_recorded

SERVERS = pytest.mark.parametrize(
    ("server", "database_url"),
    [(oaipmh, "sqlite"), (oai_repository, "postgresql")],
    indirect=["database_url"],
    ids=["oaipmh-sqlite", "oai_repository-postgresql"],
)
# What these show lies above the database; others of this folder run on both.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
CHRISTMAS = ("2014-12-24", "2014-12-26")


def assert_arrived(deployment: Deployment, label: str, expected: Mapping[str, Item]) -> None:
    """Every identifier, datestamp, deletion and blob, each once; nothing is left in the spool."""
    data = deployment.data(label)
    assert sorted(stored.identifier for stored in data) == sorted(expected)
    for stored in data:
        item = expected[stored.identifier]
        assert (stored.datestamp, stored.deleted) == (item.datestamp, item.deleted)
        assert stored.blob == item.blob
    assert deployment.spooled() == []


def assert_transformed(deployment: Deployment, label: str, expected: Mapping[str, Item]) -> None:
    """A document for each live record, a deletion for each deleted one, every log SUCCEEDED in its partition."""
    titles = {item.identifier: item.title for item in expected.values() if not item.deleted}
    documents = deployment.documents(label)
    assert documents.keys() == expected.keys()
    assert {key: document["title"] for key, document in documents.items() if document is not None} == titles
    logs = deployment.ingest_logs(label)
    assert len(logs) == len(expected)
    assert {(log.status, log.error) for log in logs} == {("SUCCEEDED", None)}
    assert all(log.partition_date == expected[log.identifier].datestamp.date() for log in logs)


def assert_counted(log, expected: Mapping[str, Item], served: Served) -> None:
    """One harvest's log, its counts, and its requests as the server counted them."""
    assert (log.status, log.error, log.completions) == ("SUCCEEDED", None, 1)
    assert (log.records, log.new_identifiers, log.new_data) == (len(expected),) * 3
    assert log.deleted == sum(item.deleted for item in expected.values())
    assert log.quarantined == 0
    assert log.pages == len(served.lists)
    assert log.requests == len(served.asked)


def numbers(result: dg.ExecuteInProcessResult, kind: str, label: str) -> dict[str, dict[str, object]]:
    """The metadata of an asset's materializations, by partition."""
    events = result.get_asset_materialization_events()
    return {
        event.partition: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in events
        if event.asset_key == dg.AssetKey([kind, label])
    }


def christmas() -> Repository:
    """PubMed Central and arXiv of two days, of the many lists that scrapi recorded: sets, no deletions."""
    return recorded_repository("scrapi_oai_and_rest", "pubmedcentral|arxiv_oai", DAYS)


def arxiv() -> Repository:
    """arXiv alone."""
    return recorded_repository("scrapi_oai_and_rest", "arxiv_oai", DAYS)


@requires_recorded
@SERVERS
def test_a_repository_with_days_arrives_over_a_range_of_partitions(deployment, server) -> None:
    """Day granularity, many pages, sets: what the first users harvest first."""
    expected = christmas().within(window(*CHRISTMAS))
    assert len(expected) > 1500
    with serve(server(christmas())) as served:
        deployment.source("christmas", served.url, earliest_date="2014-12-01")
        result = deployment.materialize("christmas", "2014-12-24", "2014-12-25")
    assert_arrived(deployment, "christmas", expected)
    assert_transformed(deployment, "christmas", expected)
    (log,) = deployment.harvest_logs("christmas")
    assert_counted(log, expected, served)
    # oaipmh gives no completeListSize, oai-repo does
    total = len(expected) if server is oai_repository else None
    assert (log.expected, log.completeness) == (total, "complete" if total else "unverified")
    assert served.lists[0] == {
        "verb": "ListRecords",
        "metadataPrefix": "oai_dc",
        "from": "2014-12-24",
        "until": "2014-12-25",
    }
    counted = Counter(item.datestamp.date().isoformat() for item in expected.values())
    raw, transformed = (numbers(result, kind, "christmas") for kind in ("raw", "transformed"))
    assert raw.keys() == transformed.keys() == counted.keys()
    for day, count in counted.items():
        assert (raw[day]["records"], transformed[day]["transformed"]) == (count, count)
        assert raw[day]["run_records"] == raw[day]["run_new_data"] == len(expected)
        assert raw[day]["run_requests"] == len(served.asked)
        assert raw[day]["run_bytes"] == log.bytes > 0
        assert raw[day]["completeness"] == log.completeness


@requires_recorded
@ON_POSTGRESQL
def test_partition_by_partition_brings_the_same_as_a_range(deployment) -> None:
    """Lesson 24: neighbouring windows neither share a day nor lose one."""
    repository = arxiv()
    with serve(oaipmh(repository)) as served:
        deployment.source("arxiv", served.url, earliest_date="2014-12-01")
        for day in ("2014-12-25", "2014-12-23", "2014-12-24"):
            deployment.materialize("arxiv", day, day)
    expected = repository.within(window("2014-12-23", "2014-12-26"))
    assert_arrived(deployment, "arxiv", expected)
    assert_transformed(deployment, "arxiv", expected)
    logs = deployment.harvest_logs("arxiv")
    assert [log.start_date.day for log in logs] == [23, 24, 25]
    assert sum(log.new_data for log in logs) == sum(log.records for log in logs) == len(expected)


@requires_recorded
@ON_SQLITE
def test_another_server_that_writes_the_same_brings_nothing_new(deployment) -> None:
    """Lesson 28: prefixes, white space and the place of declarations differ from server to server."""
    repository = arxiv()
    expected = repository.within(window(*CHRISTMAS))
    for server, new in ((oaipmh, len(expected)), (oai_repository, 0)):
        with serve(server(repository, page_size=250)) as served:
            deployment.source("arxiv", served.url, earliest_date="2014-12-01")
            deployment.materialize("arxiv", "2014-12-24", "2014-12-25", superfluous=True)
        (log,) = deployment.harvest_logs("arxiv")
        assert (log.records, log.new_identifiers, log.new_data) == (len(expected), new, new)
    assert log.completions == 2
    assert_arrived(deployment, "arxiv", expected)


@requires_recorded
@ON_POSTGRESQL
def test_what_was_harvested_is_not_asked_for_again(deployment) -> None:
    """Lesson 14: a second run of what succeeded is a success, and costs the source nothing."""
    with serve(oaipmh(arxiv())) as served:
        deployment.source("arxiv", served.url, earliest_date="2014-12-01")
        deployment.materialize("arxiv", "2014-12-24", "2014-12-24")
        asked = len(served.asked)
        deployment.materialize("arxiv", "2014-12-24", "2014-12-24")
        assert len(served.asked) == asked
    assert len(deployment.harvest_logs("arxiv")) == 1


@requires_recorded
@SERVERS
@pytest.mark.parametrize("sets", [("publication:utk-law",), ("publication:utk-coll", "publication:utk-grad")])
def test_sets_of_a_repository_with_seconds_arrive(deployment, server, sets) -> None:
    """The University of Tennessee: set by set; a record that is in both comes twice and is stored once."""
    repository = recorded_repository("scrapi_oai_and_rest", "utktrace|utnknoxville")
    expected = repository.within(window("2015-09-03", "2015-09-08"), *sets)
    with serve(server(repository, page_size=20)) as served:
        deployment.source("utk", served.url, earliest_date="2015-09-01", arguments={"set": list(sets)})
        deployment.materialize("utk", "2015-09-03", "2015-09-07")
    assert_arrived(deployment, "utk", expected)
    assert_transformed(deployment, "utk", expected)
    (log,) = deployment.harvest_logs("utk")
    assert log.records == sum(name in item.sets for item in expected.values() for name in sets)
    assert log.new_data == len(expected)
    first = [asked for asked in served.lists if "resumptionToken" not in asked]
    assert [asked["set"] for asked in first] == list(sets)
    assert {(asked["from"], asked["until"]) for asked in first} == {
        ("2015-09-03T00:00:00Z", "2015-09-07T23:59:59Z")
    }


@requires_recorded
@ON_SQLITE
@pytest.mark.parametrize("prefix", ["oai_dc", "datacite"])
def test_zenodo_arrives_in_each_of_its_formats(deployment, prefix) -> None:
    """Other metadata than Dublin Core, and deletions, by the job `harvest` between two instants."""
    repository = recorded_repository("scythe_zenodo_oai", "", prefix=prefix)
    assert any(item.deleted for item in repository.items)
    expected = repository.within(window("2019-01-01", "2027-01-01"))
    assert len(expected) == len(repository.items)
    with serve(oaipmh(repository, page_size=25)) as served:
        arguments = {"metadata_prefix": prefix}
        deployment.source("zenodo", served.url, arguments=arguments, transformer=None)
        deployment.harvest("zenodo", "2019-01-01", "2027-01-01", no_split=True)
    assert_arrived(deployment, "zenodo", expected)
    (log,) = deployment.harvest_logs("zenodo")
    assert_counted(log, expected, served)
    assert {log.status for log in deployment.ingest_logs("zenodo")} == {"CREATED"}


@requires_recorded
@ON_POSTGRESQL
def test_sixty_repositories_at_once_arrive_over_thirteen_years(deployment) -> None:
    """SHARE's sample of list pages: 5,000 records of all kinds, in windows of a year, each with its log."""
    repository = recorded_repository("share_sample_harvester_data", "")
    expected = repository.within(window("2004-01-01", "2017-01-01"))
    assert len(expected) > 5000
    assert sum(item.deleted for item in expected.values()) > 20
    with serve(oaipmh(repository, page_size=500)) as served:
        deployment.source("share", served.url, max_window="366d")
        deployment.harvest("share", "2004-01-01", "2017-01-01")
    assert_arrived(deployment, "share", expected)
    whole, *parts = deployment.harvest_logs("share")
    assert whole.status == "SPLIT"
    assert {(log.status, log.parent_id) for log in parts} == {("SUCCEEDED", whole.id)}
    assert len(parts) == 13
    assert all(log.end_date == following.start_date for log, following in pairwise(parts))
    assert sum(log.new_data for log in parts) == len(expected)
    assert {log.status for log in deployment.ingest_logs("share")} == {"PENDING"}


def test_medline_arrives_with_its_deletions(deployment) -> None:
    """3,000 citations of an update file of PubMed and its 20 deletions; what is older than the range stays out."""
    repository = medline(3000)
    expected = repository.within(window("2021-06-06", "2021-06-08"))
    assert sum(item.deleted for item in expected.values()) == 20
    assert 2990 < len(expected) < len(repository.items)
    with serve(oaipmh(repository, page_size=500)) as served:
        deployment.source("medline", served.url, earliest_date="2021-06-01")
        result = deployment.materialize("medline", "2021-06-06", "2021-06-07")
    assert_arrived(deployment, "medline", expected)
    assert_transformed(deployment, "medline", expected)
    (log,) = deployment.harvest_logs("medline")
    assert_counted(log, expected, served)
    by_day = numbers(result, "transformed", "medline")
    assert sum(metadata["deleted"] for metadata in by_day.values()) == 20
    assert sum(metadata["transformed"] for metadata in by_day.values()) == len(expected) - 20
