"""The transformer of bibliographic records in MARCXML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

# What people of the format write, and the field of the document.
FIELDS: tuple[tuple[str, str], ...] = (
    ("leader/06-07", "types, kind"),
    ("001, 003", "provenance.identifiers"),
    ("005", "provenance.updated"),
    ("008/00-05", "provenance.created"),
    ("008/06-14", "dates"),
    ("008/15-17, 044", "publishers.places"),
    ("008/23 or 29", "formats"),
    ("008/35-37, 041 $a $d", "languages"),
    ("010, 013, 015, 017, 020, 022, 024, 027, 028, 030, 037, 074, 088", "identifiers"),
    ("016, 035", "provenance.identifiers"),
    ("033, 046", "dates"),
    ("034 $d-$g, 043, 522, 651, 653 (place), 662", "places"),
    ("040 $a $c $d", "provenance.agencies"),
    ("040 $b", "provenance.languages"),
    ("040 $e, 042", "provenance.rules"),
    ("045 $b, 648, 653 (time)", "periods"),
    ("050, 060, 070, 080, 082, 083, 084, 086, 090", "subjects"),
    ("100, 110", "creators"),
    ("111, 711", "containers"),
    ("130, 210, 222, 240, 242, 243, 245 $a $b $n $p, 246, 247", "titles"),
    ("245 $c, 255, 310, 321, 351, 362", "descriptions"),
    ("245 $f $g", "dates"),
    ("245 $h, 337, 338, 340, 344-348", "formats"),
    ("250, 251", "version, versions"),
    ("260, 264 $a $b", "publishers, contributors"),
    ("260, 264 $c", "dates"),
    ("300, 306", "sizes"),
    ("336, 380, 655", "types"),
    ("440, 490, 800-830", "containers"),
    ("500-588, not those below", "descriptions"),
    ("502 $c", "contributors"),
    ("506, 540, 542", "rights, access"),
    ("510, 534, 581", "related"),
    ("536", "funding"),
    ("600-630, 650, 653, 654, 656-658", "subjects"),
    ("700, 710, 720", "contributors, creators"),
    ("700 $t, 710 $t, 730, 740", "related"),
    ("760-772, 774-787", "related"),
    ("773", "containers"),
    ("856", "files, identifiers"),
    ("856 of a related resource", "related"),
    ("880", "creators.other_names, contributors.other_names, titles"),
)


class MarcXmlTransformer(Transformer):
    """Transform a bibliographic record of MARC 21 in MARCXML (`metadata_prefix: marcxml`, `marc21`).

    Formats: MARC 21 bibliographic with the namespaces http://www.loc.gov/MARC21/slim and info:lc/xmlns/marcxchange-v1
    and -v2, or without a namespace. UNIMARC, authority and holdings records are not read.
    """

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one record.

        Raises:
            TransformError: see `marc.transform.read_document`.
        """
        from harvest_dagster.transformers.formats.marcxml.document import (  # noqa: PLC0415 - imports pymarc and lxml
            read_document,
        )

        return read_document(identifier, datum)
