"""Studies of ClinicalTrials.gov become documents: the JSON of the API, and the XML of the older one."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest_dagster.errors import TransformError
from harvest_dagster.harvesters.formats.canonical_xml import canonical_xml
from harvest_dagster.harvesters.formats.strict_xml import parse_xml
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.formats.clinicaltrials.transformer import FIELDS, ClinicalTrialsTransformer
from harvest_dagster_tests.recorded import recorded, recordings, requires_recorded
from harvest_dagster_tests.transformers.accounting import Leaf, account_for, check, count_fields, leaves
from harvest_dagster_tests.transformers.injection import lost_in_json, lost_in_xml

STUDY: dict[str, Any] = {
    "protocolSection": {
        "identificationModule": {
            "nctId": "NCT00000001",
            "nctIdAliases": ["NCT00000002"],
            "orgStudyIdInfo": {"id": "2024-0301"},
            "secondaryIdInfos": [
                {"id": "2011-001234-12", "type": "EUDRACT_NUMBER", "link": "http://example.org/eudract"},
                {"id": "X1", "type": "OTHER", "domain": "Other registry"},
                {"id": "R01CA1", "type": "NIH"},
                {"id": "G-7", "type": "OTHER_GRANT", "domain": "Example Fund"},
            ],
            "briefTitle": "A short title",
            "officialTitle": "A long title",
            "acronym": "SHORT",
            "organization": {"fullName": "Example U", "class": "OTHER"},
        },
        "statusModule": {
            "overallStatus": "RECRUITING",
            "studyFirstPostDateStruct": {"date": "2024-08-29", "type": "ACTUAL"},
            "studyFirstSubmitDate": "2024-08-26",
            "startDateStruct": {"date": "2024-12"},
            "lastUpdateSubmitDate": "2025-11-04",
            "whyStopped": "No funds",
        },
        "sponsorCollaboratorsModule": {
            "leadSponsor": {"name": "Example U"},
            "collaborators": [{"name": "Ada Lovelace", "class": "INDIV"}],
            "responsibleParty": {
                "type": "PRINCIPAL_INVESTIGATOR",
                "investigatorFullName": "Mary Somerville",
                "investigatorAffiliation": "Example U",
            },
        },
        "descriptionModule": {"briefSummary": "In\n\nshort.", "detailedDescription": "At length."},
        "conditionsModule": {"conditions": ["Asthma"], "keywords": ["air"]},
        "designModule": {"studyType": "INTERVENTIONAL", "phases": ["PHASE2"]},
        "armsInterventionsModule": {"interventions": [{"name": "Steroids", "type": "DRUG"}]},
        "eligibilityModule": {"eligibilityCriteria": "Adults", "studyPopulation": "All patients"},
        "contactsLocationsModule": {
            "overallOfficials": [
                {"name": "Pat, MD", "role": "PRINCIPAL_INVESTIGATOR", "affiliation": "Clinic"}
            ],
            "centralContacts": [{"name": "Desk", "role": "CONTACT", "email": "a@example.org", "phone": "1"}],
            "locations": [
                {
                    "facility": "Clinic",
                    "city": "Chicago",
                    "zip": "60612",
                    "country": "United States",
                    "geoPoint": {"lat": 41.85003, "lon": -87.65005},
                    "contacts": [{"name": "Sam", "role": "SUB_INVESTIGATOR"}],
                }
            ],
        },
        "referencesModule": {
            "references": [
                {"pmid": "34182952", "type": "BACKGROUND", "citation": "Somebody et al."},
                {"pmid": "1", "type": "RESULT"},
                {"citation": "Nobody", "type": "DERIVED"},
            ],
            "seeAlsoLinks": [{"label": "Sponsor", "url": "http://example.org/"}],
            "availIpds": [{"id": "D1", "type": "Data", "url": "http://example.org/d", "comment": "Ask"}],
        },
        "ipdSharingStatementModule": {
            "ipdSharing": "YES",
            "description": "Shared",
            "accessCriteria": "Upon request",
            "url": "http://example.org/ipd",
        },
    },
    "documentSection": {
        "largeDocumentModule": {"largeDocs": [{"filename": "P.pdf", "label": "Protocol", "size": 23}]}
    },
    "derivedSection": {
        "conditionBrowseModule": {
            "meshes": [{"id": "D001249", "term": "Asthma"}],
            "ancestors": [{"id": "D001982", "term": "Bronchial Diseases"}],
        }
    },
    "resultsSection": {"moreInfoModule": {"limitationsAndCaveats": {"description": "Few"}}},
    "hasResults": True,
}

XML = """<clinical_study rank="1">
<required_header><link_text>Link</link_text><url>http://clinicaltrials.gov/show/NCT00000001</url></required_header>
<id_info><org_study_id>4222</org_study_id><secondary_id>S1</secondary_id><nct_id>NCT00000001</nct_id></id_info>
<brief_title>A short title</brief_title><acronym>SHORT</acronym><official_title>A long title</official_title>
<sponsors><lead_sponsor><agency>Example U</agency><agency_class>Other</agency_class></lead_sponsor>
<collaborator><agency>Example Fund</agency><agency_class>U.S. Fed</agency_class></collaborator></sponsors>
<source>Example U</source>
<brief_summary><textblock> In
 short. </textblock></brief_summary><detailed_description><textblock>At length.</textblock></detailed_description>
