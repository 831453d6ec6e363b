"""Responses whose body is not what the client requested."""

from __future__ import annotations

import re
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

_PAGES = {
    "maintenance": "<title>Maintenance</title></head><body><h1>Back soon</h1>"
    "<p>The site is down for scheduled maintenance.</p>",
    "login": '<title>Sign in</title></head><body><form action="/login" method="post">'
    '<input name="user"><input name="password" type="password"><button>Log in</button></form>',
    "bot-wall": "<title>Just a moment...</title></head><body><noscript>Enable JavaScript and cookies to "
    'continue</noscript><script src="/cdn-cgi/challenge-platform/h/b/orchestrate/chl_page/v1"></script>',
}
_HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass(frozen=True)
class HtmlPage(Behaviour):
    """Sends a web page. The default is a maintenance page with status 200, which DOAJ and others have sent."""

    status: int = parameter(200, "HTTP status")
    page: str = parameter("maintenance", "the kind of page", tuple(_PAGES))
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: ARG002, D102
        body = f"<!DOCTYPE html>\n<html><head>{_PAGES[self.page]}</body></html>\n".encode()
        return Response(body, self.status, _HTML)


@dataclass(frozen=True)
class FixedBody(Behaviour):
    """Replaces the body by a fixed text and keeps the status and the headers."""

    text: str = parameter("", "the body")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        return replace(handler(request), body=self.text.encode(), page=None)


@dataclass(frozen=True)
class OtherVerbResponse(Behaviour):
    """Sends the response to another verb, as caches in front of repositories have done."""

    verb: str = parameter(
        "Identify", "the verb whose response is sent", ("Identify", "ListSets", "ListIdentifiers")
    )
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        prefix = (("metadataPrefix", "oai_dc"),) if self.verb == "ListIdentifiers" else ()
        return handler(replace(request, arguments=(("verb", self.verb), *prefix)))


@dataclass(frozen=True)
class OtherRepositoryResponse(Behaviour):
    """Sends the response of another repository on the same machine: another base URL and other identifiers."""

    host: str = parameter("other.example.org", "the host name in the identifiers")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        body = response.body.replace(b"repository.example.org", self.host.encode())
        return replace(response, body=body.replace(b"</request>", b"/other</request>"))


@dataclass(frozen=True)
class OtherFormat(Behaviour):
    """Sends records in another metadata format than the requested one, as DSpace did after a token."""

    names_format: bool = parameter(False, "`request` names the other format")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        response = handler(request)
        body = response.body.replace(b"OAI/2.0/oai_dc/", b"OAI/2.0/other/").replace(b"oai_dc:", b"other:")
        body = body.replace(b"xmlns:oai_dc", b"xmlns:other")
        if self.names_format:
            body = re.sub(rb' metadataPrefix="[^"]*"', b"", body, count=1)
            body = body.replace(b"<request", b'<request metadataPrefix="other"', 1)
        return replace(response, body=body)


_HTML_IS_NO_LIST = "A harvester must not treat HTML as an empty list."
_NOTHING_IS_NO_LIST = "A harvester must not treat an empty body as an empty list."
_TRUNCATED = ("truncated-page",)
_OTHER_FORMAT = ("format-changes-after-token",)
ENTRIES = (
    NamedBehaviour(
        "html-maintenance",
        HtmlPage,
        "The server sends a maintenance page with status 200.",
        Contract.COMPLETE_OR_FAIL,
        _HTML_IS_NO_LIST,
        condition="page=2",
        failures=_TRUNCATED,
        preset={"page": "maintenance"},
    ),
    NamedBehaviour(
        "html-login",
        HtmlPage,
        "The server sends a login page with status 200.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must not treat HTML as an empty list, and its error must name the login page.",
        condition="page=2",
        failures=_TRUNCATED,
        preset={"page": "login"},
    ),
    NamedBehaviour(
        "html-bot-wall",
        HtmlPage,
        "The server sends the challenge page of a bot protection.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must report that a bot protection blocks it.",
        condition="page=2",
        failures=("bot-protection",),
        preset={"page": "bot-wall"},
        defaults={"status": 403},
    ),
    NamedBehaviour(
        "html-busy",
        HtmlPage,
        "The server sends a maintenance page with status 503.",
        Contract.COMPLETE,
        "A harvester must pause and repeat the request.",
        failures=("retry-after",),
        preset={"page": "maintenance"},
        defaults={"status": 503},
    ),
    NamedBehaviour(
        "empty-body",
        FixedBody,
        "The server sends an empty body with status 200.",
        Contract.COMPLETE_OR_FAIL,
        _NOTHING_IS_NO_LIST,
        condition="page=2",
        failures=_TRUNCATED,
        preset={"text": ""},
    ),
    NamedBehaviour(
        "blank-body",
        FixedBody,
        "The server sends a body of white space with status 200.",
        Contract.COMPLETE_OR_FAIL,
        _NOTHING_IS_NO_LIST,
        condition="page=2",
        failures=_TRUNCATED,
        preset={"text": "\n \n"},
    ),
    NamedBehaviour(
        "error-as-200",
        FixedBody,
        "The server sends a JSON object with an error and without records, with status 200.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must require the list of records in every response, even if the list is empty.",
        condition="page=2",
        failures=_TRUNCATED,
        protocols=(JSON,),
        preset={"text": '{"error": "backend unavailable"}'},
    ),
    NamedBehaviour(
        "wrong-verb",
        OtherVerbResponse,
        "The server sends the response to another verb.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must require the element of the verb that it requested.",
        condition="page=2",
        protocols=(OAI,),
    ),
    NamedBehaviour(
        "other-repository",
        OtherRepositoryResponse,
        "The server sends the response of another repository, with another base URL and other identifiers.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must compare the base URL in `request` with that of the previous page.",
        condition="page=2",
        protocols=(OAI,),
    ),
    NamedBehaviour(
        "format-changes",
        OtherFormat,
        "The server continues the list in another metadata format.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must compare the namespace of the metadata with that of earlier pages.",
        condition="page=2-",
        failures=_OTHER_FORMAT,
        protocols=(OAI,),
        preset={"names_format": False},
    ),
    NamedBehaviour(
        "format-named",
        OtherFormat,
        "The server continues the list in another metadata format, and `request` names it.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must compare the metadataPrefix in `request` with that of the list.",
        condition="page=2-",
        failures=_OTHER_FORMAT,
        protocols=(OAI,),
        preset={"names_format": True},
    ),
)
