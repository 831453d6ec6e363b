"""Pagination of a REST API: the request for each page, and the token of the next page.

The token is the cursor or the link that the page contains, or the number that the harvester counts. Sources echo our
query in their links, with the API key in it, and tokens are written to the spool. So in the token of a link, the value
of each parameter that the config sends is replaced by the parameter's name in braces. That also applies to a value
that the session has masked (`http.transport.secret_echoes`).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

from harvest_dagster.errors import PaginationLoop, ProtocolError
from harvest_dagster.harvesters.formats.page_limits import raise_if_long_token
from harvest_dagster.harvesters.rest.arguments import RestArguments
from harvest_dagster.harvesters.rest.lists.page_metadata import describe_value
from harvest_dagster.harvesters.rest.lists.state import ListState, PageContent
from harvest_dagster.harvesters.rest.paths import find
from harvest_dagster.harvesters.rest.placeholders import Values
from harvest_dagster.rate_limits import host_of
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.texts import MASK


@dataclass(frozen=True)
class PageRequest:
    """The request for one page.

    Attributes:
        url: its URL, without the parameters.
        params: the parameters of its query.
        body: its content as JSON; None for a request without content.
    """

    url: str
    params: dict[str, str]
    body: bytes | None


@dataclass(frozen=True)
class Pager:
    """The requests of one list.

    Attributes:
        arguments: arguments of the source.
        values: the dates of the list.
        limits: what a page may cost.
    """

    arguments: RestArguments
    values: Values
    limits: ResponseLimits

    def request(self, token: str | None) -> PageRequest:
        """Return the request for a page. The token None stands for the first page."""
        paging = self.arguments.next
        if paging.has_links and token is not None:
            return PageRequest(self._with_config_values(token), {}, self._body(None))
        value = paging.first_value if token is None else token
        quoted = None if value is None else quote(value, safe="")
        url = replace(self.values, token=quoted).fill(self.arguments.base_url)
        query, body = self._query, self._body(value)
        if paging.param is not None and value is not None:
            query.append((paging.param, value))
        params = dict(query)
        # A session takes each parameter once. Repeated ones are a part of the URL.
        if len(params) == len(query):
            return PageRequest(url, params, body)
        return PageRequest(f"{url}?{urlencode(query)}", {}, body)

    def _body(self, token: str | None) -> bytes | None:
        """Return the content of a request, the same for each page of a list whose pages have links."""
        if self.arguments.body is None:
            return None
        is_number = not self.arguments.next.is_read_from_page
        values = replace(self.values, token=token, is_number=is_number)
        return json.dumps(values.fill_json(self.arguments.body)).encode()

    def next_token(self, token: str | None, page: PageContent, state: ListState) -> str | None:
        """Return the token of the next page, or None at the end of the list.

        Args:
            token: token of this page, None for the first page.
            page: this page.
            state: the list before this page.

        Raises:
            PaginationLoop: this page is empty and contains its own cursor or link. Once, such a page was requested
                583 times in half a minute.
            ProtocolError: the link leads to another host, the cursor is not a text, or the cursor is missing although
                there are more records, or only an empty page may end the list.
        """
        paging = self.arguments.next
        if page.count == 0 and paging.list_end != "no_next" and not page.more:
            return None
        if not paging.is_read_from_page:
            return str(int(token or paging.first_value or 0) + self._step(page, state))
        # With a number, an empty page shows the end as well, and some sources report only their own limit in the flag.
        if page.more is False:
            return None
        found = self._find_token(page)
        if found is None and (page.more or paging.list_end == "empty_page"):
            raise ProtocolError(self._no_token(page))
        next_token = found if found is None or paging.by == "cursor" else self._token_of_link(found, page.url)
        if next_token is not None and next_token == token and page.count == 0:
            message = (
                f"{page.url} answered with no records and repeated the {paging.by} of the request. The list would "
                "never end. If the source ends a list this way, set end: either in `next`."
            )
            raise PaginationLoop(message)
        return next_token

    def _step(self, page: PageContent, state: ListState) -> int:
        """Return how far the number of the next page is from that of this page.

        A record that comes twice on a page counts once, and a line that cannot be parsed does not count: the source may
        count them so, too, and more would skip a record. Less only requests a record again.
        An empty page that announces more is as long as the longest page so far. The source may have left out all its
        records. A larger step could skip some.
        """
        if self.arguments.next.by == "page":
            return 1
        step = page.distinct_records or page.count or state.largest_page
        if step == 0:
            message = (
                f"{page.url} has no records, but says that there are more. The next offset is not known before a page "
                "has records. Request pages by number (by: page), if the source can."
            )
            raise ProtocolError(message)
        return step

    def _no_token(self, page: PageContent) -> str:
        paging = self.arguments.next
        if page.more:
            reason = "says that there are more. Check `next`"
        else:
            reason = "only an empty page ends this list. If a list may also end this way, set end: either in `next`"
        return (
            f"{page.url} answered with {page.count} records and no {paging.by} at {paging.place}, but {reason}. "
            f"The page has {describe_value(page.document)}."
        )

    @property
    def _query(self) -> list[tuple[str, str]]:
        """Return the name and the value of each parameter of the config. A repeated one has several pairs."""
        return [
            (name, self.values.fill(text))
            for name, value in self.arguments.params.items()
            for text in ((value,) if isinstance(value, str) else value)
        ]

    @property
    def _single_params(self) -> dict[str, str]:
        """Return the parameters of the config that are not repeated. A link keeps the values of repeated ones."""
        query = self._query
        names = Counter(name for name, _ in query)
        return {name: text for name, text in query if names[name] == 1}

    def _find_token(self, page: PageContent) -> str | None:
        paging, url = self.arguments.next, page.url
        found = page.next_link if paging.by == "link_header" else find(page.document, paging.path or "")
        if found is None or found == "" or found is False:
            return None
        if not isinstance(found, str):  # a Number is a str, too
            message = f"{url} has no text at {paging.path}, where the {paging.by} should be. Check `path` in `next`."
            raise ProtocolError(message)
        raise_if_long_token(found, paging.by, url=url, limits=self.limits)
        return str(found)

    def _token_of_link(self, found: str, url: str) -> str:
        """Return a page's link as a token: absolute, with our scheme, and without our parameters' values.

        A source behind a proxy that terminates TLS writes http into its links; with the scheme of the config, the
        request stays encrypted. User and password in a link are dropped: they would replace our credentials.
        """
        base = self.values.fill(self.arguments.base_url)
        try:
            link = urlsplit(urljoin(base, found.strip()))
            is_same_host = link.scheme in {"http", "https"} and host_of(link.geturl()) == host_of(base)
        except ValueError:  # such as a port that is not a number, or half of an IPv6 address
            is_same_host = False
        if not is_same_host:
            message = (
                f"{url} answered with a link to its next page that is not on {host_of(base)}. Only that host is asked, "
                "because the headers may contain a key. Check base_url, or tell the operator of the source."
            )
            raise ProtocolError(message)
        params = self._single_params
        query = [
            (name, f"{{{name}}}" if name in params and (value == params[name] or MASK in value) else value)
            for name, value in parse_qsl(link.query, keep_blank_values=True)
        ]
        scheme, netloc = urlsplit(base).scheme, _without_user(link.netloc)
        return link._replace(scheme=scheme, netloc=netloc, query=urlencode(query), fragment="").geturl()

    def _with_config_values(self, token: str) -> str:
        """Return the URL for the token of a link: with the values of our parameters, our user and our password."""
        link, params = urlsplit(token), self._single_params
        query = [
            (name, params.get(name, value) if value == f"{{{name}}}" else value)
            for name, value in parse_qsl(link.query, keep_blank_values=True)
        ]
        user, at, _ = urlsplit(self.arguments.base_url).netloc.rpartition("@")
        return link._replace(
            netloc=f"{user}{at}{_without_user(link.netloc)}", query=urlencode(query)
        ).geturl()


def _without_user(netloc: str) -> str:
    return netloc.rpartition("@")[2]
