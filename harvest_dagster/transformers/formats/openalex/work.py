"""Read a work of OpenAlex.

The JSON of a work: https://docs.openalex.org/api-entities/works/work-object. Names of the API of 2023 (`grants`,
`type_crossref`) are read, too. Here: the fields of the work. Not here: its locations (`formats.openalex.locations`).

OpenAlex repeats much: the primary location is one of `locations`, the primary topic one of `topics`. Of equal
objects, only the first is read, and nothing of it is lost. The primary location comes first, then the best open one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Affiliation,
    Agent,
    Description,
    Document,
    Funding,
    Identifier,
    Related,
    Rights,
    Subject,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.openalex.locations import add_locations
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
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as
from harvest_dagster.transformers.recognition.standard_forms import date_from, language_from

_OPENALEX_ID = re.compile(
    r"(?:https?://)?(?:(?:api\.)?openalex\.org/)?(?:[a-z-]+/)?([a-z])[0-9]+", re.IGNORECASE | re.ASCII
)
_ENTITIES = {
    "A": "an author",
    "C": "a concept",
    "F": "a funder",
    "G": "an award",
    "I": "an institution",
    "P": "a publisher",
    "S": "a source",
    "T": "a topic",
}
# Types of OpenAlex for articles of journals: https://docs.openalex.org/api-entities/works/work-object#type
_KINDS = dict.fromkeys(("review", "editorial", "letter", "erratum", "retraction"), "JournalArticle")
# Keys that only a work has.
_OF_WORKS = frozenset({"authorships", "publication_year", "publication_date", "referenced_works"})
_OPEN_STATUSES = frozenset({"diamond", "gold", "green", "hybrid", "bronze"})


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one work.

    Raises:
        TransformError: the datum is not JSON, is not a work, or nothing in it was recognized.
    """
    work = parse(datum)
    _check_is_work(work)
    builder = DocumentBuilder(identifier, "openalex", "OpenAlex work")
    for add in _STEPS:
        add(builder, work)
    return builder.build(leftovers(work))


def _check_is_work(record: Node) -> None:
    if isinstance(record.get("results"), list) and "meta" in record:
        message = (
            "the datum is a page of a list of OpenAlex, not one record. Harvest with `records: results`."
        )
        raise TransformError(message)
    value = record.get("id")
    match = _OPENALEX_ID.fullmatch(value) if isinstance(value, str) else None
    if (match and match[1] in "wW") or (not match and not _OF_WORKS.isdisjoint(record)):
        return
    found = (
        _ENTITIES.get(match[1].upper(), "another entity") if match else "a record without the id of a work"
    )
    message = (
        f"the datum is {found} of OpenAlex, not a work. Harvest https://api.openalex.org/works, or name a transformer "
        "that reads this format."
    )
    raise TransformError(message)


def _identifiers(builder: DocumentBuilder, work: Node) -> None:
    for text in (take(work, "doi"), take(work, "id")):
        if text:
            builder.add_identifier(identify(text), text)
    ids = child(work, "ids")
    for key in ("doi", "pmid", "pmcid", "openalex", "mag"):
        if text := take(ids, key):
            builder.add_identifier(identify_as(key, text), text)


def _titles(builder: DocumentBuilder, work: Node) -> None:
    texts = (take(work, "title"), take(work, "display_name"))
    builder.titles += [Title(text) for text in dict.fromkeys(texts) if text]


def _authorships(builder: DocumentBuilder, work: Node) -> None:
    for authorship in children(work, "authorships"):
        agent = _author(authorship)
        if agent is not None:
            builder.creators.append(agent)


def _author(authorship: Node) -> Agent | None:
    """Return the agent of an authorship; None if it has no name."""
    author = child(authorship, "author")
    names = [name for name in (take(author, "display_name"), take(authorship, "raw_author_name")) if name]
    if not names:
        return None
    texts = (take(author, "orcid"), take(author, "id"))
    return Agent(
        names[0],
        other_names=tuple(Text(name) for name in names[1:] if name != names[0]),
        identifiers=tuple(identify(text) for text in texts if text),
        role="aut",
        affiliations=_affiliations(authorship),
        places=tuple(take_texts(authorship, "countries")),
    )


