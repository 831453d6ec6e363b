"""Identifiers: every form that sources use for each scheme, and text that only looks like an identifier."""

from __future__ import annotations

import doctest
import time
from typing import get_args

import idutils
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.transformers.document import Scheme
from harvest_dagster.transformers.recognition import identifier_schemes, identifiers
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as, web_address

RECOGNISED = [
    ("doi", "10.1103/physrevd.90.044047", "doi:10.1103/PhysRevD.90.044047"),
    ("doi", "10.1103/physrevd.90.044047", "DOI: 10.1103/PhysRevD.90.044047"),
    ("doi", "10.1000/abc", "doi 10.1000/abc"),
    ("doi", "10.1000/abc", "https://doi.org/10.1000/ABC"),
    ("doi", "10.1000/abc", "http://dx.doi.org/10.1000/abc."),
    ("doi", "10.1000/abc", "https://www.doi.org/doi:10.1000/abc"),
    ("doi", "10.1000/abc", "doi:https://doi.org/10.1000/abc"),
    ("doi", "10.1000/abc", "info:doi/10.1000/abc"),
    ("doi", "10.1000/abc", "urn:doi:10.1000/abc"),
    # labels, resolvers and prefixes that a program has added to a text that had one
    ("doi", "10.1000/abc", "https://doi.org/https://doi.org/10.1000/abc"),
    ("doi", "10.1000/abc", "http://dx.doi.org/http://dx.doi.org/10.1000/ABC"),
    ("doi", "10.1000/abc", "https://doi.org/https%3A%2F%2Fdoi.org%2F10.1000%2Fabc"),
    ("doi", "10.1000/abc", "https://https://doi.org/10.1000/abc"),
    ("doi", "10.1000/abc", "http://hdl.handle.net/https://doi.org/10.1000/abc"),
    ("doi", "10.1000/abc", "doi:doi:10.1000/abc"),
    ("doi", "10.1000/abc", "DOI: doi: https://www.doi.org/10.1000/abc"),
    ("doi", "10.1000/abc", "10.1000/10.1000/abc"),
    ("doi", "10.1000/abc", "doi:10.1000/doi:10.1000/abc"),
    ("doi", "10.1000/abc", "https://doi.org/10.1000/10.1000/abc"),
    ("doi", "10.1000/abc", "https://doi.org/10.1000/https://doi.org/10.1000/abc"),
    ("handle", "10161/10834", "http://hdl.handle.net/http://hdl.handle.net/10161/10834"),
    ("handle", "10161/10834", "http://hdl.handle.net/10161/http://hdl.handle.net/10161/10834"),
    ("handle", "10161/10834", "hdl:hdl:10161/10834"),
    ("arxiv", "0706.0001", "arXiv:arXiv:0706.0001"),
    ("pmid", "25881311", "PMID: PMID:25881311"),
    ("issn", "0378-5955", "ISSN: ISSN 0378-5955"),
    ("isbn", "9780306406157", "ISBN ISBN 0306406152"),
    ("url", "http://example.org/a", "http://http://example.org/a"),
    # a suffix may look like a prefix or a label
    ("doi", "10.1000/10.10001/abc", "10.1000/10.10001/abc"),
    ("doi", "10.1063/10.0001234", "https://doi.org/10.1063/10.0001234"),
    ("doi", "10.1000/issn:0378-5955", "10.1000/issn:0378-5955"),
    ("handle", "2027/2027/5", "hdl:2027/2027/5"),
    (
        "url",
        "https://web.archive.org/web/2010/http://example.org/",
        "https://web.archive.org/web/2010/http://example.org/",
    ),
    ("doi", "10.1000/abc", "http://hdl.handle.net/10.1000/abc"),
    ("doi", "10.5479/si.00810223.47.1", "10.5479/si.00810223.47.1"),
    ("doi", "10.1000.10/123", "10.1000.10/123"),
    (
        "doi",
        "10.1002/(sici)1097<1::aid-x>3.0.co;2-a",
        "https://doi.org/10.1002/(SICI)1097%3C1::AID-X%3E3.0.CO;2-A",
    ),
    ("doi", "10.1000/Ün", "doi:10.1000/ÜN"),  # ASCII case only
    ("doi", "10.48550/arxiv.2101.00001", "https://doi.org/10.48550/arXiv.2101.00001"),
    ("arxiv", "0706.0001", "arXiv:0706.0001"),
    ("arxiv", "1234.56789v2", "arxiv: 1234.56789v2"),
    ("arxiv", "0706.0001v1", "arXiv:0706.0001v1 [q-bio.CB]"),
    ("arxiv", "hep-th/9901001", "arXiv:hep-th/9901001"),
    ("arxiv", "math.GT/0309136", "arXiv:math.GT/0309136"),
    ("arxiv", "cond-mat/0402109", "http://arxiv.org/abs/cond-mat/0402109"),
    ("arxiv", "2101.00001v3", "https://arxiv.org/pdf/2101.00001v3.pdf"),
    ("arxiv", "0704.0001", "oai:arXiv.org:0704.0001"),
    ("arxiv", "0704.0001", "info:arxiv/0704.0001"),
    ("pmid", "25881311", "PMID:25881311"),
    ("pmid", "25881311", "pmid 25881311"),
    ("pmid", "25881311", "info:pmid/25881311"),
    ("pmid", "25540578", "http://www.ncbi.nlm.nih.gov/pubmed/25540578"),
    ("pmid", "25540578", "https://pubmed.ncbi.nlm.nih.gov/25540578/"),
    ("pmcid", "PMC4270384", "PMC4270384"),
    ("pmcid", "PMC4270384", "PMCID: PMC4270384"),
    ("pmcid", "PMC4270384", "http://www.ncbi.nlm.nih.gov/pmc/articles/PMC4270384/"),
    ("pmcid", "PMC4270384", "https://pmc.ncbi.nlm.nih.gov/articles/PMC4270384/"),
    ("pmcid", "PMC13900", "oai:pubmedcentral.nih.gov:13900"),
    ("handle", "10161/10834", "hdl:10161/10834"),
    ("handle", "2286/R.I.28200", "http://hdl.handle.net/2286/R.I.28200"),
    ("handle", "20.500.12345/7", "https://hdl.handle.net/20.500.12345/7"),
    ("handle", "1721.1/7582", "info:hdl/1721.1/7582"),
    ("handle", "1721.1/7582", "Handle: 1721.1/7582"),
    ("issn", "0378-5955", "0378-5955"),
    ("issn", "2434-561X", "ISSN 2434-561x"),
    ("issn", "0378-5955", "urn:issn:0378-5955"),
    ("issn", "0362-028X", "ISSN: 0362-028X"),
    ("issn", "2583-1887", "issn:25831887"),
    ("issn", "0378-5955", "eISSN: 0378-5955"),
    ("issn", "0378-5955", "ISSN-L 0378-5955"),
    ("isbn", "9783161484100", "978-3-16-148410-0"),
    ("isbn", "9783161484100", "urn:isbn:9783161484100"),
    ("isbn", "9783161484100", "ISBN: 978 3 16 148410 0"),
    ("isbn", "9780306406157", "ISBN 0306406152"),
    ("isbn", "9780306406157", "ISBN-10: 0-306-40615-2"),
    ("isbn", "9780804429573", "isbn:080442957x"),
    ("isbn", "9780769529448", "0-7695-2944-5"),
    ("isbn", "9791034304639", "979-10-343-0463-9"),
    ("pmid", "21149973", "http://www.ncbi.nlm.nih.gov/pmc/articles/pmid/21149973/"),
    ("pmid", "39709209", "http://europepmc.org/abstract/MED/39709209"),
    ("pmid", "39709209", "https://europepmc.org/article/MED/39709209#abstract"),
    ("pmcid", "PMC12124214", "https://europepmc.org/articles/PMC12124214?pdf=render"),
    ("pmcid", "PMC4221854", "http://europepmc.org/articles/pmc4221854"),
    ("pmcid", "PMC12124214", "https://europepmc.org/article/PMC/PMC12124214"),
    ("pmcid", "PMC2883744.1", "PMC2883744.1"),
    ("orcid", "0000-0002-1825-0097", "0000-0002-1825-0097"),
    ("orcid", "0000-0002-1694-233X", "https://orcid.org/0000-0002-1694-233x"),
    ("orcid", "0000-0002-1825-0097", "http://www.orcid.org/0000-0002-1825-0097/"),
    ("orcid", "0000-0002-1825-0097", "orcid.org/0000-0002-1825-0097"),
    ("orcid", "0000-0003-1904-5885", "ORCID ID: 0000-0003-1904-5885"),
    ("orcid", "0000-0002-1825-0097", "https://orcid.org/https://orcid.org/0000-0002-1825-0097"),
    ("orcid", "0000-0001-5000-0007", "ISNI 0000 0001 5000 0007"),  # the block of ISNI that belongs to ORCID
    ("ror", "02mhbdp94", "https://ror.org/02mhbdp94"),
    ("ror", "006hf6230", "ROR:006hf6230"),
    ("ror", "04s2bx355", "ROR:ror.org/04s2bx355"),
    ("isni", "0000000121032683", "https://isni.org/isni/0000000121032683"),
    ("isni", "000000035060549X", "http://isni.org/000000035060549X"),
    ("isni", "000000012160926X", "ISNI:0000 0001 2160 926X"),
    ("gnd", "118540238", "https://d-nb.info/gnd/118540238"),
    ("gnd", "118540238", "(DE-588)118540238"),
    ("gnd", "5008462-8", "http://d-nb.info/gnd/5008462-8"),
    ("gnd", "1077888910", "GND:1077888910"),
    ("gnd", "36186-0", "GND:36186-0"),
    ("viaf", "305307871", "VIAF:305307871"),
    ("viaf", "305307871", "http://viaf.org/viaf/305307871/"),
    ("wikidata", "Q3153290", "Wikidata:Q3153290"),
    ("wikidata", "Q42", "http://www.wikidata.org/entity/Q42"),
    ("lccn", "n79106149", "LCCN:n79106149"),
    ("lccn", "n79106149", "http://id.loc.gov/authorities/names/n79106149"),
    ("lccn", "85000002", "LCCN 85-2"),
    ("lccn", "2001627090", "https://lccn.loc.gov/2001627090"),
    ("lccn", "75425165", "lccn:75-425165//r75"),
    ("grid", "grid.5335.0", "grid.5335.0"),
    ("grid", "grid.34822.3f", "GRID:grid.34822.3f"),
    ("grid", "grid.452935.c", "https://www.grid.ac/institutes/grid.452935.c"),
    ("fundref", "10.13039/501100000265", "Crossref Funder ID:501100000265"),
    ("doi", "10.13039/501100000265", "https://doi.org/10.13039/501100000265"),  # of a resource
    ("ark", "ark:12025/654xz321", "ark:/12025/654xz321"),
    ("ark", "ark:12025/654xz321", "ark:12025/654-xz-321/"),
    ("ark", "ark:12148/bpt6k5619759j", "https://gallica.bnf.fr/ark:/12148/bpt6k5619759j"),
    ("ark", "ark:87895/1.4184954", "http://sldr.org/ark:/87895/1.4-184954"),
    ("ark", "ark:67531/metadc107835", "https://n2t.net/ark:/67531/metadc107835?info"),
    ("bibcode", "1992ApJ...400L...1W", "bibcode:1992ApJ...400L...1W"),
    ("bibcode", "2019A&A...622A...1S", "https://ui.adsabs.harvard.edu/abs/2019A%26A...622A...1S/abstract"),
    ("bibcode", "2004PhRvL..93o0801M", "http://adsabs.harvard.edu/abs/2004PhRvL..93o0801M"),
    (
        "swhid",
        "swh:1:cnt:94a9ed024d3859793618152ea559a168bbcbb5e2",
        "swh:1:cnt:94a9ed024d3859793618152ea559a168bbcbb5e2",
    ),
    (
        "swhid",
        "swh:1:dir:d198bc9d7a6bcf6db04f476d29314f157507d505;origin=https://github.com/a/b;path=/x/",
        "swh:1:dir:d198bc9d7a6bcf6db04f476d29314f157507d505;origin=https://github.com/a/b;path=/x/",
    ),
    (
        "swhid",
        "swh:1:rev:309cf2674ee7a0749978cf8265ab91a60aea0f7d",
        "https://archive.softwareheritage.org/swh:1:rev:309cf2674ee7a0749978cf8265ab91a60aea0f7d/",
    ),
    ("nbn", "urn:nbn:de:tib-10.1594/WDCC/CLM_C20", "urn:nbn:de:tib-10.1594/WDCC/CLM_C20"),
    ("nbn", "urn:nbn:de:0183-mibe0001285", "urn:urn:nbn:de:0183-mibe0001285"),
    ("nbn", "urn:nbn:de:bsz:rt2-opus4-39641", "https://nbn-resolving.org/urn:nbn:de:bsz:rt2-opus4-39641"),
    ("nbn", "urn:nbn:se:ltu:diva-70730", "http://urn.kb.se/resolve?urn=urn:nbn:se:ltu:diva-70730"),
    ("nbn", "urn:nbn:fi-fe201201011000", "http://urn.fi/URN:NBN:fi-fe201201011000"),
    ("nbn", "urn:nbn:de:101:1-2019", "http://nbn-resolving.de/urn%3Anbn%3Ade%3A101%3A1-2019"),
    ("urn", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66", "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"),
    ("oai", "oai:zenodo.org:20604353", "oai:zenodo.org:20604353"),
    (
        "url",
        "http://www.biodiversitylibrary.org/item/129518",
        "http://www.biodiversitylibrary.org/item/129518",
    ),
    ("url", "ftp://ftp.example.org/a.pdf", "ftp://ftp.example.org/a.pdf"),
    (
        "url",
        "http://example.org/v?article=1079&context=mpq",
        "http://example.org/v?article=1079&amp;context=mpq",
    ),
]

NOT_RECOGNISED = [
    "Journal of Bone and Mineral Research 2015. DOI: 10.1002/jbmr.2552",  # the article's, or the journal's
    "10.1.1.1.1680",  # CiteSeerX
    "10.1000/10.1000/",  # nothing but a prefix
    "10.1000/https://doi.org/10.2000/abc",  # the DOI of another registrant
    "10.12/abc",  # a DOI's registrant has four digits or more
    "25881311",  # a plain number
    "10161/10834",  # a handle without a label may be any fraction
    "hdl:123456789/527",  # DSpace before its prefix is registered
    "0378-5954",  # wrong check digit
    "ISSN 0378-5954",
    "1903-1914",  # years; it would pass for an ISSN
    "0306406152",  # ten digits
    "ISBN 0-306-40615-3",  # wrong check digit
    "978-3-16-148410-1",
    "979-0-2600-0043-8",  # printed music: an ISMN
    "arXiv:0706.001",
    "0000-0002-7733-8196",  # the check digit of an ORCID iD
    "0000-0001-2103-2683",  # an ISNI that does not belong to ORCID: a number like any other
    "0000000218250097",  # sixteen digits; an account number may be valid, too
    "0000000121032683",
    "ROR:021nxh62",
    "ROR:02mhbdp95",  # wrong check digits
    "02mhbdp94",
    "ISNI 0000 0001 2103 2684",
    "118540238",
    "GND 118540239",
    "(DE-588)118540239",
    "(DE-627)118540238",  # the number of a union catalog
    "Q42",
    "WorldCat Identities:lccn-n79106149",
    "1992ApJ...400L...1W",  # nineteen characters that may be anything
    "swh:1:cnt:94a9ed02",
    "swh:2:cnt:94a9ed024d3859793618152ea559a168bbcbb5e2",
    "ark:",
    "ark:/12/x",  # a NAAN has five characters or more
    "bark:/12025/654xz321",
    "grid.5335",
    "http:dx.doi.org/10.3233/JAD-2012-120196",
    "http://",
    "http://www.example.org/docs/NAIG, 1995.pdf",
    "urn:",
    "oai:nodomain:1",
    "PMC",
    "x",
]


@pytest.mark.parametrize(("scheme", "value", "text"), RECOGNISED)
def test_each_form_of_an_identifier_gives_its_one_value(scheme: str, value: str, text: str) -> None:
    """Otherwise a join on the identifier takes two spellings of one work for two works."""
    found = identify(text)
    assert (found.scheme, found.value) == (scheme, value)


@pytest.mark.parametrize(("scheme", "value", "text"), [row for row in RECOGNISED if row[0] != "other"])
def test_a_value_is_recognized_again_under_its_label(scheme: str, value: str, text: str) -> None:
    """A normalized value must be valid in its own scheme."""
    plain = ("doi", "pmcid", "urn", "oai", "url", "nbn", "ark", "swhid", "orcid", "grid")
    label = {"handle": "hdl:", "fundref": "Crossref Funder ID:"}.get(scheme, f"{scheme}:")
    found = identify(value if scheme in plain else label + value)
    assert (found.scheme, found.value) == (scheme, value)


@pytest.mark.parametrize("text", NOT_RECOGNISED)
def test_text_that_only_looks_like_an_identifier_is_other(text: str) -> None:
    """A wrong identifier joins unrelated works."""
    found = identify(text)
    assert (found.scheme, found.value) == ("other", text)


@pytest.mark.parametrize(("scheme", "value", "text"), [row for row in RECOGNISED if row[0] != "url"])
def test_a_value_is_recognized_under_the_name_of_its_scheme(scheme: str, value: str, text: str) -> None:
    """DataCite, MARC and JATS give the scheme and the value in two fields, often without a label."""
    for written in (text, value):
        found = identify_as(scheme.upper(), written)
        assert (found.scheme, found.value, found.scheme_text) == (scheme, value, None)


DECLARED = [
    # DataCite
    ("ORCID", "0000-0002-1825-0097", "orcid", "0000-0002-1825-0097"),
    ("https://orcid.org/", "0000000218250097", "orcid", "0000-0002-1825-0097"),
    ("ISNI", "0000 0001 2103 2683", "isni", "0000000121032683"),
    ("ISNI", "0000 0002 1825 0097", "orcid", "0000-0002-1825-0097"),
    ("ROR", "02mhbdp94", "ror", "02mhbdp94"),
    ("GRID", "grid.5335.0", "grid", "grid.5335.0"),
    ("Crossref Funder ID", "https://doi.org/10.13039/501100000780", "fundref", "10.13039/501100000780"),
    ("Crossref Funder ID", "501100000780", "fundref", "10.13039/501100000780"),
    ("EISSN", "20493630", "issn", "2049-3630"),
    ("LISSN", "2049-3630", "issn", "2049-3630"),
    ("Handle", "10161/10834", "handle", "10161/10834"),
    ("Handle", "10.1000/ABC", "doi", "10.1000/abc"),
    ("EAN13", "9783161484100", "isbn", "9783161484100"),
    ("URL", "https://doi.org/10.1000/ABC", "doi", "10.1000/abc"),
    ("URL", "https://example.org/a", "url", "https://example.org/a"),
    ("PURL", "http://purl.org/a", "url", "http://purl.org/a"),
    ("arXiv", "2101.00001v2", "arxiv", "2101.00001v2"),
    ("bibcode", "1992ApJ...400L...1W", "bibcode", "1992ApJ...400L...1W"),
    ("ARK", "12025/654xz321", "ark", "ark:12025/654xz321"),
    ("URN", "urn:nbn:de:0183-mibe0001285", "nbn", "urn:nbn:de:0183-mibe0001285"),
    ("PMID", "25881311", "pmid", "25881311"),
    # PubMed, JATS
    ("pubmed", "25881311", "pmid", "25881311"),
    ("pmc", "PMC4270384", "pmcid", "PMC4270384"),
    ("pmcid", "4270384", "pmcid", "PMC4270384"),
    ("FundRef", "http://dx.doi.org/10.13039/100000001", "fundref", "10.13039/100000001"),
    ("doi", "doi.org/10.1000/abc", "doi", "10.1000/abc"),
    # MARC, MODS
    ("DE-588", "118540238", "gnd", "118540238"),
    ("(orcid)", "0000-0002-1825-0097", "orcid", "0000-0002-1825-0097"),
    ("viaf", "305307871", "viaf", "305307871"),
    ("hdl", "10161/10834", "handle", "10161/10834"),
    ("uri", "http://www.wikidata.org/entity/Q42", "wikidata", "Q42"),
    ("lccn", " n 79106149".strip(), "lccn", "n79106149"),
    ("isbn", "0306406152", "isbn", "9780306406157"),
    # schema.org
    ("https://registry.identifiers.org/registry/doi", "doi:10.1000/abc", "doi", "10.1000/abc"),
    # of authors
    ("Scopus Author ID", "7004212771", "scopus", "7004212771"),
    ("ResearcherID", "A-1009-2008", "researcherid", "A-1009-2008"),
    ("ResearcherID", "http://www.researcherid.com/rid/A-1009-2008", "researcherid", "A-1009-2008"),
    # an address names its scheme better than the field beside it
    ("ISNI", "https://ror.org/02mhbdp94", "ror", "02mhbdp94"),
    # a name that is not known says nothing
    ("KB number", "10.1000/abc", "doi", "10.1000/abc"),
]


@pytest.mark.parametrize(("declared", "text", "scheme", "value"), DECLARED)
def test_the_names_of_schemes_in_metadata_formats_are_known(
    declared: str, text: str, scheme: str, value: str
) -> None:
    for name in (declared, declared.lower(), declared.upper()):
        found = identify_as(name, text)
        assert (found.scheme, found.value, found.scheme_text) == (scheme, value, None)


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("ORCID", "0000-0002-1825-0098"),  # wrong check digit
        ("pmid", "in press"),
        ("DOI", "0378-5955"),  # an ISSN, or a mistake
        ("ISSN", "10.1000/abc"),
        ("publisher-id", "0378-5955"),  # a number of the publisher's own
        ("url", "www.example.org"),
        ("KB number", "317028421"),
        ("", "317028421"),
        ("x" * 1000, "317028421"),
    ],
)
def test_a_value_that_does_not_fit_its_scheme_is_kept_with_its_name(declared: str, text: str) -> None:
    """A wrong identifier joins unrelated works; a lost one cannot be corrected."""
    found = identify_as(declared, text)
    assert (found.scheme, found.value, found.scheme_text) == ("other", text, declared or None)


