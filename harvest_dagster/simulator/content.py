"""What a record says: an `oai_dc` document that reads like a real one, made from its number and dice.

All fifteen elements of Dublin Core occur, with what makes real ones hard: several of a kind, names and titles
beyond ASCII, dates of a year only, DOIs as URL and as `doi:`, ISSNs inside a source, elements that are not
there. DOIs are of the prefix for tests, 10.5555.
"""

from __future__ import annotations

from datetime import date

from harvest_dagster.simulator.vocabulary import (
    ANGLES,
    CLAIMS,
    COVERAGES,
    DISCIPLINES,
    FAMILIES,
    GIVEN,
    LANGUAGES,
    PUBLISHERS,
    RIGHTS,
    TYPES,
    Discipline,
)

_OPEN = (
    '<metadata><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://www.openarchives.org/OAI/2.0/oai_dc/ '
    'http://www.openarchives.org/OAI/2.0/oai_dc.xsd">'
)
_CLOSE = "</oai_dc:dc></metadata>"
# ASCII without markup, so that it can be cut anywhere and a character is a byte.
_FILLER = " " + " ".join(claim for claim in CLAIMS if claim.isascii() and "&" not in claim)


def title(index: int, dice: bytes) -> str:
    """The first title of a record, as XML text."""
    topics = DISCIPLINES[index % 4].topics
    return f"{topics[dice[2] % 8]}: {ANGLES[dice[3] % 12]}"


def metadata(index: int, dice: bytes, made: date, first_title: str, size: int) -> str:
    """The `<metadata>` of a record.

    Args:
        index: the record's number.
        dice: `Repository.dice` of it.
        made: the day of its first datestamp; it was published on that day or up to six years before.
        first_title: as XML text.
        size: its length in bytes of UTF-8, where that is more than it has anyway: its description is padded.
    """
    field = DISCIPLINES[index % 4]
    issued = date.fromordinal(made.toordinal() - dice[5] * 8)
    first = (
        f"{_OPEN}<dc:title>{first_title}</dc:title>{_people(dice)}"
        f"<dc:subject>{field.subjects[dice[12] % 5]}</dc:subject>"
        f"<dc:subject>{field.subjects[(dice[12] + dice[13] % 4 + 1) % 5]}</dc:subject>"
        f"<dc:description>{CLAIMS[dice[14] % 8]} {CLAIMS[dice[14] % 8 - 3]} {CLAIMS[dice[14] % 8 - 6]}"
    )
    last = f"</dc:description>{_facts(index, dice, issued)}{_extras(index, dice, field, issued)}{_CLOSE}"
    missing = size - len(f"{first}{last}".encode()) if size else 0
    return f"{first}{_padding(missing)}{last}"


def _people(dice: bytes) -> str:
    """One to three creators, and now and then a contributor or a second title."""
    names = [f"{FAMILIES[dice[at] % 32]}, {GIVEN[dice[at + 1] % 24]}" for at in (6, 8, 10)]
    people = "".join([f"<dc:creator>{name}</dc:creator>" for name in names[: 1 + dice[22] % 3]])
    if dice[23] % 8 == 0:
        people += f"<dc:contributor>{names[2]} (editor)</dc:contributor>"
    if dice[24] % 16 == 0:
        people += f"<dc:title>{ANGLES[dice[25] % 12].capitalize()}</dc:title>"
    return people


def _facts(index: int, dice: bytes, issued: date) -> str:
    """What every record has."""
    kind, kind_uri, media_type = TYPES[dice[4] % 4]
    return (
        f"<dc:publisher>{PUBLISHERS[dice[17] % 4]}</dc:publisher>"
        f"<dc:date>{issued.isoformat() if dice[18] % 4 else issued.year}</dc:date>"
        f"<dc:type>{kind}</dc:type><dc:type>{kind_uri}</dc:type><dc:format>{media_type}</dc:format>"
        f"<dc:identifier>https://repository.example.org/records/{index}</dc:identifier>"
        f"<dc:identifier>{'https://doi.org/' if dice[19] % 2 else 'doi:'}10.5555/sim.{index}</dc:identifier>"
        f"<dc:language>{LANGUAGES[dice[20] % 6]}</dc:language><dc:rights>{RIGHTS[dice[21] % 3]}</dc:rights>"
    )


def _extras(index: int, dice: bytes, field: Discipline, issued: date) -> str:
    """What only some records have."""
    extras = ""
    if dice[26] % 2:
        volume, number = issued.year - 1970, dice[27] % 12 + 1
        extras += f"<dc:source>{field.journal}, ISSN {field.issn}, {volume} ({number})</dc:source>"
    if dice[28] % 4 == 0:
        extras += f"<dc:relation>https://doi.org/10.5555/sim.{index // 2}</dc:relation>"
    if dice[29] % 8 == 0:
        extras += f"<dc:coverage>{COVERAGES[dice[30] % 4]}</dc:coverage>"
    return extras


def _padding(length: int) -> str:
    if length <= 0:
        return ""
    return (_FILLER * (length // len(_FILLER) + 1))[:length]
