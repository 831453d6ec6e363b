"""`harvest deletions`: list, approve, undo, on both databases."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from sqlalchemy import select

from harvest_dagster.records import Record
from harvest_dagster.storage.deletions import absences
from harvest_dagster.storage.lease import leases
from harvest_dagster.storage.lease.leases import LeaseOwner
from harvest_dagster.storage.raw_data.store import store_records
from harvest_dagster.storage.tables import ingest_log, raw_datum, source_unique_identifier
from harvest_dagster.windows import utc_now
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import SourceLogs, Sources

STAMP = datetime(2024, 1, 1, 10, tzinfo=timezone.utc)
SINCE = datetime(2024, 2, 1, tzinfo=timezone.utc)


def hold(logs: SourceLogs, *identifiers: str) -> None:
    """Store three records, and hold the deletion of these."""
    with logs.database.begin() as connection:
        records = [Record(one, STAMP, False, f"content of {one}") for one in "abc"]
        store_records(connection, logs.config_id, records, utc_now())
        found = connection.execute(
            select(source_unique_identifier.c.id)
            .where(source_unique_identifier.c.identifier.in_(identifiers))
            .order_by(source_unique_identifier.c.identifier)
        )
        absences.add_absences(connection, logs.config_id, list(found.scalars()), SINCE, "run 1")
        until = SINCE + timedelta(days=1)
        absences.set_evidence(connection, logs.config_id, "absent_twice", until, keep_not_found=False)
        absences.hold_all(connection, logs.config_id)


def deleted(label: str = "a") -> list[str]:
    rows = [json.loads(line) for line in run("records", label).out.splitlines()]
    return sorted(row["identifier"] for row in rows if row["deleted"])


def test_held_deletions_are_listed_approved_and_undone(sources: Sources) -> None:
    """The check of the source names the command. It must show what it would delete, and take it back."""
    hold(sources.logs("a", transformer="oai_dc", deletions={"by": "snapshot"}), "b", "c")
    held = [{"identifier": one, "evidence": "absent_twice", "since": "2024-02-01"} for one in ("b", "c")]
    assert run("deletions", "list", "a", "--json").json == held
    assert "absent_twice" in run("deletions", "list", "a").out

    approved = run("deletions", "approve", "a", "--json")
    decision = approved.json["decision"]
    assert (approved.status, approved.json) == (0, {"decision": decision, "deleted": 2})
    assert deleted() == ["b", "c"]
    assert run("deletions", "list", "a", "--json").json == []
    assert run("deletions", "list", "a", "--decision", str(decision), "--json").json == held
    with sources.database().read() as connection:
        queued = select(ingest_log.c.status, ingest_log.c.partition_date).join_from(ingest_log, raw_datum)
        assert set(connection.execute(queued.where(raw_datum.c.deleted))) == {("PENDING", STAMP.date())}
    assert "`harvest replay a --failed --now`" in approved.err
    assert run("replay", "a", "--failed", "--now", "--json").json["deleted"] == 2
    again = run("deletions", "approve", "a", "--json")
    assert (again.status, again.json) == (0, {"decision": None, "deleted": 0})
    assert again.err == ""

    undone = run("deletions", "undo", "a", "--json")
    assert (undone.status, undone.json) == (
        0,
        {"decision": decision, "restored": 2, "unchanged": 0, "lost": 0},
    )
    assert "`harvest replay a --failed --now`" in undone.err
    assert deleted() == []
    (row,) = run("deletions", "list", "a", "--decisions", "--json").json
    assert (row["id"], row["records"], row["approved"]) == (decision, 2, True)
    assert row["date_undone"] is not None


def test_nothing_is_approved_for_a_source_whose_own_marks_decide(small_sources: Sources) -> None:
    """Deletions were held before the YAML changed. The documentation says that nothing is concluded from lists."""
    hold(small_sources.logs("a"), "b")
    refused = run("deletions", "approve", "a")
    assert refused.status == 1
    assert "`deletions.by` of a is protocol" in refused.err
    assert deleted() == []


def test_without_a_decision_there_is_nothing_to_undo(small_sources: Sources) -> None:
    """A script must notice a wrong label or a wrong id."""
    hold(small_sources.logs("a", deletions={"by": "snapshot"}))
    for arguments in (["a"], ["a", "--decision", "7"], ["nobody"]):
        done = run("deletions", "undo", *arguments)
        assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    small_sources.write("new")
    assert run("deletions", "undo", "new").status == 1
    assert run("deletions", "list", "new", "--json").json == []
    assert run("deletions", "list", "a", "--decision", "7").status == 1
    assert run("deletions", "list", "a", "--decision", "7", "--decisions").status == 2
    assert run("deletions", "list", "nobody").status == 1


def test_a_decision_is_undone_once(small_sources: Sources) -> None:
    """The second undo would otherwise undo the decision before it."""
    hold(small_sources.logs("a", deletions={"by": "snapshot"}), "b")
    decision = str(run("deletions", "approve", "a", "--json").json["decision"])
    assert run("deletions", "undo", "a", "--decision", decision).status == 0
    again = run("deletions", "undo", "a", "--decision", decision)
    assert (again.status, "is undone already" in again.err) == (1, True)


def test_a_source_that_is_harvested_now_is_left_alone(small_sources: Sources) -> None:
    """Two writers would mix their revisions (docs/failures.md#lost-lock-keeps-writing)."""
    logs = small_sources.logs("a", deletions={"by": "snapshot"})
    hold(logs, "b")
    with small_sources.database().begin() as connection:
        leases.acquire(connection, logs.config_id, LeaseOwner("run 9", None))
    done = run("deletions", "approve", "a", "--json")
    assert (done.status, done.out, "run 9" in done.err) == (1, "", True)
    assert deleted() == []


def test_before_the_first_harvest_nothing_is_held(new_sources: Sources) -> None:
    """A script asks before the first harvest."""
    new_sources.write("a")
    assert run("deletions", "list", "a", "--json").json == []
    assert run("deletions", "list", "a").out.split() == ["identifier", "evidence", "since"]
    assert run("deletions", "approve", "a").status == 1
