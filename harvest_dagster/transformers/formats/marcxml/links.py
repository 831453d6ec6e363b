"""Read the series, the linking entries and the electronic locations of a MARC record: 440, 490, 76X to 78X, 8XX, 856.

https://www.loc.gov/marc/bibliographic/bd76x78x.html and bd856.html.
"""

from __future__ import annotations

import re

from harvest_dagster.transformers.document import (
    Access,
    Agent,
    Container,
    ContainerKind,
    Date,
    File,
    Identifier,
    Related,
    Text,
)
from harvest_dagster.transformers.formats.marcxml.agents import (
    take_conference,
    take_identifiers,
    take_organization,
    take_person,
)
from harvest_dagster.transformers.formats.marcxml.host_parts import parse_parts, parse_position
from harvest_dagster.transformers.formats.marcxml.punctuation import without_full_stop
from harvest_dagster.transformers.formats.marcxml.reading import Handler, Reading
from harvest_dagster.transformers.formats.marcxml.record import MarcField
from harvest_dagster.transformers.recognition.authorities import identify_authority
from harvest_dagster.transformers.recognition.identifiers import identify, identify_declared
from harvest_dagster.transformers.recognition.vocabularies import relation_type

# The relation of each linking entry, and the word for it where the relation says less than the tag.
_RELATIONS: dict[str, tuple[str | None, str | None]] = {
    "760": ("IsPartOf", "main series"),
    "762": ("HasPart", "subseries"),
    "765": ("IsTranslationOf", None),
    "767": ("HasTranslation", None),
    "770": ("IsSupplementedBy", None),
    "772": ("IsSupplementTo", None),
    "774": ("HasPart", None),
    "775": ("IsVersionOf", "other edition"),
    "776": ("IsVariantFormOf", "additional physical form"),
    "777": (None, "issued with"),
    "780": ("Continues", None),
    "785": ("IsContinuedBy", None),
    "786": ("IsDerivedFrom", "data source"),
    "787": (None, None),
}
# The second indicator of 780 and 785, where it says something else.
_SUCCESSION: dict[str, tuple[str, str | None]] = {
    "7801": ("Continues", "continues in part"),
    "7802": ("Obsoletes", "supersedes"),
    "7803": ("Obsoletes", "supersedes in part"),
    "7804": ("Continues", "formed by the union of"),
    "7805": ("Continues", "absorbed"),
    "7806": ("Continues", "absorbed in part"),
    "7807": ("Continues", "separated from"),
    "7851": ("IsContinuedBy", "continued in part by"),
    "7852": ("IsObsoletedBy", "superseded by"),
    "7853": ("IsObsoletedBy", "superseded in part by"),
    "7854": ("IsContinuedBy", "absorbed by"),
    "7855": ("IsContinuedBy", "absorbed in part by"),
    "7856": ("IsContinuedBy", "split into"),
    "7857": ("IsContinuedBy", "merged with"),
    "7858": ("IsContinuedBy", "changed back to"),
}
# Subfield 7 of 773, position 3: the bibliographic level of the host.
_HOST_KINDS: dict[str, ContainerKind] = {"s": "journal", "m": "book"}
_ACCESS: dict[str, Access] = {"0": "open", "1": "restricted"}
_CHECKSUM = re.compile(r"(?:md5|sha-?[0-9]{1,3}):[0-9a-f]{32,128}", re.IGNORECASE)


def _read_series(reading: Reading, field: MarcField) -> None:
    """Fields 440, 490 and 830: the title of a series, and the number in it."""
    if title := field.take_text("anp" if field.tag != "830" else "adfghklmnoprst"):
        container = _series(field, without_full_stop(title), ())
        reading.builder.containers.append(container)


