"""Make the dates, languages and names of a document: the standard form, and the text of the source if it differs."""

from __future__ import annotations

from harvest_dagster.transformers.document import Date, Language
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.languages import language_code


def date_from(text: str, role: str | None = None, role_text: str | None = None) -> Date:
    """Return the date that a text names, with its role.

    >>> date_from("c2008").value, date_from("c2008").text, date_from("2008").text
    ('2008', 'c2008', None)
    """
    value = parse_date(text)
    return Date(value, None if value == text else text, role, role_text)


def language_from(text: str) -> Language:
    """Return the language that a text names.

    >>> language_from("de").code, language_from("de").text, language_from("deu").text
    ('deu', 'de', None)
    """
    code = language_code(text)
    return Language(code, None if code == text else text)


def full_name(family: str | None, given: str | None) -> str:
    """Return the name of a person whose parts the record gives; empty if it gives none.

    >>> full_name("Doe", "Jane"), full_name("Doe", None)
    ('Doe, Jane', 'Doe')
    """
    return ", ".join(filter(None, (family, given)))
