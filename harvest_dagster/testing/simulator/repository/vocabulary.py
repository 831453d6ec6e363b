"""The words from which the content of records is composed. People, journals and DOIs are invented.

All strings are XML text: `&amp;` stands for `&`.
"""
# ruff: noqa: RUF001 - real names contain letters beyond ASCII

from __future__ import annotations

from dataclasses import dataclass

FAMILIES = (
    "Abara", "Álvarez", "Baptiste", "Çelik", "Dąbrowski", "Eriksson", "Fonseca", "García Núñez",
    "Håkansson", "Ibáñez", "Jansen", "Kowalczyk", "Lindqvist", "Moreau", "Müller-Voss", "Nakamura",
    "Novotný", "O’Leary", "Okonkwo", "Pereira", "Quispe", "Rossi", "Šimek", "Tanaka", "Umarov",
    "van der Meer", "Wójcik", "Xu", "Yılmaz", "Zhang", "Østergaard", "Þórsdóttir",
)  # fmt: skip
GIVEN = (
    "Ada", "Bjørn", "Chiara", "Dmitri", "Élodie", "Farid", "Grace", "Hiroshi", "Inés", "J. P.",
    "Katarzyna", "Léo", "Mei", "Nkechi", "Olga", "Pablo", "Ruth", "Søren", "Tomáš", "Ursula",
    "Vikram", "W.", "Yara", "Zoë",
)  # fmt: skip
PUBLISHERS = (
    "Example University Press", "Acme Institute", "Société Exemple", "Beispiel Verlag GmbH &amp; Co. KG",
)  # fmt: skip
# The type in DCMI terms, the type in terms of the repository, and the format.
TYPES = (
    ("Text", "info:eu-repo/semantics/article", "application/pdf"),
    ("Text", "info:eu-repo/semantics/preprint", "application/pdf"),
    ("Dataset", "info:eu-repo/semantics/dataset", "text/csv"),
    ("Text", "info:eu-repo/semantics/doctoralThesis", "application/pdf"),
)
LANGUAGES = ("en", "en", "eng", "de", "fr", "es")
RIGHTS = (
    "https://creativecommons.org/licenses/by/4.0/",
    "info:eu-repo/semantics/openAccess",
    "© The authors. All rights reserved.",
)
COVERAGES = ("Northern Europe", "19th century", "Río de la Plata", "1989/2004")
ANGLES = (
    "a comparative study", "evidence from new sources", "methods &amp; limits", "an annotated data set",
    "what the margins say", "thirty years on", "a note on priority", "results for n &lt; 100",
    "une relecture", "two case studies", "a critical review", "Beiträge zu einer Debatte",
)  # fmt: skip
CLAIMS = (
    "We bring together material that has so far been treated apart and show where earlier readings disagree.",
    "The approach needs neither calibration nor a reference sample, and it is published with all its data.",
    "Three independent checks agree to within the error; the fourth does not, and we discuss why.",
    "The results suggest that the accepted chronology is too short by about a decade.",
    "Limits of the method are discussed, above all for small samples &amp; incomplete series.",
    "An appendix lists every source that was consulted, with its place of keeping.",
    "The code that made the figures is available from the authors’ repository.",
    "Future work will extend the analysis to the material found in 2019.",
)


@dataclass(frozen=True)
class Discipline:
    """The words of one discipline.

    Attributes:
        journal: the journal of its articles.
        issn: the ISSN of the journal.
        topics: the first parts of titles.
        subjects: the keywords.
    """

    journal: str
    issn: str
    topics: tuple[str, ...]
    subjects: tuple[str, ...]


# Record i belongs to discipline i modulo 4. `repository.SETS` uses the same order.
DISCIPLINES = (
    Discipline(
        "Journal of Example Physics",
        "2049-3630",
        (
            "Spin transport in thin magnetic films", "Ultracold collisions of rubidium",
            "Dark-matter haloes of dwarf galaxies", "Lasing in perovskite nanocrystals",
            "Turbulence in rotating fluids", "Neutrino flux at shallow depth", "Phonons in twisted bilayers",
            "Superconductivity near 4 K",
        ),
        ("condensed matter", "astrophysics", "optics", "physics", "fluid dynamics"),
    ),
    Discipline(
        "Example Historical Review",
        "1234-5679",
        (
            "Guild ledgers of the Hanseatic towns", "Port cities and plague", "Letters of a Basque whaler",
            "La vie rurale en Bourgogne", "Railways and empire", "Women printers of Lyon",
            "Oral history of the mills", "Maps before triangulation",
        ),
        ("history", "trade", "archives", "early modern period", "K&#246;nigreich Sachsen"),
    ),
    Discipline(
        "Annals of Example Mathematics",
        "0317-8471",
        (
            "Sums of three cubes", "Random walks on finite groups", "A sharper bound for sieve weights",
            "Ricci flow with surgery", "Colourings of planar graphs", "Heights on elliptic curves",
            "Sparse matrices and expanders", "The word problem for braids",
        ),
        ("number theory", "probability", "MSC 11B13", "graph theory", "geometry"),
    ),
    Discipline(
        "Studies in Example Linguistics",
        "2434-561X",
        (
            "Vowel harmony in contact", "Case marking in Basque", "Tone sandhi revisited",
            "Zur Wortstellung im Mittelhochdeutschen", "Evidentials of the Andes",
            "Code-switching in schools", "A corpus of medieval charters", "Clitics and their hosts",
        ),
        ("linguistics", "phonology", "syntax", "corpora", "språk"),
    ),
)  # fmt: skip
