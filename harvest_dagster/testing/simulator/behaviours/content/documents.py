"""XML documents with document types, unusual prefixes or surrounding text; and wrong clocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime

from harvest_dagster.testing.simulator.behaviours.base import (
    OAI,
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.protocols.oai_xml import utc_text
from harvest_dagster.testing.simulator.serving.messages import Request, Response

_LEVELS = 9
_BOMB = '<!ENTITY l0 "lol">' + "".join(
    f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, _LEVELS + 1)
)
# The text between the XML declaration and the root element, and the text that is inserted into the first title.
_DOCTYPES = {
    "plain": ("<!DOCTYPE OAI-PMH>", ""),
    "bomb": (f"<!DOCTYPE OAI-PMH [{_BOMB}]>", f"&l{_LEVELS};"),
    "file": ('<!DOCTYPE OAI-PMH [<!ENTITY secret SYSTEM "file:///etc/passwd">]>', "&secret;"),
}


@dataclass(frozen=True)
class DocumentType(Behaviour):
    """Declares a document type: a harmless one, or one with entities that grow or read files."""

    kind: str = parameter("plain", "the declaration", tuple(_DOCTYPES))
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        doctype, text = (part.encode() for part in _DOCTYPES[self.kind])
        body = response.body.replace(b"?>\n", b"?>\n" + doctype, 1)
        return replace(response, body=body.replace(b"<dc:title>", b"<dc:title>" + text, 1))


@dataclass(frozen=True)
class NamespacePrefix(Behaviour):
    """Writes the elements of OAI-PMH with a prefix, as pycsw does. The document is equivalent."""

    prefix: str = parameter("oai", "the prefix for the namespace of OAI-PMH")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        prefix = self.prefix.encode()
        body = re.sub(rb"<(/?)(?=[A-Za-z-]+[ />])", rb"<\1" + prefix + b":", response.body)
        return replace(response, body=body.replace(b" xmlns=", b" xmlns:" + prefix + b"=", 1))


@dataclass(frozen=True)
class HttpsNamespace(Behaviour):
    """Writes the namespaces of OAI-PMH and Dublin Core with https."""

    envelope_only: bool = parameter(True, "the metadata keeps its namespaces")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        body = response.body.replace(b'xmlns="http://', b'xmlns="https://', 1)
        if not self.envelope_only:
            body = re.sub(rb'(xmlns:(?:oai_)?dc="http)(?=:)', rb"\1s", body)
        return replace(response, body=body)


@dataclass(frozen=True)
class SurroundingText(Behaviour):
    """Adds text before or after the document."""

    text: str = parameter("\n", "the text")
    after: bool = parameter(False, "the text follows the document")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        text = self.text.encode()
        return replace(response, body=response.body + text if self.after else text + response.body)


@dataclass(frozen=True)
class WrongClock(Behaviour):
    """Shifts the clock of the source: responseDate and the HTTP header Date."""

    seconds: int = parameter(3600, "the seconds by which the clock is ahead; negative: behind")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        now: datetime = request.arrived + timedelta(seconds=self.seconds)
        date = f"<responseDate>{utc_text(now)}</responseDate>".encode()
        body = re.sub(rb"<responseDate>[^<]*</responseDate>", date, response.body, count=1)
        return replace(response, body=body).with_headers(Date=format_datetime(now, usegmt=True))


_READ_OR_FAIL = "A harvester must parse the document correctly or fail."
ENTRIES = (
    NamedBehaviour(
        "doctype",
        DocumentType,
        "The page contains a document type declaration, which OAI-PMH does not have.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must parse or refuse the document, and must not fetch anything for it.",
        condition="",
        protocols=(OAI,),
        preset={"kind": "plain"},
    ),
    NamedBehaviour(
        "entity-bomb",
        DocumentType,
        "The page contains entities that expand to gigabytes (billion laughs).",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must not expand entities.",
        condition="page=2",
        failures=("memory-grows",),
        protocols=(OAI,),
        preset={"kind": "bomb"},
    ),
    NamedBehaviour(
        "entity-file",
        DocumentType,
        "The page contains an entity that refers to a local file of the harvester's machine.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must not read the file and must not copy its content into a record.",
        condition="page=2",
        protocols=(OAI,),
        preset={"kind": "file"},
    ),
    NamedBehaviour(
        "prefixed",
        NamespacePrefix,
        "The page contains the elements of OAI-PMH with a namespace prefix, as pycsw writes them.",
        Contract.COMPLETE,
        "A harvester must compare namespaces, not prefixes.",
        condition="",
        failures=("noise-counts-as-change",),
        protocols=(OAI,),
    ),
    NamedBehaviour(
        "https-namespace",
        HttpsNamespace,
        "The server writes the namespace of OAI-PMH with https.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must treat it as the namespace of OAI-PMH.",
        condition="",
        failures=("wrong-labels",),
        protocols=(OAI,),
        preset={"envelope_only": True},
    ),
    NamedBehaviour(
        "leading-space",
        SurroundingText,
        "The page contains an empty line before the XML declaration.",
        Contract.COMPLETE_OR_FAIL,
        _READ_OR_FAIL,
        condition="",
        protocols=(OAI,),
        preset={"text": "\n", "after": False},
    ),
    NamedBehaviour(
        "trailing-text",
        SurroundingText,
        "The page contains a PHP warning after the document.",
        Contract.COMPLETE_OR_FAIL,
        _READ_OR_FAIL,
        condition="page=2",
        preset={"after": True},
        defaults={"text": "<br /><b>Warning</b>: mysql_close()"},
    ),
    NamedBehaviour(
        "clock-ahead",
        WrongClock,
        "The server has a clock that is one hour ahead.",
        Contract.COMPLETE,
        "A harvester must use responseDate when it decides from which instant to continue.",
        condition="",
        failures=("clock-differs",),
    ),
    NamedBehaviour(
        "clock-behind",
        WrongClock,
        "The server has a clock that is one hour behind.",
        Contract.COMPLETE,
        "A harvester must not treat a window as covered before it has ended by the source's clock.",
        condition="",
        failures=("clock-differs",),
        defaults={"seconds": -3600},
    ),
)
