"""The harvester of OAI-PMH 2.0: its arguments, its client and its parser.

Specification: http://www.openarchives.org/OAI/openarchivesprotocol.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.harvesters.interface import Harvester, Session
from harvest_dagster.harvesters.oai.arguments import OaiArguments

if TYPE_CHECKING:
    from harvest_dagster.harvesters.oai.client import OaiClient
    from harvest_dagster.harvesters.oai.header_list import OaiHeaderClient, OaiHeaderParser
    from harvest_dagster.harvesters.oai.parser import OaiParser


class OaiHarvester(Harvester):
    """Harvests one OAI-PMH 2.0 repository."""

    VERSION = 2
    Arguments = OaiArguments
    arguments: OaiArguments

    def client(self, session: Session) -> OaiClient:
        """Return a client of the repository. It requests Identify once, before its first list."""
        # Loading the catalog needs only the arguments.
        from harvest_dagster.harvesters.oai.client import OaiClient  # noqa: PLC0415 - takes 0.05 s

        return OaiClient(self.arguments, session, self.limits)

    def parser(self) -> OaiParser:
        """Return a parser for the pages of the repository."""
        from harvest_dagster.harvesters.oai.parser import OaiParser  # noqa: PLC0415 - see `client`

        return OaiParser(self.arguments, self.limits)

    def header_client(self, session: Session) -> OaiHeaderClient:
        """Return a client that requests ListIdentifiers."""
        from harvest_dagster.harvesters.oai.header_list import OaiHeaderClient  # noqa: PLC0415 - see `client`

        return OaiHeaderClient(self.arguments, session, self.limits)

    def header_parser(self) -> OaiHeaderParser:
        """Return a parser for the pages of ListIdentifiers."""
        from harvest_dagster.harvesters.oai.header_list import OaiHeaderParser  # noqa: PLC0415 - see `client`

        return OaiHeaderParser(self.arguments, self.limits)
