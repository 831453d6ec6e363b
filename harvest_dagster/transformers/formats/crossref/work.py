"""Read a work of Crossref's REST API: https://github.com/CrossRef/rest-api-doc/blob/master/api_format.md.

A datum is one item of `https://api.crossref.org/works`, or the whole answer of `works/{doi}` with its `message`.
Content negotiation (`application/vnd.citationstyles.csl+json`) gives the same keys, with single texts for lists.

- `type` decides to what ISBN, ISSN and the edition belong: a book has its own ISBN, a chapter the one of its book.
- A reference becomes one related resource. Its `key` has a meaning only inside the record, and stays in `unmapped`.
- Titles, abstracts, references and affiliations are texts with mark-up. The mark-up is removed.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Agent,
    Container,
    ContainerKind,
    Date,
    Description,
    Document,
    File,
    Funding,
    Identifier,
    Related,
    Rights,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.crossref.grants import add_projects
from harvest_dagster.transformers.formats.crossref.references import take_reference
from harvest_dagster.transformers.formats.crossref.values import (
    leave_one_form,
    plain_text,
    take_agents,
    take_date,
    take_funder_identifiers,
    take_identifiers,
    take_instant,
    take_organization,
    take_url,
    unescape,
)
from harvest_dagster.transformers.formats.datacite.values import add_language
from harvest_dagster.transformers.reading import json_tree
from harvest_dagster.transformers.reading.json_tree import Node, child, children, take, take_texts
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify_declared
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.vocabularies import date_type, relation_type

FORMAT = "Crossref JSON"

# https://api.crossref.org/types: what has an ISBN or ISSN of its own, and in what the others are contained.
_BOOKS = frozenset(
    {"book", "monograph", "edited-book", "reference-book", "book-set", "proceedings", "report"}
)
_SERIALS = frozenset({"journal", "book-series", "proceedings-series", "report-series", "standard-series"})
_CONTAINERS: dict[str, ContainerKind] = {
    **dict.fromkeys(("journal-article", "journal-issue", "journal-volume"), "journal"),
    **dict.fromkeys(("book-chapter", "book-section", "book-part", "book-track", "reference-entry"), "book"),
    **dict.fromkeys(("book", "monograph", "edited-book", "reference-book", "report"), "series"),
    "proceedings-article": "conference",
}
_DATES = (
    *("issued", "published", "published-print", "published-online", "published-other", "posted"),
    *("accepted", "approved", "content-created", "content-updated"),
)
# Publishers name the dates in the history of an article differently.
_ASSERTED_DATES = {
    "received": "Submitted",
    "date_received": "Submitted",
    "accepted": "Accepted",
    "date_accepted": "Accepted",
    "revised": "Updated",
    "date_revised": "Updated",
    "published": "Issued",
    "first_online": "Issued",
    "date_epub": "Issued",
    "registration": None,
}
_ASSERTED_RIGHTS = frozenset({"copyright", "copyright_information"})
_ASSERTED_TYPES = frozenset({"article_type", "content_type"})
# The institution of a preprint is its server: `bioRxiv`.
_ROLES_OF_INSTITUTIONS = {"Dissertation": "dgg", "Preprint": "his"}
_RELATIONS_OF_UPDATES = {"new_version": "IsNewVersionOf", "new_edition": "IsNewVersionOf"}


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one work.

    Raises:
        TransformError: the datum is not a JSON object, or not a work: a member, a journal, a list.
    """
    root = json_tree.parse(datum)
    work = _work(root)
    builder = DocumentBuilder(identifier, "crossref", FORMAT)
    kind = take(work, "type")
    if kind:
        builder.add_type(Text(kind))
    for read in _READERS:
        read(builder, work)
    _read_container(builder, work, kind)
    return builder.build(json_tree.leftovers(root))


def _work(root: Node) -> Node:
    kind = root.get("message-type")
    if kind == "work" and isinstance(root.get("message"), dict):
        root.pop("message-type")
        work: Node = root["message"]
    elif isinstance(kind, str):
        message = (
            f"the datum is an answer of Crossref of the type {kind!r}, not a work. Harvest "
            "https://api.crossref.org/works with `records: message.items`."
        )
        raise TransformError(message)
    else:
        work = root
    if not isinstance(work.get("DOI"), str) or isinstance(work.get("agency"), dict):
        message = (
            f"the datum is an object with {sorted(work)[:8]}, not a work of Crossref, which has a DOI. Harvest "
            "https://api.crossref.org/works, or name a transformer that reads this format."
        )
        raise TransformError(message)
    return work


