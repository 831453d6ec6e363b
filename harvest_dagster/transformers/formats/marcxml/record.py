"""Build `pymarc` records from our XML tree.

pymarc has a reader for MARCXML. It is not used, for three reasons: it drops each attribute and element that it does
not know; it fails for a leader that has not 24 characters, and for a field without a tag; and it needs a second parse
of the datum. The values are taken out of the tree, so that `xml_tree.leftovers` finds what is not MARC.

A handler takes subfields and indicators out of a field. What remains is in `unmapped`, in the notation of MARC:
`650[2]$0` is subfield 0 of the second field 650, and `245/ind2` its second indicator.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lxml.etree import _Element
from pymarc import Field, Indicators, Leader, Record, Subfield

from harvest_dagster.transformers.document import Unmapped
from harvest_dagster.transformers.formats.marcxml.punctuation import without_separator
from harvest_dagster.transformers.reading.xml_tree import fold, take_all_text

_TAG = re.compile(r"[0-9A-Za-z]{3}", re.ASCII)
_LEADER_LENGTH = 24
_BLANK = frozenset({"", " ", "#", "\\", "|", "-", "^"})
_LINK = re.compile(r"([0-9A-Za-z]{3})-([0-9]{2})(?:/.*)?", re.ASCII)


@dataclass(slots=True)
class MarcField:
    """A variable field, from which a handler takes values.

    Attributes:
        field: the field of pymarc. It contains only the subfields that are not taken.
        tag: of the field; for a field 880, the tag of the field to which it is the alternate script.
        place: the tag in the record, with its number if the record has several: `650[2]`.
        occurrence: the number that links a field with its alternate script (subfield 6); None if it has none.
        alternates: the fields 880 with the same tag and number.
    """

    field: Field
    tag: str
    place: str
    occurrence: str | None = None
    alternates: tuple[MarcField, ...] = ()

    @property
    def is_alternate(self) -> bool:
        """Whether it is a field 880."""
        return self.field.tag == "880"

    def take(self, code: str) -> str | None:
        """Take the first subfield with a code, without the punctuation that separates it from the next."""
        text = self.field.delete_subfield(code)
        return without_separator(text) or None if text is not None else None

    def take_each(self, codes: str) -> list[str]:
        """Take all subfields with one of the codes, in their order, without separators."""
        texts = self._remove(codes)
        return [text for text in map(without_separator, texts) if text] if texts else texts

    def take_text(self, codes: str, separator: str = " ") -> str | None:
        """Take all subfields with one of the codes as one text. Only the separator at its end is removed."""
        return without_separator(separator.join(self._remove(codes))) or None

    def take_notes(self, except_codes: str = "025678") -> str | None:
        """Take all subfields but those for programs as one text, unchanged."""
        codes = "".join(one.code for one in self.field.subfields if one.code not in except_codes)
        return " ".join(self._remove(codes)) or None

    def put_back(self, code: str, text: str) -> None:
        """Return a subfield that was taken. It is in `unmapped`, then."""
        self.field.subfields.append(Subfield(code, text))

    def take_indicator(self, number: int) -> str | None:
        """Take an indicator; None if it is blank."""
        first, second = self.field.indicators or Indicators(" ", " ")
        value = first if number == 1 else second
        if value in _BLANK:
            return None
        self.field.indicators = Indicators(" ", second) if number == 1 else Indicators(first, " ")
        return value

    def has(self, codes: str) -> bool:
        """Return whether a subfield with one of the codes is left."""
        return any(code in codes for code, _ in self.field.subfields)

    def _remove(self, codes: str) -> list[str]:
        subfields = self.field.subfields
        texts = [text for code, text in subfields if code in codes]
        if texts:
            self.field.subfields = [one for one in subfields if one[0] not in codes]
        return texts

    def leftovers(self) -> Iterator[Unmapped]:
        """Yield the indicators and subfields that are not taken."""
        first, second = self.field.indicators or Indicators(" ", " ")
        if first not in _BLANK:
            yield Unmapped(f"{self.place}/ind1", first)
        if second not in _BLANK:
            yield Unmapped(f"{self.place}/ind2", second)
        for code, text in self.field.subfields:
            yield Unmapped(f"{self.place}${code}", text)


def read_record(element: _Element) -> Record:
    """Take the fields out of a MARCXML `record`. What is not a field of MARC stays in the tree."""
    record = Record()
    record.leader = Leader(" " * _LEADER_LENGTH)
    space = str(element.tag).removesuffix("record")
    datafield, subfield = f"{space}datafield", f"{space}subfield"
    read = []
    for part in element:
        name, tag = part.tag, part.get("tag", "")
        if name == datafield and tag >= "010" and _TAG.fullmatch(tag):
            field, is_whole = _read_field(part, tag, subfield)
            record.fields.append(field)
        elif name == f"{space}controlfield" and tag < "010" and _TAG.fullmatch(tag) and not len(part):
            is_whole = len(part.keys()) == 1
            del part.attrib["tag"]
            record.fields.append(Field(tag, data=_take_raw(part)))
        else:
            is_whole = name == f"{space}leader" and _read_leader(record, part)
        if is_whole and not _has_text(part.tail):
            read.append(part)
    # Without them, the search for what was not read is short.
    for part in read:
        element.remove(part)
    return record


def _has_text(text: str | None) -> bool:
    return text is not None and not text.isspace()


def _read_leader(record: Record, element: _Element) -> bool:
    """Read a leader. One with another length has no positions, and stays in the tree."""
    if len(text := (element.text or "").strip("\r\n\t")) != _LEADER_LENGTH or len(element):
        return False
    record.leader = Leader(text)
    element.text = None
    return not element.keys()


def _take_raw(element: _Element) -> str:
    """Take the text of a fixed field: each blank in it is a value."""
    text, element.text = (element.text or "").strip("\r\n\t"), None
    return text


def _read_field(element: _Element, tag: str, subfield: str) -> tuple[Field, bool]:
    """Take a variable field, and return also whether nothing of it is left in the tree.

    Args:
        element: the `datafield`.
        tag: of the field.
        subfield: the name of the element of a subfield.
    """
    first, second = element.get("ind1"), element.get("ind2")
    is_whole = len(element.keys()) == 1 + (first is not None) + (second is not None) and not _has_text(
        element.text
    )
    subfields = []
    for part in element:
        # One call gives both the code and whether there are other attributes.
        attributes = part.items()
        is_plain = len(attributes) == 1 and attributes[0][0] == "code"
        code = str(attributes[0][1]) if is_plain else part.get("code")
        if code and part.tag == subfield:
            has_parts = len(part) > 0
            is_whole = is_whole and is_plain and not has_parts and not _has_text(part.tail)
            text = take_all_text(part) if has_parts else fold(part.text or "")
            if text:
                subfields.append(Subfield(code, text))
        else:
            is_whole = False
    if not is_whole:
        _take_read(element, subfield)
    return Field(tag, Indicators(first or " ", second or " "), subfields), is_whole


def _take_read(element: _Element, subfield: str) -> None:
    """Take what `_read_field` has read out of an element that has other content, too."""
    for name in ("tag", "ind1", "ind2"):
        element.attrib.pop(name, "")
    for part in element:
        if part.get("code") and part.tag == subfield:
            del part.attrib["code"]
            part.text = None


def fields_of(record: Record) -> list[MarcField]:
    """Return the variable fields. A field 880 has the tag of the field that it repeats in another script."""
    counts: dict[str, int] = {}
    variable = [one for one in record.fields if not one.control_field]
    totals = Counter([one.tag for one in variable])
    fields = []
    for one in variable:
        tag = one.tag
        place, occurrence = tag, None
        if totals[tag] > 1:
            counts[tag] = counts.get(tag, 0) + 1
            place = f"{tag}[{counts[tag]}]"
        if "880" in totals and (link := _LINK.fullmatch(one.get("6", ""))):
            tag = link[1] if tag == "880" else tag
            occurrence = link[2] if link[2] != "00" else None
        fields.append(MarcField(one, tag, place, occurrence))
    if "880" in totals:
        _link(fields)
    return fields


def _link(fields: list[MarcField]) -> None:
    """Give each field its alternates (MARC 21, appendix A)."""
    alternates: dict[tuple[str, str], list[MarcField]] = {}
    for one in fields:
        if one.is_alternate and one.occurrence:
            alternates.setdefault((one.tag, one.occurrence), []).append(one)
    for one in fields:
        if one.occurrence and not one.is_alternate:
            one.alternates = tuple(alternates.get((one.tag, one.occurrence), ()))
