"""Compare the XML in a record of the DataCite API with its other attributes.

The attribute `xml` has the deposited XML in base64. It says again what the other attributes say, and more if the
record changed later. So what the JSON does not say goes into `unmapped`, below `attributes.xml`, and the rest of the
XML is left out.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator

from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import Unmapped
from harvest_dagster.transformers.reading import json_tree, xml_tree
from harvest_dagster.transformers.reading.json_tree import Node


def rest_of_xml(attributes: Node, path: str) -> Iterator[Unmapped]:
    """Take the XML. Yield what it says and the other attributes do not. XML that cannot be read stays."""
    text = attributes["xml"]
    try:
        root = xml_tree.parse(binascii.a2b_base64(text).decode())
    except (TransformError, ValueError, TypeError):
        return
    del attributes["xml"]
    known = {_key(value.text) for value in json_tree.leftovers(attributes)}
    for value in xml_tree.leftovers(root):
        if _key(value.text) not in known:
            yield Unmapped(f"{path}/{value.path}", value.text)


def _key(text: str) -> str:
    """Return a text in the form in which the XML and the JSON are compared. The API adds and removes resolvers."""
    return text.lower().rstrip("/").removeprefix("https://doi.org/").removeprefix("https://orcid.org/")