def _identifiers(builder: DocumentBuilder, work: Node) -> None:
    """Add the identifiers and addresses. `prefix` is a part of the DOI; old answers write it as an address."""
    if doi := take(work, "DOI"):
        builder.add_identifier(identify_declared("DOI", doi), doi)
        prefix = work.get("prefix")
        if isinstance(prefix, str) and doi.lower().startswith(prefix.rpartition("/")[2].lower() + "/"):
            take(work, "prefix")
    for text in take_texts(work, "aliases"):
        builder.add_identifier(identify_declared("DOI", text), text)
    for text in take_texts(work, "alternative-id"):
        builder.add_identifier(identify_declared("alternative-id", text), text)
    resource = child(work, "resource")
    addresses = (take(work, "URL"), take_url(resource, "primary"))
    others = (take_url(one) for one in children(resource, "secondary"))
    for address in filter(None, (*addresses, *others)):
        builder.add_identifier(identify_declared(None, address), address)


def _titles(builder: DocumentBuilder, work: Node) -> None:
    for key, role in (("title", None), ("subtitle", "subtitle"), ("short-title", "short")):
        builder.titles += (Title(plain_text(text), role=role) for text in take_texts(work, key))
    builder.titles += (
        Title(plain_text(text), role="original") for text in take_texts(work, "original-title")
    )


def _agents(builder: DocumentBuilder, work: Node) -> None:
    builder.creators += take_agents(work, "author")
    for key in ("editor", "translator", "chair"):
        builder.contributors += take_agents(work, key)
    if publisher := take(work, "publisher"):
        builder.publishers.append(Agent(publisher, places=tuple(take_texts(work, "publisher-location"))))
    role = _ROLES_OF_INSTITUTIONS.get(builder.kind or "")
    for node in children(work, "institution"):
        institution = take_organization(node, role, "institution")
        builder.contributors += filter(None, [institution])
    body = take_organization(child(work, "standards-body"), "stn", "standards-body")
    builder.contributors += filter(None, [body])


def _dates(builder: DocumentBuilder, work: Node) -> None:
    for key in _DATES:
        value = take_date(child(work, key))
        # Newer answers repeat `issued` as `published`.
        if value and not (key == "published" and Date(value, role="Issued") in builder.dates):
            role = date_type(key)
            builder.dates.append(Date(value, role=role, role_text=None if key == "issued" else key))
    builder.created = take_instant(child(work, "created"))
    builder.updated = take_instant(child(work, "deposited"))
    leave_one_form(child(work, "indexed"))


def _assertions(builder: DocumentBuilder, work: Node) -> None:
    """Add the assertions that are dates, rights and types. What publishers assert besides stays in `unmapped`."""
    for node in children(work, "assertion"):
        name, value = node.get("name"), node.get("value")
        if not isinstance(name, str) or not isinstance(value, str) or not value.strip():
            continue
        date = parse_date(value.strip())
        if name in _ASSERTED_DATES and date:
            text = take(node, "value")
            role = _ASSERTED_DATES[name]
            builder.dates.append(Date(date, None if date == text else text, role, take(node, "name")))
        elif name in _ASSERTED_RIGHTS:
            builder.rights.append(Rights(take(node, "value") or value))
        elif name in _ASSERTED_TYPES:
            builder.types.append(Text(take(node, "value") or value, vocabulary=take(node, "name")))


def _terms(builder: DocumentBuilder, work: Node) -> None:
    for text in take_texts(work, "subtype"):
        builder.add_type(Text(text))
    builder.types += map(Text, take_texts(child(work, "review"), "type"))
    for text in take_texts(work, "language"):
        add_language(builder, text)
    builder.subjects += map(Subject, take_texts(work, "subject"))
    builder.subjects += (Subject(text, vocabulary="group-title") for text in take_texts(work, "group-title"))
    for text in take_texts(work, "abstract"):
        builder.descriptions.append(Description(plain_text(text), role="Abstract"))
    builder.agencies += take_texts(work, "source")
    builder.agencies += (f"member {text}" for text in take_texts(work, "member"))


def _licenses(builder: DocumentBuilder, work: Node) -> None:
    for node in children(work, "license"):
        if address := take(node, "URL"):
            start = child(node, "start")
            builder.rights.append(
                Rights(
                    address,
                    license=license_address(address) or address,
                    start=_day(take_instant(start)),
                    applies_to=take(node, "content-version"),
                )
            )


def _day(instant: str | None) -> str | None:
    """Return the day of an instant at midnight, as Crossref writes a day."""
    return instant.removesuffix("T00:00:00Z") if instant else None


def _files(builder: DocumentBuilder, work: Node) -> None:
    for node in children(work, "link"):
        if address := take(node, "URL"):
            format_, version = take(node, "content-type"), take(node, "content-version")
            purpose = take(node, "intended-application")
            builder.files.append(
                File(unescape(address), format=format_, version=version, description=purpose)
            )