def _read_series_of_agent(reading: Reading, field: MarcField) -> None:
    """Fields 800 to 811: a series under the name of its author or conference."""
    title = without_full_stop(field.take_text("fghklmoprst") or "")
    if field.tag == "811":
        conference = take_conference(field)
        agent = Agent(conference.title) if conference and conference.title else None
        # The rest of the conference has no place in a series.
        if conference and conference.number:
            field.put_back("n", conference.number)
        for place in conference.places if conference else ():
            field.put_back("c", place)
        for date in conference.dates if conference else ():
            field.put_back("d", date.text or date.value or "")
    else:
        agent = (take_organization if field.tag == "810" else take_person)(field)
    if title or agent:
        name = title or None
        reading.builder.containers.append(_series(field, name, (agent,) if agent else ()))


def _series(field: MarcField, title: str | None, agents: tuple[Agent, ...]) -> Container:
    numbers = tuple(identify_declared("issn", text) for text in field.take_each("xy"))
    records = tuple(identify_authority(text) for text in field.take_each("w"))
    volume = field.take_text("v")
    return Container(
        title,
        "series",
        identifiers=numbers + records + take_identifiers(field),
        volume=without_full_stop(volume) if volume else None,
        agents=agents,
    )


def _take_identifiers(field: MarcField) -> tuple[Identifier, ...]:
    """Take the identifiers of the other resource."""
    found = [identify_declared("issn", text) for text in field.take_each("x")]
    found += [identify_declared("isbn", text) for text in field.take_each("z")]
    found += [identify_declared("coden", text) for text in field.take_each("y")]
    found += [identify(text) for text in field.take_each("ou")]
    found += [identify_declared("report number", text) for text in field.take_each("r")]
    found += [identify_authority(text) for text in field.take_each("w")]
    return tuple(dict.fromkeys(found)) + take_identifiers(field)


def _read_linking_entry(reading: Reading, field: MarcField) -> None:
    """Fields 760 to 787, without 773."""
    relation, word = _RELATIONS[field.tag]
    if field.tag in ("780", "785"):
        relation, word = _SUCCESSION.get(field.tag + (field.take_indicator(2) or ""), (relation, word))
    if shown := field.take("i"):
        word = shown.rstrip(": ")
        relation = relation_type(word) or relation
    _add_related(reading, field, relation, word)


def _add_related(reading: Reading, field: MarcField, relation: str | None, word: str | None) -> None:
    agents, identifiers = _take_main_entry(field)
    identifiers += _take_identifiers(field)
    title = field.take("t") or field.take("s")
    publisher = field.take("d")
    text = field.take_text("bcghkmnpqs", separator=" ; ")
    if not (identifiers or title or agents or publisher or text):
        return
    # Without a title, the main entry is what the other resource is called.
    if agents and not title and not identifiers:
        title, agents = agents[0].name, agents[1:]
    related = Related(
        relation,
        None if word == relation else word,
        identifiers,
        text,
        without_full_stop(title) if title else None,
        agents=agents,
        publisher=without_full_stop(publisher) if publisher else None,
    )
    reading.builder.related.append(related)


def _take_main_entry(field: MarcField) -> tuple[tuple[Agent, ...], tuple[Identifier, ...]]:
    """Take the author of the other resource. Invenio writes an identifier there, and its scheme in subfield n."""
    names = field.take_each("a")
    scheme = field.field.get("n")
    identifiers = [identify_declared(scheme, name) for name in names]
    known = tuple(one for one in identifiers if one.scheme != "other")
    if known and any(scheme == one.scheme for one in known):
        field.take("n")
    pairs = zip(names, identifiers, strict=True)
    return tuple(Agent(without_full_stop(name)) for name, one in pairs if one.scheme == "other"), known


