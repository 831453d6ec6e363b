"""Tags, texts and what comes before the first of them, of bodies that are no good HTML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.http.markup import COMMENT, after, headings, pieces, without_tags

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
def test_what_a_person_reads(markup: str, text: str) -> None:
    assert without_tags(pieces(markup)).split() == text.split()


def test_a_number_that_no_character_has_is_none() -> None:
    """html.unescape raises for more than 4,300 digits, and the error of a refusal would be lost for it."""
    assert without_tags([("", f"a &#{'1' * 5000}; b &#12345678 c")]) == "a � b � c"


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
def test_headings(markup: str, found: list[str]) -> None:
    assert list(headings(pieces(markup))) == found


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
def test_what_comes_before(body: bytes, rest: bytes) -> None:
    assert body[after(body, COMMENT) :] == rest


@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join))
def test_pieces_come_in_order_and_none_is_made_up(markup: str) -> None:
    place = 0
    for _, raw in pieces(markup):
        place = markup.index(raw, place) + len(raw)
