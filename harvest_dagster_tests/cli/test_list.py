"""`harvest list`: the sources, with what the database knows about them."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import make_url

from harvest_dagster.storage.database import Database
from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import Sources

UNKNOWN = {
    "complete_up_to": None,
    "missing_days": None,
    "is_late": None,
    "last_error": None,
    "last_sweep": None,
    "sweep_result": None,
    "held_deletions": None,
    "next_sweep": None,
}


def test_without_a_database_the_columns_of_harvests_are_empty_and_none_is_created(
    new_sources: Sources,
) -> None:
    """A new user lists the sources first. A mistyped URL must not create a database, and must not go unnoticed."""
    new_sources.write("a", schedule="0 3 * * *")
    new_sources.write(
        "b", disabled=True, harvester_kwargs={"base_url": "${URL}", "metadata_prefix": "oai_dc"}
    )
    done = run("list", "--json")
    assert done.status == 0
    assert re.match(r"there is no \w+ database .* or set HARVEST_DATABASE_URL\.\n$", done.err)
    shared = {"harvester": "oai", **UNKNOWN}
    assert done.json == [
        {"label": "a", "host": "a.example.org", "schedule": "0 3 * * *", "disabled": False, **shared},
        {"label": "b", "host": None, "schedule": None, "disabled": True, **shared},
    ]
    database = Database.connect(new_sources.url)
    if make_url(new_sources.url).get_backend_name() == "sqlite":
        assert database is None
        return
    assert database is not None
    with database:
        assert database.revision() is None


def test_each_source_has_the_instant_up_to_which_it_is_complete(sources: Sources) -> None:
    """A watermark would hide the gap (docs/failures.md#watermark-hides-gap)."""
    logs = sources.logs("a")
    logs.harvest("2024-01-01", "2024-01-10")
    logs.harvest("2024-01-12", "2024-01-20")
    sources.logs("b")
    found = run("list", "--json").json
    assert [(line["label"], line["complete_up_to"], line["missing_days"]) for line in found] == [
        ("a", "2024-01-11", 1),
        ("b", None, 0),
    ]


def test_the_last_error_is_that_of_the_newest_window_that_is_still_missing(sources: Sources) -> None:
    """The error of a window that was repaired is history. Its traceback is no part of the line."""
    logs = sources.logs("a")
    logs.fail("2024-01-01", error="the first failure")
    logs.fail("2024-01-02", error="the server is down. Try again.\nTraceback: …")
    logs.fail("2024-01-03", error="repaired by a longer window")
    logs.harvest("2024-01-03", "2024-01-04")
    assert run("list", "--json").json[0]["last_error"] == "the server is down. Try again."
    table = run("list").out
    assert "the server is down. Try again." in table
    assert "Traceback" not in table


def test_labels_without_a_file_and_broken_files_are_named_on_standard_error(small_sources: Sources) -> None:
    """A source whose file has a mistake, or was renamed, is missing in the list."""
    small_sources.logs("a")
    small_sources.write("b")
    (small_sources.folder / "a.yaml").write_text("label: a\nharvester: oay\n")
    done = run("list", "--json")
    assert done.status == 1
    assert [line["label"] for line in done.json] == ["b"]
    assert "no file defines these labels, which have data: a" in done.err
    assert "problems in the files of the sources: 1;" in done.err


def test_a_database_that_cannot_be_used_is_one_line_and_exit_status_1(
    new_sources: Sources, monkeypatch, tmp_path: Path
) -> None:
    """A script must notice it, and the password stays out of the message."""
    monkeypatch.setenv("HARVEST_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x?connect_timeout=1")
    done = run("list", "--json")
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert "secret" not in done.err
