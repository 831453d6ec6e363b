"""The arguments of a sitemap: `harvester_kwargs` of the harvester `sitemap`, explained in docs/sitemap.md."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator

from harvest_dagster.harvesters.interface import Arguments, NotDeciding
from harvest_dagster.harvesters.request_headers import validate_headers

_HOST = re.compile(r"[a-z0-9.-]+(:\d+)?")


class SitemapArguments(Arguments):
    """`harvester_kwargs` of a sitemap.

    Attributes:
        base_url: http or https URL of a sitemap or of an index of sitemaps. The URL of a site, without a path, stands
            for the sitemaps that its robots.txt names.
        headers: HTTP headers of every request to the host of base_url.
        match: regular expression. Only pages with a URL in which it is found are harvested.
        types: types of schema.org, such as `Dataset`. Only objects of these types are stored. Pages without one of them
            have no record.
        hosts: other hosts, such as `data.example.org`, on which sitemaps and pages may be.
        end_tag: False if the site leaves out the end tag `</html>`. A page without it then no longer counts as cut off.
        trust_index_dates: whether an index is right about when each of its sitemaps changed last. Sitemaps that have
            not changed since the start of the window are then not requested.
        page_size: number of pages that are stored together. After a kill, at most so many are requested again.
    """

    base_url: str
    headers: Annotated[dict[str, str], AfterValidator(validate_headers), NotDeciding()] = Field(
        default_factory=dict
    )
    match: str | None = Field(default=None, min_length=1)
    types: list[str] = Field(default_factory=list)
    hosts: list[str] = Field(default_factory=list)
    end_tag: bool = True
    trust_index_dates: bool = False
    page_size: Annotated[int, NotDeciding()] = Field(default=10, ge=1, le=100)

    @property
    def is_site(self) -> bool:
        """Whether base_url is a site, whose robots.txt names its sitemaps."""
        parts = urlsplit(self.base_url)
        return parts.path in ("", "/") and not parts.query

    @field_validator("base_url")
    @classmethod
    def _validate_base_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
            raise ValueError(
                "base_url must be the http or https URL of a sitemap or of a site, without a fragment"
            )
        return url

    @field_validator("match")
    @classmethod
    def _validate_match(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            message = f"match is no regular expression: {error}. Write a \\ before a character that stands for itself"
            raise ValueError(message) from None
        return pattern

    @field_validator("types")
    @classmethod
    def _validate_types(cls, types: list[str]) -> list[str]:
        if wrong := [name for name in types if not re.fullmatch(r"\w+", name)]:
            raise ValueError(f"a type is a name without a prefix, such as Dataset, and not {wrong[0]!r}")
        return types

    @field_validator("hosts")
    @classmethod
    def _validate_hosts(cls, hosts: list[str]) -> list[str]:
        if wrong := [host for host in hosts if not _HOST.fullmatch(host)]:
            raise ValueError(
                f"a host is a name such as data.example.org, without http://, and not {wrong[0]!r}"
            )
        return hosts
