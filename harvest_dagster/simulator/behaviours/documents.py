"""Documents of XML that hold more, or begin otherwise, than a list of records should; and wrong clocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime

from harvest_dagster.simulator.behaviours.base import OAI, Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every
from harvest_dagster.simulator.exchange import Request, Response
from harvest_dagster.simulator.render import utc_text

_LEVELS = 9
_BOMB = '<!ENTITY l0 "lol">' + "".join(
    f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, _LEVELS + 1)
)
# What stands between the declaration and the root element, and what is put into the first title.
_DOCTYPES = {
    "plain": ("<!DOCTYPE OAI-PMH>", ""),
    "bomb": (f"<!DOCTYPE OAI-PMH [{_BOMB}]>", f"&l{_LEVELS};"),
    "file": ('<!DOCTYPE OAI-PMH [<!ENTITY secret SYSTEM "file:///etc/passwd">]>', "&secret;"),
}


@dataclass(frozen=True)
class Doctype(Behaviour):
    """A document type, harmless or with entities that explode or read files."""

    kind: str = parameter("plain", "what it declares", tuple(_DOCTYPES))
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        doctype, text = (part.encode() for part in _DOCTYPES[self.kind])
        body = whole.body.replace(b"?>\n", b"?>\n" + doctype, 1)
        return replace(whole, body=body.replace(b"<dc:title>", b"<dc:title>" + text, 1))


@dataclass(frozen=True)
class Prefixed(Behaviour):
    """OAI-PMH's elements under a prefix, as pycsw writes them; to a reader of namespaces it is the same."""

    prefix: str = parameter("oai", "for the namespace of OAI-PMH")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        prefix = self.prefix.encode()
        body = re.sub(rb"<(/?)(?=[A-Za-z-]+[ />])", rb"<\1" + prefix + b":", whole.body)
        return replace(whole, body=body.replace(b" xmlns=", b" xmlns:" + prefix + b"=", 1))


@dataclass(frozen=True)
class Before(Behaviour):
    """Something before the first character of the document, or after the last."""

    text: str = parameter("\n", "what stands there")
    after: bool = parameter(False, "after the document, not before it")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        text = self.text.encode()
        return replace(whole, body=whole.body + text if self.after else text + whole.body)


@dataclass(frozen=True)
class Clock(Behaviour):
    """A clock that goes wrong: responseDate, and the Date of HTTP."""

    seconds: int = parameter(3600, "how far it is ahead; negative: behind")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        now: datetime = request.arrived + timedelta(seconds=self.seconds)
        date = f"<responseDate>{utc_text(now)}</responseDate>".encode()
        body = re.sub(rb"<responseDate>[^<]*</responseDate>", date, whole.body, count=1)
        return replace(whole, body=body).with_headers(Date=format_datetime(now, usegmt=True))


ENTRIES = (
    Named(
        "doctype",
        Doctype,
        "declares a document type, which OAI-PMH has not",
        Demand.SAFE,
        "parses it, or refuses it, without fetching anything",
        at="",
        protocols=(OAI,),
        preset={"kind": "plain"},
    ),
    Named(
        "entity-bomb",
        Doctype,
        "declares entities that grow to gigabytes (billion laughs)",
        Demand.SAFE,
        "does not expand entities",
        at="page=2",
        lessons=(27,),
        protocols=(OAI,),
        preset={"kind": "bomb"},
    ),
    Named(
        "entity-file",
        Doctype,
        "declares an entity that is a file of the machine that reads it",
        Demand.SAFE,
        "reads no file, and lets none into a record",
        at="page=2",
        protocols=(OAI,),
        preset={"kind": "file"},
    ),
    Named(
        "prefixed",
        Prefixed,
        "writes all elements of OAI-PMH with a prefix, as pycsw does",
        Demand.COMPLETE,
        "goes by namespaces, not by prefixes",
        at="",
        lessons=(28,),
        protocols=(OAI,),
    ),
    Named(
        "leading-space",
        Before,
        "begins with an empty line before the XML declaration",
        Demand.SAFE,
        "fails, or reads it all the same",
        at="",
        protocols=(OAI,),
        preset={"text": "\n", "after": False},
    ),
    Named(
        "trailing-text",
        Before,
        "puts a warning of PHP after the document",
        Demand.SAFE,
        "fails, or reads it all the same",
        at="page=2",
        preset={"after": True},
        defaults={"text": "<br /><b>Warning</b>: mysql_close()"},
    ),
    Named(
        "clock-ahead",
        Clock,
        "has a clock that is an hour ahead",
        Demand.COMPLETE,
        "goes by responseDate where it asks what is new",
        at="",
        lessons=(25,),
    ),
    Named(
        "clock-behind",
        Clock,
        "has a clock that is an hour behind",
        Demand.COMPLETE,
        "does not count a window as done that the source thinks is still open",
        at="",
        lessons=(25,),
        defaults={"seconds": -3600},
    ),
)
