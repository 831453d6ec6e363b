"""Read the edition and the imprint of a MARC record: fields 250, 251, 260 and 264."""

from __future__ import annotations

import re

from harvest_dagster.transformers.document import Agent, Date, Text, Version
from harvest_dagster.transformers.formats.marcxml.punctuation import without_brackets, without_full_stop
from harvest_dagster.transformers.formats.marcxml.reading import Handler, Reading
from harvest_dagster.transformers.formats.marcxml.record import MarcField
from harvest_dagster.transformers.recognition.standard_forms import date_from

# The second indicator of field 264: the kind of date, the code of the agent who is not the publisher, and the word.
_STATEMENTS = {
    "0": ("Created", "pro", "production"),
    "1": ("Issued", None, None),
    "2": (None, "dst", "distribution"),
    "3": (None, "mfr", "manufacture"),
    "4": ("Copyrighted", None, None),
}
_PUBLICATION = _STATEMENTS["1"]
_Statement = tuple[str | None, str | None, str | None]
# What catalogers write in the place of a name: Latin before RDA, then English, German, French and Spanish.
_UNNAMED = re.compile(
    r"\[?(?:s\. ?[ln]\.?|.*not identified|.*nicht ermittel.*|.*non identifi.*|.*no identificad.*)\]?",
    re.IGNORECASE,
)
_COPYRIGHT = re.compile(r",\s*(?=\[?[c\N{COPYRIGHT SIGN}\N{SOUND RECORDING COPYRIGHT}] ?[0-9]{4})")
_IS_COPYRIGHT = re.compile(r"\[?[c\N{COPYRIGHT SIGN}\N{SOUND RECORDING COPYRIGHT}] ?[0-9]{4}")


def add_version(reading: Reading, label: str) -> None:
    """Add an edition. The first one is the version of the resource."""
    if reading.builder.version is None:
        reading.builder.version = label
    else:
        reading.builder.versions.append(Version(label))


def _read_edition(reading: Reading, field: MarcField) -> None:
    if text := field.take_text("ab"):
        add_version(reading, without_full_stop(text))


def _read_imprint(reading: Reading, field: MarcField) -> None:
    statement = _PUBLICATION
    if field.tag == "264":
        statement = _STATEMENTS.get(field.take_indicator(2) or "", _PUBLICATION)
    _add_agents(reading, field, ("a", "b"), statement)
    for text in field.take_each("c"):
        _add_dates(reading, without_full_stop(text), statement)
    if field.tag == "260":
        _add_agents(reading, field, ("e", "f"), _STATEMENTS["3"])
        for text in field.take_each("g"):
            _add_dates(reading, without_full_stop(text).strip("()"), _STATEMENTS["3"])


def _add_agents(reading: Reading, field: MarcField, codes: tuple[str, str], statement: _Statement) -> None:
    """Add the publishers, or those who produced, distributed or manufactured the resource, with their places."""
    names = _take_named(field, codes[1])
    if not names:
        return
    places = _take_named(field, codes[0])
    scripts = [without_full_stop(text) for one in field.alternates for text in one.take_each(codes[1])]
    agents = []
    for at, name in enumerate(names):
        # As many places as names stand in turn. Otherwise all places belong to the first name.
        own = places[at : at + 1] if len(places) == len(names) else places if at == 0 else []
        others = scripts if len(names) == 1 else scripts[at : at + 1]
        _, role, word = statement
        texts = tuple(map(Text, others))
        agents.append(Agent(name, other_names=texts, role=role, role_text=word, places=tuple(own)))
    (reading.builder.contributors if statement[1] else reading.builder.publishers).extend(agents)


def _take_named(field: MarcField, code: str) -> list[str]:
    """Take the names. What says that there is none stays in the field."""
    texts = field.take_each(code)
    for text in texts:
        if _UNNAMED.fullmatch(text):
            field.put_back(code, text)
    return [
        without_brackets(without_full_stop(text.strip("()")))
        for text in texts
        if not _UNNAMED.fullmatch(text)
    ]


def _add_dates(reading: Reading, text: str, statement: _Statement) -> None:
    """Add the date of publication, and that of the copyright after it: `2001, c2000`."""
    for part in _COPYRIGHT.split(text):
        role, _, word = statement
        if _IS_COPYRIGHT.match(part):
            role, word = "Copyrighted", None
        reading.builder.dates.append(dated(part, role, word if role is None else None))


def dated(text: str, role: str | None = None, word: str | None = None) -> Date:
    """Return a date as catalogers write it: `[1999?]`, `[ca. 1900]`, `[199-]`, `1999-`."""
    return date_from(text, role, word)


HANDLERS: dict[str, Handler] = {
    "250": _read_edition,
    "251": _read_edition,
    "260": _read_imprint,
    "264": _read_imprint,
}
