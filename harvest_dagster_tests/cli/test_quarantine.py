"""`harvest quarantine`: list, show, retry, discard, on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from harvest_dagster.cli.app import harvest
from harvest_dagster.harvesters.oai.single_record import parse_single_record
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.storage.harvest_log import quarantine
from harvest_dagster.storage.harvest_log.queries import HarvestLog
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseOwner
from harvest_dagster.storage.raw_data.store import store_records
from harvest_dagster.storage.tables import ingest_log, raw_datum, source_unique_identifier
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import SourceLogs, Sources

NAMESPACE = 'xmlns="http://www.openarchives.org/OAI/2.0/"'
STAMP = "2024-01-01T10:00:00Z"


def record(identifier: str, title: str = "A", stamp: str = STAMP, namespace: str = NAMESPACE) -> bytes:
    datestamp = f"<datestamp>{stamp}</datestamp>" if stamp else ""
    return (
        f"<record {namespace}><header><identifier>{identifier}</identifier>{datestamp}</header>"
        f"<metadata><title>{title}</title></metadata></record>"
    ).encode()


def quarantined(logs: SourceLogs, *data: bytes, identifier: str | None = None) -> HarvestLog:
    """Quarantine records of January 1st, as a harvest does, and end the harvest."""
    log = logs.start(logs.window("2024-01-01"))
    with logs.database.begin() as connection:
        invalid = [InvalidRecord(datum, "the old parser did not like it", identifier) for datum in data]
        quarantine.add_records(connection, log, 0, invalid, utc_now())
    return logs.end(log)


def stored(sources: Sources) -> list[tuple[str, str, str]]:
    """Return identifier, status and day of the ingest log of all stored data."""
    with sources.database().read() as connection:
        rows = connection.execute(
            select(source_unique_identifier.c.identifier, ingest_log.c.status, ingest_log.c.partition_date)
            .join_from(ingest_log, raw_datum)
            .join(source_unique_identifier)
            .order_by(source_unique_identifier.c.identifier)
        )
        return [(row[0], row[1], row[2].isoformat()) for row in rows]


def test_records_are_listed_with_their_place_and_error(sources: Sources) -> None:
    """Another harvester did not say which record failed (docs/failures.md#report-without-numbers)."""
    log = quarantined(sources.logs("a"), b"<broken", record("x"))
    quarantined(sources.logs("b"), b"<broken")
    found = run("quarantine", "list", "a", "--json").json
    assert [(one["label"], one["size"], one["window"]) for one in found] == [
        ("a", 7, ["2024-01-01", "2024-01-02"]),
        ("a", len(record("x")), ["2024-01-01", "2024-01-02"]),
    ]
    assert found[0]["harvest_log_id"] == log.id
    assert len(run("quarantine", "list", "--json").json) == 3
    rest = run("quarantine", "list", "--json", "--limit", "1", "--after", str(found[0]["id"]))
    assert [one["id"] for one in rest.json] == [found[1]["id"]]
    assert "the old parser did not like it" in run("quarantine", "list").out


def test_without_a_database_the_list_is_empty(new_sources: Sources) -> None:
    """A script asks before the first harvest."""
    new_sources.write("a")
    assert run("quarantine", "list", "--json").json == []
    done = run("quarantine", "discard", "--label", "a")
    assert (done.status, done.err.count("\n")) == (1, 1)


def test_show_gives_the_bytes_and_obeys_no_escape_sequence(small_sources: Sources) -> None:
    """A terminal would obey what a source sends."""
    datum = b"<broken \x1b[31m\xff"
    quarantined(small_sources.logs("a"), datum)
    (row,) = run("quarantine", "list", "--json").json
    key = str(row["id"])
    assert run("quarantine", "show", key, "--json").json["datum"] == "<broken \x1b[31m\ufffd"
    shown = run("quarantine", "show", key).out
    assert "\x1b" not in shown
    assert r"<broken \x1b[31m" in shown
    assert CliRunner().invoke(harvest, ["quarantine", "show", key, "--raw"]).stdout_bytes == datum
    assert run("quarantine", "show", "999").status == 1
    assert run("quarantine", "show", key, "--raw", "--json").status == 2


def test_a_retried_record_passes_through_the_steps_of_a_harvest(sources: Sources) -> None:
    """It must be stored, versioned and queued, as if the harvest had read it at once."""
    quarantined(sources.logs("a", transformer="oai_dc"), record("y"), b"<broken", record("x", namespace=""))
    done = run("quarantine", "retry", "--label", "a", "--json")
    assert done.status == 1
    assert {name: len(keys) for name, keys in done.json.items()} == {
        "stored": 2,
        "superseded": 0,
        "invalid": 1,
        "unsupported": 0,
    }
    assert stored(sources) == [("x", "PENDING", "2024-01-01"), ("y", "PENDING", "2024-01-01")]
    (left,) = run("quarantine", "list", "--json").json
    assert left["id"] == done.json["invalid"][0]
    assert "not well-formed" in left["error"] or "end" in left["error"]
    again = run("quarantine", "retry", str(done.json["stored"][0]), "--json")
    assert (again.status, again.json["stored"]) == (1, [])


def test_a_retry_never_replaces_what_arrived_later(sources: Sources) -> None:
    """Without datestamps, the last record to arrive wins, and a retry would bring back the older one."""
    logs = sources.logs("a")
    quarantined(logs, record("x", "old", stamp=""), record("y", "old"))
    at = datetime(2024, 1, 1, 10, tzinfo=timezone.utc)
    with sources.database().begin() as connection:
        later = [Record("x", None, False, "new"), Record("y", at, False, "new")]
        store_records(connection, logs.config_id, later, utc_now() + timedelta(seconds=1))
    found = run("quarantine", "retry", "--label", "a", "--json").json
    assert (len(found["superseded"]), found["stored"]) == (2, [])
    with sources.database().read() as connection:
        assert set(connection.scalars(select(raw_datum.c.datum))) == {"new"}
    assert run("quarantine", "list", "--json").json == []


def test_a_source_that_is_harvested_now_is_left_alone(small_sources: Sources) -> None:
    """Two writers would mix their revisions (docs/failures.md#lost-lock-keeps-writing)."""
    logs = small_sources.logs("a")
    quarantined(logs, record("x"))
    with small_sources.database().begin() as connection:
        leases.acquire(connection, logs.config_id, LeaseOwner("run 9", None))
    done = run("quarantine", "retry", "--label", "a", "--json")
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert "run 9 has been harvesting" in done.err
    assert len(run("quarantine", "list", "--json").json) == 1


def test_the_lease_is_free_after_a_retry(small_sources: Sources) -> None:
    """The next harvest would wait for a minute."""
    logs = small_sources.logs("a")
    quarantined(logs, record("x"))
    assert run("quarantine", "retry", "--label", "a").status == 0
    assert run("status", "a", "--json").json["lease"] is None


def test_records_are_discarded_by_id_or_by_source(sources: Sources) -> None:
    """A person has decided that they are of no use."""
    quarantined(sources.logs("a"), b"1", b"2", b"3")
    quarantined(sources.logs("b"), b"4")
    first = run("quarantine", "list", "--json").json[0]["id"]
    assert run("quarantine", "discard", str(first), "--json").json == {"discarded": 1}
    assert run("quarantine", "discard", str(first)).status == 1
    assert run("quarantine", "discard", "--label", "a", "--json").json == {"discarded": 2}
    assert [one["label"] for one in run("quarantine", "list", "--json").json] == ["b"]


@pytest.mark.parametrize("command", ["retry", "discard"])
def test_nothing_is_chosen_by_default(small_sources: Sources, command: str) -> None:
    """A forgotten argument must not delete everything."""
    assert run("quarantine", command).status == 2
    assert run("quarantine", command, "1", "--label", "a").status == 2
    assert run("quarantine", command, "--label", "unknown").status == 1


def test_a_record_of_a_page_that_was_not_well_formed_is_parsed_without_its_namespaces() -> None:
    """The quarantine has the bytes of the record only, and the page declared the prefix."""
    datum = record("x").replace(b"<", b"<o:").replace(b"<o:/", b"</o:").replace(NAMESPACE.encode(), b"")
    found = parse_single_record(datum)
    assert isinstance(found, Record)
    expected = parse_single_record(record("x"))
    assert isinstance(expected, Record)
    assert (found.identifier, found.datestamp, found.hash) == (
        expected.identifier,
        expected.datestamp,
        expected.hash,
    )


def test_a_whole_response_to_get_record_is_parsed() -> None:
    """Recovery quarantines the whole page of a single record."""
    page = (
        f"<OAI-PMH {NAMESPACE}><GetRecord>".encode() + record("x", namespace="") + b"</GetRecord></OAI-PMH>"
    )
    found = parse_single_record(page)
    assert isinstance(found, Record)
    assert found.hash == parse_single_record(record("x")).hash  # type: ignore[union-attr]
    assert isinstance(parse_single_record(page.replace(b"GetRecord", b"Identify")), InvalidRecord)
