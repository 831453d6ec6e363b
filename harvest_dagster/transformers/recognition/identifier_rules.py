"""The rules that recognize identifiers: for each scheme, what may stand before its form.

Rules that need a label, a resolver or a declared scheme are in a table of their own, because most texts have none of
them: one look-up costs less than thirty patterns. The rules of one entry are tried in order; specific rules come
before general ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from harvest_dagster.transformers.document import Scheme
from harvest_dagster.transformers.recognition import identifier_forms as forms

# The scheme, the pattern of the whole text, and how to read the value from a match.
Rule = tuple[Scheme, str, Callable[[re.Match[str]], "str | None"]]


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Return the pattern at its first use. All of them take 12 ms, and most processes need few."""
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


def _table(rows: dict[str, tuple[Rule, ...]]) -> dict[str, tuple[Rule, ...]]:
    return {key: entry for keys, entry in rows.items() for key in keys.split()}


_ISSN_ROWS: tuple[Rule, ...] = (("issn", rf"[ep]?-?issn(?:-l)?[: ] ?({forms.ISSN})", forms.read_issn),)
_ORCID_ROW: Rule = (
    "orcid",
    rf"(?:orcid(?: id)?(?:: ?| ))?(?:(?:https?://)?(?:www\.)?orcid\.org/)?({forms.ISNI})/?",
    forms.read_orcid,
)
_ROR_ROW: Rule = (
    "ror",
    rf"(?:ror[: ] ?)?(?:(?:https?://)?(?:www\.)?ror\.org/)?({forms.ROR})/?",
    forms.read_ror,
)

# By the host without `www.`; a host that is not here has the rules of its parent.
RESOLVERS = _table({
    "doi.org": (("doi", r"https?://(?:dx\.|www\.)?doi\.org/(?:doi:)?(10\.\S+)", forms.read_doi_of_url),),
    "hdl.handle.net": (
        # Every DOI is also a handle.
        ("doi", r"https?://hdl\.handle\.net/(10\.[0-9]{4,9}/\S+)", forms.read_doi_of_url),
        ("handle", rf"https?://hdl\.handle\.net/(?:hdl:)?({forms.HANDLE})", forms.read_handle_of_url),
    ),
    "arxiv.org": (
        ("arxiv", rf"https?://(?:[a-z]+\.)?arxiv\.org/(?:abs|pdf)/({forms.ARXIV})(?:\.pdf)?", forms.read_unchanged),
    ),
    "ncbi.nlm.nih.gov": (
        ("pmid", rf"{forms.NCBI}/pubmed/([0-9]{{1,9}})/?", forms.read_unchanged),
        ("pmid", rf"{forms.NCBI}/pmc/articles/pmid/([0-9]{{1,9}})/?", forms.read_unchanged),
        ("pmcid", rf"{forms.NCBI}/pmc/articles/{forms.PMC}/?", forms.read_pmcid),
    ),
    "pubmed.ncbi.nlm.nih.gov": (("pmid", r"https?://[^/]+/([0-9]{1,9})/?", forms.read_unchanged),),
    "pmc.ncbi.nlm.nih.gov": (("pmcid", rf"https?://[^/]+/articles/{forms.PMC}/?", forms.read_pmcid),),
    "europepmc.org": (
        ("pmid", r"https?://[^/]+/(?:articles?|abstract)/MED/([0-9]{1,9})(?:[/?#]\S*)?", forms.read_unchanged),
        ("pmcid", rf"https?://[^/]+/(?:articles?|abstract)/(?:PMC/)?{forms.PMC}(?:[/?#]\S*)?", forms.read_pmcid),
    ),
    # ORCID's test system; its identifiers name nobody.
    "sandbox.orcid.org": (),
    "orcid.org": (_ORCID_ROW,),
    "ror.org": (_ROR_ROW,),
    "isni.org": (
        ("orcid", rf"https?://[^/]+/(?:isni/)?({forms.ISNI})/?", forms.read_orcid),
        ("isni", rf"https?://[^/]+/(?:isni/)?({forms.ISNI})/?", forms.read_isni),
    ),
    "d-nb.info": (("gnd", rf"https?://[^/]+/gnd/({forms.GND})/?", forms.read_gnd),),
    "viaf.org": (("viaf", rf"https?://[^/]+/viaf/({forms.VIAF})/?(?:#\S*)?", forms.read_unchanged),),
    "wikidata.org": (("wikidata", rf"https?://[^/]+/(?:wiki|entity)/({forms.QID})", forms.read_upper),),
    "grid.ac": (("grid", rf"https?://[^/]+/institutes/({forms.GRID})/?", forms.read_lower),),
    "lccn.loc.gov": (("lccn", rf"https?://[^/]+/({forms.LCCN})", forms.read_lccn),),
    "id.loc.gov": (("lccn", r"https?://[^/]+/authorities/(?:names|subjects)/([a-z]+[0-9]+)", forms.read_lccn),),
    "adsabs.harvard.edu adslabs.org": (
        ("bibcode", r"https?://[^/]+/(?:#?abs|adsabs/abs)/([^\s/]+)(?:/(?:abstract)?)?", forms.read_bibcode),
        ("bibcode", r"https?://[^/]+/cgi-bin/nph-bib_query\?bibcode=([^\s&]+)", forms.read_bibcode),
    ),
    "softwareheritage.org": (("swhid", rf"https?://archive\.[^/]+/(?:browse/)?({forms.SWHID})/?", forms.read_swhid),),
    # The resolvers of national libraries.
    "nbn-resolving.de nbn-resolving.org urn.fi urn.kb.se persistent-identifier.nl resolver.kb.nl urn.nb.no"
    " resolver.obvsg.at urn.nsk.hr nbn.si nbn.depositolegale.it": (
        ("nbn", rf"https?://[^/]+/(?:resolver?\?(?:urn|identifier)=|redirect/)?{forms.NBN}", forms.read_nbn),
    ),
})  # fmt: skip

