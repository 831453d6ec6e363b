"""Bodies that are something else than what was asked for, under a status that says all is well, or not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harvest_dagster.simulator.behaviours.base import JSON, OAI, Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every
from harvest_dagster.simulator.exchange import Request, Response

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
class Html(Behaviour):
    """A web page, by default one of maintenance with status 200, as DOAJ and others sent them."""

    status: int = parameter(200, "of HTTP")
    page: str = parameter("maintenance", "what it shows", tuple(_PAGES))
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: ARG002, D102
        body = f"<!DOCTYPE html>\n<html><head>{_PAGES[self.page]}</body></html>\n".encode()
        return Response(body, self.status, _HTML)


@dataclass(frozen=True)
class Body(Behaviour):
    """A body of a text that is always the same, under the headers of a good answer."""

    text: str = parameter("", "the body")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        return replace(answer(request), body=self.text.encode(), page=None)


@dataclass(frozen=True)
class WrongVerb(Behaviour):
    """The answer to another verb, as caches in front of a repository gave it."""

    verb: str = parameter("Identify", "whose answer it is", ("Identify", "ListSets", "ListIdentifiers"))
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        prefix = (("metadataPrefix", "oai_dc"),) if self.verb == "ListIdentifiers" else ()
        return answer(replace(request, arguments=(("verb", self.verb), *prefix)))


@dataclass(frozen=True)
class OtherRepository(Behaviour):
    """The answer of another repository on the same machine: its address, its records."""

    host: str = parameter("other.example.org", "that of the records")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        whole = answer(request)
        body = whole.body.replace(b"repository.example.org", self.host.encode())
        return replace(whole, body=body.replace(b"</request>", b"/other</request>"))


ENTRIES = (
    Named(
        "html-maintenance",
        Html,
        "a maintenance page, status 200",
        Demand.SAFE,
        "never takes HTML for an empty list",
        at="page=2",
        lessons=(1,),
        preset={"page": "maintenance"},
    ),
    Named(
        "html-login",
        Html,
        "a login page, status 200",
        Demand.SAFE,
        "never takes HTML for an empty list, and says that it is a login page",
        at="page=2",
        lessons=(1,),
        preset={"page": "login"},
    ),
    Named(
        "html-bot-wall",
        Html,
        "the page of a bot wall",
        Demand.SAFE,
        "says that a bot wall is in the way",
        at="page=2",
        lessons=(33,),
        preset={"page": "bot-wall"},
        defaults={"status": 403},
    ),
    Named(
        "html-busy",
        Html,
        "a maintenance page, status 503",
        Demand.COMPLETE,
        "asks again, with a pause",
        lessons=(20,),
        preset={"page": "maintenance"},
        defaults={"status": 503},
    ),
    Named(
        "empty-body",
        Body,
        "no body at all, status 200",
        Demand.SAFE,
        "never takes nothing for an empty list",
        at="page=2",
        lessons=(1,),
        preset={"text": ""},
    ),
    Named(
        "blank-body",
        Body,
        "a body of white space, status 200",
        Demand.SAFE,
        "never takes nothing for an empty list",
        at="page=2",
        lessons=(1,),
        preset={"text": "\n \n"},
    ),
    Named(
        "error-as-200",
        Body,
        "a JSON object with an error and no records, status 200",
        Demand.SAFE,
        "wants the list to be there, empty or not",
        at="page=2",
        lessons=(1,),
        protocols=(JSON,),
        preset={"text": '{"error": "backend unavailable"}'},
    ),
    Named(
        "wrong-verb",
        WrongVerb,
        "the answer to another verb",
        Demand.SAFE,
        "looks for the verb that it asked",
        at="page=2",
        protocols=(OAI,),
    ),
    Named(
        "other-repository",
        OtherRepository,
        "the answer of another repository: other base URL, other identifiers",
        Demand.SAFE,
        "notices that the base URL in <request> is another one than on the page before",
        at="page=2",
        protocols=(OAI,),
    ),
)
