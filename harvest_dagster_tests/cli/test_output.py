"""What commands print, whatever the text of a source contains."""

from __future__ import annotations

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