def test_an_address_that_does_not_fit_its_scheme_is_still_an_address() -> None:
    found = identify_as("ORCID", "https://orcid.org/")
    assert (found.scheme, found.value) == ("url", "https://orcid.org/")


@given(st.from_regex(r"[0-9]{15}|0000000[1-4][0-9]{7}|0009000[01][0-9]{7}", fullmatch=True))
def test_the_check_digit_and_the_block_of_an_orcid_id_agree_with_another_library(digits: str) -> None:
    for last in "0123456789X":
        scheme = identify_as("isni", digits + last).scheme
        assert (scheme == "orcid") == bool(idutils.is_orcid(digits + last))
        assert (scheme in ("isni", "orcid")) == idutils.is_isni(digits + last)


@pytest.mark.parametrize(
    "ror", ["02mhbdp94", "013meh722", "03jsdjx34", "00rj4dg52", "0068m0j38", "05mmh0f86"]
)
def test_one_changed_character_makes_a_ror_id_invalid(ror: str) -> None:
    """The checksum is the only difference between a ROR ID and any other word of nine characters."""
    assert identify_as("ror", ror).scheme == "ror"
    for place in range(1, 9):
        alphabet = "0123456789abcdefghjkmnpqrstvwxyz" if place < 7 else "0123456789"
        for character in alphabet.replace(ror[place], ""):
            assert identify_as("ror", ror[:place] + character + ror[place + 1 :]).scheme == "other"


