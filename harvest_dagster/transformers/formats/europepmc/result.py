"""Read a search result of Europe PMC.

The REST API, https://europepmc.org/RestfulWebService, with `resultType=core`, `lite` or `idlist`, as JSON or as XML.
The names are the same in both; `unmapped` names the JSON path of a value, for XML too. Here: the fields of a result.
Not here: the journal and the dates (`formats.europepmc.journal`).

- A result repeats much: `authorString` is the names of `authorList`, `affiliation` is that of the first author. Such
  a value is dropped if the document has all of it, and kept otherwise.
- Titles and abstracts are texts with tags of HTML (`<h4>Background</h4>`, `<i>`). The tags are removed.
- `isOpenAccess` with the value `Y` gives the access. The other flags (`hasPDF`, `inPMC`, ...) have no field.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Access,
    Affiliation,
    Agent,
    Date,
    Description,
    Document,
    File,
    Funding,
    Identifier,
    Language,
    Related,
    Rights,
    Subject,
    Text,
    Title,
    Version,
)
from harvest_dagster.transformers.formats.europepmc.journal import add_journal
from harvest_dagster.transformers.reading import xml_tree
from harvest_dagster.transformers.reading.json_tree import (
    Node,
    child,
    children,
    leftovers,
    parse,
    take,
    take_texts,
)
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify_as
from harvest_dagster.transformers.recognition.languages import language_code
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.standard_forms import full_name

if TYPE_CHECKING:
    from lxml.etree import _Element

# The scheme of `id`, by `source`: https://europepmc.org/Help#whatserachingEPMC
_SOURCES = {"MED": "pmid", "PMC": "pmcid"}
_ACCESS: dict[str, Access] = {"OA": "open", "F": "open", "S": "restricted"}
_RELATIONS = {
    "Preprint of": "IsPreviousVersionOf",
    "Preprint in": "IsNewVersionOf",
    "Update of": "IsNewVersionOf",
    "Update in": "IsPreviousVersionOf",
    "Republished from": "IsVariantFormOf",
    "Republished in": "IsOriginalFormOf",
}
# Europe PMC escapes the tags in some titles, so that they arrive as `&lt;i&gt;`.
_BLOCKS = re.compile(r"(?:<|&lt;)/?(?:h[1-6]|p|br|div|li|ol|ul|table|tr|td)\s*/?(?:>|&gt;)", re.IGNORECASE)
_INLINE = re.compile(
    r"(?:<|&lt;)/?(?:i|b|u|em|strong|sub|sup|sc|small|span|tt)\s*/?(?:>|&gt;)", re.IGNORECASE
)


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one result.

    Raises:
        TransformError: the datum is neither JSON nor XML, or nothing in it is that of a result.
    """
    node = _node(_result(datum)) if datum.lstrip().startswith("<") else parse(datum)
    if not isinstance(node, dict):
        message = "the result is a text. Name a transformer that reads this format."
        raise TransformError(message)
    builder = DocumentBuilder(identifier, "europepmc", "europepmc")
    for reader in _READERS:
        reader(builder, node)
    return builder.build(leftovers(node))


def _result(datum: str) -> _Element:
    root = xml_tree.parse(datum)
    if xml_tree.local_name(root) != "result":
        message = f"the datum is <{root.tag}>, not a <result> of Europe PMC. Name a transformer that reads this format."
        raise TransformError(message)
    return root


def _node(element: _Element) -> Any:
    """Return an element as the JSON that Europe PMC sends: an object, or a text. The parser limits the depth."""
    if not len(element) and not element.attrib:
        return element.text
    node: Node = {str(name).rpartition("}")[2]: str(value) for name, value in element.attrib.items()}
    for one in element:
        name, value = xml_tree.local_name(one), _node(one)
        before = node.get(name)
        if isinstance(before, list):
            before.append(value)  # in place: a record may have thousands of authors
        else:
            node[name] = [before, value] if name in node else value
    if text := xml_tree.own_text(element):
        node["value"] = text
    return node


def _plain(text: str) -> str:
    """Return a text without the tags of HTML that Europe PMC sends. Other text in angle brackets stays."""
    return (
        " ".join(_INLINE.sub("", _BLOCKS.sub(" ", text)).split()) if "<" in text or "&lt;" in text else text
    )


