"""Read the titles and names of a MARC record: fields 1XX, 21X to 24X, 70X to 74X."""

from __future__ import annotations

from msgspec.structs import replace

from harvest_dagster.transformers.document import (
    Agent,
    Description,
    Related,
    Text,
    Title,
)
from harvest_dagster.transformers.formats.marcxml.agents import (
    take_conference,
    take_identifiers,
    take_organization,
    take_person,
)
from harvest_dagster.transformers.formats.marcxml.imprint import add_version
from harvest_dagster.transformers.formats.marcxml.punctuation import without_brackets, without_full_stop
from harvest_dagster.transformers.formats.marcxml.reading import Handler, Reading
from harvest_dagster.transformers.formats.marcxml.record import MarcField
from harvest_dagster.transformers.recognition.standard_forms import date_from
from harvest_dagster.transformers.recognition.vocabularies import is_creator, relation_type

_TITLE_PARTS = "tkflmnoprs"
# The second indicator of field 246.
_VARIANTS = {
    "0": "portion",
    "1": "translated",
    "2": "distinctive",
    "3": "alternative",
    "4": "cover",
    "5": "added title page",
    "6": "caption",
    "7": "running",
    "8": "spine",
}


def _read_main_title(reading: Reading, field: MarcField) -> None:
    """Field 245. The statement of responsibility is a description, as in MODS."""
    title = field.take_text("anp")
    builder = reading.builder
    role = "alternative" if field.is_alternate else None
    rest = [without_full_stop(text) for text in field.take_each("b")]
    if title is None and rest:
        title = rest.pop(0)
    if title:
        builder.titles.append(Title(without_full_stop(title), role=role))
    builder.titles += [Title(text, role="subtitle") for text in rest]
    if responsible := field.take_text("c"):
        builder.descriptions.append(Description(responsible, role="statement of responsibility"))
    builder.formats += [Text(without_brackets(without_full_stop(text))) for text in field.take_each("h")]
    for text in field.take_each("fg"):
        builder.dates.append(date_from(text, "Created"))
    builder.types += [Text(text) for text in field.take_each("k")]
    if version := field.take("s"):
        add_version(reading, version)


def _title(codes: str, role: str | None) -> Handler:
    """Return the handler of another title: without the second indicator, the role is given."""

    def read(reading: Reading, field: MarcField) -> None:
        if not (text := field.take_text(codes)):
            return
        language = field.take("y") if field.tag == "242" else None
        reading.builder.titles.append(Title(without_full_stop(text), language=language, role=role))

    return read


def _read_variant_title(reading: Reading, field: MarcField) -> None:
    """Field 246. Subfield i says what kind of title it is, if the indicator does not."""
    kind, shown = field.take_indicator(2), field.take("i")
    if text := field.take_text("abnp"):
        role = shown.rstrip(": ") if shown else _VARIANTS.get(kind or "", "alternative")
        reading.builder.titles.append(Title(without_full_stop(text), role=role))


def _read_related_title(reading: Reading, field: MarcField) -> None:
    """Fields 730 and 740: a work in this resource, or another one."""
    relation = _relation(field)
    if text := field.take_text("a" + _TITLE_PARTS):
        related = Related(*relation, title=without_full_stop(text), identifiers=take_identifiers(field))
        reading.builder.related.append(related)


def _relation(field: MarcField) -> tuple[str | None, str | None]:
    """Take the relation to a work: subfield i, or the indicator of an analytical entry."""
    word, analytical = field.take("i"), field.take_indicator(2) == "2"
    word = word.rstrip(": ") if word else None
    relation = relation_type(word) if word else None
    if relation is None and analytical:
        relation = "HasPart"
    return relation, None if word == relation else word


def _read_main_entry(reading: Reading, field: MarcField) -> None:
    """Fields 100 and 110: the first creator, also in a record whose fields are not in order."""
    take = take_organization if field.tag == "110" else take_person
    if agent := take(field):
        reading.builder.creators.insert(0, agent)


def _read_added_entry(reading: Reading, field: MarcField) -> None:
    """Fields 700 and 710: who contributed, or a work of theirs (subfield t)."""
    title = without_full_stop(field.take_text(_TITLE_PARTS) or "") if field.has("t") else ""
    relation = _relation(field) if title else (None, None)
    agent = (take_organization if field.tag == "710" else take_person)(field)
    if title:
        related = Related(*relation, title=title, agents=(agent,) if agent else ())
        reading.builder.related.append(related)
    elif agent and _is_creator(reading, field, agent):
        reading.builder.creators.append(agent)
    elif agent:
        reading.builder.contributors.append(agent)


def _is_creator(reading: Reading, field: MarcField, agent: Agent) -> bool:
    if agent.role or agent.role_text:
        return is_creator(agent.role)
    return field.tag == "700" and not reading.is_cataloged


def _read_conference(reading: Reading, field: MarcField) -> None:
    """Fields 111 and 711: the conference is a container, because the document keeps its place and dates there."""
    if conference := take_conference(field):
        reading.builder.containers.append(conference)


def _read_uncontrolled_name(reading: Reading, field: MarcField) -> None:
    """Field 720."""
    kind = field.take_indicator(1)
    if agent := take_person(field):
        agent = replace(agent, kind="person" if kind == "1" else None)
        (reading.builder.creators if is_creator(agent.role) else reading.builder.contributors).append(agent)


HANDLERS: dict[str, Handler] = {
    "100": _read_main_entry,
    "110": _read_main_entry,
    "111": _read_conference,
    "130": _title("a" + _TITLE_PARTS, "uniform"),
    "210": _title("ab", "short"),
    "211": _title("a", "short"),
    "212": _title("a", "alternative"),
    "214": _title("a", "alternative"),
    "222": _title("ab", "key"),
    "240": _title("a" + _TITLE_PARTS, "uniform"),
    "242": _title("abnp", "translated"),
    "243": _title("a" + _TITLE_PARTS, "uniform"),
    "245": _read_main_title,
    "246": _read_variant_title,
    "247": _title("abnp", "former"),
    "700": _read_added_entry,
    "710": _read_added_entry,
    "711": _read_conference,
    "720": _read_uncontrolled_name,
    "730": _read_related_title,
    "740": _read_related_title,
}
# Their alternates become other names of the same agent.
WITH_NAMES = frozenset({"100", "110", "260", "264", "700", "710"})
