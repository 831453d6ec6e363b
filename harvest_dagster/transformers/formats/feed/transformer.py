"""The transformer of the entries of feeds. `entry` reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

FIELDS: tuple[tuple[str, str], ...] = (
    ("title, atom:title", "titles"),
    ("link, guid, rdf:about, atom:id, atom:link rel=alternate", "identifiers, links"),
    ("description, atom:summary, atom:content, content:encoded", "descriptions"),
    ("author, atom:author", "creators"),
    ("atom:contributor", "contributors"),
    ("pubDate, atom:published", "dates"),
    ("category, atom:category", "subjects"),
    ("enclosure, atom:link rel=enclosure, atom:content src", "files"),
    ("comments, source, atom:source, atom:link rel=related or via", "related"),
    ("atom:rights, atom:link rel=license", "rights"),
    ("atom:link rel=self", "provenance"),
    ("dc:* and dcterms:*, as in oai_dc", "titles, creators, dates, identifiers, rights"),
    ("media:content, media:thumbnail, media:player, itunes:image", "files"),
    ("media:title, itunes:title, itunes:subtitle", "titles"),
    ("media:description, itunes:summary, prism:teaser", "descriptions"),
    ("media:keywords, media:category, itunes:keywords, prism:keyword, prism:section", "subjects"),
    ("media:credit, itunes:author", "contributors, creators"),
    ("media:copyright, media:license, prism:copyright, creativeCommons:license", "rights"),
    ("itunes:duration, prism:byteCount", "sizes"),
    ("itunes:season, itunes:episode", "containers"),
    ("prism:publicationName, issn, eIssn, isbn, volume, number, startingPage, endingPage, …", "containers"),
    ("prism:doi, prism:url", "identifiers, links"),
    ("prism:publicationDate, coverDate, creationDate, modificationDate, embargoDate", "dates"),
    ("prism:versionIdentifier", "version"),
    ("prism:genre", "types"),
    ("georss:point, line, polygon, box, where, featurename, geo:lat, geo:long", "places"),
    ("thr:in-reply-to", "related"),
)


class FeedTransformer(Transformer):
    """Transform an `item` of RSS 2.0 or 1.0, or an `entry` of Atom 1.0 or 0.3, as the harvester `feed` stores it."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one entry.

        Raises:
            TransformError: see `entry.read_document`.
        """
        # Loading the catalog needs only the class.
        from harvest_dagster.transformers.formats.feed.entry import read_document  # noqa: PLC0415 - takes 0.02 s

        return read_document(identifier, datum)
