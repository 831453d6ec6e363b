"""What commands print, whatever the text of a source contains."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from harvest_dagster.cli.output import print_table


def test_a_table_prints_the_text_of_sources_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    """`[/x]` ended the command with an error, `[red]` disappeared, and `:cat:` became a picture."""
    print_table(["error", "records"], [["[/x] [red]no[/red] :cat: [2024-01-01, 2024-01-02)", 12345]])
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["error", "records"]
    assert line.rstrip() == "[/x] [red]no[/red] :cat: [2024-01-01, 2024-01-02)  12,345"


def test_a_table_obeys_no_escape_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    """An escape sequence in the name of a set can hide lines of a terminal, or change its title."""
    print_table(["set"], [["a\x1b[2Jb"]])
    assert capsys.readouterr().out.splitlines()[1].rstrip() == "a\\x1b[2Jb"


def _terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))


def test_a_table_that_is_too_wide_for_a_terminal_is_printed_as_blocks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`harvest history` cut every value to four characters on a terminal of 80 columns."""
    names, row = ["started", "status", "last error"], ["2024-01-01T00:00:01Z", "SUCCEEDED", None]
    _terminal(monkeypatch, 20)
    print_table(names, [row, row])
    block = ["started  2024-01-01T00:00:01Z", "status   SUCCEEDED"]
    assert capsys.readouterr().out.splitlines() == [*block, "", *block]
    _terminal(monkeypatch, 60)
    print_table(names, [row])
    assert "2024-01-01T00:00:01Z" in capsys.readouterr().out.splitlines()[1]
    print_table(names, [])
    assert "started" in capsys.readouterr().out


def test_a_label_is_not_shortened_before_the_other_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """People copy labels into the next command. `harvest list` cut them with 100 columns."""
    _terminal(monkeypatch, 34)
    print_table(["label", "host"], [["crossref_preprints", "api.archives-ouvertes.fr"]])
    line = capsys.readouterr().out.splitlines()[1]
    assert "crossref_preprints" in line
    assert "api.archi" in line


def test_a_table_that_is_too_wide_leaves_out_empty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`harvest list` broke each schedule into two lines to show a column without any error."""
    names, row = ["schedule", "last error"], ["30 6 * * *", None]
    _terminal(monkeypatch, 14)
    print_table(names, [row])
    header, line = capsys.readouterr().out.splitlines()
    assert "error" not in header
    assert "30 6 * * *" in line
    _terminal(monkeypatch, 30)
    print_table(names, [row])
    assert "last error" in capsys.readouterr().out


def test_a_table_shows_no_fractions_of_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    """They take a third of the column. `--json` has them."""
    print_table(["began"], [[datetime(2024, 1, 1, 2, 3, 4, 567, tzinfo=timezone.utc)]])
    assert capsys.readouterr().out.splitlines()[1].rstrip() == "2024-01-01T02:03:04Z"
