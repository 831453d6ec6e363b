"""Tags and texts of bodies that are not valid HTML, and what precedes their first tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.http.html.tags import COMMENT, content_start, headings, tokens, visible_text

PARTS = (
    "<!--",
    "-->",
    "<p>",
    "<p",
    "</",
    ">",
    "<script>",
    "</script >",
    "<h1>",
    "</H1>",
    "a<b",
    "&lt;",
    " ",
    "x",
)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("one<br>two", "one two"),
        ("a < b", "a < b"),
        ("<p title='x'>seen</p>", " seen "),
        ("before<!-- <b>not</b> -->after", "before after"),
        ("before<!-->after", "before after"),
        ("before<!-- not", "before"),
        ("a<SCRIPT>if (a<b) not</script >b", "a b"),
        ("a<script src='x'/>b", "a b"),
        ("a<style>not", "a"),
        ("a<b not", "a"),
        ("<?php not ?>seen<!doctype html>", "seen"),
        ("AT&amp;T &#228; &#xe4;", "AT&T ä ä"),
    ],
)
def test_the_visible_text_has_no_markup_scripts_or_comments(markup: str, text: str) -> None:
    """It is part of an error message."""
    assert visible_text(tokens(markup)).split() == text.split()


def test_an_invalid_character_reference_is_replaced() -> None:
    """html.unescape raises for more than 4,300 digits, which would hide the error of the source."""
    assert visible_text([("", f"a &#{'1' * 5000}; b &#12345678 c")]) == "a � b � c"


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ("<title>one</title><h1 class='x'>two <b>three</b></h1><h3>four</h3>", ["one", "two three"]),
        ("<title>one<h1>two</h1>", ["one", "two"]),
        ("<h1>one", []),
        ("<title></title>", [""]),
        ("<titles>one</titles>", []),
    ],
)
def test_a_heading_counts_only_if_it_has_an_end_tag(markup: str, found: list[str]) -> None:
    """The kind of a page is guessed from its headings first."""
    assert list(headings(tokens(markup))) == found


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        (b"\xef\xbb\xbf \n<a>", b"<a>"),
        (b"<!-- a --> <!----><a>", b"<a>"),
        (b"<!-- a", b"<!-- a"),
        (b" <?pi?><a>", b"<?pi?><a>"),
        (b"", b""),
        (b" ", b""),
    ],
)
def test_white_space_and_comments_before_the_content_are_skipped(body: bytes, rest: bytes) -> None:
    """Servers put comments before the root element."""
    assert body[content_start(body, COMMENT) :] == rest


@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_tokens_are_parts_of_the_markup_in_order(markup: str) -> None:
    """No text is invented or repeated for malformed markup."""
    index = 0
    for _, raw in tokens(markup):
        index = markup.index(raw, index) + len(raw)