<overall_status>Terminated</overall_status><why_stopped>No funds</why_stopped><start_date>April 2007</start_date>
<completion_date type="Actual">December 2012</completion_date><study_type>Interventional</study_type>
<condition>Asthma</condition><intervention><intervention_type>Drug</intervention_type>
<intervention_name>Steroids</intervention_name></intervention>
<eligibility><study_pop><textblock>All</textblock></study_pop><criteria><textblock>Adults</textblock></criteria></eligibility>
<overall_official><first_name>Pat</first_name><last_name>Doe</last_name><degrees>MD</degrees>
<role>Principal Investigator</role><affiliation>Clinic</affiliation></overall_official>
<overall_contact><last_name>Desk</last_name><phone>1</phone><email>a@example.org</email></overall_contact>
<location><facility><name>Clinic</name><address><city>Haifa</city><country>Israel</country></address></facility>
<investigator><last_name>Sam</last_name><role>Sub-Investigator</role></investigator></location>
<location_countries><country>Israel</country><country>Italy</country></location_countries>
<link><url>http://example.org/</url><description>More</description></link>
<reference><citation>Somebody et al.</citation><PMID>34182952</PMID></reference>
<results_reference><citation>Nobody</citation></results_reference>
<lastchanged_date>December 24, 2014</lastchanged_date><firstreceived_date>March 8, 2007</firstreceived_date>
<responsible_party><name_title>Mary Somerville</name_title><organization>Example U</organization></responsible_party>
<keyword>air</keyword><condition_browse><mesh_term>Asthma</mesh_term></condition_browse></clinical_study>
"""


def document_of(datum: Any) -> Document:
    text = datum if isinstance(datum, str) else json.dumps(datum)
    return ClinicalTrialsTransformer(ClinicalTrialsTransformer.Arguments()).transform("NCT00000001", text)


def other(value: str, scheme: str | None = None) -> dict[str, str]:
    return {"scheme": "other", "value": value} | ({"scheme_text": scheme} if scheme else {})


def url(value: str) -> dict[str, str]:
    return {"scheme": "url", "value": value}


CLINIC = [{"name": "Clinic"}]
AT_EXAMPLE = [{"name": "Example U"}]
PMID = [{"scheme": "pmid", "value": "34182952"}]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("kind", "StudyRegistration"),
        ("title", "A short title"),
        ("issued", "2024-08-29"),
        (
            "titles",
            [
                {"text": "A short title"},
                {"text": "A long title", "role": "official"},
                {"text": "SHORT", "role": "acronym"},
            ],
        ),
        (
            "identifiers",
            [
                other("NCT00000001", "NCT"),
                other("NCT00000002", "NCT"),
                other("2024-0301"),
                other("2011-001234-12", "EUDRACT_NUMBER"),
                url("http://example.org/eudract"),
                other("X1", "Other registry"),
            ],
        ),
        ("funding", [{"funder": "NIH", "award": "R01CA1"}, {"funder": "Example Fund", "award": "G-7"}]),
        (
            "dates",
            [
                {"value": "2024-08-29", "role": "Issued", "role_text": "studyFirstPostDate"},
                {"value": "2024-08-26", "role": "Submitted", "role_text": "studyFirstSubmitDate"},
                {"value": "2024-12", "role_text": "startDate"},
                {"value": "2025-11-04", "role": "Updated", "role_text": "lastUpdateSubmitDate"},
            ],
        ),
        (
            "creators",
            [{"name": "Example U", "role": "spn", "role_text": "leadSponsor"}],
        ),
        (
            "contributors",
            [
                {"name": "Ada Lovelace", "kind": "person", "role_text": "collaborators"},
                {
                    "name": "Mary Somerville",
                    "role": "rpy",
                    "role_text": "responsibleParty",
                    "affiliations": AT_EXAMPLE,
                },
                {"name": "Pat, MD", "role_text": "PRINCIPAL_INVESTIGATOR", "affiliations": CLINIC},
                {
                    "name": "Desk",
                    "identifiers": [other("a@example.org", "email")],
                    "role_text": "CONTACT",
                },
                {"name": "Sam", "role_text": "SUB_INVESTIGATOR", "affiliations": CLINIC},
            ],
        ),
        (
            "descriptions",
            [
                {"text": "No funds", "role": "whyStopped"},
                {"text": "In short.", "role": "Abstract"},
                {"text": "At length.", "role": "detailedDescription"},
                {"text": "Adults", "role": "eligibilityCriteria"},
                {"text": "All patients", "role": "studyPopulation"},
                {"text": "Shared", "role": "ipdSharing"},
            ],
        ),
        (
            "subjects",
            [
                {"text": "Asthma"},
                {"text": "air"},
                {"text": "Steroids"},
                {"text": "Asthma", "vocabulary": "MeSH", "code": "D001249"},
            ],
        ),
        ("types", [{"text": "INTERVENTIONAL"}]),
        (
            "places",
            [
                {
                    "name": "Clinic, Chicago, 60612, United States",
                    "geometry": "POINT (-87.65005 41.85003)",
                }
            ],
        ),
        ("rights", [{"text": "Upon request"}]),
        (
            "related",
            [
                {
                    "relation": "References",
                    "relation_text": "BACKGROUND",
                    "identifiers": PMID,
                    "text": "Somebody et al.",
                },
                {
                    "relation": "IsDescribedBy",
                    "relation_text": "RESULT",
                    "identifiers": [{"scheme": "pmid", "value": "1"}],
                },
                {"relation_text": "DERIVED", "text": "Nobody"},
                {
                    "relation_text": "seeAlsoLinks",
                    "identifiers": [url("http://example.org/")],
                    "title": "Sponsor",
                },
                {
                    "relation_text": "availIpds",
                    "identifiers": [url("http://example.org/d"), other("D1")],
                    "text": "Ask",
                    "kind": "Data",
                },
                {"relation_text": "ipdSharing", "identifiers": [url("http://example.org/ipd")]},
            ],
        ),
        ("files", [{"name": "P.pdf", "size": "23", "description": "Protocol"}]),
        (
            "provenance",
            {
                "transformer": "clinicaltrials",
                "format": "ClinicalTrials.gov API 2",
                "agencies": ["Example U"],
            },
        ),
    ],
)
def test_each_value_of_the_json_is_in_its_field(field: str, expected: Any) -> None:
    assert document_of(STUDY).as_dict()[field] == expected


def test_the_design_and_the_results_of_a_study_are_unmapped() -> None:
    values = {(one.path.rpartition(".")[2], one.text) for one in document_of(STUDY).unmapped}
    assert values == {
        ("type", "OTHER"),
        ("type", "OTHER_GRANT"),
        ("class", "OTHER"),
        ("overallStatus", "RECRUITING"),
        ("type", "ACTUAL"),
        ("class", "INDIV"),
        ("type", "PRINCIPAL_INVESTIGATOR"),
        ("phases[0]", "PHASE2"),
        ("type", "DRUG"),
        ("phone", "1"),
        ("ipdSharing", "YES"),
        ("id", "D001982"),
        ("term", "Bronchial Diseases"),
        ("description", "Few"),
        ("hasResults", "true"),
    }


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("kind", "StudyRegistration"),
        (
            "titles",
            [
                {"text": "A short title"},
                {"text": "SHORT", "role": "acronym"},
                {"text": "A long title", "role": "official"},
            ],
        ),
        (
            "identifiers",
            [
                url("http://clinicaltrials.gov/show/NCT00000001"),
                other("NCT00000001", "NCT"),
                other("4222"),
                other("S1"),
            ],
        ),
        (
            "creators",
            [{"name": "Example U", "role": "spn", "role_text": "lead_sponsor"}],
        ),
        (
            "contributors",
            [
                {"name": "Example Fund", "kind": "organization", "role_text": "collaborator"},
                {
                    "name": "Pat Doe, MD",
                    "role_text": "Principal Investigator",
                    "affiliations": CLINIC,
                },
                {
                    "name": "Desk",
                    "identifiers": [other("a@example.org", "email")],
                    "role_text": "overall_contact",
                },
                {"name": "Sam", "role_text": "Sub-Investigator", "affiliations": CLINIC},
                {
                    "name": "Mary Somerville",
                    "role": "rpy",
                    "role_text": "responsible_party",
                    "affiliations": AT_EXAMPLE,
                },
            ],
        ),
        (
            "dates",
            [
                {"value": "2007-04", "text": "April 2007", "role_text": "start_date"},
                {"value": "2012-12", "text": "December 2012", "role_text": "completion_date"},
                {
                    "value": "2014-12-24",
                    "text": "December 24, 2014",
                    "role": "Updated",
                    "role_text": "lastchanged_date",
                },
                {
                    "value": "2007-03-08",
                    "text": "March 8, 2007",
                    "role": "Submitted",
                    "role_text": "firstreceived_date",
                },
            ],
        ),
        (
            "descriptions",
            [
                {"text": "In short.", "role": "Abstract"},
                {"text": "At length.", "role": "detailed_description"},
                {"text": "No funds", "role": "why_stopped"},
                {"text": "Adults", "role": "criteria"},
                {"text": "All", "role": "study_pop"},
            ],
        ),
        (
            "subjects",
            [
                {"text": "Asthma"},
                {"text": "Steroids"},
                {"text": "air"},
                {"text": "Asthma", "vocabulary": "MeSH"},
            ],
        ),
        ("places", [{"name": "Clinic, Haifa, Israel"}, {"name": "Italy"}]),
        (
            "related",
            [
                {
                    "relation_text": "link",
                    "identifiers": [url("http://example.org/")],
                    "title": "More",
                },
                {
                    "relation": "References",
                    "relation_text": "reference",
                    "identifiers": PMID,
                    "text": "Somebody et al.",
                },
                {"relation": "IsDescribedBy", "relation_text": "results_reference", "text": "Nobody"},
            ],
        ),
        ("types", [{"text": "Interventional"}]),
        (
            "provenance",
            {"transformer": "clinicaltrials", "format": "clinical_study", "agencies": ["Example U"]},
        ),
        (
            "unmapped",
            [
                {"path": "clinical_study/@rank", "text": "1"},
                {"path": "clinical_study/required_header/link_text", "text": "Link"},
                {"path": "clinical_study/sponsors/lead_sponsor/agency_class", "text": "Other"},
                {"path": "clinical_study/sponsors/collaborator/agency_class", "text": "U.S. Fed"},
                {"path": "clinical_study/overall_status", "text": "Terminated"},
                {"path": "clinical_study/completion_date/@type", "text": "Actual"},
                {"path": "clinical_study/intervention/intervention_type", "text": "Drug"},
                {"path": "clinical_study/overall_contact/phone", "text": "1"},
            ],
        ),
    ],
)
def test_each_value_of_the_xml_is_in_its_field(field: str, expected: Any) -> None:
    assert document_of(XML).as_dict()[field] == expected


@pytest.mark.parametrize(("source", "fields"), FIELDS)
def test_each_row_of_the_table_of_fields_holds(source: str, fields: str) -> None:
    """The table is the documentation of the format."""
    del source
    filled = {path for one in (STUDY, XML) for path in count_fields(document_of(one).as_dict())}
    assert set(fields.split(", ")) <= filled | {"provenance"}


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        ({"studies": [STUDY]}, "`records: studies`"),
        ({"FullStudy": {}}, "no `protocolSection`"),
        ({"protocolSection": {}}, "is empty"),
        ({"protocolSection": {}, "hasResults": False}, "recognizes nothing"),
        ("[1]", "not an object"),
        ("<search_results/>", "not the <clinical_study>"),
        ("<clinical_study/>", "is empty"),
        ("", "not JSON"),
    ],
)
def test_what_is_not_a_study_is_refused_with_the_reason(datum: Any, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        document_of(datum)


def test_no_value_of_a_study_can_be_lost() -> None:
    transformer = ClinicalTrialsTransformer(ClinicalTrialsTransformer.Arguments())
    assert not list(lost_in_json(transformer, STUDY))
    assert not list(lost_in_xml(transformer, XML))


VALUES = st.sampled_from([None, True, 3, "", "text", [], {}, [None], ["a"], [{}], [[1]], {"id": "x"}])
PATHS = st.sampled_from(
    [(section, module) for section, value in STUDY.items() if isinstance(value, dict) for module in value]
    + [
        ("protocolSection", module, key)
        for module, value in STUDY["protocolSection"].items()
        for key in value
    ]
)


@settings(max_examples=40)
@given(PATHS, VALUES)
def test_any_json_gives_a_document_or_a_transform_error(path: tuple[str, ...], value: Any) -> None:
    study = deepcopy(STUDY)
    node = study
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    assert document_of(study).kind == "StudyRegistration"


def recorded_json() -> list[Record]:
    studies = json.loads(recorded("ctgov_v2_nsclc", "data__ctg-studies.json"))
    names = (study["protocolSection"]["identificationModule"]["nctId"] for study in studies)
    pairs = zip(names, studies, strict=True)
    return [Record(name, None, deleted=False, blob=json.dumps(study)) for name, study in pairs]


@cache
def recorded_xml() -> tuple[Record, ...]:
    found = []
    for recording in recordings("scrapi_oai_and_rest"):
        if recording.file.endswith("_clinicaltrials.xml"):
            root = parse_xml(recording.body, url=recording.url)
            if root.tag == "clinical_study":
                name = root.findtext("id_info/nct_id") or ""
                found.append(Record(name, None, deleted=False, blob=canonical_xml(root)))
    return tuple(found)


def is_result(leaf: Leaf) -> bool:
    """Return whether a value is one of the results: the last test reads these, in less time."""
    return leaf.path.startswith("resultsSection.")


@requires_recorded
def test_no_value_of_every_third_recorded_study_is_lost() -> None:
    transformer = ClinicalTrialsTransformer(ClinicalTrialsTransformer.Arguments())
    account = account_for(transformer, [*recorded_json()[::3], *recorded_xml()[::3]], is_result)
    assert not account.failures
    check("clinicaltrials", account)


@requires_recorded
@pytest.mark.slow
def test_no_value_of_the_recorded_studies_is_lost() -> None:
    transformer = ClinicalTrialsTransformer(ClinicalTrialsTransformer.Arguments())
    account = account_for(transformer, [*recorded_json(), *recorded_xml()])
    assert not account.failures
    assert not account.lost


def test_all_results_of_the_recorded_studies_are_unmapped() -> None:
    transformer = ClinicalTrialsTransformer(ClinicalTrialsTransformer.Arguments())
    for record in recorded_json():
        unmapped = transformer.transform(record.identifier, record.blob).unmapped
        texts = [one.text for one in unmapped if one.path.startswith("resultsSection.")]
        assert texts == [leaf.text for leaf in leaves(record.blob) if is_result(leaf)]


@pytest.mark.parametrize("kind", [["NIH"], {"a": "NIH"}])
def test_a_type_that_is_no_text_is_kept(kind: Any) -> None:
    """A TypeError would say nothing about the record."""
    study = deepcopy(STUDY)
    study["protocolSection"]["identificationModule"]["secondaryIdInfos"] = [{"id": "R01CA1", "type": kind}]
    document = ClinicalTrialsTransformer(ClinicalTrialsTransformer.Arguments()).transform(
        "1", json.dumps(study)
    )
    assert "R01CA1" in [one.value for one in document.identifiers]
    assert "NIH" in [one.text for one in document.unmapped]
