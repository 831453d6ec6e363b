"""Redirects, and cookies that the client must send back."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

from harvest_dagster.testing.simulator.behaviours.base import (
    Behaviour,
    Contract,
    Handler,
    NamedBehaviour,
    parameter,
)
from harvest_dagster.testing.simulator.behaviours.conditions import RequestPredicate, every_request
from harvest_dagster.testing.simulator.serving.messages import REDIRECT_PREFIX, Request, Response

_TARGETS = {
    "same-host": "{root}" + REDIRECT_PREFIX + "{rest}",
    # Every client treats another name of the same machine as another host.
    "other-host": "http://localhost:{port}" + REDIRECT_PREFIX + "{rest}",
    "relative": REDIRECT_PREFIX + "{rest}",
    "no-query": REDIRECT_PREFIX + "{path}",
    "loop": "{root}{rest}",
    "file": "file:///etc/passwd",
    "ftp": "ftp://127.0.0.1/list.xml",
    "nowhere": "",
}


@dataclass(frozen=True)
class Redirect(Behaviour):
    """Redirects the client. A path with the prefix `/moved` gives the same response as the path without it."""

    to: str = parameter("same-host", "the target", tuple(_TARGETS))
    status: int = parameter(302, "HTTP status")
    location: str = parameter("", "a URL that replaces the target")
    when: RequestPredicate = every_request

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        if request.path.startswith(REDIRECT_PREFIX):
            return handler(request)
        host = request.header("Host")
        rest = f"{request.path}?{urlencode(request.arguments)}"
        target = self.location or _TARGETS[self.to].format(
            root=f"http://{host}", port=host.rpartition(":")[2], rest=rest, path=request.path
        )
        return Response(b"", self.status, {"Location": target} if target else {})


@dataclass(frozen=True)
class RequiredCookie(Behaviour):
    """Sets a cookie on every page and refuses a token without such a cookie with 403."""

    when: RequestPredicate = every_request
    _issued: set[str] = field(default_factory=set, init=False, repr=False)

    def apply(self, request: Request, handler: Handler) -> Response:  # noqa: D102
        sent = {part.strip().partition("=")[2] for part in request.header("Cookie").split(";")}
        if request.token and not sent & self._issued:
            return Response(
                b"<html><body>Session expired</body></html>\n", 403, {"Content-Type": "text/html"}
            )
        session = f"s{request.number}"
        self._issued.add(session)
        return handler(request).with_headers(Set_Cookie=f"session={session}; Path=/; HttpOnly")


def _redirect(
    to: str, description: str, contract: Contract, requirement: str, condition: str = "list#2"
) -> NamedBehaviour:
    return NamedBehaviour(
        f"redirect-{to}",
        Redirect,
        description,
        contract,
        requirement,
        condition=condition,
        preset={"to": to, "location": ""},
    )


_FOLLOW = "A harvester must follow the redirect within its request budget."
_HTTP_ONLY = "A harvester must follow only http and https."
ENTRIES = (
    _redirect("same-host", "The server redirects to another path.", Contract.COMPLETE, _FOLLOW),
    _redirect("relative", "The server redirects to a path without a host.", Contract.COMPLETE, _FOLLOW),
    _redirect(
        "other-host",
        "The server redirects to another host.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must not send credentials and cookies to the other host.",
    ),
    NamedBehaviour(
        "redirect-no-query",
        Redirect,
        "The server redirects to another path and drops the query, so that the response is another list or an error.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must compare the query of the new URL with that of the request.",
        condition="list",
        failures=("redirect-drops-query",),
        preset={"to": "no-query", "location": ""},
    ),
    _redirect(
        "loop",
        "The server redirects to the same URL again and again.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must limit the number of redirects.",
        condition="page=2",
    ),
    _redirect(
        "file",
        "The server redirects to a file of the client's machine.",
        Contract.COMPLETE_OR_FAIL,
        _HTTP_ONLY,
    ),
    _redirect("ftp", "The server redirects to an ftp URL.", Contract.COMPLETE_OR_FAIL, _HTTP_ONLY),
    _redirect(
        "nowhere",
        "The server sends a redirect status without a Location.",
        Contract.COMPLETE_OR_FAIL,
        "A harvester must not treat this response as an empty list.",
    ),
    NamedBehaviour(
        "cookie",
        RequiredCookie,
        "The server requires a cookie of an earlier page with every token.",
        Contract.COMPLETE,
        "A harvester must keep cookies for one harvest, and not longer.",
        condition="list",
        needs=("tokens",),
    ),
)