@pytest.mark.parametrize("escape", ["%00", "%0A", "%E9", "%EF%BF%BD", "%1F"])
@pytest.mark.parametrize("resolver", ["https://doi.org/10.1000/", "http://hdl.handle.net/10161/"])
def test_decoding_percent_encoding_adds_no_unprintable_character(resolver: str, escape: str) -> None:
    """PostgreSQL refuses a NUL and with it the whole batch. A replacement character means a lost character."""
    value = identify(f"{resolver}a{escape}b").value
    assert value.isprintable()
    assert "\N{REPLACEMENT CHARACTER}" not in value
    assert escape.lower() in value.lower()


@given(st.from_regex(r"[0-9]{7}", fullmatch=True))
def test_seven_digits_have_exactly_one_valid_check_character_of_an_issn(seven: str) -> None:
    valid = [
        last for last in "0123456789X" if identify(f"ISSN {seven[:4]}-{seven[4:]}{last}").scheme == "issn"
    ]
    assert len(valid) == 1


@given(st.from_regex(r"[0-9]{9}", fullmatch=True))
def test_an_isbn_of_ten_digits_becomes_a_valid_one_of_thirteen(nine: str) -> None:
    """Both numbers of one book must give the same value."""
    found = [identify(f"ISBN {nine}{last}") for last in "0123456789X"]
    values = [identifier.value for identifier in found if identifier.scheme == "isbn"]
    assert len(values) == 1
    assert values[0][3:12] == nine
    assert identify(f"ISBN {values[0]}").value == values[0]


