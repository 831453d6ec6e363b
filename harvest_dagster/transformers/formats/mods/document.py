"""Make the document of one MODS record: https://www.loc.gov/standards/mods/userguide/."""

from __future__ import annotations

from collections.abc import Callable

from lxml.etree import _Element
from msgspec.structs import replace

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Agent,
    Container,
    Description,
    Document,
    File,
    Funding,
    Identifier,
    Language,
    Rights,
    Subject,
    Text,
    Version,
)
from harvest_dagster.transformers.formats.mods.names import (
    children_named,
    take_conference,
    take_lang,
    take_name,
    take_texts,
    take_titles,
)
from harvest_dagster.transformers.formats.mods.origin import take_origin
from harvest_dagster.transformers.formats.mods.related import read_related_item, take_part
from harvest_dagster.transformers.formats.mods.subjects import read_subject
from harvest_dagster.transformers.reading.xml_tree import (
    XLINK_HREF,
    add_envelope,
    leftovers,
    local_name,
    namespace,
    read_record,
    take_all_text,
    take_attribute,
)
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify, identify_declared
from harvest_dagster.transformers.recognition.languages import language_code
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.vocabularies import access_of, is_creator

_Handler = Callable[[DocumentBuilder, _Element], None]


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one record.

    Raises:
        TransformError: the datum is not well-formed XML, is no MODS, or has no value that is recognized.
    """
    envelope = read_record(datum)
    element = _find_mods(envelope.metadata)
    space = namespace(element).replace("https://", "http://", 1) or "http://www.loc.gov/mods/v3"
    builder = DocumentBuilder(identifier, "mods", space)
    if version := take_attribute(element, "version"):
        builder.rules.append(f"MODS {version}")
    _read_names(builder, element)
    for part in element:
        if handler := _HANDLERS.get(local_name(part)):
            handler(builder, part)
    _read_parts(builder, element)
    add_envelope(builder, envelope)
    return builder.build(rest for part in envelope.metadata for rest in leftovers(part))


def _find_mods(metadata: tuple[_Element, ...]) -> _Element:
    """Return the first `mods`, also in a `modsCollection`."""
    for part in metadata:
        inside = part if local_name(part) == "modsCollection" else (part,)
        for one in inside:
            if local_name(one) == "mods":
                return one
    message = (
        f"the metadata is <{metadata[0].tag}>, not MODS. Harvest with the metadata_prefix of MODS, such as mods, or "
        "name a transformer that reads this format."
    )
    raise TransformError(message)


def _read_names(builder: DocumentBuilder, element: _Element) -> None:
    """Add the agents. A name in another script is another name of the same agent (`altRepGroup`).

    A name without a role is that of a creator if it is the primary one, or if the record names no role at all.
    """
    has_roles = any(local_name(inner) == "role" for part in children_named(element, "name") for inner in part)
    groups: dict[str, tuple[list[Agent], int]] = {}
    for part in children_named(element, "name"):
        if part.get("type") == "conference":
            if conference := take_conference(part):
                builder.containers.append(conference)
            continue
        group, is_primary = part.get("altRepGroup"), part.get("usage") == "primary"
        agent = take_name(part)
        if agent is None:
            continue
        if group and group in groups:
            _add_other_name(*groups[group], agent)
            continue
        is_first = is_primary or not has_roles
        target = builder.contributors
        if is_creator(agent.role) or (is_first and not (agent.role or agent.role_text)):
            target = builder.creators
        target.append(agent)
        if group:
            groups[group] = (target, len(target) - 1)


def _add_other_name(agents: list[Agent], at: int, other: Agent) -> None:
    """Add the name of an agent to another one. What else it has is the same in both, or is added."""
    agent = agents[at]
    names = (*agent.other_names, Text(other.name), *other.other_names)
    if other.suffix and other.suffix != agent.suffix:
        names += (Text(other.suffix),)
    agents[at] = replace(
        agent,
        other_names=tuple(dict.fromkeys(names)),
        identifiers=tuple(dict.fromkeys(agent.identifiers + other.identifiers)),
        affiliations=tuple(dict.fromkeys(agent.affiliations + other.affiliations)),
        role=agent.role or other.role,
        role_text=agent.role_text or other.role_text,
    )


def _read_title(builder: DocumentBuilder, element: _Element) -> None:
    builder.titles += take_titles(element)


def _read_type(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        builder.add_type(Text(text, vocabulary="MODS"))


def _read_genre(builder: DocumentBuilder, element: _Element) -> None:
    vocabulary, language = take_attribute(element, "authority"), take_lang(element)
    if text := take_all_text(element):
        builder.add_type(Text(text, language=language, vocabulary=vocabulary))


def _read_origin(builder: DocumentBuilder, element: _Element) -> None:
    origin = take_origin(element)
    builder.publishers += origin.publishers
    builder.contributors += origin.others
    builder.dates += [date for date in origin.dates if date not in builder.dates]
    for label in origin.editions:
        if builder.version is None:
            builder.version = label
        else:
            builder.versions.append(Version(label))
    builder.types += [Text(text, vocabulary="MODS issuance") for text in origin.issuances]
    builder.descriptions += [Description(text, role="frequency") for text in origin.frequencies]


def _read_language(builder: DocumentBuilder, element: _Element) -> None:
    """Add a language. That of a part of the resource, such as a summary, stays in the tree."""
    if element.get("objectPart"):
        return
    texts = _take_terms(element, "languageTerm")
    code = next(filter(None, map(language_code, texts)), None)
    if code:
        # The code of the document is one of ISO 639, too.
        for term in children_named(element, "languageTerm"):
            if term.get("authority", "").startswith("iso639"):
                take_attribute(term, "authority")
    # Several terms name one language: its code and its name.
    names = [text for text in texts if text != code and (code is None or language_code(text) != code)]
    same = [text for text in texts if text != code and text not in names]
    if texts:
        builder.languages.append(Language(code, "; ".join(names + same) or None))


def _take_terms(element: _Element, name: str) -> list[str]:
    """Take terms, and what says that each is a text or a code."""
    terms = children_named(element, name)
    for term in terms:
        take_attribute(term, "type")
    return [text for text in map(take_all_text, terms) if text]


def _read_physical_description(builder: DocumentBuilder, element: _Element) -> None:
    for part in children_named(element, "form", "internetMediaType", "digitalOrigin"):
        vocabulary = take_attribute(part, "authority")
        if text := take_all_text(part):
            builder.formats.append(Text(text, language=take_lang(part), vocabulary=vocabulary))
    for part in children_named(element, "extent"):
        unit = take_attribute(part, "unit")
        if text := take_all_text(part):
            builder.sizes.append(Text(f"{text} {unit}" if unit else text, language=take_lang(part)))
    for part in children_named(element, "note"):
        kind = take_attribute(part, "type")
        if text := take_all_text(part):
            builder.descriptions.append(Description(text, role=kind or "physical description"))


def _description(role: str) -> _Handler:
    def read(builder: DocumentBuilder, element: _Element) -> None:
        language = take_lang(element)
        if text := take_all_text(element):
            builder.descriptions.append(Description(text, language=language, role=role))

    return read


def _read_note(builder: DocumentBuilder, element: _Element) -> None:
    """Add a note: its type is the role of the description. A note on funding is funding."""
    kind, language = take_attribute(element, "type"), take_lang(element)
    text = take_all_text(element)
    if not text:
        return
    if kind == "funding":
        builder.funding.append(Funding(text=text))
    else:
        builder.descriptions.append(Description(text, language=language, role=kind or "Other"))


def _read_classification(builder: DocumentBuilder, element: _Element) -> None:
    scheme, edition = take_attribute(element, "authority"), take_attribute(element, "edition")
    uri = take_attribute(element, "valueURI")
    if text := take_all_text(element):
        vocabulary = " ".join(filter(None, (scheme, edition))) or None
        builder.subjects.append(Subject(text, vocabulary=vocabulary, code=text, uri=uri))


def _read_identifier(builder: DocumentBuilder, element: _Element) -> None:
    """Add an identifier. One that is declared invalid identifies nothing, and stays in the tree."""
    if element.get("invalid") == "yes":
        return
    kind = take_attribute(element, "type") or take_attribute(element, "typeURI")
    if text := take_all_text(element):
        builder.add_identifier(identify_declared(kind, text), text)


def _read_location(builder: DocumentBuilder, element: _Element) -> None:
    """Add the addresses: `raw object` and `preview` are files, all others identify the resource."""
    for part in children_named(element, "url"):
        access, name = part.get("access"), part.get("displayLabel")
        text = take_all_text(part)
        if not text:
            continue
        if access in ("raw object", "preview"):
            for attribute in ("access", "displayLabel"):
                take_attribute(part, attribute)
            note = take_attribute(part, "note")
            description = "; ".join(filter(None, (access, note)))
            builder.files.append(File(text, name, description=description))
        else:
            builder.add_identifier(identify(text), text)


def _read_access_condition(builder: DocumentBuilder, element: _Element) -> None:
    """Add rights. `xlink:href` is the address of the license."""
    language, address = take_lang(element), take_attribute(element, XLINK_HREF)
    text = take_all_text(element) or address
    if not text:
        return
    builder.access = builder.access or access_of(text)
    license_url = license_address(address or text) or address
    builder.rights.append(Rights(text, language=language, license=license_url))


def _read_record_info(builder: DocumentBuilder, element: _Element) -> None:
    """Add what a record says about itself."""
    builder.agencies += take_texts(element, "recordContentSource")
    builder.rules += take_texts(element, "descriptionStandard", "recordOrigin", "recordInfoNote")
    for part in children_named(element, "recordIdentifier"):
        if text := take_all_text(part):
            source = take_attribute(part, "source")
            builder.record_identifiers.append(Identifier("other", text, source))
    for part in children_named(element, "languageOfCataloging"):
        builder.record_languages += _take_terms(part, "languageTerm")
    builder.created = builder.created or _take_day(element, "recordCreationDate")
    builder.updated = builder.updated or _take_day(element, "recordChangeDate")


def _take_day(element: _Element, name: str) -> str | None:
    """Take the first date with a name, if it is recognized. MARC writes `yymmdd`."""
    for part in children_named(element, name):
        text = (part.text or "").strip()
        if part.get("encoding") == "marc" and len(text) == 6 and text.isdigit():  # noqa: PLR2004 - yymmdd
            text = f"{'19' if text[:2] >= '66' else '20'}{text}"
        if value := parse_date(text):
            part.text = None
            take_attribute(part, "encoding")
            return value
    return None


def _read_parts(builder: DocumentBuilder, element: _Element) -> None:
    """Add where the resource stands in its host: to the first container, or to one of its own."""
    for part in children_named(element, "part"):
        at = next(
            (at for at, one in enumerate(builder.containers) if one.kind not in ("series", "conference")),
            None,
        )
        container = take_part(part, Container() if at is None else builder.containers[at])
        if at is not None:
            builder.containers[at] = container
        elif container != Container():
            builder.containers.append(container)


_HANDLERS: dict[str, _Handler] = {
    "titleInfo": _read_title,
    "typeOfResource": _read_type,
    "genre": _read_genre,
    "originInfo": _read_origin,
    "language": _read_language,
    "physicalDescription": _read_physical_description,
    "abstract": _description("Abstract"),
    "tableOfContents": _description("TableOfContents"),
    "note": _read_note,
    "subject": read_subject,
    "classification": _read_classification,
    "relatedItem": read_related_item,
    "identifier": _read_identifier,
    "location": _read_location,
    "accessCondition": _read_access_condition,
    "recordInfo": _read_record_info,
}