def _affiliations(authorship: Node) -> tuple[Affiliation, ...]:
    """Return the institutions that OpenAlex recognized, and then the affiliations as the publication writes them."""
    found: list[Affiliation] = []
    known: dict[str | None, tuple[Identifier, ...]] = {}
    for institution in children(authorship, "institutions"):
        if name := take(institution, "display_name"):
            address = take(institution, "id")
            texts = (take(institution, "ror"), address)
            known[address] = tuple(identify(text) for text in texts if text)
            found.append(Affiliation(name, known[address]))
    for written in children(authorship, "affiliations"):
        if text := take(written, "raw_affiliation_string"):
            ids = take_texts(written, "institution_ids")
            lists = (known.get(one) or (identify(one),) for one in ids)
            found.append(Affiliation(text, tuple(one for identifiers in lists for one in identifiers)))
    names = {affiliation.name for affiliation in found}
    texts_only = take_texts(authorship, "raw_affiliation_strings")
    found += [Affiliation(text) for text in texts_only if text not in names]
    return tuple(dict.fromkeys(found))


def _dates(builder: DocumentBuilder, work: Node) -> None:
    day = take(work, "publication_date")
    year = take(work, "publication_year")
    texts = [text for text in (day, year) if text]
    if day and year and day.startswith(f"{year}-"):
        texts.remove(year)
    for text in texts:
        builder.dates.append(date_from(text, "Issued"))


def _language(builder: DocumentBuilder, work: Node) -> None:
    if text := take(work, "language"):
        builder.languages.append(language_from(text))


def _types(builder: DocumentBuilder, work: Node) -> None:
    for key in ("type", "type_crossref"):
        text = take(work, key)
        if text and Text(text) not in builder.types:
            builder.add_type(Text(text))
            builder.kind = builder.kind or _KINDS.get(text)


def _topics(builder: DocumentBuilder, work: Node) -> None:
    """Add the topics, and the subfield, field and domain of each, each once."""
    if work.get("primary_topic") in (topics := children(work, "topics")):
        del work["primary_topic"]
    for topic in (*children(work, "primary_topic"), *topics):
        _subject(builder, topic, "OpenAlex topics")
        for level in ("subfield", "field", "domain"):
            _subject(builder, child(topic, level), f"OpenAlex {level}s")
    builder.subjects[:] = dict.fromkeys(builder.subjects)


def _terms(builder: DocumentBuilder, work: Node, key: str, vocabulary: str) -> None:
    for term in children(work, key):
        _subject(builder, term, vocabulary)
    builder.subjects[:] = dict.fromkeys(builder.subjects)


def _subject(builder: DocumentBuilder, term: Node, vocabulary: str) -> None:
    name = take(term, "display_name") or take(term, "keyword")
    if name:
        builder.subjects.append(Subject(name, vocabulary=vocabulary, uri=take(term, "id")))


def _concepts(builder: DocumentBuilder, work: Node) -> None:
    """Add the concepts. Their address is that of Wikidata, where they come from; `C41008148` is their code."""
    for concept in children(work, "concepts"):
        if name := take(concept, "display_name"):
            wikidata, address = take(concept, "wikidata"), take(concept, "id") or ""
            code = address.removeprefix("https://openalex.org/") or None
            if wikidata is None:
                code, wikidata = None, address or None
            builder.subjects.append(Subject(name, vocabulary="OpenAlex concepts", code=code, uri=wikidata))


def _mesh(builder: DocumentBuilder, work: Node) -> None:
    """Add the subject headings. A heading and its qualifier are written as MeSH does: `Asthma/therapy`."""
    for heading in children(work, "mesh"):
        names = [name for key in ("descriptor_name", "qualifier_name") if (name := take(heading, key))]
        codes = [code for key in ("descriptor_ui", "qualifier_ui") if (code := take(heading, key))]
        if names or codes:
            text = "/".join(names) or "/".join(codes)
            builder.subjects.append(Subject(text, vocabulary="MeSH", code="/".join(codes) or None))


