"""Dublin Core as OAI-PMH carries it: XML in, the elements out. What they mean is `transformers.dublin_core`.

The container: http://www.openarchives.org/OAI/2.0/oai_dc.xsd. Everything goes by namespace and local name,
never by prefix. Containers in other namespaces are read too, and those of qualified Dublin Core, which DSpace
calls `qualifieddc`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers import dublin_core
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.dublin_core import Value
from harvest_dagster.transformers.interface import Transformer

_CONTAINERS = frozenset({"dc", "qualifieddc"})
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_RDF_RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"


class OaiDcTransformer(Transformer):
    """The Dublin Core of an OAI-PMH record."""

    VERSION = 1

    def __init__(self, arguments: Any) -> None:
        super().__init__(arguments)
        self._parser = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            remove_comments=True,
            remove_pis=True,
            collect_ids=False,
        )

    def transform(self, identifier: str, datum: str) -> Document:
        """The document of one record.

        Raises:
            TransformError: it is no well-formed XML, or has no metadata, or in another format.
        """
        return dublin_core.read(identifier, _values(_container(self._parse(datum))))

    def _parse(self, datum: str) -> etree._Element:
        # In text and attributes of a canonical blob every < is escaped.
        if "<!DOCTYPE" in datum:
            message = "the datum declares a document type, which no record may. The source has to mend it."
            raise TransformError(message)
        try:
            return etree.fromstring(datum.encode(), self._parser)
        except (etree.XMLSyntaxError, UnicodeEncodeError) as error:
            message = f"the datum is no well-formed XML: {error}. The source has to mend the record."
            raise TransformError(message) from error


def _container(root: etree._Element) -> etree._Element:
    """What holds the elements: `metadata/oai_dc:dc`, or the root itself."""
    if _local_name(root) in _CONTAINERS:
        return root
    metadata = next((child for child in root if _local_name(child) == "metadata"), None)
    if metadata is None:
        message = f"no <metadata> in <{root.tag}>. Only the source can tell whether it means a deletion."
        raise TransformError(message)
    content = next(iter(metadata), None)
    if content is None:
        message = "the record's <metadata> is empty. The source has to mend the record."
        raise TransformError(message)
    if _local_name(content) not in _CONTAINERS:
        message = (
            f"the metadata are <{content.tag}>, not Dublin Core. Harvest with `metadata_prefix: oai_dc`, or "
            "name a transformer that reads this format."
        )
        raise TransformError(message)
    return content


def _local_name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _values(container: etree._Element) -> Iterator[Value]:
    """The elements that say something, in their order."""
    for node in container:
        text = " ".join((str(node.xpath("string()")) if len(node) else node.text or "").split())
        if not node.keys():
            if text:
                yield Value(str(node.tag), text)
        elif text := text or node.get(_RDF_RESOURCE, "").strip():
            yield Value(str(node.tag), text, node.get(_XML_LANG), _encoding_scheme(node))


def _encoding_scheme(node: etree._Element) -> str | None:
    """`LCSH` of `xsi:type="dcterms:LCSH"`: the prefix says nothing by itself."""
    name = node.get(_XSI_TYPE)
    return name.rpartition(":")[2] if name else None