def _identifiers(builder: DocumentBuilder, node: Node) -> None:
    source, number = take(node, "source"), take(node, "id")
    if source:
        builder.agencies.append(source)
    if number:
        builder.add_identifier(identify_as(_SOURCES.get(source or "", source or "id"), number))
    for name in ("pmid", "pmcid", "doi"):
        if text := take(node, name):
            builder.add_identifier(identify_as(name, text))
    for name in ("bookid", "manuscriptId"):
        if text := take(node, name):
            builder.add_identifier(Identifier("other", text, name))
    for text in take_texts(child(node, "fullTextIdList"), "fullTextId"):
        found = identify_as("pmcid", text)
        builder.add_identifier(found if found.scheme == "pmcid" else Identifier("other", text, "fullTextId"))


def _titles(builder: DocumentBuilder, node: Node) -> None:
    if text := take(node, "title"):
        builder.titles.append(Title(_plain(text)))
    if text := take(node, "abstractText"):
        builder.descriptions.append(Description(_plain(text), role="Abstract"))


def _authors(builder: DocumentBuilder, node: Node) -> None:
    builder.creators += filter(None, map(_agent, children(child(node, "authorList"), "author")))
    for one in children(child(node, "investigatorList"), "investigator"):
        if agent := _agent(one):
            builder.contributors.append(msgspec.structs.replace(agent, role=None, role_text="investigator"))
    _repeated_authors(builder, node)


def _agent(node: Node) -> Agent | None:
    """Take an author out of the record: a person, or a group with a `collectiveName`."""
    group = take(node, "collectiveName")
    name = None if group else take(node, "fullName")
    given, family = take(node, "firstName"), take(node, "lastName")
    initials = node.get("initials")
    name = group or name or full_name(family, given or take(node, "initials"))
    if not name:
        return None
    if isinstance(initials, str) and initials in name:
        take(node, "initials")
    identifiers = [
        identify_as(take(one, "type") or "", text)
        for one in children(node, "authorId")
        if (text := take(one, "value"))
    ]
    details = children(child(node, "authorAffiliationDetailsList"), "authorAffiliation")
    names = [
        *(text for one in details if (text := take(one, "affiliation"))),
        *take_texts(node, "affiliation"),
    ]
    return Agent(
        name,
        "organization" if group else None,
        given,
        family,
        suffix=take(node, "suffix"),
        identifiers=tuple(identifiers),
        role="aut",
        role_text="author",
        affiliations=tuple(map(Affiliation, dict.fromkeys(names))),
    )


def _repeated_authors(builder: DocumentBuilder, node: Node) -> None:
    """Read what repeats `authorList`: in a `lite` result, it is all there is."""
    text = str(node.get("authorString") or "")
    names = [name for part in text.strip().removesuffix(".").split(",") if (name := " ".join(part.split()))]
    if not builder.creators and take(node, "authorString"):
        builder.creators += (Agent(name, role="aut", role_text="author") for name in names)
    elif {*names} <= {agent.name for agent in builder.creators}:
        take(node, "authorString")
    _repeated_affiliation(builder, node)
    known = {one for agent in builder.creators for one in agent.identifiers}
    for one in children(child(node, "authorIdList"), "authorId"):
        if identify_as(str(one.get("type") or ""), str(one.get("value") or "")) in known:
            take(one, "type")
            take(one, "value")


def _repeated_affiliation(builder: DocumentBuilder, node: Node) -> None:
    """Read the affiliation of the first author, unless the document has it."""
    text = " ".join(str(node.get("affiliation") or "").split())
    known = {one.name for agent in builder.creators for one in agent.affiliations}
    if text in known:
        take(node, "affiliation")
    elif builder.creators and not known and take(node, "affiliation"):
        first = builder.creators[0]
        builder.creators[0] = msgspec.structs.replace(first, affiliations=(Affiliation(text),))


def _types(builder: DocumentBuilder, node: Node) -> None:
    for text in take_texts(child(node, "pubTypeList"), "pubType"):
        builder.add_type(Text(text))
    for text in (take(node, "pubType") or "").split(";"):
        if text.strip():
            builder.add_type(Text(text.strip()))
    containers = {one.kind for one in builder.containers}
    if builder.kind is None and "journal" in containers:
        builder.kind = "JournalArticle"  # a letter, an erratum
    elif builder.kind == "Book" and "book" in containers:
        builder.kind = "BookChapter"  # the type is that of the book
    for text in take_texts(node, "language"):
        code = language_code(text)
        builder.languages.append(Language(code, text if text != code else None))