def _abstract(builder: DocumentBuilder, work: Node) -> None:
    """Turn the inverted index of the abstract back into its text.

    The index has the places of each word: `{"a": [0, 2], "b": [1]}` is "a b a".
    """
    index = work.get("abstract_inverted_index")
    if not isinstance(index, dict):
        return
    words: list[tuple[int, str]] = []
    for word, places in list(index.items()):
        if isinstance(places, list) and all(type(place) is int for place in places):
            words += [(place, word) for place in places]
            del index[word]
    words.sort()
    if text := " ".join(" ".join(word for _, word in words).split()):
        builder.descriptions.append(Description(text, role="Abstract"))


def _open_access(builder: DocumentBuilder, work: Node) -> None:
    """Add whether the work is open. `oa_status` says which way: `gold`, `green`, `hybrid`, `bronze`, `closed`."""
    facts = child(work, "open_access")
    is_open = take(facts, "is_oa") if isinstance(facts.get("is_oa"), bool) else None
    status = take(facts, "oa_status")
    if is_open == "true" or (is_open is None and status in _OPEN_STATUSES):
        builder.access = "open"
    elif is_open == "false" or status == "closed":
        builder.access = "closed"
    if status:
        builder.rights.append(Rights(status, vocabulary="OpenAlex oa_status"))


def _funding(builder: DocumentBuilder, work: Node) -> None:
    """Add the awards with their funders, and then the funders without an award."""
    funders = [_funder(funder) for funder in children(work, "funders")]
    awarded = set()
    for award in (*children(work, "awards"), *children(work, "grants")):
        texts = [text for key in ("funder_id", "funder") if (text := take(award, key))]
        own = tuple(identify(text) for text in texts)
        same = (one for one in funders if not set(own).isdisjoint(one.funder_identifiers))
        funder = next(same, Funding(funder_identifiers=own))
        awarded.add(funder)
        _award(builder, award, funder)
    builder.funding += [one for one in funders if one not in awarded and one != Funding()]


def _funder(funder: Node) -> Funding:
    texts = (take(funder, "ror"), take(funder, "id"))
    return Funding(take(funder, "display_name"), tuple(identify(text) for text in texts if text))


def _award(builder: DocumentBuilder, award: Node, funder: Funding) -> None:
    name = funder.funder
    if name is None or award.get("funder_display_name") == name:
        name = take(award, "funder_display_name") or name
    texts = (take(award, "doi"), take(award, "id"))
    funding = Funding(
        name,
        funder.funder_identifiers,
        take(award, "funder_award_id") or take(award, "award_id"),
        take(award, "display_name"),
        tuple(identify(text) for text in texts if text),
    )
    if funding != Funding():
        builder.funding.append(funding)


def _works(builder: DocumentBuilder, work: Node) -> None:
    references = _addresses(work, "referenced_works")
    builder.related += [Related("References", identifiers=(one,)) for one in references]
    others = _addresses(work, "related_works")
    builder.related += [Related(relation_text="related_works", identifiers=(one,)) for one in others]


def _addresses(work: Node, key: str) -> Iterator[Identifier]:
    return (identify(text) for text in take_texts(work, key))


def _record(builder: DocumentBuilder, work: Node) -> None:
    for key, name in (("created_date", "created"), ("updated_date", "updated")):
        text = work.get(key)
        if isinstance(text, str) and (value := parse_date(text)):
            setattr(builder, name, value)
            del work[key]


_STEPS = (
    _identifiers,
    _titles,
    _authorships,
    _dates,
    _language,
    _types,
    _topics,
    partial(_terms, key="keywords", vocabulary="OpenAlex keywords"),
    _concepts,
    _mesh,
    partial(
        _terms,
        key="sustainable_development_goals",
        vocabulary="United Nations Sustainable Development Goals",
    ),
    _abstract,
    _open_access,
    add_locations,
    _funding,
    _works,
    _record,
)
