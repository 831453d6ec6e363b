"""Read the objects of schema.org that become items of the document: agents, containers, files and others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    AgentKind,
    Container,
    ContainerKind,
    Date,
    File,
    Funding,
    Identifier,
    Place,
    Related,
    Text,
)
from harvest_dagster.transformers.formats.schema_org.graph import Graph, Node, Value
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify, identify_declared
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.standard_forms import full_name
from harvest_dagster.transformers.recognition.vocabularies import date_type, relation_type, relator

_PEOPLE = frozenset({"Person", "Patient"})
_ORGANIZATIONS_NAMES = """
Organization CollegeOrUniversity Consortium Corporation EducationalOrganization FundingAgency
FundingScheme GovernmentOrganization LibrarySystem NGO NewsMediaOrganization PerformingGroup Project
ResearchOrganization ResearchProject WorkersUnion
"""
_ORGANIZATIONS = frozenset(_ORGANIZATIONS_NAMES.split())
_AGENTS = _PEOPLE | _ORGANIZATIONS | {"Role", "OrganizationRole", "Thing"}
_KINDS: dict[str, ContainerKind] = {
    "Periodical": "journal",
    "Book": "book",
    "BookSeries": "series",
    "CreativeWorkSeries": "series",
    "Series": "series",
    "Event": "conference",
    "DataCatalog": "repository",
}
_CHAIN = frozenset({"PublicationIssue", "PublicationVolume", *_KINDS})
_FILES = frozenset(
    {"DataDownload", "MediaObject", "ImageObject", "VideoObject", "AudioObject", "CreativeWork"}
)
_PLACES = frozenset(
    {"Place", "AdministrativeArea", "City", "Country", "State", "GeoCoordinates", "GeoShape", "PostalAddress"}
)
_DEEPEST = 4  # agent, its organization, the organization of that one
_LONGEST_CHAIN = 4  # article, issue, volume, periodical
_RESOLVABLE = re.compile(r"(?:https?:|urn:|doi:|info:|10\.[0-9]{4})", re.IGNORECASE)
_ADDRESS = ("streetAddress", "addressLocality", "addressRegion", "postalCode", "addressCountry")
_HASHES = {"sha256": "sha256", "md5": "md5", "sha1": "sha1"}


def identifiers(graph: Graph, node: Node, *keys: str) -> Iterator[tuple[Identifier, str]]:
    """Yield the identifiers of an object, each with the text of the source.

    https://schema.org/identifier: a text, an address, or a PropertyValue with `propertyID` and `value`.
    """
    for key in keys:
        for entry in graph.entries(node, key) if key in node else ():
            if isinstance(entry, Value):
                yield identify(entry.text), entry.text
                continue
            graph.take_types(entry, frozenset({"PropertyValue", "URL"}))
            text = graph.text(entry, "value", "url", "@id", "name")
            if text is None:
                continue
            scheme = graph.text(entry, "propertyID", "name")
            yield identify_declared(scheme, text), text


def own_identifier(graph: Graph, node: Node) -> Iterator[tuple[Identifier, str]]:
    """Yield the `@id` of an object, unless it is only a name inside the page (`#author`, `_:b0`)."""
    name = node.get("@id")
    if isinstance(name, str) and _RESOLVABLE.match(name):
        graph.take(node, "@id")
        yield identify(name), name
    elif isinstance(name, str) and name.startswith(("#", "_:")):
        graph.take(node, "@id")  # it has no meaning outside of the page


def agents(graph: Graph, node: Node, key: str, role: str | None = None) -> list[Agent]:
    """Return the people and organizations at a property. References may form a circle, so the depth has a limit."""
    if key not in node or graph.depth > _DEEPEST:
        return []
    graph.depth += 1
    found = [
        Agent(entry.text, **_role(role)) if isinstance(entry, Value) else _agent(graph, entry, key, role)
        for entry in graph.entries(node, key)
    ]
    graph.depth -= 1
    return [agent for agent in found if agent is not None]


def _agent(graph: Graph, node: Node, key: str, role: str | None) -> Agent | None:
    types = graph.take_types(node, _AGENTS)
    if "Role" in types or "OrganizationRole" in types:
        # https://schema.org/Role: the property is repeated inside.
        role = graph.text(node, "roleName") or role
        return next(iter(agents(graph, node, key, role)), None)
    given, family = graph.text(node, "givenName"), graph.text(node, "familyName")
    name = graph.text(node, "name", "legalName") or full_name(family, given)
    keys = ("identifier", "sameAs", "url")
    named = (*own_identifier(graph, node), *identifiers(graph, node, *keys))
    found = tuple(dict.fromkeys(one for one, _ in named))
    if not name and found:
        name = found[0].value
    if not name:
        return None
    others = (*graph.texts(node, "alternateName"), *_other_names(graph, node, name))
    return Agent(
        name,
        kind=_kind(types),
        given=given,
        family=family,
        prefix=graph.text(node, "honorificPrefix"),
        suffix=graph.text(node, "honorificSuffix"),
        other_names=tuple(Text(one.text, one.language) for one in others),
        identifiers=found,
        affiliations=tuple(_affiliations(graph, node)),
        places=tuple(_addresses(graph, node)),
        **_role(role),
    )


def _other_names(graph: Graph, node: Node, name: str) -> list[Value]:
    """Return the names beside the one that is used: `legalName`, and names in other languages."""
    found = [*graph.texts(node, "name"), *graph.texts(node, "legalName")]
    return [one for one in found if one.text != name]


def _role(role: str | None) -> dict[str, Any]:
    code = relator(role) if role else None
    return {"role": code, "role_text": None if role == code else role}


def _kind(types: list[str]) -> AgentKind | None:
    if not _PEOPLE.isdisjoint(types):
        return "person"
    return None if _ORGANIZATIONS.isdisjoint(types) else "organization"


def _affiliations(graph: Graph, node: Node) -> Iterator[Affiliation]:
    for key in ("affiliation", "worksFor", "memberOf", "department", "parentOrganization"):
        mark, found = graph.mark(), agents(graph, node, key)
        keep_agents(graph, mark, found)
        for agent in found:
            yield Affiliation(", ".join((agent.name, *agent.places)), agent.identifiers)


def keep_agents(graph: Graph, mark: int, found: Iterable[Agent], *, with_places: bool = True) -> None:
    """Give back what agents have besides their names, places and identifiers: the document has no field for it."""
    agents_found = list(found)
    places = [place for agent in agents_found for place in agent.places] if with_places else []
    parts = [part for place in places for part in place.split(", ")]
    texts = {agent.name for agent in agents_found}.union(places, parts)
    graph.keep_only(mark, texts, {one for agent in agents_found for one in agent.identifiers})


def _addresses(graph: Graph, node: Node, keys: tuple[str, ...] = ("address", "location")) -> Iterator[str]:
    for key in keys:
        for entry in graph.entries(node, key) if key in node else ():
            if isinstance(entry, Value):
                yield entry.text
                continue
            graph.take_types(entry, _PLACES)
            yield from filter(None, [graph.text(entry, "name"), _address(graph, entry)])
            yield from _addresses(graph, entry, ("address",)) if key == "location" else ()


def _address(graph: Graph, node: Node) -> str:
    parts = [graph.text(node, key) or next(iter(graph.texts(node, key)), Value("")).text for key in _ADDRESS]
    return ", ".join(filter(None, parts))


def is_container(graph: Graph, node: Node) -> bool:
    """Return whether an object of `isPartOf` is a journal, a book or a series, or a part of one."""
    return not _CHAIN.isdisjoint(graph.types(node))


def container(graph: Graph, node: Node) -> Container:
    """Return the journal or book of a chain of objects: issue, volume, periodical.

    https://schema.org/PublicationIssue, https://schema.org/PublicationVolume
    """
    found = Container()
    current: Node | None = node
    for _ in range(_LONGEST_CHAIN):
        if current is None:
            break
        found = merged(_link(graph, current), found)
        current = next((one for one in graph.entries(current, "isPartOf") if isinstance(one, dict)), None)
    return found


def _link(graph: Graph, node: Node) -> Container:
    """Return what one object of the chain says."""
    types = graph.take_types(node, _CHAIN | {"CreativeWork", "WebSite"})
    numbers = [identify_declared(key, one.text) for key in ("issn", "isbn") for one in graph.texts(node, key)]
    named = (*own_identifier(graph, node), *identifiers(graph, node, "identifier", "sameAs", "url"))
    return Container(
        title=graph.text(node, "name"),
        kind=next((_KINDS[name] for name in types if name in _KINDS), None),
        other_titles=tuple(Text(one.text, one.language) for one in graph.texts(node, "alternateName")),
        identifiers=tuple(dict.fromkeys((*numbers, *(one for one, _ in named)))),
        volume=graph.text(node, "volumeNumber"),
        issue=graph.text(node, "issueNumber"),
        edition=graph.text(node, "bookEdition"),
        dates=tuple(date(one.text, "Issued") for one in graph.texts(node, "datePublished")),
        agents=(*agents(graph, node, "editor", "edt"), *agents(graph, node, "publisher", "pbl")),
    )


def merged(whole: Container, part: Container) -> Container:
    """Return one container from a journal and its issue. The title of the issue is another title."""
    others = (*part.other_titles, *whole.other_titles)
    if whole.title and part.title:
        others = (Text(part.title), *others)
    return Container(
        title=whole.title or part.title,
        kind=whole.kind or part.kind,
        other_titles=others,
        identifiers=tuple(dict.fromkeys((*whole.identifiers, *part.identifiers))),
        first_page=part.first_page or whole.first_page,
        last_page=part.last_page or whole.last_page,
        pages=part.pages or whole.pages,
        volume=part.volume or whole.volume,
        issue=part.issue or whole.issue,
        edition=part.edition or whole.edition,
        dates=(*part.dates, *whole.dates),
        agents=(*part.agents, *whole.agents),
    )


def date(text: str, role: str | None, word: str | None = None) -> Date:
    """Return a date with its role, and with the property that says it."""
    value = parse_date(text)
    kind = date_type(role) if role else None
    return Date(value, None if value == text else text, kind, None if kind else word)


def file(graph: Graph, entry: Value | Node, word: str | None = None) -> File | None:
    """Return a file: https://schema.org/DataDownload, https://schema.org/MediaObject, or an address."""
    if isinstance(entry, Value):
        return File(url=entry.text, description=word)
    graph.take_types(entry, _FILES)
    license_text = graph.text(entry, "license")
    url = graph.text(entry, "contentUrl", "downloadUrl", "url", "embedUrl", "@id")
    checksum = next(
        (f"{name}:{one}" for key, name in _HASHES.items() if (one := graph.text(entry, key))), None
    )
    found = File(
        url=url,
        name=graph.text(entry, "name"),
        format=graph.text(entry, "encodingFormat", "fileFormat"),
        size=graph.text(entry, "contentSize", "size"),
        checksum=checksum,
        version=graph.text(entry, "version"),
        license=(license_address(license_text) or license_text) if license_text else None,
        description=graph.text(entry, "description"),
    )
    return found if found != File() else None


