"""From one page of a JSON list to the next: requests, and what a page says of the one after it.

A cursor's token is what the source gave, or our count. A link's is its URL, in which the parameters that the
config sends anyway are replaced by their names, as they came or masked by the session (`http.echoes`): sources echo
API keys, and tokens are written to the spool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from harvest_dagster.errors import EndlessList, ProtocolError
from harvest_dagster.harvesters.json_list_arguments import FROM, NEXT, UNTIL, JsonListArguments
from harvest_dagster.harvesters.json_paths import find
from harvest_dagster.limits import host_of
from harvest_dagster.texts import MASK


@dataclass(frozen=True)
class Pager:
    """The requests of one list.

    Attributes:
        arguments: of the source.
        start: what `{from}` stands for.
        end: what `{until}` stands for.
    """

    arguments: JsonListArguments
    start: str
    end: str

    def request(self, token: str | None) -> tuple[str, dict[str, str]]:
        """URL and parameters of the page of a token; None asks for the first."""
        paging = self.arguments.next
        if paging.by == "link" and token is not None:
            return self._filled(token), {}
        params, turn = self._params, paging.start if token is None else token
        if paging.param is not None and turn is not None:
            params[paging.param] = turn
        return self._dated(self.arguments.base_url).replace(NEXT, quote(turn or "", safe="")), params

    def following(self, token: str | None, count: int, document: Any, *, url: str) -> str | None:
        """The token of the page after this one; None at the end of the list.

        Args:
            token: of this page, None for the first.
            count: how many records it holds.
            document: what it says.
            url: how it was asked, redacted; for messages.

        Raises:
            EndlessList: an empty page that leads to itself.
            ProtocolError: a link to another host; a cursor that is no text; none where only an empty page is
                the end.
        """
        paging = self.arguments.next
        if count == 0 and paging.ends != "no_next":
            return None
        if not paging.is_given:
            return str(int(token or paging.start or 0) + (count if paging.by == "offset" else 1))
        found = self._given(document, url)
        if found is None and paging.ends == "empty_page":
            message = (
                f"{url} answered with {count} records and no {paging.by} at {paging.path}, and only an empty page "
                "ends this list. If the source ends it so, set end: either in `next`."
            )
            raise ProtocolError(message)
        following = found if found is None or paging.by == "cursor" else self._link(found, url)
        if following is not None and following == token and count == 0:
            message = (
                f"{url} answered with no records and with the {paging.by} that was sent: the list would never end. "
                "If the source ends it so, set end: either in `next`."
            )
            raise EndlessList(message)
        return following

    @property
    def _params(self) -> dict[str, str]:
        return {name: self._dated(text) for name, text in self.arguments.params.items()}

    def _dated(self, text: str) -> str:
        return text.replace(FROM, self.start).replace(UNTIL, self.end)

    def _given(self, document: Any, url: str) -> str | None:
        paging = self.arguments.next
        found = find(document, paging.path or "")
        if found is None or found == "" or found is False:
            return None
        if not isinstance(found, str):  # a number is a text, too
            message = f"{url} has no text at {paging.path}, where its {paging.by} should be. Check `path` in `next`."
            raise ProtocolError(message)
        return str(found)

    def _link(self, found: str, url: str) -> str:
        base = self._dated(self.arguments.base_url)
        try:
            link = urlsplit(urljoin(base, found.strip()))
            is_ours = link.scheme in {"http", "https"} and host_of(link.geturl()) == host_of(base)
        except ValueError:  # a port that is none, half of an IPv6 address
            is_ours = False
        if not is_ours:
            message = (
                f"{url} says that its next page is not on {host_of(base)}, and nothing else is asked. "
                "Check base_url, or tell the operator of the source."
            )
            raise ProtocolError(message)
        ours = self._params
        pairs = [
            (name, f"{{{name}}}" if name in ours and (value == ours[name] or MASK in value) else value)
            for name, value in parse_qsl(link.query, keep_blank_values=True)
        ]
        # Behind a proxy that ends TLS, sources write http; what we send stays as private as the config has it. And
        # no link says as whom we ask.
        scheme, netloc = urlsplit(base).scheme, _host(link.netloc)
        return link._replace(scheme=scheme, netloc=netloc, query=urlencode(pairs), fragment="").geturl()

    def _filled(self, link: str) -> str:
        parts, ours = urlsplit(link), self._params
        pairs = [
            (name, ours.get(name, value) if value == f"{{{name}}}" else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ]
        user, at, _ = urlsplit(self.arguments.base_url).netloc.rpartition("@")
        return parts._replace(netloc=f"{user}{at}{_host(parts.netloc)}", query=urlencode(pairs)).geturl()


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2]