# All of them need `ark:`. The address of an ARK may be at any institution: gallica.bnf.fr/ark:/12148/bpt6k5619759j
ANY_HOST: tuple[Rule, ...] = (
    ("ark", rf"https?://[^/\s]+/(?:[^\s?#]*/)?ark:/?{forms.ARK}(?:\?\??|\?info)?", forms.read_ark),
)

# By the first word.
LABELED = _table({
    "doi": (
        ("doi", rf"doi[: ] ?({forms.DOI}){forms.END}", forms.read_doi),
        ("doi", r"doi: ?https?://(?:dx\.)?doi\.org/(10\.\S+)", forms.read_doi_of_url),
    ),
    "arxiv": (("arxiv", rf"arxiv: ?({forms.ARXIV})(?: \[[\w.-]+\])?", forms.read_unchanged),),
    "pmid": (("pmid", r"pmid[: ] ?([0-9]{1,9})", forms.read_unchanged),),
    "pmcid pmc": (("pmcid", rf"(?:pmcid[: ] ?)?{forms.PMC}", forms.read_pmcid),),
    "hdl handle": (("handle", rf"(?:hdl|handle): ?({forms.HANDLE})", forms.read_handle),),
    "issn issn-l eissn eissn-l e-issn e-issn-l pissn pissn-l p-issn p-issn-l": _ISSN_ROWS,
    "isbn": (("isbn", rf"isbn(?:-?1[03])?[: ] ?({forms.ISBN})", forms.read_isbn),),
    "orcid": (_ORCID_ROW,),
    "ror": (_ROR_ROW,),
    "isni": (
        ("orcid", rf"isni[: ] ?({forms.ISNI})", forms.read_orcid),
        ("isni", rf"isni[: ] ?({forms.ISNI})", forms.read_isni),
    ),
    "gnd": (("gnd", rf"gnd[: ] ?({forms.GND})", forms.read_gnd),),
    "viaf": (("viaf", rf"viaf[: ] ?({forms.VIAF})", forms.read_unchanged),),
    "wikidata": (("wikidata", rf"wikidata[: ] ?({forms.QID})", forms.read_upper),),
    "grid": (("grid", rf"(?:grid: ?)?({forms.GRID})", forms.read_lower),),
    "lccn": (("lccn", rf"lccn[: ] ?({forms.LCCN})", forms.read_lccn),),
    "crossref": (("fundref", rf"crossref funder id: ?{forms.FUNDER}", forms.read_funder),),
    "bibcode ads": (("bibcode", r"(?:bibcode|ads)[: ] ?(\S+)", forms.read_bibcode),),
    "ark": (("ark", rf"ark:/?{forms.ARK}", forms.read_ark),),
    "swh": (("swhid", f"({forms.SWHID})", forms.read_swhid),),
    # https://www.loc.gov/standards/uri/info.html
    "info": (
        ("doi", rf"info:doi/({forms.DOI}){forms.END}", forms.read_doi),
        ("arxiv", rf"info:arxiv/({forms.ARXIV})(?: \[[\w.-]+\])?", forms.read_unchanged),
        ("pmid", r"info:pmid/([0-9]{1,9})", forms.read_unchanged),
        ("handle", rf"info:hdl/({forms.HANDLE})", forms.read_handle),
        ("lccn", rf"info:lccn/({forms.LCCN})", forms.read_lccn),
        ("bibcode", r"info:bibcode/(\S+)", forms.read_bibcode),
    ),
    "oai": (
        ("arxiv", rf"oai:arxiv\.org:({forms.ARXIV})(?: \[[\w.-]+\])?", forms.read_unchanged),
        # PubMed Central uses the number alone in its OAI identifiers: https://www.ncbi.nlm.nih.gov/pmc/tools/oai/
        ("pmcid", r"oai:pubmedcentral\.nih\.gov:([0-9]{4,})", forms.read_pmcid),
        # http://www.openarchives.org/OAI/2.0/guidelines-oai-identifier.htm
        ("oai", r"(oai:[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+:\S+)", forms.read_unchanged),
    ),
    "urn": (
        ("doi", rf"urn:doi:({forms.DOI}){forms.END}", forms.read_doi),
        # RFC 3044 for urn:issn, RFC 3187 for urn:isbn.
        ("issn", rf"urn:issn:({forms.ISSN})", forms.read_issn),
        ("isbn", rf"urn:isbn:({forms.ISBN})", forms.read_isbn),
        ("nbn", forms.NBN, forms.read_nbn),
        # RFC 8141, section 2. German Medical Science writes `urn:` twice.
        ("urn", r"(?:urn:)?(urn:(?!urn:)[a-z0-9][a-z0-9-]{1,31}:\S+)", forms.read_unchanged),
    ),
})  # fmt: skip

