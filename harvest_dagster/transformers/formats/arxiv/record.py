"""Read a record in one of arXiv's own formats.

- OAI-PMH, https://info.arxiv.org/help/oa/index.html: `arXiv`, `arXivRaw` (with the versions), and the older
  `arXivOld`. Their elements: https://info.arxiv.org/help/prep.html.
- The entries of the API, https://info.arxiv.org/help/api/user-manual.html, section 3.3 (Atom with elements of arXiv).

What arXiv means by its elements:

- `doi` and `journal-ref` belong to the published version, not to the preprint. They are one related resource with
  the relation IsVersionOf, as in the DataCite metadata of arXiv.
- The first category is the primary one. In Atom, `primary_category` names it; it is the first of the subjects there.
- `authors` of `arXivRaw` and `arXivOld` is one text. It is parsed into names and affiliations if it follows the rules
  of arXiv; otherwise it is one creator.
- No element names the type of the resource. All records of arXiv are preprints, as DataCite calls them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import (
    Agent,
    Date,
    Description,
    File,
    Identifier,
    Related,
    Rights,
    Subject,
    Title,
    Version,
)
from harvest_dagster.transformers.formats.arxiv import authors
from harvest_dagster.transformers.reading import xml_tree
from harvest_dagster.transformers.reading.xml_tree import (
    fold,
    leftovers,
    local_name,
    take_all_text,
    take_attribute,
)
from harvest_dagster.transformers.recognition.dates import parse_date, parse_mail_date
from harvest_dagster.transformers.recognition.identifiers import identify
from harvest_dagster.transformers.recognition.licenses import license_address
from harvest_dagster.transformers.recognition.vocabularies import date_type

if TYPE_CHECKING:
    from lxml.etree import _Element

    from harvest_dagster.transformers.document import Document

_ROOTS = frozenset({"arXiv", "arXivRaw", "arXivOld", "entry"})
_ATOM = "http://www.w3.org/2005/Atom"
_ERRORS = "arxiv.org/api/errors"


def read_document(identifier: str, datum: str) -> Document:
    """Return the document of one record.

    Raises:
        TransformError: the datum is not XML, or not one of these formats, or an error message of arXiv's API.
    """
    record = xml_tree.read_record(datum)
    root = next((one for one in record.metadata if local_name(one) in _ROOTS), None)
    if root is None:
        message = (
            f"the metadata is <{record.metadata[0].tag}>, not a format of arXiv. Harvest with `metadata_prefix: "
            "arXiv`, `arXivRaw` or `arXivOld`, or name a transformer that reads this format."
        )
        raise TransformError(message)
    builder = DocumentBuilder(identifier, "arxiv", xml_tree.namespace(root) or local_name(root))
    builder.kind = "Preprint"
    xml_tree.add_envelope(builder, record)
    _refuse_error(root)
    _Reader(builder).read(root)
    return builder.build(value for element in record.metadata for value in leftovers(element))


def _refuse_error(root: _Element) -> None:
    """Raise an error for the entry that the API sends instead of a result (user manual, section 3.4)."""
    for element in root:
        if local_name(element) == "id" and _ERRORS in (element.text or ""):
            text = next((fold(one.text or "") for one in root if local_name(one) == "summary"), "")
            message = f"the entry is an error of arXiv's API: '{text}'. Correct the query of the source."
            raise TransformError(message)


class _Reader:
    """Reads the elements of one record. What several elements say together is added at the end."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self.primary: str | None = None
        self.dois: list[Identifier] = []
        self.journal_reference: str | None = None

    def read(self, root: _Element) -> None:
        """Take the values out of a record, and add them to the document."""
        for element in root:
            reader = _READERS.get(local_name(element))
            if reader is not None:
                reader(self, element)
        self._add_dates_of_versions()
        self._put_primary_first()
        if self.dois or self.journal_reference:
            published = Related(
                "IsVersionOf",
                "journal-ref" if self.journal_reference else "doi",
                tuple(dict.fromkeys(self.dois)),
                self.journal_reference,
            )
            self.builder.related.append(published)

    def _add_dates_of_versions(self) -> None:
        """Add the date of the first version, and that of the last one, as the other formats of arXiv do."""
        dates = [version.date for version in self.builder.versions if version.date is not None]
        if not dates:
            return
        self.builder.version = self.builder.versions[-1].label
        for date, role in ((dates[0], "Submitted"), (dates[-1], "Updated"))[: len(dates)]:
            self.builder.dates.append(Date(date.value, date.text, role, "version"))

    def _put_primary_first(self) -> None:
        if self.primary is None:
            return
        subjects = self.builder.subjects
        first = next((one for one in subjects if one.text == self.primary), None)
        if first is None:
            first = Subject(self.primary, vocabulary="arXiv", code=self.primary)
        self.builder.subjects = [first, *(one for one in subjects if one is not first)]

    def identifier(self, element: _Element) -> None:
        """Add the identifier of the preprint. Its version is that of the preprint."""
        text = take_all_text(element)
        if text is None:
            return
        found = identify(text)
        if found.scheme == "other":
            found = identify(f"arXiv:{text}")
        if found.scheme == "arxiv":
            number, letter, version = found.value.rpartition("v")
            if letter and version.isdigit() and number[-1].isdigit():
                self.builder.version = f"v{version}"
        self.builder.add_identifier(found if found.scheme != "other" else Identifier("other", text), text)

    def date(self, element: _Element) -> None:
        text = take_all_text(element)
        if text:
            value, name = parse_date(text), local_name(element)
            self.builder.dates.append(Date(value, text if text != value else None, date_type(name), name))

    def version(self, element: _Element) -> None:
        label, date, rest = take_attribute(element, "version"), None, []
        for part in element:
            text = take_all_text(part)
            if text and local_name(part) == "date":
                date = _mail_date(text)
            elif text:
                rest.append(f"{local_name(part)}: {text}")
        self.builder.versions.append(Version(label, date, text=", ".join(rest) or None))

    def submitter(self, element: _Element) -> None:
        if text := take_all_text(element):
            self.builder.contributors.append(Agent(text, role="dpt", role_text="submitter"))

    def authors(self, element: _Element) -> None:
        if not len(element):
            self.builder.creators += authors.parse_authors(take_all_text(element) or "")
        for author in element:
            if local_name(author) == "author":
                self.author(author)

    def author(self, element: _Element) -> None:
        if agent := authors.read_author(element):
            self.builder.creators.append(agent)

    def title(self, element: _Element) -> None:
        if text := take_all_text(element):
            self.builder.titles.append(Title(text))

    def description(self, element: _Element, role: str) -> None:
        if text := take_all_text(element):
            self.builder.descriptions.append(Description(text, role=role))

    def categories(self, element: _Element) -> None:
        for code in (take_all_text(element) or "").split():
            self.builder.subjects.append(Subject(code, vocabulary="arXiv", code=code))

    def category(self, element: _Element) -> None:
        """Add a category of Atom. Authors also write classes of MSC and ACM there."""
        term, scheme = take_attribute(element, "term"), take_attribute(element, "scheme")
        if term:
            self.builder.subjects.append(Subject(term, vocabulary=scheme, code=term))

    def primary_category(self, element: _Element) -> None:
        self.primary = take_attribute(element, "term")

    def classes(self, element: _Element, vocabulary: str) -> None:
        """Add the classes of a text such as `82B20 (Primary); 82B23, 81R12 (Secondary)`."""
        for part in (take_all_text(element) or "").replace(";", ",").split(","):
            if text := part.strip():
                code = text.partition("(")[0].strip()
                self.builder.subjects.append(Subject(text, vocabulary=vocabulary, code=code or None))

    def proxy(self, element: _Element) -> None:
        if text := take_all_text(element):
            self.builder.agencies.append(text)

    def report_number(self, element: _Element) -> None:
        for part in (take_all_text(element) or "").replace(";", ",").split(","):
            if text := part.strip():
                self.builder.add_identifier(Identifier("other", text, "report-no"))

    def journal(self, element: _Element) -> None:
        self.journal_reference = take_all_text(element) or self.journal_reference

    def doi(self, element: _Element) -> None:
        self.dois += map(identify, (take_all_text(element) or "").split())

    def license(self, element: _Element) -> None:
        if text := take_all_text(element):
            self.builder.rights.append(Rights(text, license=license_address(text) or text))

    def link(self, element: _Element) -> None:
        """Add a link of Atom: the page of the preprint, a file, or the DOI of the published version."""
        address = take_attribute(element, "href")
        if address is None:
            return
        name = take_attribute(element, "title")
        if name == "doi":
            self.dois.append(identify(address))
            if element.get("rel") == "related":
                take_attribute(element, "rel")
            return
        relation, media_type = take_attribute(element, "rel"), take_attribute(element, "type")
        if relation == "alternate":
            self.builder.add_identifier(identify(address), address)
        self.builder.files.append(File(address, name, media_type, description=relation))


