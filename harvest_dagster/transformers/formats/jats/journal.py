"""Read where an article was published: `journal-meta`, the volume and the pages, the conference, the series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Agent, Container, Date, Identifier, Text
from harvest_dagster.transformers.formats.jats.agents import Affiliations, read_group
from harvest_dagster.transformers.formats.jats.values import (
    inside,
    joined,
    parts,
    take_identifiers,
    take_prose,
    typed_identifier,
)
from harvest_dagster.transformers.reading.xml_tree import (
    XLINK_HREF,
    local_name,
    take_all_text,
    take_attribute,
    take_language,
)
from harvest_dagster.transformers.recognition.dates import parse_date
from harvest_dagster.transformers.recognition.identifiers import identify

if TYPE_CHECKING:
    from lxml.etree import _Element

# Types of `journal-id` that are abbreviated titles.
_ABBREVIATIONS = frozenset({"nlm-ta", "iso-abbrev"})
_OTHER_TITLES = ("journal-subtitle", "trans-title", "trans-subtitle", "abbrev-journal-title")
_ISSUE_IDENTIFIERS = ("volume-id", "issue-id", "isbn", "issn")


def read_journal(builder: DocumentBuilder, front: _Element, affiliations: Affiliations) -> None:
    """Take the journal, and the place of the article in it, out of the tree."""
    journal = Container()
    for meta in parts(front, "journal-meta"):
        journal = _journal(meta, affiliations)
        _publishers(builder, meta)
    for meta in parts(front, "article-meta"):
        journal = _with_place(journal, meta)
    if journal not in (Container(), Container(kind="journal")):
        builder.containers.append(journal)
    for meta in parts(front, "article-meta"):
        builder.containers += filter(None, map(_conference, parts(meta, "conference")))
        _series(builder, meta)


def _journal(meta: _Element, affiliations: Affiliations) -> Container:
    main, others = _titles(meta)
    identifiers: list[Identifier] = []
    for one in parts(meta, "journal-id", "issn", "issn-l", "isbn"):
        kind = take_attribute(one, "journal-id-type") or local_name(one).removesuffix("-l")
        text = take_all_text(one)
        if text and kind in _ABBREVIATIONS:
            others.append(Text(text, vocabulary=kind))
        elif text:
            identifiers.append(typed_identifier(kind, text))
    links = (take_attribute(one, XLINK_HREF) or take_all_text(one) for one in parts(meta, "self-uri"))
    identifiers += map(identify, filter(None, links))
    agents: list[Agent] = []
    for group in parts(meta, "contrib-group"):
        authors, editors = read_group(group, affiliations)
        agents += (*authors, *editors)
    title = main[0].text if main else None
    return Container(
        title, "journal", (*main[1:], *others), tuple(dict.fromkeys(identifiers)), agents=tuple(agents)
    )


def _titles(meta: _Element) -> tuple[list[Text], list[Text]]:
    """Return the titles of the journal, and others: in `journal-title-group`, or before JATS 1.0 beside it."""
    main: list[Text] = []
    others: list[Text] = []
    for place in (meta, *parts(meta, "journal-title-group")):
        for one in place:
            name = local_name(one)
            if name == "journal-title" and (text := take_prose(one)):
                main.append(Text(text, take_language(one)))
            elif name == "trans-title-group":
                language = take_language(one)
                others += (Text(text, language) for inner in one if (text := take_prose(inner)))
            elif name in _OTHER_TITLES and (text := take_prose(one)):
                kind = take_attribute(one, "abbrev-type")
                others.append(Text(text, take_language(one), kind))
    return main, others


def _publishers(builder: DocumentBuilder, meta: _Element) -> None:
    for publisher in parts(meta, "publisher"):
        places = tuple(text for one in parts(publisher, "publisher-loc") if (text := take_prose(one)))
        for one in parts(publisher, "publisher-name"):
            identifiers = tuple(take_identifiers(inside(one, "institution-id"), "institution-id-type"))
            if text := take_prose(one):
                builder.publishers.append(Agent(text, identifiers=identifiers, places=places))
                places = ()
        if places:
            builder.publishers.append(Agent(", ".join(places), places=places))


_PLACE = {
    "volume": ("volume", "volume-series"),
    "issue": ("issue", "issue-part", "supplement"),
    "first_page": ("fpage",),
    "last_page": ("lpage",),
    "pages": ("page-range",),
    "number": ("elocation-id",),
}


def _with_place(journal: Container, meta: _Element) -> Container:
    """Return the journal with volume, issue and pages, and with the titles, identifiers and sponsors of the issue."""
    groups = [meta, *parts(meta, "volume-issue-group")]
    place: dict[str, str] = {}
    for field, names in _PLACE.items():
        found = [take_prose(one) for group in groups for name in names for one in parts(group, name)]
        if text := joined(*found):
            place[field] = text
    issue = [one for group in groups for one in group]
    titles = [
        Text(text, take_language(one))
        for one in issue
        if local_name(one) == "issue-title" and (text := take_prose(one))
    ]
    identifiers = _identifiers_of_issue([one for one in issue if local_name(one) in _ISSUE_IDENTIFIERS])
    sponsors = [
        Agent(text, role="spn", role_text="issue-sponsor")
        for one in issue
        if local_name(one) == "issue-sponsor" and (text := take_prose(one))
    ]
    return msgspec.structs.replace(
        journal,
        other_titles=(*journal.other_titles, *titles),
        identifiers=tuple(dict.fromkeys((*journal.identifiers, *identifiers))),
        agents=(*journal.agents, *sponsors),
        **place,
    )


def _identifiers_of_issue(elements: list[_Element]) -> list[Identifier]:
    found = []
    for one in elements:
        name = local_name(one)
        kind = take_attribute(one, "pub-id-type")
        if text := take_all_text(one):
            found.append(typed_identifier(kind or name, text))
    return found


def _conference(element: _Element) -> Container | None:
    """Return a conference: its name, acronym and theme, date, place, number and sponsors."""
    names = [text for one in parts(element, "conf-name") if (text := take_prose(one))]
    others = [text for one in parts(element, "conf-acronym", "conf-theme") if (text := take_prose(one))]
    dates = []
    for one in parts(element, "conf-date"):
        standard, text = take_attribute(one, "iso-8601-date"), take_prose(one)
        value = parse_date(standard) if standard else parse_date(text or "")
        if value or text or standard:
            dates.append(Date(value, text if text != value else None))
    sponsors = [text for one in parts(element, "conf-sponsor") if (text := take_prose(one))]
    found = Container(
        names[0] if names else None,
        "conference",
        tuple(map(Text, (*names[1:], *others))),
        number=joined(*(take_prose(one) for one in parts(element, "conf-num"))),
        places=tuple(text for one in parts(element, "conf-loc") if (text := take_prose(one))),
        dates=tuple(dates),
        agents=tuple(Agent(text, role="spn", role_text="conf-sponsor") for text in sponsors),
        text=joined(*(take_prose(one) for one in parts(element, "string-conf"))),
    )
    return found if found != Container(kind="conference") else None


def _series(builder: DocumentBuilder, meta: _Element) -> None:
    for categories in parts(meta, "article-categories"):
        for one in parts(categories, "series-title", "series-text"):
            if text := take_prose(one):
                is_title = local_name(one) == "series-title"
                builder.containers.append(
                    Container(text if is_title else None, "series", text=None if is_title else text)
                )
