"""Map the names of identifier schemes that metadata formats use to our schemes.

Here: names from DataCite (`nameIdentifierScheme`, `relatedIdentifierType`, `schemeURI`), Crossref, MARC (`$2`, and the
prefix in `$0`), MODS (`type`), JATS (`pub-id-type`, `contrib-id-type`, `institution-id-type`), PubMed (`IdType`),
OpenAIRE and schema.org (`propertyID`). Not here: what a value of a scheme looks like (`identifiers`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from harvest_dagster.transformers.document import Scheme

# Names without white space, punctuation, and `https://www.` before an address.
_NAMES: dict[Scheme, str] = {
    "ark": "ark n2tnetark",
    "arxiv": "arxiv arxivid arxivorg arxivorgabs",
    "bibcode": "bibcode ads adsbibcode uiadsabsharvardeduabs",
    "doi": "doi doiorg dxdoiorg infodoi urndoi identifiersorgdoi registryidentifiersorgregistrydoi",
    # Crossref's Open Funder Registry.
    "fundref": "fundref crossreffunder crossreffunderid funderdoi funderid openfunderregistry crossreffunderregistry"
    " doiorg1013039 dxdoiorg1013039 crossreforgfundref crossreforgservicesfunderregistry",
    # DE-588 is the code of the German National Library's authority file in MARC (ISIL).
    "gnd": "gnd de588 dnb dnbinfognd gndid",
    "grid": "grid gridac gridacinstitutes gridid",
    "handle": "handle hdl hdlhandlenet infohdl hdlid",
    "isbn": "isbn isbn10 isbn13 ean13 urnisbn eisbn pisbn printisbn electronicisbn",
    "isni": "isni isniorg isniorgisni",
    "issn": "issn eissn pissn issnl lissn issnprint issnelectronic issnonline electronicissn printissn linkingissn"
    " printisssn onlineissn urnissn portalissnorg portalissnorgresourceissn",
    # DLC is the code of the Library of Congress in MARC.
    "lccn": "lccn dlc lcnaf naf lccnlocgov infolccn idlocgovauthoritiesnames",
    "nbn": "nbn urnnbn nbnresolvingde nbnresolvingorg",
    "oai": "oai oaiidentifier",
    "orcid": "orcid orcidorg orcidid infoorcid",
    "pmcid": "pmc pmcid pmcarticleid pubmedcentral",
    "pmid": "pmid pubmed pubmedid medline infopmid ncbinlmnihgovpubmed pubmedncbinlmnihgov",
    "researcherid": "researcherid researcheridcom webofscienceresearcherid wosresearcherid publons",
    "ror": "ror rororg rorid",
    "scopus": "scopus scopusauthor scopusauthorid scopuscom scopusid",
    "swhid": "swhid swh softwareheritage archivesoftwareheritageorg",
    "url": "url uri purl w3id web weburl website link",
    "urn": "urn",
    "viaf": "viaf viaforg viaforgviaf viafid",
    "wikidata": "wikidata wikidataorg wikidataorgentity wikidataorgwiki wikidataid wikidataqid",
    # Numbers that have a meaning only in the system of one publisher or archive.
    "other": "accession local localid internal publisherid publisher pii sici mid other",
}
_SCHEMES = {name: scheme for scheme, names in _NAMES.items() for name in names.split()}

_ADDRESS = re.compile(r"https?://(?:www\.)?")
_PUNCTUATION = re.compile(r"[\W_]+")
_LONGEST_NAME = 100


def scheme_named(name: str) -> Scheme | None:
    """Return the scheme of a name or an address; `other` for numbers of one publisher; None if it is not known.

    >>> scheme_named("ORCID"), scheme_named("https://orcid.org/"), scheme_named("(DE-588)"), scheme_named("pii")
    ('orcid', 'orcid', 'gnd', 'other')
    """
    return _find(name) if len(name) <= _LONGEST_NAME else None


@lru_cache(maxsize=1024)
def _find(name: str) -> Scheme | None:
    return _SCHEMES.get(_PUNCTUATION.sub("", _ADDRESS.sub("", name.strip().lower(), count=1)))
