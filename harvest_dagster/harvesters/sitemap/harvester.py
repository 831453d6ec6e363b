"""Sitemaps as a harvester: the arguments of the YAML, a client and a parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.harvesters.interface import Harvester, Session
from harvest_dagster.harvesters.sitemap.arguments import SitemapArguments

if TYPE_CHECKING:
    from harvest_dagster.harvesters.sitemap.client import SitemapClient
    from harvest_dagster.harvesters.sitemap.parser import SitemapParser


class SitemapHarvester(Harvester):
    """Harvest the JSON-LD of the pages that a website lists in its sitemaps."""

    Arguments = SitemapArguments
    arguments: SitemapArguments

    def client(self, session: Session) -> SitemapClient:
        """Return a client of the website."""
        # Loading the catalog needs only the arguments.
        from harvest_dagster.harvesters.sitemap.client import SitemapClient  # noqa: PLC0415 - see the comment

        return SitemapClient(self.arguments, session, self.limits)

    def parser(self) -> SitemapParser:
        """Return a parser for the pages of the website."""
        from harvest_dagster.harvesters.sitemap.parser import SitemapParser  # noqa: PLC0415 - see `client`

        return SitemapParser(self.arguments, self.limits)

    def header_client(self, session: Session) -> SitemapClient:
        """Return a client of the sitemaps alone. With `types`, only the pages show which of them have a record."""
        from harvest_dagster.harvesters.sitemap.header_list import SitemapHeaderClient  # noqa: PLC0415 - see `client`

        if self.arguments.types:
            return self.client(session)
        return SitemapHeaderClient(self.arguments, session, self.limits)

    def header_parser(self) -> SitemapParser:
        """Return a parser for the pages of this list."""
        from harvest_dagster.harvesters.sitemap.header_list import SitemapHeaderParser  # noqa: PLC0415 - see `client`

        return self.parser() if self.arguments.types else SitemapHeaderParser(self.arguments, self.limits)
