"""The transformer of the studies of ClinicalTrials.gov.

`json_record` reads the JSON of the API, and `xml_record` the XML of the older API,
which ended in 2024.

Both keep in `unmapped` what describes how a study is done, because the document has no field for it: the status, the
phase, the design, the arms, the outcomes, the conditions of participation other than their text, and the results.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.transformers.interface import Transformer

if TYPE_CHECKING:
    from harvest_dagster.transformers.document import Document

FIELDS: tuple[tuple[str, str], ...] = (
    # The JSON.
    ("identificationModule.nctId, nctIdAliases, orgStudyIdInfo, secondaryIdInfos", "identifiers"),
    ("identificationModule.secondaryIdInfos of grants", "funding"),
    ("identificationModule.briefTitle, officialTitle, acronym", "titles"),
    ("identificationModule.organization", "provenance"),
    ("statusModule: all dates", "dates"),
    ("sponsorCollaboratorsModule.leadSponsor", "creators"),
    ("sponsorCollaboratorsModule.collaborators, responsibleParty", "contributors"),
    ("contactsLocationsModule: contacts and officials", "contributors"),
    ("contactsLocationsModule.locations", "places"),
    ("descriptionModule, eligibilityModule.eligibilityCriteria, statusModule.whyStopped", "descriptions"),
    (
        "conditionsModule, armsInterventionsModule.interventions[].name, conditionBrowseModule.meshes",
        "subjects",
    ),
    ("designModule.studyType", "types"),
    ("referencesModule", "related"),
    ("ipdSharingStatementModule.accessCriteria", "rights"),
    ("documentSection.largeDocumentModule.largeDocs", "files"),
    # The XML.
    ("required_header/url", "identifiers, links"),
    ("id_info", "identifiers"),
    ("brief_title, official_title, acronym", "titles"),
    ("sponsors/lead_sponsor", "creators"),
    (
        "sponsors/collaborator, responsible_party, overall_official, overall_contact, location/investigator",
        "contributors",
    ),
    ("source", "provenance"),
    ("brief_summary, detailed_description, eligibility/criteria, eligibility/study_pop", "descriptions"),
    ("start_date, firstreceived_date, study_first_posted, lastchanged_date, …", "dates"),
    ("study_type", "types"),
    ("condition, keyword, intervention/intervention_name, mesh_term", "subjects"),
    ("location/facility, location_countries", "places"),
    ("reference, results_reference, link", "related"),
)


class ClinicalTrialsTransformer(Transformer):
    """Transform a study of ClinicalTrials.gov: JSON of API version 2, or the XML `clinical_study` of the older API."""

    VERSION = 1

    def transform(self, identifier: str, datum: str) -> Document:
        """Return the document of one study.

        Raises:
            TransformError: the datum is neither of the two formats, or nothing in it was recognized.
        """
        # Loading the catalog needs only the class.
        from harvest_dagster.transformers.builder import DocumentBuilder  # noqa: PLC0415 - takes 0.02 s
        from harvest_dagster.transformers.formats.clinicaltrials import (  # noqa: PLC0415 - see above
            json_record,
            xml_record,
        )

        builder = DocumentBuilder(identifier, "clinicaltrials", "")
        builder.kind = "StudyRegistration"
        is_xml = datum.lstrip()[:1] == "<"
        rest = xml_record.read_study(builder, datum) if is_xml else json_record.read_study(builder, datum)
        return builder.build(rest)
