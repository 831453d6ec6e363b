"""Authenticate requests at a source: bearer token, user and password, API key, OAuth 2.0 client credentials.

Each kind is one class. It adds its credentials to a request when the request is sent. So no URL, text or spooled page
has them before that, and a redirect to another host receives none.

`SessionAuth` is the authentication of one session: it decides which requests receive the credentials, and it holds the
token that an OAuth server issued.
"""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote_plus, urlsplit

from harvest_dagster.errors import HttpStatusError, MalformedResponse, SourceError
from harvest_dagster.http.error_mapping import invalid_header_error
from harvest_dagster.http.transport.headers import find_fault
from harvest_dagster.http.transport.redirects import RedirectStep, token_step
from harvest_dagster.masking import build_masker
from harvest_dagster.texts import MASK

if TYPE_CHECKING:
    from oauthlib.oauth2 import BackendApplicationClient

_UNAUTHORIZED = 401
_MAX_ISSUED = 10  # tokens that are masked: a server may issue one for each request
# The statuses of a server that does not accept the client's credentials (RFC 6749, section 5.2).
_CLIENT_REFUSED = frozenset({400, 401})
_MARK = re.compile(rf"{re.escape(MASK)}\d+{re.escape(MASK)}")


class Auth(ABC):
    """One kind of authentication, with its credentials."""

    @property
    @abstractmethod
    def secrets(self) -> tuple[str, ...]:
        """The texts that must reach no log, no page and no other host, in an order that does not depend on them."""

    @abstractmethod
    def apply(self, step: RedirectStep) -> RedirectStep:
        """Return the request with the credentials."""

    def strip(self, step: RedirectStep) -> RedirectStep:
        """Return the request without credentials that a link or a redirect of the source repeats."""
        return step


@dataclass(frozen=True)
class BearerAuth(Auth):
    """A token in the header Authorization (RFC 6750, section 2.1)."""

    token: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token, alone and as it is sent."""
        return self.token, f"Bearer {self.token}"

    def apply(self, step: RedirectStep) -> RedirectStep:
        """Return the request with the token."""
        return _with_header(step, "Authorization", f"Bearer {self.token}")


@dataclass(frozen=True)
class BasicAuth(Auth):
    """User and password in the header Authorization (RFC 7617), in UTF-8."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password, and both as they are sent. Without a password, the user is the secret."""
        return self.password or self.username, f"{self.username}:{self.password}"

    def apply(self, step: RedirectStep) -> RedirectStep:
        """Return the request with user and password."""
        return _with_header(step, "Authorization", _basic(self.username, self.password))


@dataclass(frozen=True)
class ApiKeyAuth(Auth):
    """A key in a header, or in a parameter of the query.

    Attributes:
        name: Name of the header or parameter.
        value: The key.
        in_query: Whether the key is a parameter.
    """

    name: str
    value: str = field(repr=False)
    in_query: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key, and in a query also with its name: a short key alone is not masked in a page."""
        return (self.value, f"{self.name}={self.value}") if self.in_query else (self.value,)

    def apply(self, step: RedirectStep) -> RedirectStep:
        """Return the request with the key."""
        if not self.in_query:
            return _with_header(step, self.name, self.value)
        stripped = self.strip(step)
        parts = urlsplit(stripped.url)
        pair = f"{quote_plus(self.name)}={quote(self.value, safe='')}"
        return replace(stripped, url=parts._replace(query=f"{parts.query}&{pair}".lstrip("&")).geturl())

    def strip(self, step: RedirectStep) -> RedirectStep:
        """Return the request without the key: a source repeats our query in its links."""
        parts = urlsplit(step.url)
        if not self.in_query or not parts.query:
            return step
        query = "&".join(pair for pair in parts.query.split("&") if not self._is_key(pair))
        return replace(step, url=parts._replace(query=query).geturl())

    def _is_key(self, pair: str) -> bool:
        """Return whether a pair of the query is the key, or a mark in its place (`http.transport.secret_echoes`)."""
        name = unquote_plus(pair.partition("=")[0])
        return name == self.name or bool(_MARK.fullmatch(name))


@dataclass(frozen=True)
class OAuth2ClientCredentials(Auth):
    """The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).

    Attributes:
        token_url: URL of the token endpoint.
        client_id: Identifies us there.
        client_secret: The password of the client.
        scope: The scopes, separated by blanks; empty for the default of the server.
        token: The issued token; empty before there is one.
    """

    token_url: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    scope: str = ""
    token: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret of the client, and its credentials as they are sent. An issued token is added by SessionAuth."""
        return self.client_secret, f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"

    def apply(self, step: RedirectStep) -> RedirectStep:
        """Return the request with the issued token."""
        return _with_header(step, "Authorization", f"Bearer {self.token}")

    def token_requests(self) -> tuple[RedirectStep, RedirectStep]:
        """Return the request for a token in the two forms of RFC 6749, section 2.3.1.

        The first one has the client's credentials in the header, as each server must accept them. Some servers accept
        them only in the body.
        """
        client = _oauth_client(self.client_id)
        in_header = client.prepare_request_body(scope=self.scope or None)
        in_body = client.prepare_request_body(
            scope=self.scope or None, include_client_id=True, client_secret=self.client_secret
        )
        basic = _basic(quote_plus(self.client_id), quote_plus(self.client_secret))
        return (
            token_step(self.token_url, in_header, {"Authorization": basic}),
            token_step(self.token_url, in_body, {}),
        )

    def parse_token(self, body: bytes) -> tuple[str, float]:
        """Return the token of a response, and the seconds for which it is valid.

        Raises:
            MalformedResponse: The response contains no bearer token. The message quotes nothing of it.
        """
        host = urlsplit(self.token_url).netloc.rpartition("@")[2]
        failure: str | None = None
        try:
            answer = _oauth_client(self.client_id).parse_request_body_response(
                body.decode("utf-8", "replace")
            )
            token, lifetime = answer["access_token"], answer.get("expires_in")
        except Exception as error:
            failure = type(error).__name__
        else:
            if (
                isinstance(token, str)
                and token
                and str(answer.get("token_type", "bearer")).lower() == "bearer"
            ):
                return token, float(lifetime) if isinstance(lifetime, (int, float)) else inf
            failure = "it is not a bearer token"
        message = (
            f"{host}: the response to the request for a token cannot be used ({failure}). Check token_url and scope in"
            " `auth`."
        )
        raise MalformedResponse(message)


