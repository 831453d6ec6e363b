"""Pages of XML. A record is an element, and is stored as canonical XML."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from lxml import etree

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.harvesters.rest.lists.page_metadata import raise_if_error
from harvest_dagster.harvesters.rest.paths import find
from harvest_dagster.harvesters.rest.responses.interface import ResponseFormat
from harvest_dagster.harvesters.rest.responses.xml_element import XmlElement, local_name
from harvest_dagster.paths.syntax import Location
from harvest_dagster.paths.xml_path import parse_xml_path
from harvest_dagster.records import Page
from harvest_dagster.texts import shorten

_CONTENT_TYPE = "application/xml"
_LONGEST_EXCERPT = 200  # characters
# PubMed names its DTD. Nothing of a DTD is ever read, so a declaration without definitions of its own may be left out.
# An entity of the DTD is then an error. The declaration of HTML stays, because HTML is recognized by it.
_EXTERNAL_DOCTYPE = re.compile(
    rb"\A((?:\xef\xbb\xbf)?\s{0,99}(?:<\?xml[^>]{0,200}\?>)?\s{0,99})<!DOCTYPE\s{1,99}(?!html\b)[\w:.-]{1,200}\s{1,99}"
    rb"(?:PUBLIC\s{1,99}\"[^\"<>\[]{0,500}\"\s{1,99}|SYSTEM\s{1,99})\"[^\"<>\[]{0,500}\"\s{0,99}>",
    re.IGNORECASE,
)
_ERRORS = frozenset({"error", "errors", "exception", "diagnostics"})
# arXiv sends an error with status 200, as the only entry of a feed whose total is 1.
_ARXIV_ERROR = re.compile(r"https?://(export\.)?arxiv\.org/api/errors#.*")


class XmlResponse(ResponseFormat):
    """Pages whose records are elements at the path `records`."""

    NAME = "XML"
    HAS_ORIGINALS = False  # an element lacks the namespaces that the page declares outside of it

    def document(self, body: bytes, url: str, content_type: str) -> XmlElement:
        """Return the root element of a page.

        Raises:
            MalformedResponse: the body is not well-formed, or truncated.
            SourceRefused: the page contains an error at the path `error`.
        """
        content = _EXTERNAL_DOCTYPE.sub(rb"\1", body, count=1)
        root = parse_xml(content, url=url, content_type=content_type, limits=self.limits)
        document = XmlElement(root, is_page=True)
        if self.arguments.error is not None:
            raise_if_error(document, self.arguments.error, url=url)
        return document

    def find_items(self, document: XmlElement, url: str) -> list[tuple[Location, Any]] | None:
        """Return each element at the path `records`, or None if the page also lacks the element around them.

        Raises:
            ProtocolError: the page also says that it failed, or the last name of the path is wrong.
        """
        steps = parse_xml_path(self.arguments.records).steps
        elements = list(document.elements(steps))
        if not elements:
            parents = list(document.elements(steps[:-1])) if len(steps) > 1 else []
            if not parents:
                return None
            self._raise_if_repeated(parents, url)
        if self.arguments.error is None:
            _raise_if_usual_error(document, elements, url)
        return [((index,), XmlElement(element)) for index, element in enumerate(elements)]

    def raw_items(self, page: Page, locations: Iterable[Location]) -> dict[Location, bytes]:
        """Return these elements as XML. Each declares the namespaces of its page, so it can be parsed again."""
        document = self.document(page.body, page.request.url, page.content_type)
        elements = list(document.elements(parse_xml_path(self.arguments.records).steps))
        return {
            location: etree.tostring(elements[int(location[0])], encoding="utf-8", with_tail=False)
            for location in locations
        }

    def parse_item(self, datum: bytes) -> XmlElement:
        """Return the element of a record."""
        return XmlElement(parse_xml(datum, url="the record", content_type=_CONTENT_TYPE, limits=self.limits))

    def fault_of(self, item: Any) -> str | None:  # noqa: ARG002
        """Return None: each element may be a record."""
        return None

    def blob(self, item: XmlElement) -> str:
        """Return the canonical XML of a record without its `volatile` parts."""
        return item.canonical_form(self.arguments.volatile)

    def _raise_if_repeated(self, parents: Sequence[etree._Element], url: str) -> None:
        """Raise ProtocolError if a list without records repeats another element that has children.

        XML has no empty list. So a wrong name looks like one, and each window would be empty.
        """
        names = Counter(local_name(child) for parent in parents for child in parent if len(child))
        for name, count in names.most_common(1):
            if count > 1:
                message = (
                    f"{url} has no element at {self.arguments.records}, but {count} elements {name} in its place. "
                    "Correct `records`."
                )
                raise ProtocolError(message)


def _raise_if_usual_error(document: XmlElement, elements: Sequence[etree._Element], url: str) -> None:
    """Raise ProtocolError if a page that has a list says that it failed, as XML services usually say it."""
    message: str | None = None
    for child in document.element:
        if local_name(child).lower() in _ERRORS and child not in elements:
            message = "".join(map(str, child.itertext())).strip() or local_name(child)
    if len(elements) == 1:
        entry = XmlElement(elements[0])
        if _ARXIV_ERROR.fullmatch(str(find(entry, "id"))):
            message = str(find(entry, "summary"))
    if message is not None:
        raise ProtocolError(
            f"{url} answered with a list and with an error: {shorten(message, _LONGEST_EXCERPT)}. Check `params`, or "
            "try again later. If this is no error, set `error` to the path of errors of this source."
        )
