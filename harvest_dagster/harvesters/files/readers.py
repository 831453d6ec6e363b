"""Read the records of a stream one by one, each as bytes: a JSON value or an XML element.

Memory is bounded by the largest record, which `limits.response_bytes` limits.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from gzip import BadGzipFile

from lxml import etree
from zstandard import ZstdError

from harvest_dagster.errors import MalformedResponse, ResponseTooLarge, SourceUnreachable, TruncatedResponse
from harvest_dagster.harvesters.files.arguments import FilesArguments
from harvest_dagster.harvesters.formats.csv_rows import CsvRows, InvalidRow
from harvest_dagster.harvesters.formats.json_lines import is_cut_off
from harvest_dagster.harvesters.oai.response import OAI

_BOM = codecs.BOM_UTF8
_CHUNK = 64 * 1024
_PROLOG = 4096
_WHITE_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder(strict=False)

Reader = Callable[[io.BufferedReader, FilesArguments, int], Iterator[bytes]]


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Convert the errors of decompression and parsing to SourceError.

    Args:
        name: the name of the file.

    Raises:
        TruncatedResponse: the file is cut off.
        MalformedResponse: the file has another format.
        SourceUnreachable: the file system failed.
    """
    try:
        yield
    except (EOFError, tarfile.ReadError) as error:
        message = f"{name} is cut off: {error}. Write the file again, then run again."
        raise TruncatedResponse(message) from error
    except (
        BadGzipFile,
        zipfile.BadZipFile,
        zlib.error,
        ZstdError,
        etree.XMLSyntaxError,
        UnicodeError,
        csv.Error,
        ValueError,
    ) as error:
        is_cut = isinstance(error, etree.XMLSyntaxError) and "Premature end" in str(error)
        kind = "is cut off" if is_cut else "cannot be read"
        message = f"{name} {kind}: {error}. Correct the file, or `format`, then run again."
        raise (TruncatedResponse if is_cut else MalformedResponse)(message) from error
    except OSError as error:
        message = f"{name} could not be read to its end ({type(error).__name__}: {error}). Try again later."
        raise SourceUnreachable(message) from error


def _json_lines(stream: io.BufferedReader, _: FilesArguments, longest: int) -> Iterator[bytes]:
    start = _BOM
    while line := stream.readline(longest + 1):
        _raise_if_too_large(len(line), longest)
        text = line.removeprefix(start).strip()
        start = b""
        if text and not line.endswith(b"\n") and is_cut_off(text):
            raise EOFError("its last line is incomplete")
        if text:
            yield text


def _json_list(stream: io.BufferedReader, _: FilesArguments, longest: int) -> Iterator[bytes]:
    texts = _Texts(stream, longest)
    if texts.next_character() != "[":
        raise ValueError(
            "it does not begin with [; format json is a list of objects. Use jsonl for one on each line"
        )
    texts.position += 1
    while (character := texts.next_character()) != "]":
        if character == ",":
            texts.position += 1
            continue
        yield texts.next_value().encode("utf-8")
    texts.position += 1
    if texts.has_more():
        raise ValueError(
            "its list is followed by something else; write one list, or one object on each line (jsonl)"
        )


class _Texts:
    """A JSON text that is read in chunks. `position` is that of the next character in the buffer."""

    def __init__(self, stream: io.BufferedReader, longest: int) -> None:
        self._stream, self._longest = stream, longest
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._buffer, self._has_ended = "", False
        self.position = 0

    def next_character(self) -> str:
        """Return the next character that is no white space, without reading over it."""
        if not self.has_more():
            raise EOFError("the ] of its list is missing")
        return self._buffer[self.position]

    def has_more(self) -> bool:
        """Read over white space. Return whether anything follows it."""
        while True:
            while self.position < len(self._buffer) and self._buffer[self.position] in _WHITE_SPACE:
                self.position += 1
            if self.position < len(self._buffer):
                return True
            if self._has_ended:
                return False
            self._read(_CHUNK)

    def next_value(self) -> str:
        """Return the text of the next value, and read over it."""
        size = _CHUNK
        while True:
            try:
                _, end = _DECODER.raw_decode(self._buffer, self.position)
            except ValueError as error:
                if self._has_ended:
                    raise EOFError(f"a value is incomplete or invalid ({error})") from error
            else:
                if end < len(self._buffer) or self._has_ended:  # the digits of a number may go on
                    text, self.position = self._buffer[self.position : end], end
                    return text
            self._read(size)
            size *= 2
            _raise_if_too_large(len(self._buffer) - size, self._longest)

    def _read(self, size: int) -> None:
        data = self._stream.read(size)
        self._has_ended = not data
        self._buffer = self._buffer[self.position :] + self._decode.decode(data, final=not data)
        self.position = 0