def _read_host(reading: Reading, field: MarcField) -> None:
    """Field 773: the host. Invenio writes other relations in its subfield i, too."""
    shown = field.field.get("i")
    relation = relation_type(shown.rstrip(": ")) if shown else None
    if relation not in (None, "IsPartOf", "IsPublishedIn"):
        field.take("i")
        _add_related(reading, field, relation, shown)
        return
    if shown and relation:
        field.take("i")
    agents, more = _take_main_entry(field)
    identifiers, control = _take_identifiers(field), field.take("7")
    parts = field.take_each("g")
    position = parse_position(field.field.get("q", ""))
    enumeration = field.take("q")
    located = position or parse_parts(parts)
    texts = [*parts, *([enumeration] if enumeration else []), *field.take_each("bdhknm")]
    container = Container(
        _titled(field.take("t")),
        _host_kind(control, identifiers),
        other_titles=tuple(Text(without_full_stop(text)) for text in field.take_each("ps")),
        identifiers=identifiers + more,
        volume=located.get("volume"),
        issue=located.get("issue"),
        first_page=located.get("first_page"),
        last_page=located.get("last_page"),
        number=located.get("number"),
        dates=(Date(located["year"]),) if "year" in located else (),
        agents=agents,
        text="; ".join(texts) or None,
    )
    if control:
        field.put_back("7", control)
    if container != Container(kind=container.kind):
        reading.builder.containers.append(container)


def _titled(title: str | None) -> str | None:
    return without_full_stop(title) if title else None


def _host_kind(control: str | None, identifiers: tuple[Identifier, ...]) -> ContainerKind | None:
    """Return what the host is: as subfield 7 says, or by its number: only a serial has an ISSN."""
    if control and len(control) == 4 and control[3] in _HOST_KINDS:  # noqa: PLR2004
        return _HOST_KINDS[control[3]]
    schemes = {one.scheme for one in identifiers}
    if "isbn" in schemes:
        return "book"
    return "journal" if "issn" in schemes else None


def _read_location(reading: Reading, field: MarcField) -> None:
    """Field 856. The second indicator 2 says that the address is that of a related resource."""
    if field.field.get("u") and field.field.indicators and field.field.indicators.first == "4":
        field.take_indicator(1)  # the address itself says that its method is HTTP
    if (field.take_indicator(2)) == "2":
        _read_related_location(reading, field)
        return
    addresses = field.take_each("u")
    if not addresses:
        return
    notes = field.take_each("z")
    checksum = next((note for note in notes if _CHECKSUM.fullmatch(note)), None)
    texts = field.take_each("3") + [note for note in notes if note != checksum]
    name = field.take("y") or field.take("f")
    size, form = field.take("s"), field.take("q")
    file = File(
        addresses[0],
        name,
        form,
        size,
        checksum,
        access=_ACCESS.get(_take_status(field) or ""),
        license=field.take("r"),
        description="; ".join(texts) or None,
    )
    reading.builder.files += [file, *(File(address) for address in addresses[1:])]
    for address in addresses:
        found = identify(address)
        if found.scheme != "url":
            reading.builder.add_identifier(found, address)


def _take_status(field: MarcField) -> str | None:
    """Take the access status, subfield 7, if it is one that the document has."""
    return field.take("7") if field.field.get("7") in _ACCESS else None


def _read_related_location(reading: Reading, field: MarcField) -> None:
    """Read the address of a related resource. Zenodo writes `url:https://…` into subfield a."""
    addresses = field.take_each("u" if field.has("u") else "a")
    labelled = [address for address in addresses if address.startswith("url:")]
    text = "; ".join(field.take_each("3yz") + labelled) or None
    identifiers = tuple(identify(address.removeprefix("url:")) for address in addresses)
    if identifiers or text:
        reading.builder.related.append(Related(None, "related resource", identifiers, text))


HANDLERS: dict[str, Handler] = {
    "440": _read_series,
    "490": _read_series,
    "773": _read_host,
    "800": _read_series_of_agent,
    "810": _read_series_of_agent,
    "811": _read_series_of_agent,
    "830": _read_series,
    "856": _read_location,
    **dict.fromkeys(_RELATIONS, _read_linking_entry),
}