def funding(graph: Graph, entry: Value | Node, *, is_grant: bool) -> Funding | None:
    """Return a grant (https://schema.org/Grant), or the support of a funder."""
    if isinstance(entry, Value):
        return Funding(text=entry.text) if is_grant else Funding(funder=entry.text)
    if not is_grant and "Grant" not in graph.types(entry) and "MonetaryGrant" not in graph.types(entry):
        mark, agent = graph.mark(), _agent(graph, entry, "funder", None)
        keep_agents(graph, mark, [agent] if agent else [], with_places=False)
        return Funding(funder=agent.name, funder_identifiers=agent.identifiers) if agent else None
    graph.take_types(entry, frozenset({"Grant", "MonetaryGrant"}))
    mark = graph.mark()
    funders = [*agents(graph, entry, "funder"), *agents(graph, entry, "sponsor")]
    keep_agents(graph, mark, funders[:1], with_places=False)
    mark = graph.mark()
    award = list(identifiers(graph, entry, "identifier"))
    links = [one for one, _ in (*own_identifier(graph, entry), *identifiers(graph, entry, "url", "sameAs"))]
    numbers = [text for one, text in award if one.scheme == "other"]
    named = [*links, *(one for one, _ in award if one.scheme != "other")]
    graph.keep_only(mark, numbers[:1], named)
    found = Funding(
        funder=funders[0].name if funders else None,
        funder_identifiers=funders[0].identifiers if funders else (),
        award=numbers[0] if numbers else None,
        award_title=graph.text(entry, "name"),
        award_identifiers=(*(one for one, _ in award if one.scheme != "other"), *links),
    )
    return found if found != Funding() else None


