"""`harvest plan`: windows by the rule of the step plan, the rest by the history or one page."""

from __future__ import annotations

from datetime import date

from sqlalchemy import insert

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.diagnosis.backfill import History, estimate
from harvest_dagster.storage.counts import Counts
from harvest_dagster.storage.harvest_log import counters
from harvest_dagster.storage.tables import raw_datum, source_unique_identifier
from harvest_dagster.testing.simulator import Repository, Server, scenario
from harvest_dagster.windows import DAY, Window
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import Sources
from harvest_dagster_tests.end_to_end.deployment import Deployment
from harvest_dagster_tests.storage.configs import NOW

DAYS = Repository(first_day=date(2024, 1, 1), days=20, records_per_day=100, page_size=50)
RANGE = ("--from", "2024-01-01", "--until", "2024-01-21")


def test_a_source_without_history_is_asked_for_one_page(deployment: Deployment) -> None:
    """A person decides by these numbers whether a backfill takes a minute or a month."""
    with Server(DAYS) as server:
        limit = {"calls": 1, "period": 2}
        keys = {"earliest_date": "2024-01-01", "max_window": "5d"}
        deployment.source("slow", server.url, rate_limit={"calls": 100, "period": 200}, **keys)
        plan = run("plan", "slow", *RANGE, "--json").json
        requests = len(server.requests)
        deployment.source("offline", server.url, rate_limit=limit, **keys)
        offline = run("plan", "offline", *RANGE, "--offline", "--json").json
        assert len(server.requests) == requests == 2  # Identify, and one page
    assert (plan["windows"], plan["records"]) == (4, 2000)
    assert plan["requests"] == 4 * (10 + 1)  # ten pages of 50 records, and Identify, for each window
    assert plan["seconds"] == 2 * plan["requests"]
    assert 2000 * 1000 < plan["bytes"] < 2000 * 10_000
    assert "one page of 50 records, with a total of 2,000" in plan["basis"]
    assert (offline["windows"], offline["requests"], offline["bytes"]) == (4, None, None)


def test_without_a_total_the_number_of_records_is_not_known(deployment: Deployment) -> None:
    """An invented number would be taken for a promise."""
    with Server(DAYS, behaviours=scenario.parse_behaviours(["total-none"])) as server:
        deployment.source("example", server.url, earliest_date="2024-01-01")
        done = run("plan", "example", *RANGE)
    assert done.status == 0
    assert "not known" in done.out
    assert "the number of records is not known" in done.out


def test_days_before_the_first_partition_are_left_out(small_sources: Sources) -> None:
    """No backfill requests them, so an estimate with them is too high. The number of days is a whole number."""
    small_sources.write("example", earliest_date="2024-01-11", settle="0s")
    done = run("plan", "example", *RANGE, "--offline")
    assert "the days before 2024-01-11 are left out" in done.err
    (days,) = [line.split() for line in done.out.splitlines() if line.startswith("days")]
    assert days == ["days", "10"]
    assert run("plan", "example", *RANGE, "--offline", "--json").json["from"] == "2024-01-11"
    small_sources.write("example", earliest_date="2024-02-01", settle="0s")
    before = run("plan", "example", *RANGE, "--offline")
    assert before.status == 1
    assert "is before 2024-02-01, the earliest_date of example" in before.err


def test_covered_days_are_left_out(sources: Sources) -> None:
    """The plan must be that of a run: what is covered costs nothing."""
    logs = sources.logs("example", max_window="10d", settle="0s")
    logs.harvest("2024-01-05", "2024-01-08")
    plan = run("plan", "example", *RANGE, "--offline", "--json").json
    assert (plan["windows"], plan["days"]) == (3, 16)
    logs.harvest("2024-01-01", "2024-01-20")
    covered = run("plan", "example", *RANGE, "--json").json
    assert (covered["windows"], covered["requests"], covered["bytes"]) == (0, 0, 0)
    assert covered["basis"] == "the whole range is covered"


def test_the_history_of_the_source_decides_on_both_databases(sources: Sources) -> None:
    """After the first harvests, the numbers must be those of this source, and no request is needed."""
    limit = {"calls": 1, "period": 3}
    logs = sources.logs("example", max_window="10d", settle="0s", rate_limit=limit, transformer="oai_dc")
    log = logs.harvest("2024-01-01", "2024-01-10")
    counts = Counts(pages=10, records=1000, requests=12, bytes=1_000_000)
    with logs.database.begin() as connection:
        counters.add_counts(connection, log.id, counts)
        suid = connection.execute(
            insert(source_unique_identifier)
            .values(ingest_config_id=logs.config_id, identifier="a")
            .returning(source_unique_identifier.c.id)
        ).scalar_one()
        datum = {"hash": bytes(32), "datum": "é" * 500, "deleted": False, "date_created": NOW}
        connection.execute(insert(raw_datum).values(suid_id=suid, **datum))
    plan = run("plan", "example", "--from", "2024-01-11", "--until", "2024-01-31", "--json").json
    assert (plan["windows"], plan["days"], plan["records"]) == (2, 20, 2000)
    assert plan["requests"] == 2 * (10 + 2)  # ten pages and two other requests for each window
    assert plan["seconds"] >= 3 * 24
    assert plan["bytes"] == 2000 * (1000 + 950)
    assert plan["basis"] == "harvested windows (1) of 10 days with 1,000 records"


def test_the_time_includes_the_waits_for_the_hours() -> None:
    """A backfill that takes ten hours of requests takes ten days if the source may be asked for an hour a day."""
    windows, history = (
        [Window(NOW - 20 * DAY, NOW)],
        History("a test", records_per_day=10.0, page_size=10.0, requests_per_window=0.0),
    )
    values = {"label": "a", "harvester": "oai", "rate_limit": {"calls": 1, "period": 1800.0}}
    hours = {"hours": ["08:00-08:30", "20:00-20:30 Asia/Tokyo"]}
    always, hourly = (
        estimate(IngestConfig.model_validate({**values, **keys}), windows, history, NOW)
        for keys in ({}, hours)
    )
    assert (always.requests, hourly.requests, always.seconds) == (20, 20, 10 * 3600)
    assert 9 * 86_400 < (hourly.seconds or 0) <= 10 * 86_400
    assert (
        "10:00:00 of requests, sent only in the hours 08:00-08:30 and 20:00-20:30 Asia/Tokyo" in hourly.basis
    )


def test_a_snapshot_costs_one_list_whatever_the_range(deployment: Deployment) -> None:
    """A person would otherwise wait for a time that is much too long, or far too short."""
    with Server(DAYS) as server:
        deployment.source("whole", server.url, earliest_date="2014-01-01", selective=False)
        ten_years = run("plan", "whole", "--from", "2014-01-01", "--until", "2024-01-01", "--json").json
        one_day = run("plan", "whole", "--from", "2024-01-05", "--until", "2024-01-06", "--json").json
        assert not any("from" in request.parameters for request in server.requests)
    for plan in (ten_years, one_day):
        assert (plan["windows"], plan["records"], plan["requests"]) == (1, 2000, 41)
        assert "one list of the whole source" in plan["basis"]
