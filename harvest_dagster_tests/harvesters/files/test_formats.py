"""The formats of files, and their compression: every record arrives, and a damaged file is an error."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from harvest_dagster.errors import MalformedResponse, ResponseTooLarge, TruncatedResponse
from harvest_dagster.harvesters.files.arguments import FilesArguments
from harvest_dagster.harvesters.oai.parser import OaiParser
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.files.sources import files, lines
from harvest_dagster_tests.harvesters.sources import listed, record
from harvest_dagster_tests.recorded import recordings, requires_recorded

EVER = Window(parse_instant("1900-01-01"), parse_instant("2100-01-01"))


def tar(data: bytes, mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        for name in ("a.jsonl", "b.jsonl"):
            entry = tarfile.TarInfo(name)
            entry.size = len(data) if name == "a.jsonl" else 0
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def zipped(data: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/a.jsonl", data)
        archive.writestr("folder/empty.jsonl", b"")
    return content.getvalue()


def zstd(data: bytes) -> bytes:
    """Return two frames, as `zstd` and `pzstd` write them."""
    half = len(data) // 2
    return b"".join(zstandard.ZstdCompressor().compress(part) for part in (data[:half], data[half:]))


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "zstd": zstd,
    "bzip2": bz2.compress,
    "zip": zipped,
    "tar": tar,
    "tar.gz": lambda data: tar(data, "w:gz"),
    "tar.zst": lambda data: zstd(tar(data)),
    "gzip in tar": lambda data: tar(gzip.compress(data)),
}


@pytest.mark.parametrize("compression", COMPRESSED)
def test_each_compression_is_recognized_by_its_bytes(tmp_path: Path, compression: str) -> None:
    """Names lie: a server sends data.jsonl compressed."""
    path = tmp_path / "data"
    path.write_bytes(COMPRESSED[compression](lines(500)))
    assert files(path).identifiers() == [str(number) for number in range(500)]


@pytest.mark.parametrize("compression", COMPRESSED)
def test_a_truncated_file_is_an_error(tmp_path: Path, compression: str) -> None:
    """The first part of a file would look like the whole file."""
    data = COMPRESSED[compression](lines(20_000))
    path = tmp_path / "data"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(MalformedResponse, match=r"data (is cut off|cannot be read)"):
        files(path).read()


@pytest.mark.parametrize("length", [512 + 512, 512 + 512 + 100])
def test_an_archive_that_is_cut_between_its_files_is_an_error(tmp_path: Path, length: int) -> None:
    """It counted as complete, and the records of the other files were missing."""
    (tmp_path / "dump").write_bytes(tar(lines(3))[:length])
    with pytest.raises(TruncatedResponse, match="its end is missing"):
        files(tmp_path / "dump").read()


def test_a_second_json_list_in_a_file_is_an_error(tmp_path: Path) -> None:
    """Its records were missing from a file that counted as complete."""
    (tmp_path / "dump").write_text('[{"id": "a"}]\n[{"id": "b"}]')
    with pytest.raises(MalformedResponse, match="followed by something else"):
        files(tmp_path / "dump", format="json").read()


OAI_ERROR = '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><error code="{}"/></OAI-PMH>'


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("<r><rec id='a'/></r>", {"format": "xml", "record": "record"}, "no element record"),
        (OAI_ERROR.format("badResumptionToken"), {"format": "oai"}, "the error badResumptionToken"),
        ("<html><body/></html>", {"format": "oai"}, "a root element html"),
    ],
)
def test_a_file_with_other_elements_than_records_is_an_error(
    tmp_path: Path, content: str, arguments: dict[str, Any], message: str
) -> None:
    """With a wrong `record`, each window was complete and empty."""
    (tmp_path / "dump").write_text(content)
    kwargs: dict[str, Any] = {"identifier": None, "datestamp": None, **arguments}
    if arguments["format"] == "xml":
        kwargs["identifier"] = "@id"
    with pytest.raises(MalformedResponse, match=message):
        files(tmp_path / "dump", **kwargs).read()


@pytest.mark.parametrize(
    ("content", "arguments"),
    [
        ("<r/>", {"format": "xml", "record": "rec", "identifier": "@id"}),
        (OAI_ERROR.format("noRecordsMatch"), {"format": "oai", "identifier": None, "datestamp": None}),
        ("[]", {"format": "json"}),
    ],
)
def test_a_file_may_be_empty(tmp_path: Path, content: str, arguments: dict[str, Any]) -> None:
    """A dump of a day without changes is no error."""
    (tmp_path / "dump").write_text(content)
    assert files(tmp_path / "dump", **arguments).read()[1] == []


def test_json_lines_that_are_cut_within_a_line_are_truncated(tmp_path: Path) -> None:
    """A last line without a line break is whole only if it is JSON."""
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + lines(2) + b"\n" + b'{"id": "x", "date": "2024-03-01"}')
    assert files(path).identifiers() == ["0", "1", "x"]
    path.write_bytes(lines(2) + b'{"id": "x", "da')
    with pytest.raises(TruncatedResponse, match="last line is incomplete"):
        files(path).read()


def test_an_invalid_line_is_quarantined_and_the_list_goes_on(tmp_path: Path) -> None:
    """One bad line of ten million must not end the list."""
    path = tmp_path / "data.jsonl"
    bad = [b"{oops\x1e}", b"[1]", b'{"date": "2024-03-01"}', b'{"id": 7, "id": 8}', b'{"id": NaN}']
    path.write_bytes(lines(1) + b"\n".join(bad) + b"\n" + lines(1, 1))
    (page,), found = files(path).read()
    assert [isinstance(one, InvalidRecord) for one in found] == [False, True, True, True, True, True, False]
    assert (page.count, page.total, len(page.identifiers)) == (7, 7, 2)


@pytest.mark.parametrize("separator", [",", ",\n  ", " , "])
def test_a_json_list_is_read_value_by_value(tmp_path: Path, separator: str) -> None:
    """A list of 10 GB must not be in memory. Values may be longer than what is read at once."""
    values = [
        '{"id": 1, "date": "2024-03-01", "n": 1.50}',
        '{"id": "long", "date": "2024-03-02", "text": "' + "ü]}" * 70_000 + '"}',
        "12345",
    ]
    path = tmp_path / "data.json"
    path.write_text(f" [{separator.join(values)}]\n", "utf-8")
    _, found = files(path, format="json").read()
    assert [one.identifier for one in found] == ["1", "long", None]
    assert isinstance(found[0], Record)
    assert found[0].blob == '{"date":"2024-03-01","id":1,"n":1.50}'
    path.write_text(f"[{separator.join(values)}", "utf-8")
    with pytest.raises(TruncatedResponse):
        files(path, format="json").read()


def test_an_object_in_place_of_a_json_list_is_an_error(tmp_path: Path) -> None:
    """It would be a list without records."""
    path = tmp_path / "data.json"
    path.write_bytes(lines(1))
    with pytest.raises(MalformedResponse, match="Use jsonl"):
        files(path, format="json").read()


def test_a_row_of_a_csv_file_is_an_object(tmp_path: Path) -> None:
    """A row with a missing field is quarantined: nobody knows which one is missing."""
    path = tmp_path / "data.csv"
    path.write_bytes(
        'id;date;title\n1;2024-03-01;"a;\nb"\n\n2;2024-03-01\n3;2024-03-02;ü\n'.encode("latin-1")
    )
    _, found = files(path, format="csv", delimiter=";", encoding="latin-1").read()
    assert [one.identifier for one in found] == ["1", None, "3"]
    assert isinstance(found[2], Record)
    assert found[2].blob == '{"date":"2024-03-02","id":"3","title":"ü"}'
    with pytest.raises(MalformedResponse, match="cannot be read"):
        files(path, format="csv", delimiter=";").read()  # it is not UTF-8


def test_records_of_an_xml_file_are_elements(tmp_path: Path) -> None:
    """Elements of the same name inside of a record belong to it."""
    path = tmp_path / "data.xml"
    path.write_text(
        '<?xml version="1.0"?><list xmlns="urn:x"><record id="1"><meta><date>2024-03-01</date></meta>'
        '<record id="inner"/></record><!-- c --><record><meta/></record><record id="3"/></list>',
        "utf-8",
    )
    arguments = {"format": "xml", "record": "record", "identifier": "@id", "datestamp": "meta.date"}
    _, found = files(path, **arguments).read()
    assert [one.identifier for one in found] == ["1", None, "3"]
    assert isinstance(found[0], Record)
    assert "inner" in found[0].blob
    path.write_text(
        '<!DOCTYPE list [<!ENTITY e SYSTEM "/etc/passwd">]><list><record id="1">&e;</record></list>'
    )
    with pytest.raises(MalformedResponse, match="document type declaration"):
        files(path, **arguments).read()


def test_a_dump_of_a_repository_gives_the_records_of_the_repository(tmp_path: Path) -> None:
    """metha writes each response into a compressed file. The blobs must be those of the harvester `oai`."""
    pages = [listed(record("a"), record("b", "2024-03-01"), token="t"), listed(record("c", deleted=True))]
    for number, page in enumerate(pages):
        (tmp_path / f"2024-01-0{number}.xml.gz").write_bytes(gzip.compress(page.encode()))
    (tmp_path / ".cursor").write_text("not a response")
    dumped, found = files(tmp_path, format="oai", identifier=None, datestamp=None).read(EVER)
    assert [(one.identifier, getattr(one, "deleted", None)) for one in found] == [
        ("a", False),
        ("b", False),
        ("c", True),
    ]
    assert [page.count for page in dumped] == [2, 1]


@requires_recorded
def test_recorded_responses_of_zenodo_give_the_same_blobs_as_a_harvest(tmp_path: Path) -> None:
    """A dump and a harvest of the same repository must count as the same records."""
    from harvest_dagster.harvesters.oai.arguments import OaiArguments
    from harvest_dagster.records import Cursor, Page, Request
    from harvest_dagster_tests.harvesters.sources import Answered

    expected = []
    parser = OaiParser(OaiArguments(base_url="http://x/oai"))
    for index, one in enumerate(recordings("scythe_zenodo_oai")):
        if "ListRecords" not in one.flags or not one.records:
            continue
        answer = Answered(one.body, one.url)
        page = Page(answer.body, Request("x"), 200, answer.received, Cursor(), None, one.records)
        expected += [found.hash for found in parser.records(page, EVER) if isinstance(found, Record)]
        (tmp_path / f"{index:04}.xml.gz").write_bytes(gzip.compress(one.body))
    assert expected
    _, found = files(tmp_path, format="oai", identifier=None, datestamp=None).read(EVER)
    assert [one.hash for one in found if isinstance(one, Record)] == expected


def test_a_record_that_is_too_large_is_an_error_before_it_is_in_memory(tmp_path: Path) -> None:
    """A file of 10 GB without a line break would fill the memory."""
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'{"id": "' + b"x" * 100_000)
    with pytest.raises(ResponseTooLarge, match=r"limits: \{response_bytes"):
        files(path, limits=ResponseLimits(response_bytes=10_000)).read()


def test_elements_that_are_no_records_do_not_fill_the_memory(tmp_path: Path) -> None:
    """With a wrong `record`, the parser held the tree of the whole file."""
    path = tmp_path / "data.xml"
    path.write_text(f"<all>{'<item><id>1</id></item>' * 10_000}</all>")
    limits = ResponseLimits(response_bytes=50_000)
    with pytest.raises(ResponseTooLarge, match="Check `format` and `record`"):
        files(path, limits=limits, format="xml", record="wrong").read()
    assert len(files(path, limits=limits, format="xml", record="item").read()[1]) == 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "parquet"}, "format"),
        ({"identifier": None}, "format jsonl needs `identifier`"),
        ({"format": "xml"}, "format xml needs `record`"),
        ({"record": "x"}, "takes no `record`"),
        ({"format": "oai"}, "format oai takes neither"),
        ({"path": "/data/[ab.jsonl"}, r"a \[ without a \]"),
        ({"path": "nowhere://x"}, "no file system that fsspec knows"),
        ({"path": "zip://a::http://x"}, "a chain of file systems"),
        ({"path": "https:///x"}, "must name its host"),
        ({"encoding": "utf-99"}, "is no encoding"),
        ({"headers": {"X": "1"}}, "only for http and https"),
        ({"delimiter": ";;"}, "delimiter"),
    ],
)
def test_wrong_arguments_are_refused_when_the_catalog_is_loaded(arguments, message) -> None:
    """`harvest check` names the key and the remedy, without opening a file."""
    kwargs = {"path": "/data/*.jsonl", "format": "jsonl", "identifier": "id", **arguments}
    with pytest.raises(ValueError, match=message):
        FilesArguments.model_validate(kwargs)


def test_two_archives_in_one_file_are_an_error(tmp_path: Path) -> None:
    """The library reads only the first one. `cat a.tar b.tar` gave half of the records, as complete."""
    path = tmp_path / "dump.tar"
    path.write_bytes(tar(lines(3)) + tar(lines(3, 3)))
    with pytest.raises(MalformedResponse, match="follows the end of a tar archive"):
        files(path).read()
    path.write_bytes(tar(lines(3)) + bytes(5000))
    assert files(path).identifiers() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("web_page.jsonl", b"<html><body>Maintenance</body></html>\n", "maintenance page"),
        ("pretty.jsonl", b'[\n  {\n    "id": "1"\n  }\n]\n', "none of its records is valid"),
        ("other.csv", b"key,when\n1,2024-03-02\n", "identifier"),
    ],
)
def test_a_file_without_a_valid_record_is_an_error(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    """One line of HTML is within the limits of the quarantine, so the window was complete."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MalformedResponse, match=reason) as caught:
        files(tmp_path / name, format=name.rpartition(".")[2]).read()
    assert "Check `format` and `identifier`" in str(caught.value)
