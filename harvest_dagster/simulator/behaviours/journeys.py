"""Redirects, and cookies that have to be brought back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from harvest_dagster.simulator.behaviours.base import Answer, Behaviour, Demand, Named, parameter
from harvest_dagster.simulator.conditions import When, every
from harvest_dagster.simulator.exchange import MOVED, Request, Response

_TARGETS = {
    "same-host": "{root}" + MOVED + "{rest}",
    # Another name of the same machine is another host to every client.
    "other-host": "http://localhost:{port}" + MOVED + "{rest}",
    "relative": MOVED + "{rest}",
    "loop": "{root}{rest}",
    "file": "file:///etc/passwd",
    "ftp": "ftp://127.0.0.1/list.xml",
    "nowhere": "",
}


@dataclass(frozen=True)
class Redirect(Behaviour):
    """Sends the client elsewhere; `/moved` before a path of this server gives what the path would."""

    to: str = parameter("same-host", "where to", tuple(_TARGETS))
    status: int = parameter(302, "of HTTP")
    location: str = parameter("", "a URL that is used instead")
    when: When = every

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        if request.path.startswith(MOVED):
            return answer(request)
        host = request.header("Host")
        rest = f"{request.path}?{urlencode(request.arguments)}"
        target = self.location or _TARGETS[self.to].format(
            root=f"http://{host}", port=host.rpartition(":")[2], rest=rest
        )
        return Response(b"", self.status, {"Location": target} if target else {})


@dataclass(frozen=True)
class Cookie(Behaviour):
    """A first page sets a cookie; a token without it, or with one that was replaced, is refused with 403."""

    when: When = every
    _issued: set[str] = field(default_factory=set, init=False, repr=False)

    def apply(self, request: Request, answer: Answer) -> Response:  # noqa: D102
        brought = {part.strip().partition("=")[2] for part in request.header("Cookie").split(";")}
        if request.token and not brought & self._issued:
            return Response(
                b"<html><body>Session expired</body></html>\n", 403, {"Content-Type": "text/html"}
            )
        session = f"s{request.number}"
        self._issued.add(session)
        return answer(request).with_headers(Set_Cookie=f"session={session}; Path=/; HttpOnly")


def _redirect(to: str, about: str, demand: Demand, proves: str) -> Named:
    return Named(f"redirect-{to}", Redirect, about, demand, proves, preset={"to": to, "location": ""})


_NEVER = "never leaves http and https"
ENTRIES = (
    _redirect("same-host", "redirects to another path", Demand.COMPLETE, "follows it, within its budget"),
    _redirect(
        "relative", "redirects to a path without host", Demand.COMPLETE, "follows it, within its budget"
    ),
    _redirect(
        "other-host", "redirects to another host", Demand.SAFE, "takes no credentials and cookies there"
    ),
    replace(
        _redirect("loop", "redirects to itself, for ever", Demand.SAFE, "has a bound for redirects"),
        at="page=2",
    ),
    _redirect("file", "redirects to a file of the client's machine", Demand.SAFE, _NEVER),
    _redirect("ftp", "redirects to ftp", Demand.SAFE, _NEVER),
    _redirect("nowhere", "redirects without a Location", Demand.SAFE, "never takes it for an empty list"),
    Named(
        "cookie",
        Cookie,
        "wants the cookie of the first page with every token",
        Demand.COMPLETE,
        "keeps cookies for a harvest, and no longer",
        at="list",
    ),
)
