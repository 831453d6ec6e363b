"""The vocabularies of the document, and the words of the formats for their terms.

- Roles of agents: MARC relators, https://id.loc.gov/vocabulary/relators.
- Relations, kinds of dates and general types: DataCite 4.7, https://datacite-metadata-schema.readthedocs.io/.
- Access: the COAR access rights, https://vocabularies.coar-repositories.org/access_rights/.

A word that is not here maps to nothing. The document keeps it as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from harvest_dagster.transformers.document import Access

# The code of each relator, and the other words for it in MARC, DataCite, Crossref, JATS, OpenAIRE and arXiv.
_RELATORS = """
abr abridger; acp art copyist; act actor; adi art director; adp adapter; aft author of afterword; anl analyst;
anm animator; ann annotator; ant bibliographic antecedent; ape appellee; apl appellant; app applicant; aqt
author in quotations; arc architect; ard artistic director; arr arranger; art artist; asg assignee; asn
associated name; ato autographer; att attributed name; auc auctioneer; aud author of dialog; aui author of
introduction; aus screenwriter; aut author; bdd binding designer; bjd bookjacket designer; bkd book designer;
bkp book producer; blw blurb writer; bnd binder; bpd bookplate designer; brd broadcaster; brl braille embosser;
bsl bookseller; cas caster; ccp conceptor; chr choreographer; cli client; cll calligrapher; clr colorist; clt
collotyper; cmm commentator; cmp composer; cmt compositor; cnd conductor; cng cinematographer; cns censor; coe
contestant-appellee; col collector; com compiler; con conservator; cor collection registrar; cos contestant; cot
contestant-appellant; cou court governed; cov cover designer; cpc copyright claimant; cpe complainant-appellee;
cph copyright holder, rightsholder; cpl complainant; cpt complainant-appellant; cre creator; crp correspondent;
crr corrector; crt court reporter; csl consultant; csp consultant to a project; cst costume designer; ctb
contributor; cte contestee-appellee; ctg cartographer; ctr contractor; cts contestee; ctt contestee-appellant;
cur curator, data curator; cwt commentator for written text; dbp distribution place; dfd defendant; dfe
defendant-appellee; dft defendant-appellant; dgc degree committee member; dgg degree granting institution; dgs
degree supervisor; dis dissertant; dln delineator; dnc dancer; dnr donor; dpc depicted; dpt depositor; drm
draftsman; drt director; dsr designer; dst distributor; dtc data contributor; dte dedicatee; dtm data manager;
dto dedicator; dub dubious author; edc editor of compilation; edm editor of moving image work; edt editor; egr
engraver; elg electrician; elt electrotyper; eng engineer; enj enacting jurisdiction; etr etcher; evp event
place; exp expert; fac facsimilist; fds film distributor; fld field director; flm film editor; fmd film
director; fmk filmmaker; fmo former owner; fmp film producer; fnd funder; fpy first party; frg forger; gis
geographic information specialist; grt graphic technician; his host institution, hosting institution; hnr
honoree; hst host; ill illustrator; ilu illuminator; ins inscriber; inv inventor; isb issuing body; itr
instrumentalist; ive interviewee; ivr interviewer; jud judge; jug jurisdiction governed; lbr laboratory; lbt
librettist; ldr laboratory director; led lead; lee libelee-appellee; lel libelee; len lender; let
libelee-appellant; lgd lighting designer; lie libelant-appellee; lil libelant; lit libelant-appellant; lsa
landscape architect; lse licensee; lso licensor; ltg lithographer; ltr letterer; lyr lyricist; mcp music
copyist; mdc metadata contact; med medium; mfp manufacture place; mfr manufacturer; mod moderator; mon monitor;
mrb marbler; mrk markup editor; msd musical director; mte metal-engraver; mtk minute taker; mus musician; nrt
narrator; opn opponent; org originator; orm organizer; osp onscreen presenter; oth other; own owner; pan
panelist; pat patron; pbd publishing director; pbl publisher; pdr project director, project leader; pfr
proofreader; pht photographer; plt platemaker; pma permitting agency; pmn production manager; pop printer of
plates; ppm papermaker; ppt puppeteer; pra praeses; prc process contact; prd production personnel; pre
presenter; prf performer; prg programmer; prm printmaker; prn production company; pro producer; prp production
place; prs production designer; prt printer; prv provider; pta patent applicant; pte plaintiff-appellee; ptf
plaintiff; pth patent holder; ptt plaintiff-appellant; pup publication place; rbr rubricator; rcd recordist; rce
recording engineer; rcp addressee; rdd radio director; red redaktor; ren renderer; res researcher; rev reviewer;
rps repository; rpt reporter; rpy responsible party; rse respondent-appellee; rsg restager; rsp respondent; rsr
restorationist; rst respondent-appellant; rth research team head; rtm research team member; sad scientific
advisor; sce scenarist; scl sculptor; scr scribe; sds sound designer; sec secretary; sgd stage director; sgn
signer; sht supporting host; sll seller; sng singer; spk speaker; spn sponsor; spy second party; srv surveyor;
std set designer; stg setting; stl storyteller; stm stage manager; stn standards body; str stereotyper; tcd
technical director; tch teacher; ths thesis advisor, supervisor; tld television director; tlp television
producer; trc transcriber; trl translator; tyd type designer; tyg typographer; uvp university place; vac voice
actor; vdg videographer; voc vocalist; wac writer of added commentary; wal writer of added lyrics; wam writer of
accompanying material; wat writer of added text; wdc woodcutter; wde wood engraver; wit witness
"""

_CREATORS = frozenset(
    ("arc", "art", "aut", "cmp", "cre", "ctg", "dis", "dtc", "inv", "lbt", "lyr", "pht", "prg")
)

_RELATION_TYPES = """
IsCitedBy Cites IsSupplementTo IsSupplementedBy IsContinuedBy Continues IsDescribedBy Describes HasMetadata
IsMetadataFor HasVersion IsVersionOf IsNewVersionOf IsPreviousVersionOf IsPartOf HasPart IsPublishedIn IsReferencedBy
References IsDocumentedBy Documents IsCompiledBy Compiles IsVariantFormOf IsOriginalFormOf IsIdenticalTo IsReviewedBy
Reviews IsDerivedFrom IsSourceOf IsRequiredBy Requires IsObsoletedBy Obsoletes IsCollectedBy Collects IsTranslationOf
HasTranslation Other
"""
# Words of Dublin Core, Crossref and schema.org. https://www.dublincore.org/specifications/dublin-core/dcmi-terms/,
# https://www.crossref.org/documentation/schema-library/markup-guide-metadata-segments/relationships/
_OTHER_RELATIONS = """
isReplacedBy IsObsoletedBy; replaces Obsoletes; isFormatOf IsVariantFormOf; hasFormat IsOriginalFormOf;
isBasedOn IsDerivedFrom; isBasisFor IsSourceOf; citation References; hasReview IsReviewedBy; isReviewOf Reviews;
hasTranslation HasTranslation; isSameAs IsIdenticalTo; sameAs IsIdenticalTo; isPreprintOf IsPreviousVersionOf;
hasPreprint IsNewVersionOf; hasDerivation IsSourceOf; hasRelatedMaterial Other; isRelatedMaterial Other;
isDataBasisFor IsSourceOf; hasManifestation IsOriginalFormOf; isManifestationOf IsVariantFormOf; isSupplementTo
IsSupplementTo; isSupplementedBy IsSupplementedBy; exampleOfWork IsVersionOf; workExample HasVersion
"""

_DATE_TYPES = (
    "Accepted Available Collected Copyrighted Coverage Created Issued Submitted Updated Valid Withdrawn Other"
)
_OTHER_DATES = """
dateAccepted Accepted; dateCopyrighted Copyrighted; dateSubmitted Submitted; modified Updated; published Issued;
embargoEnd Available; dateIssued Issued; dateCreated Created; dateModified Updated; dateValid Valid;
dateCaptured Collected; copyrightDate Copyrighted; datePublished Issued; received Submitted; rev-recd Updated;
pub Issued; epub Issued; ppub Issued; collection Issued; corrected Updated; retracted Withdrawn; copyright
Copyrighted; publication Issued; published-print Issued; published-online Issued; published-other Issued; posted
Available; content-created Created; content-updated Updated; approved Accepted
"""

_RESOURCE_TYPES = """
Audiovisual Award Book BookChapter Collection ComputationalNotebook ConferencePaper ConferenceProceeding DataPaper
Dataset Dissertation Event Image Instrument InteractiveResource Journal JournalArticle Model OutputManagementPlan
PeerReview PhysicalObject Poster Preprint Presentation Project Report Service Software Sound Standard
StudyRegistration Text Workflow Other
"""
# Words of the DCMI types, info:eu-repo/semantics, Crossref, COAR, schema.org, JATS and Europe PMC.
_OTHER_TYPES = """
article JournalArticle; journal article JournalArticle; research article JournalArticle; review article
JournalArticle; review-article JournalArticle; research-article JournalArticle; journal-article JournalArticle;
scholarlyarticle JournalArticle; data paper DataPaper; book Book; monograph Book; edited-book Book;
reference-book Book; bookpart BookChapter; book part BookChapter; book-chapter BookChapter; chapter BookChapter;
book-section BookChapter; book-part BookChapter; bachelorthesis Dissertation; masterthesis Dissertation;
doctoralthesis Dissertation; thesis Dissertation; bachelor thesis Dissertation; master thesis Dissertation;
doctoral thesis Dissertation; conferenceobject ConferencePaper; conferencepaper ConferencePaper; conference
paper ConferencePaper; conference-paper ConferencePaper; proceedings-article ConferencePaper;
conferenceproceedings ConferenceProceeding; conference proceedings ConferenceProceeding; proceedings
ConferenceProceeding; posted-content Preprint; preprint Preprint; dataset Dataset; data set Dataset; software
Software; softwaresourcecode Software; softwareapplication Software; technical report Report; report Report;
workingpaper Report; working paper Report; stillimage Image; still image Image; image Image; photograph Image;
movingimage Audiovisual; moving image Audiovisual; video Audiovisual; sound Sound; audio Sound; audioobject
Sound; videoobject Audiovisual; imageobject Image; interactiveresource InteractiveResource; interactive resource
InteractiveResource; physicalobject PhysicalObject; physical object PhysicalObject; collection Collection; event
Event; service Service; peer-review PeerReview; standard Standard; journal Journal; datacatalog Collection;
clinical trial StudyRegistration; grant Award; sound recording Sound; sound
recording-musical Sound; sound recording-nonmusical Sound; three dimensional object PhysicalObject; mixed material
Collection; academic journal Journal; periodical Journal; reference-entry BookChapter; book-track BookChapter;
book-set Book; journal-issue Text; journal-volume Text; proceedings-series ConferenceProceeding; standard-series
Standard
"""

_ACCESS: dict[str, Access] = {
    "openaccess": "open",
    "open access": "open",
    "open": "open",
    "embargoedaccess": "embargoed",
    "embargoed access": "embargoed",
    "embargoed": "embargoed",
    "restrictedaccess": "restricted",
    "restricted access": "restricted",
    "restricted": "restricted",
    "closedaccess": "closed",
    "closed access": "closed",
    "closed": "closed",
    "metadata only access": "metadata_only",
    "http://purl.org/coar/access_right/c_abf2": "open",
    "http://purl.org/coar/access_right/c_f1cf": "embargoed",
    "http://purl.org/coar/access_right/c_16ec": "restricted",
    "http://purl.org/coar/access_right/c_14cb": "metadata_only",
}
_SEPARATORS = re.compile(r"[\s_-]+")
_RELATOR_URI = re.compile(r"https?://id\.loc\.gov/vocabulary/relators/([a-z]{3})", re.IGNORECASE)
_SEMANTICS = re.compile(r"info:eu-repo/semantics/(\w+)", re.ASCII)


def _key(text: str) -> str:
    """Return a text without blanks, hyphens and underscores, in lower case: `ProjectLeader` and `project leader`."""
    return _SEPARATORS.sub("", text).lower()


def _relators() -> dict[str, str]:
    table: dict[str, str] = {}
    for row in " ".join(_RELATORS.split()).split("; "):
        code, _, words = row.partition(" ")
        table[code] = code
        table |= {_key(word): code for word in words.split(", ")}
    return table


def _terms(terms: str, others: str) -> dict[str, str]:
    table = {_key(term): term for term in terms.split()}
    for row in " ".join(others.split()).split("; "):
        word, _, term = row.rpartition(" ")
        table[_key(word)] = term
    return table


_ROLES = _relators()
_RELATIONS = _terms(_RELATION_TYPES, _OTHER_RELATIONS)
_DATES = _terms(_DATE_TYPES, _OTHER_DATES)
_TYPES = _terms(_RESOURCE_TYPES, _OTHER_TYPES)


@lru_cache(maxsize=4096)
def relator(text: str) -> str | None:
    """Return the code of the MARC relator that a text names.

    >>> relator("Editor"), relator("ProjectLeader"), relator("http://id.loc.gov/vocabulary/relators/trl"), relator("x")
    ('edt', 'pdr', 'trl', None)
    """
    match = _RELATOR_URI.fullmatch(text)
    return _ROLES.get(_key(match[1] if match else text.rstrip(".,")))


def is_creator(code: str | None) -> bool:
    """Return whether the role with a code is one to which a citation gives the work: author, composer, inventor.

    >>> is_creator("aut"), is_creator("edt"), is_creator(None)
    (True, False, False)
    """
    return code in _CREATORS


@lru_cache(maxsize=4096)
def relation_type(text: str) -> str | None:
    """Return the relation type of DataCite that a text names.

    >>> relation_type("isPartOf"), relation_type("is-preprint-of"), relation_type("replaces"), relation_type("x")
    ('IsPartOf', 'IsPreviousVersionOf', 'Obsoletes', None)
    """
    return _RELATIONS.get(_key(text))


@lru_cache(maxsize=4096)
def date_type(text: str) -> str | None:
    """Return the date type of DataCite that a text names.

    >>> date_type("issued"), date_type("dateSubmitted"), date_type("x")
    ('Issued', 'Submitted', None)
    """
    return _DATES.get(_key(text))


@lru_cache(maxsize=4096)
def resource_type(text: str) -> str | None:
    """Return the general type of DataCite that a text names.

    >>> resource_type("journal-article"), resource_type("info:eu-repo/semantics/doctoralThesis"), resource_type("x")
    ('JournalArticle', 'Dissertation', None)
    """
    match = _SEMANTICS.fullmatch(text)
    return _TYPES.get(_key(match[1] if match else text))


@lru_cache(maxsize=4096)
def access_of(text: str) -> Access | None:
    """Return the access that a text names.

    >>> access_of("info:eu-repo/semantics/openAccess"), access_of("Embargoed Access"), access_of("free for all")
    ('open', 'embargoed', None)
    """
    match = _SEMANTICS.fullmatch(text)
    word = match[1] if match else text
    return _ACCESS.get(word.lower())
