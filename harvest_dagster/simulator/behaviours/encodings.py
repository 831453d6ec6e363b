"""Compression and character encodings that are not what the headers say, and bodies that are far too long."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from harvest_dagster.simulator.behaviours.base import JSON, OAI, Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every
from harvest_dagster.simulator.exchange import Request, Response

_MEGABYTE = 1 << 20
_DECLARED = b'encoding="UTF-8"'


def _raw_deflate(body: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(body) + squeeze.flush()


def _zipped(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=1, mtime=0)


# What is sent, and what Content-Encoding says of it.
_CODINGS: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "gzip": (_zipped, "gzip"),
    "plain-as-gzip": (bytes, "gzip"),
    "gzip-as-plain": (_zipped, ""),
    "gzip-cut": (lambda body: _zipped(body)[: len(body) // 10], "gzip"),
    "deflate": (zlib.compress, "deflate"),
    "deflate-raw": (_raw_deflate, "deflate"),
    "unknown-coding": (bytes, "x-unknown"),
}


@dataclass(frozen=True)
class Coding(Behaviour):
    """The body compressed, or said to be so."""

    kind: str = parameter("gzip", "what is sent, and what is said", tuple(_CODINGS))
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        encode, name = _CODINGS[self.kind]
        coded = replace(whole, body=encode(whole.body))
        return coded.with_headers(Content_Encoding=name) if name else coded


@dataclass(frozen=True)
class Swell(Behaviour):
    """A body with megabytes of white space at its end; as gzip it is a thousandth of that."""

    megabytes: int = parameter(100, "how many it is longer")
    zipped: bool = parameter(False, "sent as gzip")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        if not self.zipped:
            return replace(whole, body=whole.body + b" " * (self.megabytes * _MEGABYTE))
        # A gzip file may have several members (RFC 1952, section 2.2): the padding is squeezed once.
        body = _zipped(whole.body) + _zipped(b" " * _MEGABYTE) * self.megabytes
        return replace(whole, body=body).with_headers(Content_Encoding="gzip")


@dataclass(frozen=True)
class Charset(Behaviour):
    """Characters in an encoding that is announced in one place only, or wrongly."""

    kind: str = parameter("header", "what is unusual", ("header", "latin-1", "bom", "utf-16", "undeclared"))
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        content_type = whole.headers["Content-Type"].partition(";")[0]
        if self.kind == "header":
            return whole.with_headers(Content_Type=f"{content_type}; charset=iso-8859-1")
        return replace(whole, body=self._encoded(whole.body)).with_headers(Content_Type=content_type)

    def _encoded(self, body: bytes) -> bytes:
        if self.kind == "bom":
            return codecs.BOM_UTF8 + body
        text = body.decode("utf-8", "replace")
        if self.kind == "utf-16":
            return text.replace('encoding="UTF-8"', 'encoding="UTF-16"').encode("utf-16")
        latin = text.encode("latin-1", "xmlcharrefreplace")
        return latin if self.kind == "undeclared" else latin.replace(_DECLARED, b'encoding="ISO-8859-1"')


_STRICT = "unpacks strictly and to the end"
_BOUND = "has a limit for the size of a page, before and after it is unpacked"


def _coding(kind: str, about: str, demand: Demand, proves: str, at: str = "page=2") -> Named:
    return Named(kind, Coding, about, demand, proves, at=at, preset={"kind": kind})


def _charset(kind: str, about: str, demand: Demand, proves: str, protocols: tuple[str, ...]) -> Named:
    return Named(
        f"charset-{kind}", Charset, about, demand, proves, at="", protocols=protocols, preset={"kind": kind}
    )


_DECLARATION = "goes by the byte order mark and the XML declaration"
ENTRIES = (
    _coding("gzip", "compresses the body, and says so", Demand.COMPLETE, "unpacks it", at=""),
    _coding("plain-as-gzip", "says gzip, and sends plain text", Demand.SAFE, _STRICT),
    _coding("gzip-as-plain", "sends gzip, and does not say so", Demand.SAFE, _STRICT),
    _coding("gzip-cut", "sends gzip that breaks off; Content-Length fits", Demand.SAFE, _STRICT),
    _coding("deflate", "sends deflate in zlib's frame, as RFC 9110 has it", Demand.SAFE, "unpacks it", at=""),
    _coding(
        "deflate-raw", "sends deflate without a frame, as old servers do", Demand.SAFE, "unpacks it", at=""
    ),
    _coding("unknown-coding", "says a coding that nobody knows", Demand.SAFE, "does not guess"),
    Named(
        "gzip-bomb",
        Swell,
        "sends a small body that unpacks to hundreds of megabytes",
        Demand.SAFE,
        _BOUND,
        at="page=2",
        lessons=(27,),
        preset={"zipped": True},
        defaults={"megabytes": 400},
    ),
    Named(
        "giant-page",
        Swell,
        "sends a hundred megabytes of white space after the list",
        Demand.SAFE,
        _BOUND,
        at="page=2",
        lessons=(27,),
        preset={"zipped": False},
    ),
    _charset(
        "header", "says ISO-8859-1 in Content-Type of what is UTF-8", Demand.SAFE, _DECLARATION, (OAI, JSON)
    ),
    _charset("latin-1", "writes ISO-8859-1, and declares it", Demand.COMPLETE, _DECLARATION, (OAI,)),
    _charset("undeclared", "writes ISO-8859-1, and declares UTF-8", Demand.SAFE, "decodes strictly", (OAI,)),
    _charset("bom", "begins with the byte order mark of UTF-8", Demand.COMPLETE, _DECLARATION, (OAI,)),
    _charset(
        "utf-16",
        "writes UTF-16 with a byte order mark, and declares it",
        Demand.COMPLETE,
        _DECLARATION,
        (OAI,),
    ),
)