# Texts that begin with a digit.
BARE: tuple[Rule, ...] = (
    ("doi", rf"({forms.DOI}){forms.END}", forms.read_doi),
    ("orcid", r"((?:[0-9]{4}-){3}[0-9]{3}[0-9X])", forms.read_orcid),
    ("issn", r"([0-9]{4}-[0-9]{3}[0-9X])", forms.read_bare_issn),
    ("isbn", rf"({forms.ISBN})", forms.read_bare_isbn),
)

_RESEARCHER = r"(?:https?://(?:www\.)?(?:researcherid\.com/rid/|webofscience\.com/wos/author/record/))?"

# Values whose scheme the record names.
DECLARED: dict[Scheme, tuple[Rule, ...]] = {
    "ark": (("ark", rf"/?(?:ark:/?)?{forms.ARK}", forms.read_ark),),
    "arxiv": (("arxiv", rf"({forms.ARXIV})(?: \[[\w.-]+\])?", forms.read_unchanged),),
    "bibcode": (("bibcode", r"(\S+)", forms.read_bibcode),),
    "doi": (("doi", r"(?:dx\.|www\.)?doi\.org/(10\.\S+)", forms.read_doi_of_url),),
    "fundref": (("fundref", forms.FUNDER, forms.read_funder),),
    "gnd": (("gnd", rf"({forms.GND})", forms.read_gnd),),
    "grid": (("grid", rf"({forms.GRID})", forms.read_lower),),
    "handle": (("handle", rf"({forms.HANDLE})", forms.read_handle),),
    "isbn": (("isbn", rf"({forms.ISBN})", forms.read_isbn),),
    "isni": (
        ("orcid", rf"({forms.ISNI})", forms.read_orcid),
        ("isni", rf"({forms.ISNI})", forms.read_isni),
    ),
    "issn": (("issn", rf"({forms.ISSN})", forms.read_issn),),
    "lccn": (("lccn", rf"({forms.LCCN})", forms.read_lccn),),
    "nbn": (("nbn", r"nbn:([a-z]{2}[:-]\S+)", forms.read_nbn),),
    "oai": (("oai", r"(oai:\S+)", forms.read_unchanged),),
    "orcid": (("orcid", rf"({forms.ISNI})", forms.read_orcid),),
    "pmcid": (("pmcid", r"(?:PMC)?([0-9]{1,}(?:\.[0-9]+)?)", forms.read_pmcid),),
    "pmid": (("pmid", r"([0-9]{1,9})", forms.read_unchanged),),
    # Of authors: https://www.wikidata.org/wiki/Property:P1153
    "scopus": (
        (
            "scopus",
            r"(?:https?://www\.scopus\.com/authid/detail\.ur[il]\?authorId=)?([0-9]{8,12})",
            forms.read_unchanged,
        ),
    ),
    # https://www.wikidata.org/wiki/Property:P1053
    "researcherid": (
        (
            "researcherid",
            rf"{_RESEARCHER}([A-Z]{{1,3}}-[0-9]{{4}}-(?:19|20)[0-9]{{2}})/?",
            forms.read_upper,
        ),
    ),
    "ror": (("ror", rf"({forms.ROR})", forms.read_ror),),
    "viaf": (("viaf", rf"({forms.VIAF})", forms.read_unchanged),),
    "wikidata": (("wikidata", rf"({forms.QID})", forms.read_upper),),
}
