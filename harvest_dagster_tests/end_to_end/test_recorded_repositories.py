"""Harvests of recorded repositories, which OAI-PMH servers of other projects serve.

The tests compare the database with the recorded responses as lxml alone parses them: every identifier, datestamp,
deletion and blob exactly once, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import dagster as dg
import pytest

from harvest_dagster_tests.databases import SLOW_ON_POSTGRESQL
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
# The database makes no difference for these tests. Other tests of this folder run on both databases.
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
CHRISTMAS = ("2014-12-24", "2014-12-26")


def assert_arrived(deployment: Deployment, label: str, expected: Mapping[str, Item]) -> None:
    """Assert that every identifier, datestamp, deletion and blob is stored once and that the spool is empty."""
    data = deployment.data(label)
    assert sorted(stored.identifier for stored in data) == sorted(expected)
    for stored in data:
        item = expected[stored.identifier]
        assert (stored.datestamp, stored.deleted) == (item.datestamp, item.deleted)
        assert stored.blob == item.blob
    assert deployment.spooled() == []


def assert_transformed(deployment: Deployment, label: str, expected: Mapping[str, Item]) -> None:
    """Assert one document for each live record, one deletion for each deleted record, and that all logs SUCCEEDED."""
    titles = {item.identifier: item.title for item in expected.values() if not item.deleted}
    documents = deployment.documents(label)
    assert documents.keys() == expected.keys()
    assert {key: document["title"] for key, document in documents.items() if document is not None} == titles
    logs = deployment.ingest_logs(label)
    assert len(logs) == len(expected)
    assert {(log.status, log.error) for log in logs} == {("SUCCEEDED", None)}
    assert all(log.partition_date == expected[log.identifier].datestamp.date() for log in logs)


def assert_counted(log, expected: Mapping[str, Item], served: Served) -> None:
    """Assert that the log of a harvest has the right counts. The server has counted the requests."""
    assert (log.status, log.error, log.completions) == ("SUCCEEDED", None, 1)
    assert (log.records, log.new_identifiers, log.new_data) == (len(expected),) * 3
    assert log.deleted == sum(item.deleted for item in expected.values())
    assert log.quarantined == 0
    # The lists of single days that show how the source treats the ends of a window have no page.
    assert 0 <= len(served.lists) - log.pages <= 6
    assert log.requests == len(served.requests)


def numbers(result: dg.ExecuteInProcessResult, kind: str, label: str) -> dict[str, dict[str, object]]:
    """Return the metadata of the materializations of an asset, by partition."""
    events = result.get_asset_materialization_events()
    return {
        event.partition: {name: value.value for name, value in event.materialization.metadata.items()}
        for event in events
        if event.asset_key == dg.AssetKey([kind, label])
    }


def christmas() -> Repository:
    """Return two days of PubMed Central and arXiv from the recordings of scrapi, with sets and without deletions."""
    return recorded_repository("scrapi_oai_and_rest", "pubmedcentral|arxiv_oai", DAYS)


def arxiv() -> Repository:
    """Return the records of arXiv."""
    return recorded_repository("scrapi_oai_and_rest", "arxiv_oai", DAYS)


@requires_recorded
@SERVERS
def test_a_repository_with_day_granularity_is_harvested_completely(deployment, server) -> None:
    """Large repositories of the first users have day granularity, many pages and sets."""
    expected = christmas().within(window(*CHRISTMAS))
    assert len(expected) > 1500
    with serve(server(christmas())) as served:
        deployment.source("christmas", served.url, earliest_date="2014-12-01")
        result = deployment.materialize("christmas", "2014-12-24", "2014-12-25")
    assert_arrived(deployment, "christmas", expected)
    assert_transformed(deployment, "christmas", expected)
    (log,) = deployment.harvest_logs("christmas")
    assert_counted(log, expected, served)
    # oai-repo sends completeListSize, oaipmh does not
    total = len(expected) if server is oai_repository else None
    assert (log.expected, log.completeness) == (total, "complete" if total else "unverified")
    assert served.lists[0] == {
        "verb": "ListRecords",
        "metadataPrefix": "oai_dc",
        "from": "2014-12-23",  # with a day more at each end, because nothing is known yet
        "until": "2014-12-26",
    }
    counted = Counter(item.datestamp.date().isoformat() for item in expected.values())
    raw, transformed = (numbers(result, kind, "christmas") for kind in ("raw", "transformed"))
    assert raw.keys() == transformed.keys() == counted.keys()
    for day, count in counted.items():
        assert (raw[day]["records"], transformed[day]["transformed"]) == (count, count)
        assert raw[day]["completeness"] == log.completeness


@pytest.mark.slow
@requires_recorded
@ON_POSTGRESQL
def test_harvests_of_single_partitions_give_the_same_result_as_a_range(deployment) -> None:
    """Adjacent windows must neither share a day nor lose one: docs/failures.md#inclusive-until"""
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
def test_the_same_records_from_another_server_count_as_unchanged(deployment) -> None:
    """Servers write different prefixes, white space and declarations: docs/failures.md#noise-counts-as-change"""
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
def test_a_harvested_day_is_not_requested_again(deployment) -> None:
    """A second run must succeed and send no request: docs/failures.md#second-run-breaks-job"""
    with serve(oaipmh(arxiv())) as served:
        deployment.source("arxiv", served.url, earliest_date="2014-12-01")
        deployment.materialize("arxiv", "2014-12-24", "2014-12-24")
        requests = len(served.requests)
        deployment.materialize("arxiv", "2014-12-24", "2014-12-24")
        assert len(served.requests) == requests
    assert len(deployment.harvest_logs("arxiv")) == 1


