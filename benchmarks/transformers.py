"""Measure what each transformer costs per kilobyte of its records, beside `oai_dc`.

    python benchmarks/transformers.py [KEY …] [--kilobytes 400] [--runs 5]

The records are the recorded ones of the tests. Where none is recorded, or only unusual ones, they are the records that
the tests are made of, and those below. Each run goes through all formats in turn, so that other users of the machine
slow down all of them. A document is made and written as JSON. The result is processor time, the best of several runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import cycle
from pathlib import Path
from typing import Any

from lxml import etree

from harvest_dagster import plugins
from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.records import Record
from harvest_dagster.transformers.interface import Transformer

ROOT = Path(__file__).resolve().parents[1]
STANDARD = "oai_dc"

# A book of a library, and a thesis of a repository, with the fields that such records usually have.
MARC_BOOK = """
001 990012345670203316|003 DE-604|005 20231211172646.0|007 tu|008 920219s1993    caua   b    001 0 eng d
010 ## $a   92005291|015 ## $a94,A12,0345$2dnb|020 ## $a9783161484100 (hbk.) :$c$15.95|020 ## $a0152038655
035 ## $a(OCoLC)25317265|040 ## $aDLC$cDLC$dDLC$beng$erda|041 1# $aeng$hger|043 ## $an-us---
050 00 $aPS3537.A618$bA88 1993
082 00 $a811/.52$220|084 ## $aHU 4815$2rvk|100 1# $aSandburg, Carl,$d1878-1967,$eauthor.$4aut$0(DE-588)118540238
245 10 $aArithmetic :$ba study of numbers /$cCarl Sandburg ; illustrated as an anamorphic adventure by Ted Rand.
246 3# $aStudy of numbers|250 ## $a1st ed.|264 #1 $aSan Diego :$bHarcourt Brace Jovanovich,$c[1993]|264 #4 $c©1993
300 ## $axii, 245 pages :$billustrations (some color) ;$c26 cm|336 ## $atext$btxt$2rdacontent
337 ## $aunmediated$bn$2rdamedia|338 ## $avolume$bnc$2rdacarrier|490 1# $aLecture notes in poetry ;$vvolume 12
504 ## $aIncludes bibliographical references (pages 230-240) and index.
505 0# $aWhat is number? -- How numbers fly -- Index.
520 ## $aA poem about numbers and their characteristics. Features anamorphic, or distorted, drawings.
546 ## $aText in English.|600 10 $aSandburg, Carl,$d1878-1967$xCriticism and interpretation.
650 #0 $aArithmetic$vJuvenile poetry.|650 #0 $aChildren's poetry, American.|650 #1 $aArithmetic$xPoetry.
650 #7 $aArithmetik$0(DE-588)4002919-0$2gnd|651 #0 $aUnited States$xPoetry.|655 #7 $aPoetry.$2lcgft
700 1# $aRand, Ted,$d1915-2005,$eillustrator.$4ill|710 2# $aHarcourt Brace,$epublisher.
776 08 $iOnline version:$aSandburg, Carl$tArithmetic$z9780152038656
830 #0 $aLecture notes in poetry ;$v12.|856 42 $3Publisher description$uhttp://www.loc.gov/catdir/description/har021/92005291.html
"""
MODS_THESIS = """
<titleInfo><nonSort>The</nonSort><title>growth of ice on lakes</title><subTitle>a study</subTitle></titleInfo>
<titleInfo type="alternative"><title>Ice on lakes</title></titleInfo>
<name type="personal" authority="naf"><namePart type="family">Doe</namePart><namePart type="given">Jane</namePart>
<namePart type="date">1980-</namePart><role><roleTerm type="text" authority="marcrelator">author</roleTerm></role>
<affiliation>University of Example</affiliation></name>
<name type="corporate"><namePart>University of Example</namePart><role><roleTerm type="code"
authority="marcrelator">dgg</roleTerm></role></name><typeOfResource>text</typeOfResource>
<genre authority="marcgt">thesis</genre>
<originInfo><place><placeTerm type="code" authority="marccountry">nyu</placeTerm>
</place><place><placeTerm type="text">Ithaca, NY</placeTerm></place><publisher>University of Example</publisher>
<dateIssued encoding="w3cdtf" keyDate="yes">1999-05-01</dateIssued><issuance>monographic</issuance></originInfo>
<language><languageTerm authority="iso639-2b" type="code">eng</languageTerm></language><physicalDescription>
<form authority="marcform">print</form><extent>vii, 322 p. : ill. ; 23 cm.</extent></physicalDescription>
<abstract>Ice grows on lakes in winter. This thesis measures how fast it grows, and explains the differences.</abstract>
<note type="statement of responsibility">Jane Doe.</note><note>Includes bibliographical references.</note>
<subject authority="lcsh"><topic>Ice on rivers, lakes, etc.</topic><geographic>New York</geographic></subject>
<subject authority="lcsh"><topic>Limnology</topic></subject><subject><hierarchicalGeographic><country>United States
</country><state>New York</state></hierarchicalGeographic></subject><classification authority="lcc">GB2403.2
</classification><relatedItem type="host"><titleInfo><title>Theses of Example</title></titleInfo>
<identifier type="issn">0378-5955</identifier><part><detail type="volume"><number>12</number></detail></part>
</relatedItem><identifier type="doi">10.1000/ABC</identifier><identifier type="hdl">http://hdl.handle.net/1813/1</identifier>
<location><url usage="primary display">http://hdl.handle.net/1813/1</url></location>
<accessCondition type="use and reproduction">https://creativecommons.org/licenses/by/4.0/</accessCondition>
<recordInfo><recordContentSource authority="marcorg">NIC</recordContentSource><recordCreationDate encoding="marc">990730
</recordCreationDate><recordIdentifier source="oai">oai:example.org:1</recordIdentifier></recordInfo>
"""


@dataclass
class Case:
    """The records of one format.

    Attributes:
        name: what the table says.
        key: of the transformer.
        records: transformed over and over, until they are as many kilobytes as wanted.
        kwargs: the arguments of the transformer.
        best: the least microseconds per kilobyte so far.
    """

    name: str
    key: str
    records: Sequence[Record]
    kwargs: dict[str, Any]
    best: float = float("inf")

    def transformer(self) -> Transformer:
        """Return the transformer, as a run makes it."""
        made = plugins.load(plugins.TRANSFORMERS, self.key)
        transformer: Transformer = made(made.Arguments.model_validate(self.kwargs))
        return transformer


def main() -> None:
    """Parse the arguments, measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("keys", nargs="*", help="transformers; by default all of them")
    parser.add_argument("--kilobytes", type=int, default=400, help="the data of one run")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    cases = list(read_cases(arguments.keys))
    work = [(case, case.transformer(), enough(case.records, arguments.kilobytes)) for case in cases]
    for _ in range(arguments.runs):
        for case, transformer, records in work:
            case.best = min(case.best, measure(transformer, records))
    print_table(cases)