def _csv_rows(stream: io.BufferedReader, arguments: FilesArguments, longest: int) -> Iterator[bytes]:
    """Yield each row as an object. A row with too few or too many fields is a list, which is no valid record."""
    encoding = "utf-8-sig" if codecs.lookup(arguments.encoding).name == "utf-8" else arguments.encoding
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    try:
        for row in CsvRows(text, delimiter=arguments.delimiter, longest=longest):
            if isinstance(row, InvalidRow):
                raise csv.Error(row.reason)
            value = row.fields if row.value is None else row.value
            yield json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    finally:
        with suppress(ValueError):  # the stream is closed
            text.detach()


class _BoundedStream:
    """Passes bytes to the parser, at most `longest` between two records: the tree of the parser holds them.

    Without an element of a record, the tree would grow with the file.
    """

    def __init__(self, stream: io.BufferedReader, longest: int) -> None:
        self._stream = stream
        self._longest = longest
        self._held = 0

    def read(self, size: int = _CHUNK) -> bytes:
        data = self._stream.read(size)
        self._held += len(data)
        _raise_if_too_large(self._held - size, self._longest)
        return data

    def release(self) -> None:
        """Begin to count again: the tree has freed what was read."""
        self._held = 0


def _elements(stream: io.BufferedReader, arguments: FilesArguments, longest: int) -> Iterator[bytes]:
    """Yield the outermost elements with the name of a record."""
    if b"<!DOCTYPE" in stream.peek(_PROLOG)[:_PROLOG].replace(b"\0", b""):
        raise ValueError("it has a document type declaration, which could load files or expand without bound")
    tag = f"{OAI}record" if arguments.format == "oai" else f"{{*}}{arguments.record}"
    depth, has_records, bounded = 0, False, _BoundedStream(stream, longest)
    events = etree.iterparse(
        bounded,
        events=("start", "end"),
        tag=tag,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
    )
    for event, element in events:
        has_records = True
        depth += 1 if event == "start" else -1
        if event == "end" and depth == 0:
            data = etree.tostring(element, encoding="utf-8", with_tail=False)
            _raise_if_too_large(len(data), longest)
            yield data
            _release(element)
            bounded.release()
    if not has_records:
        _raise_if_other_content(events.root, arguments)


def _raise_if_other_content(root: etree._Element, arguments: FilesArguments) -> None:
    """Raise ValueError if a file without records has other elements. It would count as a complete, empty file."""
    if arguments.format == "xml" and len(root):
        raise ValueError(f"it has no element {arguments.record}, but others. Check `record`")
    is_list = root.find(f"{OAI}ListRecords") is not None
    codes = {element.get("code") for element in root.iterfind(f"{OAI}error")}
    if arguments.format == "oai" and not is_list and codes != {"noRecordsMatch"}:
        found = f"the error {', '.join(sorted(map(str, codes)))}" if codes else f"a root element {root.tag}"
        raise ValueError(f"it has no list of records, but {found}")


def _release(element: etree._Element) -> None:
    """Free the memory of a record and of what came before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _raise_if_too_large(size: int, longest: int) -> None:
    if size > longest:
        message = (
            f"a record has more than {longest} bytes. Check `format` and `record`, or raise "
            "`limits: {response_bytes: …}` of the source."
        )
        raise ResponseTooLarge(message)


READERS: dict[str, Reader] = {
    "jsonl": _json_lines,
    "json": _json_list,
    "csv": _csv_rows,
    "xml": _elements,
    "oai": _elements,
}
