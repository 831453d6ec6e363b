"""Compression and character encodings that contradict the headers, and bodies that are far too long."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from harvest_dagster.testing.simulator.behaviours.base import (
    JSON,
    OAI,
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.serving.messages import Request, Response

_MEGABYTE = 1 << 20
_DECLARATION = b'encoding="UTF-8"'
_MARKS = {
    "bom": codecs.BOM_UTF8,
    "two-boms": codecs.BOM_UTF8 * 2,
    "bom-blank-line": codecs.BOM_UTF8 + b"\r\n",
}


def _raw_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=1, mtime=0)


# The encoding of the body, and the value of Content-Encoding.
_CODINGS: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "gzip": (_gzip, "gzip"),
    "plain-as-gzip": (bytes, "gzip"),
    "gzip-as-plain": (_gzip, ""),
    "gzip-cut": (lambda body: _gzip(body)[: len(body) // 10], "gzip"),
    "deflate": (zlib.compress, "deflate"),
    "deflate-raw": (_raw_deflate, "deflate"),
    "unknown-coding": (bytes, "x-unknown"),
    "charset-as-coding": (bytes, "UTF-8"),
}


@dataclass(frozen=True)
class ContentCoding(Behaviour):
    """Compresses the body, or claims that it is compressed."""

    kind: str = parameter("gzip", "the coding of the body and of the header", tuple(_CODINGS))
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        encode, name = _CODINGS[self.kind]
        encoded = replace(response, body=encode(response.body))
        return encoded.with_headers(Content_Encoding=name) if name else encoded


@dataclass(frozen=True)
class OversizedBody(Behaviour):
    """Appends megabytes of white space to the body. Compressed with gzip, the body is a thousand times smaller."""

    megabytes: int = parameter(100, "the number of megabytes that are appended")
    zipped: bool = parameter(False, "the body is sent as gzip")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        if not self.zipped:
            return replace(response, body=response.body + b" " * (self.megabytes * _MEGABYTE))
        # A gzip file may have several members (RFC 1952, section 2.2), so one compressed megabyte is enough.
        body = _gzip(response.body) + _gzip(b" " * _MEGABYTE) * self.megabytes
        return replace(response, body=body).with_headers(Content_Encoding="gzip")


@dataclass(frozen=True)
class CharacterEncoding(Behaviour):
    """Uses a character encoding that is declared in one place only, or declared wrongly."""

    kind: str = parameter(
        "header",
        "the encoding and its declaration",
        ("header", "latin-1", "bom", "two-boms", "bom-blank-line", "utf-16", "utf-16-label", "undeclared"),
    )
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        content_type = response.headers["Content-Type"].partition(";")[0]
        if self.kind == "header":
            return response.with_headers(Content_Type=f"{content_type}; charset=iso-8859-1")
        return replace(response, body=self._encode(response.body)).with_headers(Content_Type=content_type)

    def _encode(self, body: bytes) -> bytes:
        if self.kind in _MARKS:
            return _MARKS[self.kind] + body
        if self.kind == "utf-16-label":
            return body.replace(_DECLARATION, b'encoding="UTF-16"')
        text = body.decode("utf-8", "replace")
        if self.kind == "utf-16":
            return text.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")
        latin = text.encode("latin-1", "xmlcharrefreplace")
        return latin if self.kind == "undeclared" else latin.replace(_DECLARATION, b'encoding="ISO-8859-1"')


def _content_coding(
    kind: str, description: str, contract: Contract, requirement: str, condition: str = "page=2"
) -> NamedBehaviour:
    return NamedBehaviour(
        kind, ContentCoding, description, contract, requirement, condition=condition, preset={"kind": kind}
    )


def _character_encoding(
    kind: str, description: str, contract: Contract, requirement: str, protocols: tuple[str, ...]
) -> NamedBehaviour:
    return NamedBehaviour(
        f"charset-{kind}",
        CharacterEncoding,
        description,
        contract,
        requirement,
        condition="",
        failures=("wrong-labels",),
        protocols=protocols,
        preset={"kind": kind},
    )


_DECOMPRESS = "A harvester must decompress the body."
_STRICT = "A harvester must decompress strictly and to the end of the body."
_SIZE_LIMIT = "A harvester must limit the size of a page, before and after decompression."
_IGNORE_MARKS = "A harvester must ignore marks and white space before the document."
_READ_DECLARATION = "A harvester must use the byte order mark and the XML declaration."
ENTRIES = (
    _content_coding(
        "gzip", "The server sends a gzip body and declares it.", Contract.COMPLETE, _DECOMPRESS, condition=""
    ),
    _content_coding(
        "plain-as-gzip",
        "The server sends an uncompressed body and declares gzip.",
        Contract.COMPLETE_OR_FAIL,
        _STRICT,
    ),
    _content_coding(
        "gzip-as-plain",
        "The server sends a gzip body and does not declare it.",
        Contract.COMPLETE_OR_FAIL,
        _STRICT,
    ),
    _content_coding(
        "gzip-cut",
        "The server sends a truncated gzip body; Content-Length gives the truncated length.",
        Contract.COMPLETE_OR_FAIL,
        _STRICT,
    ),
    _content_coding(
        "deflate",
        "The server sends deflate in the zlib format, as RFC 9110 requires.",
        Contract.COMPLETE_OR_FAIL,
        _DECOMPRESS,
        condition="",
    ),
    _content_coding(
        "deflate-raw",
        "The server sends deflate without the zlib format, as old servers do.",
        Contract.COMPLETE_OR_FAIL,
        _DECOMPRESS,
        condition="",
    ),
    _content_coding(
        "unknown-coding",
        "The server declares an unknown content coding.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must not guess the coding.",
    ),
    _content_coding(
        "charset-as-coding",
        "The server names a character set in Content-Encoding.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must ignore a name that is no content coding.",
        condition="",
    ),
    NamedBehaviour(
        "gzip-bomb",
        OversizedBody,
        "The server sends a small gzip body that decompresses to hundreds of megabytes.",
        Contract.COMPLETE_OR_FAIL,
        _SIZE_LIMIT,
        condition="page=2",
        failures=("memory-grows",),
        preset={"zipped": True},
        defaults={"megabytes": 400},
    ),
    NamedBehaviour(
        "giant-page",
        OversizedBody,
        "The server sends a hundred megabytes of white space after the list.",
        Contract.COMPLETE_OR_FAIL,
        _SIZE_LIMIT,
        condition="page=2",
        failures=("memory-grows",),
        preset={"zipped": False},
    ),
    _character_encoding(
        "header",
        "The server declares ISO-8859-1 in Content-Type and sends UTF-8.",
        Contract.COMPLETE_OR_FAIL,
        _READ_DECLARATION,
        (OAI, JSON),
    ),
    _character_encoding(
        "latin-1",
        "The server sends ISO-8859-1 and declares it in the XML declaration.",
        Contract.COMPLETE,
        _READ_DECLARATION,
        (OAI,),
    ),
    _character_encoding(
        "undeclared",
        "The server sends ISO-8859-1 and declares UTF-8.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must decode strictly.",
        (OAI,),
    ),
    _character_encoding(
        "bom",
        "The server sends UTF-8 with a byte order mark.",
        Contract.COMPLETE,
        _READ_DECLARATION,
        (OAI,),
    ),
    _character_encoding(
        "two-boms",
        "The server sends UTF-8 with two byte order marks.",
        Contract.COMPLETE_OR_FAIL,
        _IGNORE_MARKS,
        (OAI, JSON),
    ),
    _character_encoding(
        "bom-blank-line",
        "The server sends a byte order mark and an empty line before the document.",
        Contract.COMPLETE_OR_FAIL,
        _IGNORE_MARKS,
        (OAI, JSON),
    ),
    _character_encoding(
        "utf-16-label",
        "The server sends UTF-8 and declares UTF-16.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must not use an encoding that the bytes contradict.",
        (OAI,),
    ),
    _character_encoding(
        "utf-16",
        "The server sends UTF-16 with a byte order mark and declares it.",
        Contract.COMPLETE,
        _READ_DECLARATION,
        (OAI,),
    ),
)