def measure(transformer: Transformer, records: Sequence[Record]) -> float:
    """Return the microseconds per kilobyte."""
    size = sum(len(record.blob.encode()) for record in records) / 1000
    gc.collect()
    start = time.process_time()
    for record in records:
        transformer.transform(record.identifier, record.blob).to_json()
    return (time.process_time() - start) * 1e6 / size


def enough(records: Sequence[Record], kilobytes: int) -> list[Record]:
    """Return records of at least this size: each n-th of many, or a few again and again."""
    total = sum(len(record.blob) for record in records)
    chosen, size = [], 0
    for record in cycle(records[:: max(1, total // (kilobytes * 1000))]):
        chosen.append(record)
        size += len(record.blob)
        if size >= kilobytes * 1000:
            return chosen
    return chosen


def print_table(cases: Iterable[Case]) -> None:
    """Print a line for each format."""
    standard = next(case.best for case in cases if case.key == STANDARD)
    print("| records | transformer | number | bytes, mean | µs per kB | times oai_dc |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case in cases:
        mean = sum(len(record.blob.encode()) for record in case.records) // len(case.records)
        figures = f"{len(case.records)} | {mean:,} | {case.best:.0f} | {case.best / standard:.2f}"
        print(f"| {case.name} | `{case.key}` | {figures} |")


def read_cases(keys: Sequence[str] = ()) -> Iterator[Case]:
    """Yield the formats whose records are there, `oai_dc` first."""
    sys.path.insert(0, str(ROOT))
    for name, key, read, kwargs in [*_oai_cases(), *_xml_cases(), *_json_cases(), *_mapping_cases()]:
        if not keys or key in keys or key == STANDARD:
            records = [record for record in read() if not record.deleted]
            if records:
                yield Case(name, key, records, kwargs)
            else:
                print(f"no recorded records: {name}", file=sys.stderr)


Row = tuple[str, str, Callable[[], Iterable[Record]], dict[str, Any]]


def _tests(name: str) -> Any:
    return import_module(f"harvest_dagster_tests.transformers.formats.test_{name}")


def _record(datum: Any) -> Record:
    blob = datum if isinstance(datum, str) else json.dumps(datum, ensure_ascii=False, sort_keys=True)
    return Record("1", None, deleted=False, blob=blob)


def _oai(word: str, *folders: str) -> list[Record]:
    """Return the recorded records of OAI-PMH whose blob contains a word."""
    records = _tests("recorded_dublin_core").records
    return [
        record
        for folder in folders
        for record in records(folder)
        if word in record.blob and not record.deleted
    ]


def _dublin_core() -> list[Record]:
    """Return every eighth record of a folder, without those that have no element of Dublin Core."""
    found = _oai("/oai_dc/", "scrapi_oai_and_rest", "share_sample_harvester_data")[::8]
    return [record for record in found if "Item is not available" not in record.blob]


def _oai_cases() -> list[Row]:
    marc, openaire = _tests("marcxml"), _tests("oai_openaire")
    lines = re.split(r"[\n|]", MARC_BOOK.strip())
    return [
        ("Dublin Core, recorded", STANDARD, _dublin_core, {}),
        ("DataCite XML of Zenodo, recorded", "datacite", lambda: _oai("kernel-4", "scythe_zenodo_oai"), {}),
        ("MARC of Zenodo, recorded", "marcxml", lambda: _oai(marc.SLIM, "scythe_zenodo_oai"), {}),
        ("MARC of a book", "marcxml", lambda: [_record(marc.marc(*lines))], {}),
        ("OpenAIRE 4", "oai_openaire", lambda: [_record(openaire.resource(openaire.ARTICLE))], {}),
    ]


def _front(records: Iterable[Record]) -> Iterator[Record]:
    """Yield articles of JATS without the full text and the references."""
    for record in records:
        root = etree.fromstring(record.blob.encode())
        for name in ("body", "back", "floats-group", "sub-article", "response"):
            for part in root.findall(f"{{*}}{name}"):
                root.remove(part)
        yield Record(record.identifier, None, deleted=False, blob=etree.tostring(root, encoding="unicode"))


def _xml_cases() -> list[Row]:
    mods, jats, dcat = _tests("mods"), _tests("jats"), _tests("dcat")
    arxiv, feed, trials = _tests("arxiv"), _tests("feed"), _tests("clinicaltrials")
    return [
        ("MODS of a thesis", "mods", lambda: [_record(mods.mods(MODS_THESIS))], {}),
        ("MODS, each element", "mods", lambda: [_record(mods.mods("".join(x[1] for x in mods.ROWS)))], {}),
        ("JATS, recorded", "jats", lambda: list(jats.articles()), {}),
        ("JATS, front matter alone", "jats", lambda: _front(jats.articles()), {}),
        ("DCAT in RDF/XML", "dcat", lambda: [_record(dcat.RDF)], {}),
        (
            "arXiv, Atom, recorded",
            "arxiv",
            lambda: (x for x in arxiv.entries() if "api/errors" not in x.blob),
            {},
        ),
        ("RSS and Atom, recorded", "feed", lambda: list(feed.recorded_entries()), {}),
        ("ClinicalTrials.gov XML, recorded", "clinicaltrials", lambda: list(trials.recorded_xml()), {}),
    ]


def _json_cases() -> list[Row]:
    crossref, works, epmc, schema = (
        _tests("crossref"),
        _tests("openalex"),
        _tests("europepmc"),
        _tests("schema_org"),
    )
    trials = _tests("clinicaltrials")
    return [
        ("Crossref, recorded", "crossref", crossref.recorded_works, {}),
        ("OpenAlex, recorded", "openalex", lambda: map(_record, works.recorded_works()), {}),
        ("Europe PMC, recorded", "europepmc", epmc.distinct_results, {}),
        ("ClinicalTrials.gov JSON, recorded", "clinicaltrials", trials.recorded_json, {}),
        ("schema.org, a dataset", "schema_org", lambda: [_record(schema.DATASET)], {}),
        ("schema.org, an article", "schema_org", lambda: [_record(schema.ARTICLE)], {}),
    ]


def _mapping_cases() -> list[Row]:
    examples, bundled = _tests("recorded_mapping"), _tests("recorded_bundled_mapping")
    catalog = load_catalog("bundled", {})
    rows: list[Row] = []
    for label, items in bundled.SOURCES.items():
        kwargs = catalog.get(label).transformer_kwargs
        rows.append((f"{label}, recorded", "mapping", lambda items=items: map(_record, items()), kwargs))  # type: ignore[misc]
    for label, items in examples.SOURCES.items():
        kwargs = examples.transformer(label).arguments.model_dump()
        rows.append((f"{label}, recorded", "mapping", lambda items=items: map(_record, items()), kwargs))  # type: ignore[misc]
    return rows


if __name__ == "__main__":
    main()