def _subjects(builder: DocumentBuilder, node: Node) -> None:
    for text in take_texts(child(node, "keywordList"), "keyword"):
        builder.subjects.append(Subject(_plain(text)))
    for heading in children(child(node, "meshHeadingList"), "meshHeading"):
        name = take(heading, "descriptorName")
        qualifiers = children(child(heading, "meshQualifierList"), "meshQualifier")
        for qualifier in qualifiers:
            named = "/".join(filter(None, (name, take(qualifier, "qualifierName"))))
            if named:
                builder.subjects.append(
                    Subject(named, vocabulary="MeSH", code=take(qualifier, "abbreviation"))
                )
        if name and not qualifiers:
            builder.subjects.append(Subject(name, vocabulary="MeSH"))
    for chemical in children(child(node, "chemicalList"), "chemical"):
        if name := take(chemical, "name"):
            code = take(chemical, "registryNumber")
            builder.subjects.append(Subject(name, vocabulary="chemicalList", code=code))


def _grants(builder: DocumentBuilder, node: Node) -> None:
    for grant in children(child(node, "grantsList"), "grant"):
        doi = take(grant, "doi")
        found = Funding(
            take(grant, "agency"),
            award=take(grant, "grantId"),
            program=take(grant, "acronym"),
            award_identifiers=(identify_as("doi", doi),) if doi else (),
        )
        if found != Funding():
            builder.funding.append(found)


def _rights(builder: DocumentBuilder, node: Node) -> None:
    if text := take(node, "license"):
        builder.rights.append(Rights(text, license=license_address(text), code=text))
    if node.get("isOpenAccess") == "Y":
        take(node, "isOpenAccess")
        builder.access = "open"


def _files(builder: DocumentBuilder, node: Node) -> None:
    for one in children(child(node, "fullTextUrlList"), "fullTextUrl"):
        if url := take(one, "url"):
            code, availability = take(one, "availabilityCode"), take(one, "availability")
            text = f"{availability or ''} ({code})".strip() if code else availability
            builder.files.append(
                File(
                    url,
                    take(one, "site"),
                    take(one, "documentStyle"),
                    access=_ACCESS.get(code or ""),
                    description=text,
                )
            )


def _related(builder: DocumentBuilder, node: Node) -> None:
    """Add comments, corrections, preprints and retractions."""
    for one in children(child(node, "commentCorrectionList"), "commentCorrection"):
        number, word = take(one, "id"), take(one, "type")
        source = take(one, "source") if number else None
        text = " ".join(filter(None, (take(one, "reference"), take(one, "note"))))
        identifiers = (identify_as(_SOURCES.get(source or "", source or "id"), number),) if number else ()
        if number or text:
            relation = _RELATIONS.get(word or "")
            builder.related.append(Related(relation, word, identifiers, text or None))


def _versions(builder: DocumentBuilder, node: Node) -> None:
    builder.version = take(node, "versionNumber")
    for one in children(child(node, "versionList"), "version"):
        source, number = take(one, "source"), take(one, "id")
        text = take(one, "firstPublishDate")
        value = parse_date(text) if text else None
        date = Date(value, text if text != value else None, "Issued", "firstPublishDate") if text else None
        identifiers = (identify_as(_SOURCES.get(source or "", source or "id"), number),) if number else ()
        builder.versions.append(Version(take(one, "versionNumber"), date, identifiers, source))


def _provenance(builder: DocumentBuilder, node: Node) -> None:
    for one in children(child(node, "subsetList"), "subset"):
        if text := ": ".join(filter(None, (take(one, "code"), take(one, "name")))):
            builder.sets.append(text)
    for name, field in (("dateOfCreation", "created"), ("dateOfRevision", "updated")):
        date = node.get(name)
        if isinstance(date, str) and (value := parse_date(date.strip())):
            take(node, name)
            setattr(builder, field, value)


_READERS: tuple[Callable[[DocumentBuilder, Node], None], ...] = (
    _identifiers,
    _titles,
    _authors,
    add_journal,
    _types,
    _subjects,
    _grants,
    _rights,
    _files,
    _related,
    _versions,
    _provenance,
)
