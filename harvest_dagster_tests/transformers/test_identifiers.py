"""Identifiers: every form that sources use for each scheme, and text that only looks like an identifier."""

from __future__ import annotations

import doctest
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.transformers import identifiers
from harvest_dagster.transformers.identifiers import identify, web_address

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
    ("urn", "urn:nbn:de:tib-10.1594/WDCC/CLM_C20", "urn:nbn:de:tib-10.1594/WDCC/CLM_C20"),
    ("urn", "urn:nbn:de:0183-mibe0001285", "urn:urn:nbn:de:0183-mibe0001285"),
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
    "0000-0002-7733-8195",  # an ORCID
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
    label = {"pmid": "pmid:", "handle": "hdl:", "arxiv": "arXiv:", "issn": "issn:", "isbn": "isbn:"}.get(
        scheme, ""
    )
    found = identify(label + value)
    assert (found.scheme, found.value) == (scheme, value)


@pytest.mark.parametrize("text", NOT_RECOGNISED)
def test_text_that_only_looks_like_an_identifier_is_other(text: str) -> None:
    """A wrong identifier joins unrelated works."""
    found = identify(text)
    assert (found.scheme, found.value) == ("other", text)


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


@given(st.text())
def test_every_text_gives_an_identifier(text: str) -> None:
    found = identify(text)
    assert found.value == text or found.scheme != "other"


def test_a_link_leads_somewhere_if_its_resolver_was_doubled() -> None:
    assert web_address("https://doi.org/https://doi.org/10.1000/abc") == "https://doi.org/10.1000/abc"
    assert web_address("https://doi.org/doi:10.1000/abc") == "https://doi.org/doi:10.1000/abc"


@pytest.mark.parametrize(
    "part", ["doi:", "doi: ", "https://doi.org/", "http://", "10.1000/", "doi:10.1000/", "urn:", "urn:doi:"]
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
