"""The content of records: realistic `oai_dc` documents, computed from the record number and its random bytes.

All fifteen elements of Dublin Core occur, with the difficulties of real metadata: repeated elements, names and titles
beyond ASCII, dates without month and day, DOIs as URL and as `doi:`, ISSNs inside a source, missing elements. DOIs have
the prefix that is reserved for tests, 10.5555.
"""

from __future__ import annotations

from datetime import date

from harvest_dagster.testing.simulator.repository.vocabulary import (
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
# ASCII without markup: it can be cut at any position, and one character is one byte.
_FILLER = " " + " ".join(claim for claim in CLAIMS if claim.isascii() and "&" not in claim)


def title(index: int, random_bytes: bytes) -> str:
    """Return the first title of a record, as XML text."""
    topics = DISCIPLINES[index % 4].topics
    return f"{topics[random_bytes[2] % 8]}: {ANGLES[random_bytes[3] % 12]}"


def metadata(index: int, random_bytes: bytes, created: date, first_title: str, size: int) -> str:
    """Return the `<metadata>` of a record.

    Args:
        index: the number of the record.
        random_bytes: `Repository.random_bytes` of the record.
        created: the day of its first datestamp; the publication date is this day or up to six years earlier.
        first_title: the first title, as XML text.
        size: the minimum length in bytes of UTF-8; the description is padded to reach it.
    """
    field = DISCIPLINES[index % 4]
    issued = date.fromordinal(created.toordinal() - random_bytes[5] * 8)
    claim = random_bytes[14] % 8
    first = (
        f"{_OPEN}<dc:title>{first_title}</dc:title>{_people(random_bytes)}"
        f"<dc:subject>{field.subjects[random_bytes[12] % 5]}</dc:subject>"
        f"<dc:subject>{field.subjects[(random_bytes[12] + random_bytes[13] % 4 + 1) % 5]}</dc:subject>"
        f"<dc:description>{CLAIMS[claim]} {CLAIMS[claim - 3]} {CLAIMS[claim - 6]}"
    )
    last = (
        f"</dc:description>{_required_elements(index, random_bytes, issued)}"
        f"{_optional_elements(index, random_bytes, field, issued)}{_CLOSE}"
    )
    padding = size - len(f"{first}{last}".encode()) if size else 0
    return f"{first}{_filler(padding)}{last}"


def _people(random_bytes: bytes) -> str:
    """Return one to three creators, and for some records a contributor or a second title."""
    names = [f"{FAMILIES[random_bytes[at] % 32]}, {GIVEN[random_bytes[at + 1] % 24]}" for at in (6, 8, 10)]
    people = "".join([f"<dc:creator>{name}</dc:creator>" for name in names[: 1 + random_bytes[22] % 3]])
    if random_bytes[23] % 8 == 0:
        people += f"<dc:contributor>{names[2]} (editor)</dc:contributor>"
    if random_bytes[24] % 16 == 0:
        people += f"<dc:title>{ANGLES[random_bytes[25] % 12].capitalize()}</dc:title>"
    return people


def _required_elements(index: int, random_bytes: bytes, issued: date) -> str:
    """Return the elements that every record has."""
    kind, kind_uri, media_type = TYPES[random_bytes[4] % 4]
    return (
        f"<dc:publisher>{PUBLISHERS[random_bytes[17] % 4]}</dc:publisher>"
        f"<dc:date>{issued.isoformat() if random_bytes[18] % 4 else issued.year}</dc:date>"
        f"<dc:type>{kind}</dc:type><dc:type>{kind_uri}</dc:type><dc:format>{media_type}</dc:format>"
        f"<dc:identifier>https://repository.example.org/records/{index}</dc:identifier>"
        f"<dc:identifier>{'https://doi.org/' if random_bytes[19] % 2 else 'doi:'}10.5555/sim.{index}</dc:identifier>"
        f"<dc:language>{LANGUAGES[random_bytes[20] % 6]}</dc:language>"
        f"<dc:rights>{RIGHTS[random_bytes[21] % 3]}</dc:rights>"
    )


def _optional_elements(index: int, random_bytes: bytes, field: Discipline, issued: date) -> str:
    """Return the elements that only some records have."""
    elements = ""
    if random_bytes[26] % 2:
        volume, number = issued.year - 1970, random_bytes[27] % 12 + 1
        elements += f"<dc:source>{field.journal}, ISSN {field.issn}, {volume} ({number})</dc:source>"
    if random_bytes[28] % 4 == 0:
        elements += f"<dc:relation>https://doi.org/10.5555/sim.{index // 2}</dc:relation>"
    if random_bytes[29] % 8 == 0:
        elements += f"<dc:coverage>{COVERAGES[random_bytes[30] % 4]}</dc:coverage>"
    return elements


def _filler(length: int) -> str:
    if length <= 0:
        return ""
    return (_FILLER * (length // len(_FILLER) + 1))[:length]