@requires_recorded
@SERVERS
@pytest.mark.parametrize("sets", [("publication:utk-law",), ("publication:utk-coll", "publication:utk-grad")])
def test_sets_of_a_repository_with_second_granularity_are_harvested_completely(
    deployment, server, sets
) -> None:
    """University of Tennessee: a record that is in both sets is delivered twice and must be stored once."""
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
    first = [arguments for arguments in served.lists if "resumptionToken" not in arguments]
    assert [arguments["set"] for arguments in first] == list(sets)
    assert {(arguments["from"], arguments["until"]) for arguments in first} == {
        ("2015-09-02T23:59:59Z", "2015-09-08T00:00:00Z")
    }


@requires_recorded
@ON_SQLITE
@pytest.mark.parametrize("prefix", ["oai_dc", "datacite"])
def test_zenodo_is_harvested_completely_in_each_format(deployment, prefix) -> None:
    """The job `harvest` between two instants, with deletions and another format than Dublin Core."""
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
def test_the_sample_of_sixty_repositories_is_harvested_completely(deployment) -> None:
    """SHARE's sample of list pages: 5,000 records of all kinds over thirteen years, in windows of one year."""
    repository = recorded_repository("share_sample_harvester_data", "")
    expected = repository.within(window("2004-01-01", "2017-01-01"))
    assert len(expected) > 5000
    assert sum(item.deleted for item in expected.values()) > 20
    with serve(oaipmh(repository, page_size=500)) as served:
        deployment.source("share", served.url, max_window="366d")
        deployment.harvest("share", "2004-01-01", "2017-01-01")
    assert_arrived(deployment, "share", expected)
    parent, *windows = deployment.harvest_logs("share")
    assert parent.status == "SPLIT"
    assert {(log.status, log.parent_id) for log in windows} == {("SUCCEEDED", parent.id)}
    assert len(windows) == 13
    assert all(log.end_date == following.start_date for log, following in pairwise(windows))
    assert sum(log.new_data for log in windows) == len(expected)
    assert {log.status for log in deployment.ingest_logs("share")} == {"PENDING"}


@SLOW_ON_POSTGRESQL
def test_medline_is_harvested_with_its_deletions(deployment) -> None:
    """3,000 citations and 20 deletions of a PubMed update file, without the records before the range."""
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
    assert sum(metadata["records_deleted"] for metadata in by_day.values()) == 20
    assert sum(metadata["transformed"] for metadata in by_day.values()) == len(expected) - 20