def _mail_date(text: str) -> Date:
    """Return the date of a version, which is in the form of RFC 822: `Mon, 2 Apr 2007 19:18:42 GMT`."""
    value = parse_mail_date(text) or parse_date(text)
    return Date(value, text if text != value else None)


_READERS: dict[str, Callable[[_Reader, _Element], None]] = {
    "id": _Reader.identifier,
    "created": _Reader.date,
    "published": _Reader.date,
    "updated": _Reader.date,
    "version": _Reader.version,
    "submitter": _Reader.submitter,
    "authors": _Reader.authors,
    "author": _Reader.author,
    "title": _Reader.title,
    "categories": _Reader.categories,
    "category": _Reader.category,
    "primary_category": _Reader.primary_category,
    "comments": partial(_Reader.description, role="comments"),
    "comment": partial(_Reader.description, role="comments"),
    "abstract": partial(_Reader.description, role="Abstract"),
    "summary": partial(_Reader.description, role="Abstract"),
    "msc-class": partial(_Reader.classes, vocabulary="MSC"),
    "acm-class": partial(_Reader.classes, vocabulary="ACM"),
    "proxy": _Reader.proxy,
    "report-no": _Reader.report_number,
    "journal-ref": _Reader.journal,
    "journal_ref": _Reader.journal,
    "doi": _Reader.doi,
    "license": _Reader.license,
    "link": _Reader.link,
}
