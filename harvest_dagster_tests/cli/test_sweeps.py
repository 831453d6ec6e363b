"""What `harvest status`, `list` and `history` show of sweeps, snapshots and held deletions."""

from __future__ import annotations

from datetime import datetime, timezone

from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import Sources
from harvest_dagster_tests.orchestration.sweep_rows import add_sweep, hold_deletions

NOON = datetime(2024, 5, 15, 12, tzinfo=timezone.utc)


def test_the_last_sweep_and_held_deletions_are_shown(sources: Sources) -> None:
    """An operator must see in the terminal that a source waits for an approval."""
    logs = sources.logs("a", reconcile="0 4 * * 0", deletions={"by": "reconcile", "most": {"count": 1}})
    logs.harvest("2024-01-01")
    sources.logs("never")
    with sources.database().begin() as connection:
        add_sweep(
            connection, logs.config_id, NOON, listed=8, known=10, gone=2, held=2, examples={"gone": ["oai:1"]}
        )
        add_sweep(connection, logs.config_id, NOON.replace(hour=14), status="STARTED", completeness=None)
        hold_deletions(connection, logs.config_id, 2, NOON)
    found = run("status", "a", "--json").json
    assert (found["differs"], found["held_deletions"], found["absent"]) == (True, 2, 2)
    assert datetime.fromisoformat(found["next_sweep"].replace("Z", "+00:00")).weekday() == 6
    sweep = {name: found["sweep"][name] for name in ("ended", "status", "listed", "gone", "examples")}
    assert sweep == {
        "ended": "2024-05-15T12:00:00Z",
        "status": "SUCCEEDED",
        "listed": 8,
        "gone": 2,
        "examples": {"gone": ["oai:1"]},
    }
    assert found["active_sweep"]["started"] == "2024-05-15T13:00:00Z"
    shown = run("status", "a").out
    assert "2 deletions are held" in shown
    assert "harvest deletions approve a" in shown
    assert "active sweep" in shown
    assert "next sweep" in shown
    assert "compared" not in run("status", "never").out
    lines = {line["label"]: line for line in run("list", "--json").json}
    assert (lines["a"]["last_sweep"], lines["a"]["sweep_result"]) == ("2024-05-15T12:00:00Z", "complete")
    assert (lines["a"]["held_deletions"], lines["never"]["held_deletions"]) == (2, 0)
    assert lines["a"]["next_sweep"] == found["next_sweep"]


def test_the_history_has_the_sweeps_and_their_errors(sources: Sources) -> None:
    """The numbers of the last sweep do not say since when a source and its copy differ."""
    logs = sources.logs("a")
    with sources.database().begin() as connection:
        add_sweep(connection, logs.config_id, NOON, listed=10, known=9, missing=1, repaired=1)
        add_sweep(
            connection, logs.config_id, NOON.replace(day=16), status="FAILED", error="no luck\nTraceback"
        )
    failed, succeeded = run("history", "a", "--json").json["sweeps"]
    assert (failed["status"], failed["error"]) == ("FAILED", "no luck")
    assert (succeeded["missing"], succeeded["repaired"], succeeded["dagster"]) == (1, 1, None)
    assert "no luck" in run("history", "a").out
    assert run("list", "--json").json[0]["sweep_result"] == "failed"
