"""`harvest metrics`, on both databases: what it prints is read by the parser of prometheus-client."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update

from harvest_dagster.rate_limits import Limit
from harvest_dagster.records import InvalidRecord
from harvest_dagster.status.metrics import SOURCE_GAUGES
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.harvest_log import quarantine
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseOwner
from harvest_dagster.storage.rate_limit.database_budget import DatabaseBudget
from harvest_dagster.storage.tables import harvest_log
from harvest_dagster.windows import DAY, utc_now
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import Sources

ROOT = Path(__file__).parents[2]


def values(text: str) -> dict[str, float]:
    """Return the samples by name and labels, such as `harvest_gaps a`."""
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@contextmanager
def server(*arguments: str) -> Iterator[str]:
    """Serve the metrics in a process of its own. Yield their address. SIGTERM must end the process with status 0."""
    command = [sys.executable, "-m", "harvest_dagster.cli", "metrics", "--serve", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ}) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert line.startswith("serving metrics at http://"), line
            yield line.split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors


def scrape(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as response:  # noqa: S310
        return str(response.read().decode())


def test_the_metrics_show_coverage_failures_runs_waits_and_the_budget(sources: Sources) -> None:
    """An alert on a metric that is missing never fires."""
    logs = sources.logs("a", rate_limit={"calls": 1, "period": 100})
    logs.harvest("2024-01-01", "2024-01-10")
    logs.fail("2024-01-12")
    log = logs.start(logs.window("2024-01-13"), "run 7")
    with sources.database().begin() as connection:
        quarantine.add_records(connection, log, 0, [InvalidRecord(b"<x/>", "no header")], utc_now())
        leases.acquire(connection, logs.config_id, LeaseOwner("run 7", None))
        connection.execute(
            update(harvest_log)
            .where(harvest_log.c.id == log.id)
            .values(date_started=utc_now(), requests=432, seconds_waited=1.5, recoveries=2)
        )
    budget = DatabaseBudget(sources.database())
    budget.reserve("a.example.org", Limit(1, 100))
    budget.pause("a.example.org", 600)
    found = values(run("metrics").out)
    assert found["harvest_up"] == found["harvest_sources"] == 1
    assert found["harvest_complete_until_timestamp_seconds a"] == logs.window("2024-01-10").end.timestamp()
    assert found["harvest_lag_seconds a"] > DAY.total_seconds() * 300
    assert (found["harvest_missing_days a"], found["harvest_gaps a"]) == (1, 1)
    assert (found["harvest_failed_windows a"], found["harvest_active_windows a"]) == (1, 1)
    assert (found["harvest_lease_held a"], found["harvest_quarantined_records a"]) == (1, 1)
    assert found["harvest_rate_limit_wait_seconds_last_day a"] == 1.5
    assert (found["harvest_requests_last_day a"], found["harvest_recoveries_last_day a"]) == (432, 2)
    assert 590 < found["harvest_wait_seconds a"] <= 600
    host = {name.split()[0]: value for name, value in found.items() if name.endswith(" a.example.org")}
    assert host["harvest_host_requests_allowed_per_day"] == 864
    assert host["harvest_host_budget_use_ratio"] == 0.5
    assert host["harvest_host_requests_total"] == 1


def test_each_source_is_a_label_and_unused_ones_are_left_out(small_sources: Sources) -> None:
    """242 bundled sources that nobody uses would be 6,000 time series."""
    small_sources.logs("a", transformer="oai_dc").harvest("2024-01-01")
    small_sources.write("unused", disabled=True)
    small_sources.logs("stopped", disabled=True).harvest("2024-01-01")
    text = run("metrics").out
    found = values(text)
    assert found["harvest_sources"] == 2
    assert "unused" not in text
    assert (found["harvest_source_disabled a"], found["harvest_source_disabled stopped"]) == (0, 1)
    assert found["harvest_transforms a PENDING"] == 0
    assert "harvest_transforms stopped PENDING" not in found


def test_names_and_errors_of_sources_are_no_labels(
    small_sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text in a label is a new time series for each error, and may contain a secret."""
    monkeypatch.setenv("KEY", "very-secret-key")
    logs = small_sources.logs("a", name="Name of the source")
    small_sources.write(
        "b", harvester_kwargs={"base_url": "https://${KEY}.example.org/oai", "metadata_prefix": "oai_dc"}
    )
    logs.fail("2024-01-01", error="the server is down")
    text = run("metrics").out
    assert not any(words in text for words in ("Name of", "server is down", "very-secret-key", "KEY"))
    labels = {
        name
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        for name in sample.labels
    }
    assert labels == {"source", "host"}


