"""`harvest report`, on both databases."""

from __future__ import annotations

from pathlib import Path

from lxml import html

from harvest_dagster_tests.cli.commands import run
from harvest_dagster_tests.cli.conftest import Sources


def test_the_report_has_all_sources_and_replaces_the_former_one(sources: Sources, tmp_path: Path) -> None:
    """A web server may read the file at any time."""
    path = tmp_path / "report.html"
    path.write_text("old")
    sources.logs("a", name="<b>bold</b>").harvest("2024-01-01", "2024-01-10")
    sources.logs("b").fail("2024-01-01", error="the server is down")
    (sources.folder / "broken.yaml").write_text("label: c")
    done = run("report", str(path), "--json")
    assert (done.status, done.json["sources"]) == (0, 2)
    assert done.json["conditions"] == {"complete": 1, "failed": 1}
    assert done.json["bytes"] == path.stat().st_size
    text = html.fromstring(path.read_text()).text_content()
    assert all(words in text for words in ("<b>bold</b>", "2024-01-11", "the server is down", "broken.yaml"))
    assert [file.name for file in tmp_path.glob("*.part")] == []


def test_without_a_database_the_report_lists_the_sources(new_sources: Sources, tmp_path: Path) -> None:
    """A new user sees the page before the first harvest."""
    new_sources.write("a")
    assert run("report", str(tmp_path / "r.html"), "--json").json["conditions"] == {"never harvested": 1}


def test_a_path_that_cannot_be_written_is_one_line(new_sources: Sources, tmp_path: Path) -> None:
    """A script must notice it."""
    new_sources.write("a")
    done = run("report", str(tmp_path / "missing" / "r.html"))
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert run("report").status == 2
