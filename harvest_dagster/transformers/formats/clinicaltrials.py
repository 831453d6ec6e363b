"""The transformer of the studies of ClinicalTrials.gov.

`formats.clinicaltrials_json` reads the JSON of the API, and `formats.clinicaltrials_xml` the XML of the older API,
which ended in 2024.

Both keep in `unmapped` what describes how a study is done, because the document has no field for it: the status, the
phase, the design, the arms, the outcomes, the conditions of participation other than their text, and the results.
"""

from __future__ import annotations

from harvest_dagster.transformers.builder import DocumentBuilder
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.formats import clinicaltrials_json, clinicaltrials_xml
from harvest_dagster.transformers.interface import Transformer

FIELDS = (*clinicaltrials_json.FIELDS, *clinicaltrials_xml.FIELDS)


class ClinicalTrialsTransformer(Transformer):
    """Transform a study of ClinicalTrials.gov: JSON of API version 2, or the XML `clinical_study` of the older API."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one study.

        Raises:
            TransformError: the datum is neither of the two formats, or nothing in it was recognized.
        """
        builder = DocumentBuilder(identifier, "clinicaltrials", "")
        builder.kind = "StudyRegistration"
        is_xml = datum.lstrip()[:1] == "<"
        rest = (
            clinicaltrials_xml.read_study(builder, datum)
            if is_xml
            else clinicaltrials_json.read_study(builder, datum)
        )
        return builder.build(rest)