def test_json_has_the_same_samples(small_sources: Sources) -> None:
    """Scripts read JSON, as from every command."""
    small_sources.logs("a").harvest("2024-01-01", "2024-01-10")
    (gauge,) = [one for one in run("metrics", "--json").json if one["name"] == "harvest_failed_windows"]
    assert gauge["type"] == "gauge"
    assert gauge["samples"] == [{"name": "harvest_failed_windows", "labels": {"source": "a"}, "value": 0.0}]


def test_a_file_is_replaced_as_a_whole(small_sources: Sources, tmp_path: Path) -> None:
    """Node exporter would read a part of it."""
    small_sources.logs("a").harvest("2024-01-01")
    path = tmp_path / "harvest.prom"
    path.write_text("old")
    assert run("metrics", "--output", str(path), "--json").json == {
        "path": str(path),
        "bytes": path.stat().st_size,
    }
    assert values(path.read_text())["harvest_up"] == 1
    assert [file.name for file in tmp_path.glob("harvest.prom*")] == [path.name]
    done = run("metrics", "--output", str(tmp_path / "missing" / "harvest.prom"))
    assert (done.status, done.err.count("\n")) == (1, 1)


def test_the_server_reads_the_database_at_each_scrape(small_sources: Sources) -> None:
    """Metrics of the time of the start would never raise an alert."""
    logs = small_sources.logs("a")
    with server("127.0.0.1:0") as address:
        assert "harvest_complete_until_timestamp_seconds a" not in values(scrape(address))
        logs.harvest("2024-01-01")
        assert "harvest_complete_until_timestamp_seconds a" in values(scrape(address))
        small_sources.write("b")
        assert values(scrape(address))["harvest_sources"] == 2


def test_a_database_that_cannot_be_read_is_harvest_up_0(
    small_sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrape that fails looks like a server that is down, and a person would restart it."""
    small_sources.logs("a").harvest("2024-01-01")
    monkeypatch.setenv("HARVEST_DATABASE_URL", "postgresql://harvest:very-secret@127.0.0.1:1/harvest")
    with server("127.0.0.1:0") as address:
        assert values(scrape(address)) == {"harvest_up": 0}
    done = run("metrics")
    assert (done.status, "very-secret" in done.err) == (1, False)


def test_only_a_port_listens_on_the_loopback_interface(small_sources: Sources) -> None:
    """The server has no login."""
    small_sources.write("a")
    with server("0") as address:
        assert address.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:", "127.0.0.1:99999", ":x"])
def test_a_wrong_address_is_an_error_of_the_command_line(address: str) -> None:
    """A script must not wait for a server that never starts."""
    assert run("metrics", "--serve", address).status == 2
    assert run("metrics", "--serve", "0", "--json").status == 2


def test_an_address_in_use_is_one_line(small_sources: Sources) -> None:
    """A traceback does not say what to do."""
    small_sources.write("a")
    with server("127.0.0.1:0") as address:
        done = run("metrics", "--serve", address.removeprefix("http://").removesuffix("/metrics"))
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "Name another address" in done.err


def test_a_scrape_of_many_sources_needs_as_many_statements_as_one(
    small_sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement for each source would take minutes with a thousand sources."""
    counts = []
    opened = Database.open_existing
    from sqlalchemy import event

    def counting(url: str) -> Database | None:
        database = opened(url)
        if database is not None:
            event.listen(database.engine, "before_cursor_execute", lambda *_: counts.append(1))
        return database

    monkeypatch.setattr(Database, "open_existing", counting)
    numbers = []
    for label in ("a", "b", "c"):
        small_sources.logs(label).harvest("2024-01-01")
        counts.clear()
        run("metrics")
        numbers.append(len(counts))
    assert len(set(numbers)) == 1
    assert numbers[0] > 0


def test_the_documentation_lists_every_metric(small_sources: Sources) -> None:
    """People write alerts from the table."""
    small_sources.logs("a", transformer="oai_dc").harvest("2024-01-01")
    text = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    for family in text_string_to_metric_families(run("metrics").out):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"`{name}`" in text, name
    assert all(f"`harvest_{gauge.name}`" in text for gauge in SOURCE_GAUGES)


def test_the_delivered_alerts_use_metrics_that_exist(small_sources: Sources) -> None:
    """An alert on a misspelt metric never fires."""
    small_sources.logs("a", transformer="oai_dc").harvest("2024-01-01")
    known = {family.name for family in text_string_to_metric_families(run("metrics").out)}
    (group,) = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]:
        used = set(re.findall(r"harvest_\w+", rule["expr"]))
        assert used, rule
        assert used <= known, rule