def related(graph: Graph, entry: Value | Node, word: str, relation: str | None = None) -> Related | None:
    """Return a related resource.

    Args:
        graph: of the record.
        entry: a text, an address, or an object.
        word: the property that names it.
        relation: of DataCite; by default, that which the word names.
    """
    relation = relation or relation_type(word)
    relation_text = None if relation == word else word
    if isinstance(entry, Value):
        found = identify(entry.text)
        if found.scheme == "other":
            return Related(relation, relation_text, text=entry.text)
        return Related(relation, relation_text, identifiers=(found,))
    issued = graph.text(entry, "datePublished")
    types = graph.types(entry)
    if types:
        graph.take(entry, "@type")
    publishers = list(agents(graph, entry, "publisher"))
    named = (*own_identifier(graph, entry), *identifiers(graph, entry, "identifier", "url", "sameAs"))
    result = Related(
        relation,
        relation_text,
        identifiers=tuple(dict.fromkeys(one for one, _ in named)),
        title=graph.text(entry, "name", "headline"),
        text=graph.text(entry, "text", "description"),
        kind=", ".join(types) or None,
        agents=(*agents(graph, entry, "author"), *agents(graph, entry, "creator")),
        date=date(issued, "Issued") if issued else None,
        container=_container_of(graph, entry),
        publisher=publishers[0].name if publishers else None,
    )
    return result if any((result.identifiers, result.title, result.text, result.agents)) else None


