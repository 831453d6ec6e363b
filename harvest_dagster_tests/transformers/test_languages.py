"""Languages by code, by name, by tag."""

from __future__ import annotations

import doctest

import pytest

from harvest_dagster.transformers import languages
from harvest_dagster.transformers.languages import recognise


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("eng", "en"),
        ("Eng", "en"),
        ("English", "en"),
        ("en_US", "en"),
        ("pt-BR", "pt"),
        ("zh-Hant-TW", "zh"),
        ("ger", "de"),
        ("deu", "de"),
        ("Dutch", "nl"),
        ("Provençal", "oc"),
        ("Greek", "el"),
        ("yap", "yap"),
        ("grc", "grc"),
        ("mul", "mul"),
    ],
)
def test_a_language_gives_its_iso_639_code(text: str, code: str) -> None:
    """`eng`, `en_US` and `English` in one list are three languages for whoever counts them."""
    assert recognise(text) == code


@pytest.mark.parametrize(
    "text", ["en fr", "US_en", "Finish", "GE", "other", "Multiple", "qq", "eng-", "none", ""]
)
def test_what_names_no_one_language_is_not_recognised(text: str) -> None:
    assert recognise(text) is None


def test_the_table_has_the_languages_of_both_lists() -> None:
    """A slip in the packed table would lose languages without a word. ISO 639-1 has 184, with `bh`."""
    codes = {recognise(code) for code in languages._CODES}
    assert codes == set(languages._CODES.values())
    assert sum(len(code or "") == 2 for code in codes) == 184
    assert sum(len(code or "") == 3 for code in codes) == 302


def test_the_examples_of_the_module_are_true() -> None:
    assert doctest.testmod(languages).failed == 0
