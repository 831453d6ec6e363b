"""Texts from sources, prepared for messages and for the database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.texts import (
    cut_at_word,
    cut_middle,
    describe_start,
    escape_controls,
    is_storable,
    make_storable,
    one_line,
    shorten,
    start_of_body,
)

ANYTHING = st.text(st.characters() | st.sampled_from("\0\ud800\udfff \t<>,;"))


@given(ANYTHING)
def test_every_text_can_be_made_storable(text: str) -> None:
    """An error text that the database rejects leaves its log STARTED forever (docs/failures.md#running-forever)."""
    stored = make_storable(text)
    assert stored.encode().decode() == stored
    assert "\0" not in stored
    assert is_storable(stored)
    assert (stored == text) is is_storable(text)


@given(ANYTHING, st.integers(1, 40))
def test_a_cut_text_ends_with_a_whole_word(text: str, max_length: int) -> None:
    """A part of a secret would not be recognized and masked (docs/failures.md#secret-in-log)."""
    cut = cut_at_word(text, max_length)
    assert len(cut) <= max(max_length, len(text) if len(text) <= max_length else 0)
    assert text.startswith(cut)
    assert cut == text or len(text) > max_length


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("one two", "one two"),
        ("one two three", "one two"),
        ("oneword" * 3, ""),
        ("a key=(secretly", "a key=("),
    ],
)
def test_the_word_at_the_cut_is_left_out(text: str, cut: str) -> None:
    """The word may be a secret."""
    assert cut_at_word(text, 10) == cut


@given(ANYTHING, st.integers(1, 40))
def test_a_shortened_text_is_one_printable_line(text: str, max_length: int) -> None:
    """An escape sequence of a source would control the terminal of an operator."""
    line = shorten(text, max_length)
    assert len(line) <= max_length + 1
    assert line.isprintable()
    assert line == one_line(line)


@pytest.mark.parametrize(
    ("text", "short"),
    [("abcd", "abcd"), ("abcde", "ab\n[… 1 characters …]\nde"), ("", "")],
)
def test_a_long_error_keeps_its_message_and_its_cause(text: str, short: str) -> None:
    """The message is at the beginning and the cause at the end; both say more than the frames between them."""
    assert cut_middle(text, 4) == short


def test_the_description_of_a_body_is_short_in_every_encoding() -> None:
    """It is part of an error message."""
    assert describe_start(b"") == "beginning ''"
    assert describe_start("<a>ä</a>".encode("utf-16-le")) == "beginning '<a>�</a>'"
    assert describe_start(b"word " * 10**6) == f"beginning {'word ' * 15 + 'word…'!r}"


def test_the_start_of_a_body_ends_with_a_whole_word() -> None:
    """The word at the cut may be a secret."""
    assert start_of_body(b"one two", 7) == "one two"
    assert start_of_body(b"one two three", 7) == "one"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\rb\x08\x7f\x9b0m", "a\\x0db\\x08\\x7f\\x9b0m"),
        ("\u202egnp.exe\u2028", "\\u202egnp.exe\\u2028"),
        ("two\nlines\tand é 日本 😀 \N{NO-BREAK SPACE}", "two\nlines\tand é 日本 😀 \N{NO-BREAK SPACE}"),
    ],
)
def test_control_characters_are_escaped(text: str, escaped: str) -> None:
    """A terminal obeyed the escape sequences of an error page: it cleared the screen and changed its title."""
    assert escape_controls(text) == escaped
    assert escape_controls(escaped) == escaped