@given(st.text(), st.text() | st.sampled_from(get_args(Scheme)))
def test_every_text_gives_an_identifier(text: str, scheme: str) -> None:
    for found in (identify(text), identify_as(scheme, text)):
        assert found.value == text or found.scheme != "other"


def test_a_link_leads_somewhere_if_its_resolver_was_doubled() -> None:
    assert web_address("https://doi.org/https://doi.org/10.1000/abc") == "https://doi.org/10.1000/abc"
    assert web_address("https://doi.org/doi:10.1000/abc") == "https://doi.org/doi:10.1000/abc"


@pytest.mark.parametrize(
    "part",
    [
        "doi:",
        "doi: ",
        "https://doi.org/",
        "http://",
        "10.1000/",
        "doi:10.1000/",
        "urn:",
        "urn:doi:",
        "urn:nbn:",
        "ark:/",
        "-",
    ],
)
def test_a_repeated_label_takes_linear_time(part: str) -> None:
    """A source chooses the text. Quadratic time for a megabyte would stop a worker for hours."""
    started = time.process_time()
    for text in (part * 100_000, "10.1000/" + part * 100_000):
        identify(text)
        web_address(text)
    assert time.process_time() - started < 10  # it is about half a second


@pytest.mark.parametrize(
    "text", ["www.example.org", "Link: http://example.org", "http://", "mailto:a@example.org"]
)
def test_only_a_text_that_is_a_url_is_a_web_address(text: str) -> None:
    assert web_address(text) is None


def test_the_examples_in_the_docstrings_are_right() -> None:
    assert doctest.testmod(identifiers).failed == 0
    assert doctest.testmod(identifier_schemes).failed == 0