class SessionAuth:
    """The authentication of one session.

    Args:
        auth: The kind and the credentials; None for no authentication.
        hosts: The hosts that receive the credentials. If it is empty, the host of the first request receives them.
        send: Sends a request for a token within the budget of its host, and returns the body of the response.
        on_issued: Called with each issued token, before it is used.
        clock: Returns seconds, for the lifetime of a token.
    """

    def __init__(
        self,
        auth: Auth | None,
        hosts: frozenset[str],
        *,
        send: Callable[[RedirectStep], bytes],
        on_issued: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._auth = auth
        self._hosts = hosts
        self._send = send
        self._on_issued = on_issued
        self._clock = clock
        self._expires = inf
        self._issued: list[str] = []
        self._is_in_body = False
        self._secrets = auth.secrets if auth else ()
        self._mask = build_masker(self._secrets)

    def mask(self, text: str) -> str:
        """Return a text with the credentials and all issued tokens masked."""
        return self._mask(text)

    def first(self, step: RedirectStep) -> RedirectStep:
        """Return the request of a harvester, without credentials that a link of the source repeats."""
        if self._auth is None:
            return step
        self._hosts = self._hosts or frozenset({step.host})
        return self._auth.strip(step)

    def follow(self, step: RedirectStep, target: RedirectStep) -> RedirectStep:
        """Return the request to which a redirect leads, without credentials that the redirect repeats."""
        if self._auth is None:
            return target
        target = self._auth.strip(target)
        return target if target.host == step.host else replace(target, url=self._without_secrets(target.url))

    def prepare(self, step: RedirectStep) -> None:
        """Fetch a token if the request needs one and there is none, or if the token has expired.

        Raises:
            SourceError: The server issues no token.
        """
        auth = self._auth
        if not (isinstance(auth, OAuth2ClientCredentials) and self._applies_to(step)):
            return
        if not auth.token or self._clock() >= self._expires:
            self._fetch_token(auth)

    def apply(self, step: RedirectStep) -> RedirectStep:
        """Return the request as it is sent: with the credentials, if its host may receive them.

        Raises:
            SourceUnreachable: A header cannot be sent.
        """
        if self._auth is None or not self._applies_to(step):
            return step
        applied = self._auth.apply(step)
        if (fault := find_fault(applied.headers)) is not None:
            raise invalid_header_error(fault)
        return applied

    def forget_refused_token(self, step: RedirectStep, error: SourceError) -> bool:
        """Return whether a request may succeed with a new token, because the source refused the issued one."""
        auth = self._auth
        is_refused = isinstance(error, HttpStatusError) and error.status == _UNAUTHORIZED
        if not (is_refused and isinstance(auth, OAuth2ClientCredentials) and self._applies_to(step)):
            return False
        self._auth = replace(auth, token="")
        return True

    def _applies_to(self, step: RedirectStep) -> bool:
        return step.is_trusted and not step.is_token_request and step.host in self._hosts

    def _fetch_token(self, auth: OAuth2ClientCredentials) -> None:
        began = self._clock()
        token, lifetime = auth.parse_token(self._request_token(auth))
        self._issued = [token, *self._issued[: _MAX_ISSUED - 1]]
        self._mask = build_masker((*self._secrets, *self._issued))
        self._on_issued(token)
        self._auth, self._expires = replace(auth, token=token), began + lifetime

    def _request_token(self, auth: OAuth2ClientCredentials) -> bytes:
        in_header, in_body = auth.token_requests()
        if self._is_in_body:
            return self._send(in_body)
        try:
            return self._send(in_header)
        except HttpStatusError as error:
            if error.status not in _CLIENT_REFUSED:
                raise
            refused = error
        try:
            body = self._send(in_body)
        except HttpStatusError:
            raise refused from None
        self._is_in_body = True
        return body

    def _without_secrets(self, url: str) -> str:
        """Return the URL with the credentials masked in its path and query, in any spelling."""
        parts = urlsplit(url)
        path, query = (self._mask(text) for text in (parts.path, parts.query))
        return parts._replace(path=path, query=query).geturl()


def _with_header(step: RedirectStep, name: str, value: str) -> RedirectStep:
    """Return the request with a header in place of another one of this name, and of user and password in its URL."""
    headers = {each: text for each, text in step.headers.items() if each.lower() != name.lower()}
    is_authorization = name.lower() == "authorization"
    return replace(step, headers={**headers, name: value}, auth=None if is_authorization else step.auth)


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _oauth_client(client_id: str) -> BackendApplicationClient:
    from oauthlib.oauth2 import BackendApplicationClient  # noqa: PLC0415 - 60 modules, and few sources use OAuth

    return BackendApplicationClient(client_id=client_id)