def _container_of(graph: Graph, node: Node) -> Container | None:
    """Return the journal or book of a related resource, with its pages there."""
    found = pages(graph, node)
    for one in graph.entries(node, "isPartOf"):
        if isinstance(one, dict) and is_container(graph, one):
            found = merged(container(graph, one), found)
    return found if found != Container() else None


def pages(graph: Graph, node: Node) -> Container:
    """Return the volume, the issue and the pages that an article itself names."""
    return Container(
        volume=graph.text(node, "volumeNumber"),
        issue=graph.text(node, "issueNumber"),
        first_page=graph.text(node, "pageStart"),
        last_page=graph.text(node, "pageEnd"),
        pages=graph.text(node, "pagination"),
    )


def place(graph: Graph, entry: Value | Node) -> Iterator[Place]:
    """Yield the place of an object, with its geometry: https://schema.org/Place, https://schema.org/GeoShape."""
    if isinstance(entry, Value):
        yield Place(entry.text, entry.language)
        return
    graph.take_types(entry, _PLACES)
    shapes = [
        text for one in graph.entries(entry, "geo") if isinstance(one, dict) for text in _shapes(graph, one)
    ]
    shapes += _shapes(graph, entry)
    name = graph.text(entry, "name") or _address(graph, entry) or next(iter(_addresses(graph, entry)), None)
    found = tuple(
        one for one, _ in (*own_identifier(graph, entry), *identifiers(graph, entry, "identifier", "sameAs"))
    )
    if name or found or shapes:
        yield Place(name, identifiers=found, geometry=shapes[0] if shapes else None)
    yield from (Place(geometry=shape) for shape in shapes[1:])


def _shapes(graph: Graph, node: Node) -> list[str]:
    graph.take_types(node, _PLACES)
    shapes = []
    latitude, longitude = node.get("latitude"), node.get("longitude")
    if latitude is not None and longitude is not None:
        shapes.append(f"POINT ({graph.text(node, 'longitude')} {graph.text(node, 'latitude')})")
    for key, name in (("box", "POLYGON"), ("polygon", "POLYGON"), ("line", "LINESTRING")):
        value = node.get(key)
        points = _points(value) if isinstance(value, str) else []
        if key == "box" and len(points) == 2:  # noqa: PLR2004 - lower and upper corner
            (west, south), (east, north) = points
            points = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        if len(points) > 1:
            graph.take(node, key)
            joined = ", ".join(f"{x} {y}" for x, y in points)
            shapes.append(f"{name} (({joined}))" if name == "POLYGON" else f"{name} ({joined})")
    return shapes


def _points(text: str) -> list[tuple[str, str]]:
    """Return the points of a shape, longitude first. In schema.org, latitude is first."""
    numbers = re.findall(r"-?[0-9]+(?:\.[0-9]+)?", text)
    if len(numbers) % 2 or re.search(r"[^\s,;0-9.\-]", text):
        return []
    return [(numbers[index + 1], numbers[index]) for index in range(0, len(numbers), 2)]