def _funding(builder: DocumentBuilder, work: Node) -> None:
    """Add a grant for each award, or the funder alone."""
    for node in children(work, "funder"):
        doi = take(node, "DOI")
        funders = dict.fromkeys(
            [
                *((identify_declared("Crossref Funder ID", doi),) if doi else ()),
                *take_funder_identifiers(node),
            ]
        )
        name, awards = take(node, "name"), take_texts(node, "award")
        if name or funders or awards:
            builder.funding += (Funding(name, tuple(funders), award) for award in awards or (None,))


def _relations(builder: DocumentBuilder, work: Node) -> None:
    relations = child(work, "relation")
    for name in relations:
        relation = relation_type(name)
        for node in children(relations, name):
            if text := take(node, "id"):
                found = identify_declared(take(node, "id-type"), text)
                builder.related.append(Related(relation, name, identifiers=(found,)))
    for key in ("update-to", "updated-by"):
        for node in children(work, key):
            builder.related += filter(None, [_update(node, key)])
    for node in children(work, "clinical-trial-number"):
        if number := take(node, "clinical-trial-number"):
            trial = Identifier("other", number, take(node, "registry"))
            builder.related.append(Related(None, "clinical-trial-number", (trial,), kind=take(node, "type")))


def _update(node: Node, key: str) -> Related | None:
    """Return the work that this one updates, or that updates it: a correction, a retraction."""
    doi = take(node, "DOI")
    if doi is None:
        return None
    kind = take(node, "type")
    relation = _RELATIONS_OF_UPDATES.get(kind or "") if key == "update-to" else None
    updated = _day(take_instant(child(node, "updated")))
    return Related(
        relation,
        ": ".join(filter(None, (key, kind))),
        (identify_declared("DOI", doi),),
        text=take(node, "label"),
        date=Date(updated, role="Updated") if updated else None,
    )


def _references(builder: DocumentBuilder, work: Node) -> None:
    builder.related += filter(None, map(take_reference, children(work, "reference")))


def _read_container(builder: DocumentBuilder, work: Node, kind: str | None) -> None:
    """Add the journal, book or series, and the conference. A book and a journal have identifiers of their own."""
    isbns, issns = list(take_identifiers(work, "ISBN", "ISBN")), list(take_identifiers(work, "ISSN", "ISSN"))
    edition = take(work, "edition-number")
    if kind in _BOOKS:
        builder.identifiers += isbns
        isbns, builder.version, edition = [], edition, None
    if kind in _SERIALS:
        builder.identifiers += issns
        issns = []
    titles = list(map(plain_text, take_texts(work, "container-title")))
    shorts = map(plain_text, take_texts(work, "short-container-title"))
    others = [text for text in shorts if text not in titles]
    container = Container(
        titles[0] if titles else None,
        other_titles=tuple(map(Text, (*titles[1:], *others))),
        identifiers=tuple(dict.fromkeys((*issns, *isbns))),
        volume=take(work, "volume"),
        issue=_issue(work),
        edition=edition,
        pages=take(work, "page"),
        number=take(work, "article-number"),
        dates=tuple(_issue_dates(child(work, "journal-issue"))),
    )
    if container != Container():
        builder.containers.append(replace(container, kind=_CONTAINERS.get(kind or "")))
    event = _event(child(work, "event"))
    if event != Container(kind="conference"):
        builder.containers.append(event)


def _issue(work: Node) -> str | None:
    """Take the issue, which `journal-issue` repeats."""
    issue, of = take(work, "issue"), child(work, "journal-issue")
    if issue is None or of.get("issue") == issue:
        issue = take(of, "issue") or issue
    return issue


def _issue_dates(node: Node) -> list[Date]:
    keys = ("published-print", "published-online")
    return [
        Date(value, role="Issued", role_text=key) for key in keys if (value := take_date(child(node, key)))
    ]


def _event(node: Node) -> Container:
    """Return the conference of a paper or of proceedings."""
    points = (take_date(child(node, "start")), take_date(child(node, "end")))
    dates = [point for point in dict.fromkeys(points) if point]
    return Container(
        take(node, "name"),
        "conference",
        tuple(map(Text, take_texts(node, "acronym"))),
        number=take(node, "number"),
        places=tuple(take_texts(node, "location")),
        dates=(Date("/".join(dates)),) if dates else (),
        agents=tuple(Agent(text, role="spn") for text in take_texts(node, "sponsor")),
    )


_READERS: tuple[Callable[[DocumentBuilder, Node], None], ...] = (
    _identifiers,
    _titles,
    _agents,
    _dates,
    _assertions,
    _terms,
    _licenses,
    _files,
    _funding,
    add_projects,
    _relations,
    _references,
)
