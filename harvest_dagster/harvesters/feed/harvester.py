"""Feeds as a harvester: the arguments of the YAML, a client and a parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.harvesters.feed.arguments import FeedArguments
from harvest_dagster.harvesters.interface import Harvester, Session

if TYPE_CHECKING:
    from harvest_dagster.harvesters.feed.client import FeedClient, FeedHeaderClient
    from harvest_dagster.harvesters.feed.parser import FeedParser


class FeedHarvester(Harvester):
    """Harvest the entries of one feed: Atom, RSS 2.0 or RSS 1.0."""

    Arguments = FeedArguments
    arguments: FeedArguments

    def client(self, session: Session) -> FeedClient:
        """Return a client of the feed."""
        # Loading the catalog needs only the arguments.
        from harvest_dagster.harvesters.feed.client import FeedClient  # noqa: PLC0415 - feedparser takes 0.5 s

        return FeedClient(self.arguments, session, self.limits)

    def parser(self) -> FeedParser:
        """Return a parser for the documents of the feed."""
        from harvest_dagster.harvesters.feed.parser import FeedParser  # noqa: PLC0415 - see `client`

        return FeedParser(self.arguments, self.limits)

    def header_client(self, session: Session) -> FeedHeaderClient:
        """Return a client of the whole feed that does not fail because older entries have left the feed."""
        from harvest_dagster.harvesters.feed.client import FeedHeaderClient  # noqa: PLC0415 - see `client`

        return FeedHeaderClient(self.arguments, session, self.limits)
