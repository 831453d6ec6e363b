"""Read the XML of a study, `clinical_study`, as the API gave it until 2024.

The schema: https://clinicaltrials.gov/ct2/html/images/info/public.xsd
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Agent, Place, Subject, Text, Title, Unmapped
from harvest_dagster.transformers.formats.clinicaltrials.values import (
    KINDS,
    add_contributor,
    add_date,
    add_description,
    add_page,
    add_reference,
    person,
    place_of,
    registry_number,
)
from harvest_dagster.transformers.reading.xml_tree import (
    leftovers,
    local_name,
    parse,
    take_all_text,
    take_text,
)
from harvest_dagster.transformers.recognition.identifiers import identify

if TYPE_CHECKING:
    from lxml.etree import _Element

Add = Callable[[DocumentBuilder, "_Element"], None]


def read_study(builder: DocumentBuilder, datum: str) -> Iterable[Unmapped]:
    """Add the values of a study, and return those that have no field.

    Raises:
        TransformError: the datum is not the XML of a study.
    """
    study = parse(datum)
    if local_name(study) != "clinical_study":
        message = (
            f"the datum is <{study.tag}>, not the <clinical_study> of a study of ClinicalTrials.gov. Harvest each "
            "study, or name a transformer that reads this format."
        )
        raise TransformError(message)
    builder.format = "clinical_study"
    for element in study:
        if (add := _ELEMENTS.get(local_name(element))) is not None:
            add(builder, element)
    return leftovers(study)


def _at(element: _Element, *path: str) -> Iterator[_Element]:
    """Yield the elements at a path of local names below an element."""
    for part in element:
        if local_name(part) == path[0]:
            if len(path) == 1:
                yield part
            else:
                yield from _at(part, *path[1:])


def _take(element: _Element, *path: str) -> str | None:
    """Take the text of the first element at a path that has one."""
    return next(filter(None, map(take_all_text, _at(element, *path))), None)


def _header(builder: DocumentBuilder, element: _Element) -> None:
    if address := _take(element, "url"):
        builder.add_identifier(identify(address), address)


def _numbers(builder: DocumentBuilder, element: _Element) -> None:
    for name, registry in (
        ("nct_id", "NCT"),
        ("nct_alias", "NCT"),
        ("org_study_id", None),
        ("secondary_id", None),
    ):
        for part in _at(element, name):
            if text := take_text(part):
                builder.identifiers.append(registry_number(text, registry))


def _title(builder: DocumentBuilder, element: _Element, role: str | None = None) -> None:
    if text := take_all_text(element):
        builder.titles.append(Title(text, role=role))


def _sponsors(builder: DocumentBuilder, element: _Element) -> None:
    for sponsor in element:
        name = _take(sponsor, "agency")
        if not name:
            continue
        is_lead = local_name(sponsor) == "lead_sponsor"
        agents = builder.creators if is_lead else builder.contributors
        role = "spn" if is_lead else None
        kinds = (KINDS.get((part.text or "").strip().upper()) for part in _at(sponsor, "agency_class"))
        agents.append(Agent(name, next(kinds, None), role=role, role_text=local_name(sponsor)))


def _source(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        builder.agencies.append(text)


def _text(builder: DocumentBuilder, element: _Element, role: str) -> None:
    add_description(builder, take_all_text(element), role)


def _date(builder: DocumentBuilder, element: _Element, role: str | None = None) -> None:
    if text := take_all_text(element):
        add_date(builder, text, local_name(element), role)


def _type(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        builder.add_type(Text(text))


def _subject(builder: DocumentBuilder, element: _Element) -> None:
    if text := take_all_text(element):
        builder.subjects.append(Subject(text))


def _intervention(builder: DocumentBuilder, element: _Element) -> None:
    if text := _take(element, "intervention_name"):
        builder.subjects.append(Subject(text))


def _mesh(builder: DocumentBuilder, element: _Element) -> None:
    for part in _at(element, "mesh_term"):
        if text := take_all_text(part):
            builder.subjects.append(Subject(text, vocabulary="MeSH"))


def _eligibility(builder: DocumentBuilder, element: _Element) -> None:
    for name in ("criteria", "study_pop"):
        add_description(builder, _take(element, name), name)


def _person(
    builder: DocumentBuilder, element: _Element, role: str | None = None, affiliation: str | None = None
) -> None:
    """Add an official or a contact. Most records have the whole name in `last_name`."""
    names = [name for key in ("first_name", "middle_name", "last_name") if (name := _take(element, key))]
    if names:
        degrees = _take(element, "degrees")
        name = " ".join(names) + (f", {degrees}" if degrees else "")
        affiliation = _take(element, "affiliation") or affiliation
        role = _take(element, "role") or role
        add_contributor(builder, person(name, role, affiliation, _take(element, "email")))


def _location(builder: DocumentBuilder, element: _Element) -> None:
    facility = _take(element, "facility", "name")
    keys = ("city", "state", "zip", "country")
    parts = [facility, *(_take(element, "facility", "address", key) for key in keys)]
    if any(parts):
        builder.places.append(place_of(parts))
    for name in ("contact", "contact_backup", "investigator"):
        for part in _at(element, name):
            _person(builder, part, name, facility)


def _countries(builder: DocumentBuilder, element: _Element) -> None:
    """Add the countries that are not those of a location."""
    known = {(place.name or "").rpartition(", ")[2] for place in builder.places}
    names = [place.name or "" for place in builder.places]
    for part in _at(element, "country"):
        text = take_all_text(part)
        if text and text not in known and not any(name.endswith(f", {text}") for name in names):
            builder.places.append(Place(text))


def _responsible_party(builder: DocumentBuilder, element: _Element) -> None:
    for name_key, affiliation_key in (
        ("investigator_full_name", "investigator_affiliation"),
        ("name_title", "organization"),
    ):
        if name := _take(element, name_key):
            affiliation = _take(element, affiliation_key)
            add_contributor(builder, person(name, "responsible_party", affiliation))


def _reference(builder: DocumentBuilder, element: _Element, relation: str) -> None:
    kind = local_name(element)
    add_reference(builder, _take(element, "citation"), _take(element, "PMID"), relation, kind)


def _link(builder: DocumentBuilder, element: _Element) -> None:
    add_page(builder, _take(element, "url"), _take(element, "description"), "link")


_ELEMENTS: dict[str, Add] = {
    "required_header": _header,
    "id_info": _numbers,
    "brief_title": _title,
    "official_title": partial(_title, role="official"),
    "acronym": partial(_title, role="acronym"),
    "sponsors": _sponsors,
    "source": _source,
    "brief_summary": partial(_text, role="Abstract"),
    "detailed_description": partial(_text, role="detailed_description"),
    "why_stopped": partial(_text, role="why_stopped"),
    "start_date": _date,
    "end_date": _date,
    "completion_date": _date,
    "primary_completion_date": _date,
    "verification_date": _date,
    "lastchanged_date": partial(_date, role="Updated"),
    "firstreceived_date": partial(_date, role="Submitted"),
    "firstreceived_results_date": _date,
    "study_first_submitted": partial(_date, role="Submitted"),
    "study_first_posted": partial(_date, role="Issued"),
    "results_first_submitted": _date,
    "results_first_posted": _date,
    "last_update_submitted": partial(_date, role="Updated"),
    "last_update_posted": partial(_date, role="Updated"),
    "study_type": _type,
    "condition": _subject,
    "keyword": _subject,
    "intervention": _intervention,
    "condition_browse": _mesh,
    "intervention_browse": _mesh,
    "eligibility": _eligibility,
    "overall_official": partial(_person, role="overall_official"),
    "overall_contact": partial(_person, role="overall_contact"),
    "overall_contact_backup": partial(_person, role="overall_contact_backup"),
    "location": _location,
    "location_countries": _countries,
    "responsible_party": _responsible_party,
    "reference": partial(_reference, relation="References"),
    "results_reference": partial(_reference, relation="IsDescribedBy"),
    "link": _link,
}
