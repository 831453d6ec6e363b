"""The locations of a work of OpenAlex: its containers, files, licenses, and its addresses.

A location is a place where a version of the work is: https://docs.openalex.org/api-entities/works/work-object/location-object.
The journal of the work is the source of its primary location, so `biblio` belongs to that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Agent,
    Container,
    ContainerKind,
    File,
    Identifier,
    Rights,
    Text,
)
from harvest_dagster.transformers.reading.json_tree import Node, child, children, take, take_texts
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as
from harvest_dagster.transformers.recognition.licenses import license_address

_KINDS: dict[str, ContainerKind] = {
    "journal": "journal",
    "repository": "repository",
    "conference": "conference",
    "book series": "series",
}
# The address of the organization that hosts a source: P for a publisher, I for an institution.
_PUBLISHER = re.compile(r"(?:https?://)?openalex\.org/P[0-9]+", re.IGNORECASE | re.ASCII)


def add_locations(builder: DocumentBuilder, work: Node) -> None:
    """Add the containers, files, licenses and addresses of a work, those of the primary location first."""
    biblio = child(work, "biblio")
    has_primary = isinstance(work.get("primary_location"), dict)
    for place, location in enumerate(_distinct_locations(work)):
        is_primary = has_primary and place == 0
        _container(builder, location, biblio if is_primary else {}, is_primary=is_primary)
        _content(builder, location)
        raw_type = take(location, "raw_type")
        if raw_type and Text(raw_type) not in builder.types:
            builder.add_type(Text(raw_type))
    if not has_primary:
        _container(builder, {}, biblio, is_primary=True)
    builder.containers[:] = dict.fromkeys(builder.containers)
    _other_files(builder, work)


def _distinct_locations(work: Node) -> Sequence[Node]:
    """Return the primary location, the best open one and the others. Of equal ones, take all but the first out."""
    found: dict[bytes, Node] = {}
    for key in ("primary_location", "best_oa_location", "locations"):
        # Ids of objects: `clear` would empty the equal one, too, if both are the same object.
        repeated: set[int] = set()
        for location in children(work, key):
            if found.setdefault(msgspec.json.encode(location, order="sorted"), location) is not location:
                repeated.add(id(location))
        if repeated:
            _remove(work, key, repeated)
    return list(found.values())


def _remove(work: Node, key: str, repeated: set[int]) -> None:
    value = work[key]
    if isinstance(value, list):
        # The places of the others must not move: a path names them.
        work[key] = [None if id(one) in repeated else one for one in value]
    else:
        del work[key]


def _container(builder: DocumentBuilder, location: Node, biblio: Node, *, is_primary: bool) -> None:
    source = child(location, "source")
    title, written = _titles(take(source, "display_name"), take(location, "raw_source_name"))
    is_platform = source.get("type") == "ebook platform" and written is not None
    kind = "book" if is_platform else _KINDS.get(str(source.get("type")).lower())
    if is_platform:  # the source is the platform, and what the location writes is the book
        title, written = written, title
    if source.get("type") == kind:  # `book series` says more than the kind
        take(source, "type")
    # What a repository writes is a citation of the journal, not another title of the repository.
    is_citation = kind == "repository"
    container = Container(
        title=title,
        kind=kind,
        other_titles=(Text(written),) if written and not is_citation else (),
        identifiers=_source_identifiers(source),
        volume=take(biblio, "volume"),
        issue=take(biblio, "issue"),
        first_page=take(biblio, "first_page"),
        last_page=take(biblio, "last_page"),
        agents=_hosts(builder, source, is_primary=is_primary),
        text=written if is_citation else None,
    )
    if container != Container():
        builder.containers.append(container)


def _titles(name: str | None, written: str | None) -> tuple[str | None, str | None]:
    """Return the title of a source, and what the location writes of it if that is something else."""
    if name is None:
        return written, None
    return name, None if written == name else written


def _source_identifiers(source: Node) -> tuple[Identifier, ...]:
    numbers = [take(source, "issn_l"), *take_texts(source, "issn")]
    found = [identify_as("issn", number) for number in numbers if number]
    if address := take(source, "id"):
        found.append(identify(address))
    return tuple(dict.fromkeys(found))


def _hosts(builder: DocumentBuilder, source: Node, *, is_primary: bool) -> tuple[Agent, ...]:
    """Return the organization that hosts a source. The publisher of the primary one is that of the work."""
    name = take(source, "host_organization_name")
    if name is None:
        return ()
    address = take(source, "host_organization")
    is_publisher = address is not None and _PUBLISHER.fullmatch(address) is not None
    agent = Agent(
        name,
        "organization",
        identifiers=(identify(address),) if address else (),
        role="pbl" if is_publisher else "his",
        role_text="host_organization",
    )
    if is_publisher and is_primary:
        builder.publishers.append(agent)
        return ()
    return (agent,)


def _content(builder: DocumentBuilder, location: Node) -> None:
    """Add the file of a location, its license and its addresses."""
    pdf, page = take(location, "pdf_url"), take(location, "landing_page_url")
    version = take(location, "version") if pdf or page or location.get("license") else None
    license_text = _license(builder, location, version)
    if pdf or page:
        builder.files.append(
            File(
                pdf or page,
                format="pdf" if pdf else None,
                version=version,
                access="open" if _take_true(location, "is_oa") else None,
                license=license_text,
            )
        )
    if page:
        builder.add_identifier(identify(page), page)
    if identifier := take(location, "id"):
        _location_identifier(builder, identifier)


def _take_true(node: Node, key: str) -> bool:
    """Take a `true`. A `false` stays: that OpenAlex found no open copy does not mean that there is none."""
    return node.get(key) is True and take(node, key) is not None


def _license(builder: DocumentBuilder, location: Node, version: str | None) -> str | None:
    """Add the license of a location. Return its address."""
    text, page = take(location, "license"), take(location, "license_id")
    if not (text or page):
        return None
    address = license_address(text or "") or page
    rights = Rights(text or page or "", license=address, code=text, applies_to=version)
    if rights not in builder.rights:
        builder.rights.append(rights)
    return address


def _location_identifier(builder: DocumentBuilder, text: str) -> None:
    """Add the identifier of a location: `doi:…`, `pmid:…`, or `pmh:…` for that of a record of OAI-PMH.

    Those of arXiv and of PubMed Central contain the number of the work.
    """
    found = identify(text.removeprefix("pmh:"))
    if found.scheme in ("oai", "other", "url"):
        builder.record_identifiers.append(found)
    else:
        builder.identifiers.append(found)


def _other_files(builder: DocumentBuilder, work: Node) -> None:
    """Add the open address, if it is not that of a location, and the addresses of the content that OpenAlex keeps."""
    address = take(child(work, "open_access"), "oa_url")
    if address and address not in {*(file.url for file in builder.files), *builder.links}:
        builder.files.append(File(address, access="open"))
    contents = child(work, "content_urls")
    for key in list(contents):
        if address := take(contents, key):
            builder.files.append(File(address, format=key))
