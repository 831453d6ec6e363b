"""Files as a harvester: the arguments of the YAML, a client and a parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harvest_dagster.harvesters.files.arguments import FilesArguments
from harvest_dagster.harvesters.interface import Harvester, Session

if TYPE_CHECKING:
    from harvest_dagster.harvesters.files.client import FilesClient
    from harvest_dagster.harvesters.files.parser import FilesParser


class FilesHarvester(Harvester):
    """Harvest the records of files: JSON Lines, JSON, CSV, XML, or a dump of an OAI-PMH repository."""

    Arguments = FilesArguments
    arguments: FilesArguments

    def client(self, session: Session) -> FilesClient:
        """Return a client of the files."""
        # Loading the catalog needs only the arguments.
        from harvest_dagster.harvesters.files.client import FilesClient  # noqa: PLC0415 - see the comment

        return FilesClient(self.arguments, session, self.limits)

    def parser(self) -> FilesParser:
        """Return a parser for the pages of the files."""
        from harvest_dagster.harvesters.files.parser import FilesParser  # noqa: PLC0415 - see `client`

        return FilesParser(self.arguments, self.limits)
