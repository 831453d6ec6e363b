"""Languages: recognized by code, by name and by tag."""

from __future__ import annotations

import doctest
from importlib import resources

import iso639
import pytest

from harvest_dagster.transformers import languages
from harvest_dagster.transformers.languages import language_code


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
        ("sr-Latn-RS", "sr"),
        ("es-419", "es"),
        ("zh-yue", "zh"),
        ("de-CH-1901", "de"),
        ("ca-valencia", "ca"),
        ("de-x-private", "de"),
        ("en_uk", "en"),
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
    """A count by language would otherwise count `eng`, `en_US` and `English` as three languages."""
    assert language_code(text) == code


@pytest.mark.parametrize(
    "text", ["non-English", "non-Latin", "no-text", "bi-lingual", "new-English", "en-XX", "zh-eng", "en-fra"]
)
def test_a_word_with_a_hyphen_is_not_a_language_tag(text: str) -> None:
    """`non` is the code of Old Norse, `no` of Norwegian, `bi` of Bislama and `new` of Newari."""
    assert language_code(text) is None


def test_the_regions_of_tags_agree_with_another_copy_of_iso_3166() -> None:
    lines = (resources.files("tzdata.zoneinfo") / "iso3166.tab").read_text(encoding="utf-8").splitlines()
    assert languages._REGIONS - {"uk"} == {line[:2].lower() for line in lines if not line.startswith("#")}


@pytest.mark.parametrize(
    "text", ["en fr", "US_en", "Finish", "GE", "other", "Multiple", "qq", "eng-", "none", ""]
)
def test_other_text_is_not_recognized(text: str) -> None:
    assert language_code(text) is None


def test_the_table_has_the_languages_of_both_lists() -> None:
    """A typo in the table would silently lose languages. ISO 639-1 has 184 codes, with `bh`."""
    codes = {language_code(code) for code in languages._CODES}
    assert codes == set(languages._CODES.values())
    assert sum(len(code or "") == 2 for code in codes) == 184
    assert sum(len(code or "") == 3 for code in codes) == 302


def test_the_table_agrees_with_another_copy_of_iso_639() -> None:
    """Nobody can proof-read 900 codes and names. The library has no codes for groups of languages (ISO 639-5)."""
    individual = {}
    for language in iso639.ALL_LANGUAGES:
        codes = (language.part1, language.part2t, language.part2b)
        individual |= {code: language.part1 or language.part2t for code in codes if code}
    del individual["sh"]  # Serbo-Croatian, withdrawn from ISO 639-1 in 2000
    assert {code: language_code(code) for code in individual} == individual
    groups = {key for key in languages._CODES if len(key) <= 3} - individual.keys() - {"bh", "bih"}
    assert len(groups) == 65
    assert all(language_code(code) == code for code in groups)


def test_the_examples_in_the_docstrings_are_right() -> None:
    assert doctest.testmod(languages).failed == 0
