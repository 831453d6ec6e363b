"""What others wrote, made fit for a message and a database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.texts import beginning, brief, is_keepable, keepable, one_line, seen, shortened, start_of

ANYTHING = st.text(st.characters() | st.sampled_from("\0\ud800\udfff \t<>,;"))


@given(ANYTHING)
def test_whatever_was_written_can_be_kept(text: str) -> None:
    """An error that a database refuses leaves its log STARTED for ever (Lesson 13)."""
    kept = keepable(text)
    assert kept.encode().decode() == kept
    assert "\0" not in kept
    assert is_keepable(kept)
    assert (kept == text) is is_keepable(text)


@given(ANYTHING, st.integers(1, 40))
def test_a_beginning_is_whole_words_of_the_text(text: str, most: int) -> None:
    """Lesson 32: half of a secret would not be recognised and masked."""
    cut = beginning(text, most)
    assert len(cut) <= max(most, len(text) if len(text) <= most else 0)
    assert text.startswith(cut)
    assert cut == text or len(text) > most


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
    assert beginning(text, 10) == cut


@given(ANYTHING, st.integers(1, 40))
def test_a_brief_text_is_one_printable_line(text: str, most: int) -> None:
    """Lesson 31: an escape sequence of a source must not paint an operator's terminal."""
    line = brief(text, most)
    assert len(line) <= most + 1
    assert line.isprintable()
    assert line == one_line(line)


@pytest.mark.parametrize(
    ("text", "short"),
    [("abcd", "abcd"), ("abcde", "ab\n[… 1 characters …]\nde"), ("", "")],
)
def test_a_long_error_keeps_its_message_and_what_raised_it(text: str, short: str) -> None:
    """Both tell more than the frames between."""
    assert shortened(text, 4) == short


def test_what_is_seen_of_a_body_is_short_whatever_its_encoding() -> None:
    assert seen(b"") == "beginning ''"
    assert seen("<a>ä</a>".encode("utf-16-le")) == "beginning '<a>�</a>'"
    assert seen(b"word " * 10**6) == f"beginning {'word ' * 15 + 'word…'!r}"


def test_the_start_of_a_body_ends_with_a_whole_word() -> None:
    assert start_of(b"one two", 7) == "one two"
    assert start_of(b"one two three", 7) == "one"
