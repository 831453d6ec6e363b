"""Languages: recognized by code, by name and by tag."""

from __future__ import annotations

import doctest
import subprocess
import sys
import unicodedata
from importlib import resources

import iso639
import pytest

from harvest_dagster.transformers.recognition import languages
from harvest_dagster.transformers.recognition.languages import language_code

# MARC used the first two until 2008, and the last one is a part of Romanian since then.
WITHDRAWN = {"scr": "hrv", "scc": "srp", "mol": "ron"}

# Codes that only the table or only the library has. There is none: the registry of 2026-09-17 has all changes of ISO
# 639-3 that were published until July 2026, and the library those of its release of 2026-07-15.
KNOWN_CODES: set[str] = set()
# Names in the table that the library has otherwise. "Odia" is also a name of `ori`, the macrolanguage; the registry
# needs different names and adds "(individual language)".
KNOWN_NAMES = {"ory": "Odia (individual language)"}


def _languages() -> list[iso639.Language]:
    """Return the languages that the library has, without the codes that were retired."""
    return [language for language in iso639.ALL_LANGUAGES if language.retire_reason is None]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("en", "eng"),
        ("EN", "eng"),
        ("eng", "eng"),
        ("Eng", "eng"),
        ("English", "eng"),
        ("en_US", "eng"),
        ("pt-BR", "por"),
        ("zh-Hant-TW", "zho"),
        ("sr-Latn-RS", "srp"),
        ("es-419", "spa"),
        ("zh-yue", "yue"),
        ("de-CH-1901", "deu"),
        ("ca-valencia", "cat"),
        ("de-x-private", "deu"),
        ("en_uk", "eng"),
        ("ger", "deu"),
        ("deu", "deu"),
        ("Dutch", "nld"),
        ("Provençal", "oci"),
        ("Greek", "ell"),
        ("yap", "yap"),
        ("grc", "grc"),
        ("mul", "mul"),
        ("no", "nor"),
        ("nb", "nob"),
        ("ssf", "ssf"),
        ("SLA", "sla"),
        ("bh", "bih"),
        ("scr", "hrv"),
        ("scc", "srp"),
        ("iw", "heb"),
        ("mol", "ron"),
        ("sh", "hbs"),
        ("ar-arz", "arz"),
        ("sgn-ase", "ase"),
        ("Mandarin Chinese", "cmn"),
        ("Occitan (post 1500)", "oci"),
        ("Occitan", "oci"),
        ("Ancient Greek", "grc"),
        ("Swahili", "swa"),
        ("Swahili (individual language)", "swh"),
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
    "text",
    [
        "en fr",
        "US_en",
        "Finish",
        "GE",
        "other",
        "Multiple",
        "qq",
        "eng-",
        "none",
        "",
        "Male",
        "Even",
        "x" * 10**6,
    ],
)
def test_other_text_is_not_recognized(text: str) -> None:
    assert language_code(text) is None


def test_the_table_has_every_code_of_iso_639_3() -> None:
    """The library takes the codes from their registration authority, and the table from the registry of IANA."""
    ours = {code for code, _, _ in languages._read_table()}
    theirs = {language.part3 for language in _languages()}
    assert len(ours) == 7927
    assert ours ^ theirs == KNOWN_CODES
    assert all(language_code(code) == code for code in ours)


def test_other_codes_agree_with_another_copy_of_iso_639() -> None:
    """Nobody can proof-read 8,300 codes. The library has no codes for groups of languages (ISO 639-5)."""
    individual = {}
    for language in _languages():
        codes = (language.part1, language.part2t, language.part2b)
        individual |= {code: language.part3 for code in codes if code}
    assert {code: language_code(code) for code in individual} == individual
    three = {code for code in languages._codes() if len(code) == 3} - individual.keys()
    groups = three - {code for code, _, _ in languages._read_table()}
    assert groups == {*languages._GROUPS.split(), *WITHDRAWN, "bih"}
    two = {code for code in languages._codes() if len(code) == 2}
    assert two - individual.keys() == {"bh", "iw", "ji", "jw", "mo"}
    assert {code: language_code(code) for code in WITHDRAWN} == WITHDRAWN


def test_names_agree_with_another_copy_of_iso_639_3() -> None:
    """A name that moves to another code would rename the languages of all documents.

    The registry has composed characters. The library has two names with combining accents: `dtn` and `ldb`.
    """
    names = {language.part3: unicodedata.normalize("NFC", language.name) for language in _languages()}
    ours = {code: name for code, _, name in languages._read_table() if name}
    assert len(ours) > 7000
    assert {code: name for code, name in ours.items() if names.get(code) != name} == KNOWN_NAMES
    other = {name: language_code(name) for code, name in ours.items() if language_code(name) != code}
    assert other == {}


def test_macrolanguages_agree_with_another_copy_of_iso_639_3() -> None:
    members = {language.part3: language.macrolanguage for language in _languages() if language.macrolanguage}
    ours = {code: macrolanguage for code, macrolanguage, _ in languages._read_table() if macrolanguage}
    assert ours == members


def test_importing_the_package_reads_no_table() -> None:
    """The catalog imports the transformers. Every process of a run would pay for a table that it does not need."""
    code = (
        "import harvest_dagster.transformers.formats.oai_dc.transformer;"
        "from harvest_dagster.transformers.recognition import languages;"
        "assert languages._read_table.cache_info().misses == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_examples_in_the_docstrings_are_right() -> None:
    assert doctest.testmod(languages).failed == 0
